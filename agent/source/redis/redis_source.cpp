#include "agent/source/redis/redis_source.h"

#include <algorithm>

#include "agent/source/redis/key_scan.h"
#include "agent/source/redis/rdb_walker.h"
#include "agent/source/redis/replication_stream.h"
#include "agent/source/redis/server_facts.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr int kSynchronisationsMax = 3;
constexpr int kServerChanged = 2215;  // kSource: failover while the RDB was read
constexpr absl::Duration kFirstRetryPause = absl::Milliseconds(500);
constexpr absl::Duration kLongestRetryPause = absl::Seconds(10);

// The replica identity a server had before the transfer must be the one it has afterwards.
absl::Status SameServer(const ServerInfo& before, const ServerInfo& after,
                        const RdbTransfer& transfer, const RedisAddress& address) {
  const bool same_role = before.role() == after.role();
  // A master that never had a replica takes its replication id at the first synchronisation.
  const bool same_id = transfer.replication_id == after.replication_id();
  if (same_role && same_id) return absl::OkStatus();
  return Error(ErrorKind::kSource, kServerChanged,
               fmt::format("unable to back up redis '{}': its {} changed while it was read",
                           address.Name(), same_role ? "replication id" : "role"),
               "Run the backup again when the failover is over.");
}

std::string Summary(const std::map<std::uint64_t, RdbDatabase>& databases) {
  std::uint64_t keys = 0;
  for (const auto& [number, counts] : databases) keys += counts.keys;
  return fmt::format("{} {} in {} {}", keys, keys == 1 ? "key" : "keys", databases.size(),
                     databases.size() == 1 ? "database" : "databases");
}

// Attributes, notes and summary of a received RDB.
void Describe(const RdbWalker& walker, const RdbTransfer& transfer, Entry* entry,
              source::SourceResult* result) {
  entry->attributes["rdb_version"] = std::to_string(walker.version());
  entry->attributes["checksum"] = walker.checksum_present() ? "crc64" : "none";
  entry->attributes["transfer"] = transfer.diskless ? "diskless" : "disk";
  if (walker.counted()) {
    DescribeDatabases(walker.databases(), &entry->attributes);
    entry->attributes["functions"] = std::to_string(walker.function_count());
    result->summary = Summary(walker.databases());
  } else {
    entry->attributes["counted"] = "no";
    result->notes.push_back(
        fmt::format("keys not counted: the RDB holds type {}, which this version does not know",
                    walker.unknown_type()));
    result->summary = fmt::format("an RDB of {} bytes", transfer.bytes);
  }
  if (!walker.checksum_present()) {
    result->notes.push_back(
        "dump.rdb is unverified: the server writes no checksum (rdbchecksum no)");
  }
}

}  // namespace

absl::Status RedisSource::Check(std::stop_token stop) {
  ASSIGN_OR_RETURN(RedisConnection connection,
                   RedisConnection::Open(env_.clock, options_.address, stop));
  ASSIGN_OR_RETURN(const ServerInfo info, ReadInfo(connection));
  return RefuseShard(connection, info);
}

absl::StatusOr<source::SourceResult> RedisSource::Read(source::SnapshotBuilder& builder,
                                                       std::stop_token stop) {
  source::SourceResult result;
  if (options_.mode == RedisOptions::Mode::kScan) {
    RETURN_IF_ERROR(ReadByScan(builder, stop, &result));
  } else {
    const absl::Status status = ReadByReplication(builder, stop, &result);
    if (CodeOf(status) == kSyncForbidden && options_.mode == RedisOptions::Mode::kAuto) {
      result = {};
      result.notes.push_back(
          fmt::format("read key by key, not at one moment, because replication is not allowed: {}; "
                      "to allow it: {}",
                      MessageOf(status), GrantLine(options_.address.user)));
      RETURN_IF_ERROR(ReadByScan(builder, stop, &result));
    } else if (!status.ok()) {
      return status;
    }
  }
  RETURN_IF_ERROR(AddConfig(builder, stop, &result));
  return result;
}

absl::Status RedisSource::ReadByReplication(source::SnapshotBuilder& builder, std::stop_token stop,
                                            source::SourceResult* result) {
  const absl::Duration wait_end = env_.clock.Monotonic() + options_.address.loading_wait;
  absl::Duration pause = kFirstRetryPause;
  int synchronisations = 0;
  bool changed = false;
  for (;;) {
    const absl::Status status = Synchronise(builder, stop, result);
    const int code = CodeOf(status);
    bool again = false;
    if (code == kSyncNotReady) {
      again = env_.clock.Monotonic() + pause < wait_end;
    } else if (code == kServerChanged) {
      again = !std::exchange(changed, true) && ++synchronisations < kSynchronisationsMax;
    } else if (code == kSyncCut) {
      again = ++synchronisations < kSynchronisationsMax;
    }
    if (!again) return status;
    if (!env_.clock.SleepFor(pause, stop)) return status;
    pause = std::min(pause * 2, kLongestRetryPause);
  }
}

absl::Status RedisSource::Synchronise(source::SnapshotBuilder& builder, std::stop_token stop,
                                      source::SourceResult* result) {
  const RedisAddress& address = options_.address;
  // Facts go over a connection of their own: the other becomes a stream and cannot answer.
  ASSIGN_OR_RETURN(RedisConnection control, RedisConnection::Open(env_.clock, address, stop));
  ASSIGN_OR_RETURN(const ServerInfo before, ReadInfo(control));
  RETURN_IF_ERROR(RefuseShard(control, before));
  ASSIGN_OR_RETURN(RedisConnection stream, RedisConnection::Open(env_.clock, address, stop));

  RdbWalker walker;
  const auto lane = builder.OpenLane();
  ASSIGN_OR_RETURN(const RdbTransfer transfer, ReceiveRdb(stream, builder, *lane, walker, stop));
  // The control connection was silent for the whole transfer and may be gone by now.
  absl::Status same;
  if (auto fresh = RedisConnection::Open(env_.clock, address, stop); !fresh.ok()) {
    same = fresh.status();
  } else if (auto after = ReadInfo(*fresh); !after.ok()) {
    same = after.status();
  } else {
    same = SameServer(before, *after, transfer, address);
  }
  if (!same.ok()) {
    // The first error counts; Abandon only forgets.
    lane->Abandon().IgnoreError();
    return same;
  }
  Entry entry;
  entry.path = "dump.rdb";
  Describe(walker, transfer, &entry, result);
  builder.Progressed(0, walker.key_count());
  RETURN_IF_ERROR(lane->End(std::move(entry)));
  result->position = fmt::format("{}:{}", transfer.replication_id, transfer.offset);
  result->attributes["redis_version"] = before.version();
  result->attributes["rdb_version"] = std::to_string(walker.version());
  result->attributes["role"] = before.role();
  return absl::OkStatus();
}

absl::Status RedisSource::ReadByScan(source::SnapshotBuilder& builder, std::stop_token stop,
                                     source::SourceResult* result) {
  ASSIGN_OR_RETURN(RedisConnection connection,
                   RedisConnection::Open(env_.clock, options_.address, stop));
  ASSIGN_OR_RETURN(const ServerInfo before, ReadInfo(connection));
  RETURN_IF_ERROR(RefuseShard(connection, before));
  ASSIGN_OR_RETURN(const ScanResult scan, ScanKeys(connection, before, builder, stop));
  ASSIGN_OR_RETURN(const ServerInfo after, ReadInfo(connection));
  if (before.role() != after.role()) {
    return Error(ErrorKind::kSource, kServerChanged,
                 fmt::format("unable to back up redis '{}': its role changed while it was read",
                             options_.address.Name()),
                 "Run the backup again when the failover is over.");
  }
  if (options_.mode == RedisOptions::Mode::kScan) {
    result->notes.push_back("read key by key, not at one moment, as configured");
  }
  result->attributes["point_in_time"] = "no";
  result->attributes["redis_version"] = before.version();
  result->attributes["rdb_version"] =
      std::to_string(scan.rdb_version > 0 ? scan.rdb_version : NewestRdbVersion(before.version()));
  result->attributes["role"] = before.role();
  result->summary = Summary(scan.databases);
  return absl::OkStatus();
}

absl::Status RedisSource::AddConfig(source::SnapshotBuilder& builder, std::stop_token stop,
                                    source::SourceResult* result) {
  ASSIGN_OR_RETURN(RedisConnection connection,
                   RedisConnection::Open(env_.clock, options_.address, stop));
  ASSIGN_OR_RETURN(const ServerInfo info, ReadInfo(connection));
  ASSIGN_OR_RETURN(const ConfigDocument document, ReadConfig(connection, info));
  const auto lane = builder.OpenLane();
  RETURN_IF_ERROR(lane->Begin());
  RETURN_IF_ERROR(lane->Write(document.json));
  Entry entry;
  entry.path = "config.json";
  entry.attributes["functions"] = std::to_string(document.function_count);
  RETURN_IF_ERROR(lane->End(std::move(entry)));
  result->notes.insert(result->notes.end(), document.notes.begin(), document.notes.end());
  return absl::OkStatus();
}

}  // namespace holdfast::redis
