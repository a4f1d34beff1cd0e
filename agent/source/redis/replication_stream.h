// The RDB a Redis server sends to a new replica, received into a content lane.
//
// Hides:      REPLCONF, PSYNC, keepalive newlines, both framings of the RDB: a length, or an end
//             mark of 40 bytes that may straddle reads.
// Invariants: I1  Success means that the framing, the RDB structure and its checksum all say the
//                 RDB is whole; the lane then holds exactly its bytes and waits for End.
//             I2  After an error the lane holds nothing.
// Threading:  one thread; blocks until the server has sent all.
// Errors:     codes below; those of the lane unchanged.
#pragma once

#include <cstdint>
#include <string>

#include "agent/source/redis/rdb_walker.h"
#include "agent/source/redis/redis_connection.h"
#include "agent/source/source.h"

namespace holdfast::redis {

inline constexpr int kSyncForbidden = 2207;  // kPermission: NOPERM, renamed, managed server
inline constexpr int kSyncNotReady = 2208;   // kSource: loading, or a replica without its master
inline constexpr int kSyncRefused = 2209;    // kSource: fork or disk of the server
inline constexpr int kSyncCut = 2210;        // kSource: closed or silent before the end
inline constexpr int kSyncDamaged = 2211;    // kSource: length, mark or checksum do not hold

struct RdbTransfer {
  std::string replication_id;
  std::string offset;
  bool diskless = false;
  std::uint64_t bytes = 0;
};

absl::StatusOr<RdbTransfer> ReceiveRdb(RedisConnection& connection,
                                       source::SnapshotBuilder& builder, source::ContentLane& lane,
                                       RdbWalker& walker, std::stop_token stop);

}  // namespace holdfast::redis
