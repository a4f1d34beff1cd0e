// Loads an RDB stream into a running empty server, record by record.
//
// Hides:      pipelining of RESTORE, databases, functions, keys whose time has passed, clean-up.
// Invariants: as redis_sink.h.
// Threading:  one thread. Errors: kRefused 3203…3206, kSource 3207, kIntegrity of the RDB.
#pragma once

#include <map>

#include "agent/restore/redis/rdb_producer.h"
#include "agent/restore/restore_report.h"
#include "agent/source/redis/redis_connection.h"
#include "common/env/env.h"

namespace holdfast::restore {

class ServerLoader final : private redis::RdbVisitor {
 public:
  // Refuses a target that must not be loaded into (I1).
  static absl::StatusOr<ServerLoader> Open(Env env, const redis::RedisAddress& address,
                                           const RedisContents& contents, std::stop_token stop);
  ServerLoader(ServerLoader&&) = default;

  absl::Status Load(const SnapshotView& view, const RedisContents& contents,
                    RestoreProgress& progress, std::stop_token stop);
  // Compares what the server holds with what was loaded.
  absl::Status Compare(RestoreReport* report);
  std::map<std::uint64_t, redis::RdbDatabase> databases() const;  // what was loaded

  absl::Status ApplyAccounts(const redis::StoredConfig& config);
  absl::Status WarnOfSettings(const redis::StoredConfig& config, RestoreReport* report);

  // Empties what Load filled; returns `cause`, with what could not be cleaned added.
  absl::Status CleanUp(Env env, const absl::Status& cause);

 private:
  struct Loaded {
    redis::RdbDatabase counts;
    std::uint64_t gone_before = 0;               // expired when loading began
    std::map<std::int64_t, std::uint64_t> soon;  // expiring within a day: second → keys
  };

  ServerLoader(redis::RedisConnection connection, redis::ServerInfo info)
      : connection_(std::move(connection)), info_(std::move(info)) {}

  absl::Status Visit(const redis::RdbRecord& record) override;
  absl::Status VisitFunction(ByteView encoded_library) override;
  absl::Status CheckVersion() const;
  absl::Status Drain();
  absl::Status RestoreFunctions();
  absl::StatusOr<std::int64_t> ServerMilliseconds();

  redis::RedisConnection connection_;
  redis::ServerInfo info_;
  const redis::RdbWalker* walker_ = nullptr;  // while Load runs
  std::map<std::uint64_t, Loaded> loaded_;
  Loaded* current_ = nullptr;
  std::uint64_t current_number_ = 0;
  std::int64_t begin_ms_ = 0;
  Bytes functions_;
  bool functions_restored_ = false;
  bool foreign_writer_ = false;
  std::size_t outstanding_ = 0;  // replies not read yet
  std::size_t outstanding_bytes_ = 0;
};

// "52,114 keys in 2 databases"
std::string DescribeKeys(std::uint64_t keys, std::size_t databases);

}  // namespace holdfast::restore
