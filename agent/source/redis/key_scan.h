// The contents of a Redis server read key by key, for servers that allow no replication.
//
// Hides:      SCAN, batches of MULTI DUMP PEXPIRETIME EXEC, keys that SCAN returns twice.
// Invariants: I1  A key that exists from begin to end of the scan is written exactly once, its
//                 value and expiry of the same instant; different keys may be of different
//                 instants.
//             I2  Keys created or deleted meanwhile may be missing.
//             I3  Memory is 16 bytes a key and the table around them: enough to know which keys
//                 were seen.
// Threading:  one thread.
// Errors:     kPermission 2202 naming the rights, else of connection and lane.
#pragma once

#include <map>

#include "agent/source/redis/server_facts.h"
#include "agent/source/source.h"

namespace holdfast::redis {

struct ScanResult {
  std::map<std::uint64_t, RdbDatabase> databases;
  int rdb_version = 0;  // of the payloads
};

// Writes one entry scan/<database>.dump for every database that holds keys.
absl::StatusOr<ScanResult> ScanKeys(RedisConnection& connection, const ServerInfo& info,
                                    source::SnapshotBuilder& builder, std::stop_token stop);

// The attributes that describe `databases` on an entry: keys.0, expires.0, …
void DescribeDatabases(const std::map<std::uint64_t, RdbDatabase>& databases,
                       std::map<std::string, std::string>* attributes);
std::map<std::uint64_t, RdbDatabase> DatabasesOf(
    const std::map<std::string, std::string>& attributes);

}  // namespace holdfast::redis
