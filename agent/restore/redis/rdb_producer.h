// The RDB of a Redis snapshot as a stream of bytes, whichever way the snapshot was taken.
//
// A snapshot by replication holds the RDB itself; one taken key by key holds DUMP payloads, from
// which an equal RDB is composed here, without a server, because a payload is a record's value.
// Invariants: what is produced ends with a correct checksum, or with the one the server wrote.
// Threading:  one thread. Errors: kNotFound 3209 (no Redis snapshot), kIntegrity 3211 (damaged
//             payload), those of the view and of the consumer.
#pragma once

#include <map>

#include "absl/functional/function_ref.h"
#include "agent/source/redis/rdb_walker.h"
#include "agent/source/redis/server_facts.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::restore {

struct RedisContents {
  std::vector<Entry> entries;  // dump.rdb alone, or scan/<database>.dump in order
  bool by_replication = false;
  bool counted = true;  // databases is what the manifest promises
  std::map<std::uint64_t, redis::RdbDatabase> databases;
  redis::StoredConfig config;
  std::uint64_t bytes = 0;
};

absl::StatusOr<RedisContents> FindRedisContents(const SnapshotView& view);

absl::Status ProduceRdb(const SnapshotView& view, const RedisContents& contents,
                        absl::FunctionRef<absl::Status(ByteView)> consume);

}  // namespace holdfast::restore
