// A Redis server as a source: its RDB at one moment, and its configuration.
//
// Entries: dump.rdb (the bytes of a full synchronisation; attributes keys.<db>, expires.<db>,
// functions, rdb_version, checksum), config.json (settings, accounts, functions, facts). A server
// that allows no replication is read key by key into scan/<db>.dump, which is not one moment:
// attribute point_in_time=no and a note.
// Hides:      replication handshake, both transfer forms, repeated synchronisations, fallback.
// Invariants: I1  OK means a whole RDB whose checksum was verified, or noted as "unverified" when
//                 the server writes none.
//             I2  At most three full synchronisations are asked for in one Read: each forks the
//                 server. A changed role or replication id is retried once.
//             I3  Server secrets (requirepass, masterauth, password hashes) are in config.json,
//                 which is sealed like all content, and never in a message.
//             I4  One shard of a cluster is refused; a cluster of one shard is a whole.
// Threading:  one Read at a time. Errors: kUnreachable, kPermission with the line that grants the
//             rights, kSource with what to change on the server; codes 22xx.
#pragma once

#include "agent/source/redis/redis_connection.h"
#include "agent/source/source.h"
#include "common/env/env.h"

namespace holdfast::redis {

struct RedisOptions {
  enum class Mode {
    kAuto,   // replication; key by key when the server does not allow it
    kPsync,  // replication or an error
    kScan,   // key by key
  };
  RedisAddress address;
  Mode mode = Mode::kAuto;
};

class RedisSource final : public source::Source {
 public:
  RedisSource(Env env, RedisOptions options) : env_(env), options_(std::move(options)) {}

  std::string kind() const override { return "redis"; }
  absl::Status Check(std::stop_token stop) override;
  absl::StatusOr<source::SourceResult> Read(source::SnapshotBuilder& builder,
                                            std::stop_token stop) override;

 private:
  absl::Status ReadByReplication(source::SnapshotBuilder& builder, std::stop_token stop,
                                 source::SourceResult* result);
  absl::Status Synchronise(source::SnapshotBuilder& builder, std::stop_token stop,
                           source::SourceResult* result);
  absl::Status ReadByScan(source::SnapshotBuilder& builder, std::stop_token stop,
                          source::SourceResult* result);
  absl::Status AddConfig(source::SnapshotBuilder& builder, std::stop_token stop,
                         source::SourceResult* result);

  Env env_;
  RedisOptions options_;
};

}  // namespace holdfast::redis
