#include "agent/source/redis/key_scan.h"

#include <xxhash.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/scan_format.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr std::size_t kBatchKeys = 64;  // values in flight, on the server and here

using KeyHash = std::pair<std::uint64_t, std::uint64_t>;

class DatabaseScan {
 public:
  DatabaseScan(RedisConnection& connection, bool has_expire_time, source::SnapshotBuilder& builder,
               source::ContentLane& lane, std::stop_token stop)
      : connection_(connection),
        has_expire_time_(has_expire_time),
        builder_(builder),
        lane_(lane),
        stop_(stop) {}

  absl::Status Run(std::uint64_t number) {
    RETURN_IF_ERROR(connection_.Command({"SELECT", std::to_string(number)}).status());
    RETURN_IF_ERROR(lane_.Begin());
    absl::Status status = ReadAll();
    if (status.ok()) {
      Entry entry;
      entry.path = fmt::format("scan/{}.dump", number);
      entry.attributes["point_in_time"] = "no";
      entry.attributes["rdb_version"] = std::to_string(rdb_version_);
      DescribeDatabases({{number, counts_}}, &entry.attributes);
      return lane_.End(std::move(entry));
    }
    // The first error counts; Abandon only forgets.
    lane_.Abandon().IgnoreError();
    return status;
  }

  const RdbDatabase& counts() const { return counts_; }
  int rdb_version() const { return rdb_version_; }

 private:
  absl::Status ReadAll() {
    RETURN_IF_ERROR(lane_.Write(ScanHeader()));
    std::string cursor = "0";
    do {
      if (stop_.stop_requested()) {
        return Error(
            ErrorKind::kFailed, 2206,
            fmt::format("unable to read redis '{}': stopped", connection_.address().Name()));
      }
      ASSIGN_OR_RETURN(const Reply page, connection_.Command({"SCAN", cursor, "COUNT", "1000"}));
      if (page.elements.size() != 2) return Unexpected("SCAN");
      cursor = page.elements[0].text;
      RETURN_IF_ERROR(ReadPage(page.elements[1].elements));
    } while (cursor != "0");
    return lane_.Write(ScanEnd(counts_.keys));
  }

  absl::Status ReadPage(const std::vector<Reply>& page) {
    std::vector<ByteView> fresh;
    for (const Reply& key : page) {
      const XXH128_hash_t hash = XXH3_128bits(key.text.data(), key.text.size());
      if (seen_.insert({hash.high64, hash.low64}).second) fresh.push_back(key.text);
    }
    for (std::size_t at = 0; at < fresh.size(); at += kBatchKeys) {
      const std::size_t end = std::min(fresh.size(), at + kBatchKeys);
      for (std::size_t i = at; i < end; ++i) {
        connection_.Append({"MULTI"});
        connection_.Append({"DUMP", fresh[i]});
        // A server before 7 tells only the time that is left; its clock makes that a moment.
        connection_.Append({has_expire_time_ ? "PEXPIRETIME" : "PTTL", fresh[i]});
        if (!has_expire_time_) connection_.Append({"TIME"});
        connection_.Append({"EXEC"});
      }
      for (std::size_t i = at; i < end; ++i) RETURN_IF_ERROR(TakeKey(fresh[i]));
    }
    return absl::OkStatus();
  }

  absl::Status TakeKey(ByteView key) {
    Reply executed;
    absl::Status refused;
    for (int i = has_expire_time_ ? 4 : 5; i > 0; --i) {
      ASSIGN_OR_RETURN(executed, connection_.Next());
      if (executed.kind == Reply::Kind::kError && refused.ok()) {
        refused = connection_.ErrorOf(executed, "MULTI DUMP PEXPIRETIME EXEC");
      }
    }
    RETURN_IF_ERROR(refused);
    if (executed.elements.size() != (has_expire_time_ ? 2 : 3)) return Unexpected("EXEC");
    const Reply& dump = executed.elements[0];
    if (dump.kind == Reply::Kind::kNil) return absl::OkStatus();  // deleted or expired meanwhile
    const auto payload = ParseDumpPayload(dump.text);
    if (!payload) return Unexpected("DUMP");
    rdb_version_ = std::max(rdb_version_, payload->rdb_version);

    std::int64_t expire_at_ms = executed.elements[1].integer;
    if (expire_at_ms >= 0 && !has_expire_time_) {
      ASSIGN_OR_RETURN(const std::int64_t now_ms, MillisecondsOf(executed.elements[2]));
      expire_at_ms += now_ms;
    }
    if (expire_at_ms < 0) expire_at_ms = -1;
    ++counts_.keys;
    if (expire_at_ms >= 0) ++counts_.expires;
    builder_.Progressed(0, 1);
    return lane_.Write(EncodeScannedKey({key, expire_at_ms, dump.text}));
  }

  absl::StatusOr<std::int64_t> MillisecondsOf(const Reply& time) const {
    std::int64_t seconds = 0;
    std::int64_t microseconds = 0;
    if (time.elements.size() != 2 || !absl::SimpleAtoi(time.elements[0].text, &seconds) ||
        !absl::SimpleAtoi(time.elements[1].text, &microseconds)) {
      return Unexpected("TIME");
    }
    return seconds * 1000 + microseconds / 1000;
  }

  absl::Status Unexpected(std::string_view command) const {
    return Error(ErrorKind::kSource, 2203,
                 fmt::format("unable to read redis '{}': unexpected reply to {}",
                             connection_.address().Name(), command));
  }

  RedisConnection& connection_;
  const bool has_expire_time_;  // PEXPIRETIME, since 7.0
  source::SnapshotBuilder& builder_;
  source::ContentLane& lane_;
  const std::stop_token stop_;
  absl::flat_hash_set<KeyHash> seen_;
  RdbDatabase counts_;
  int rdb_version_ = 0;
};

}  // namespace

absl::StatusOr<ScanResult> ScanKeys(RedisConnection& connection, const ServerInfo& info,
                                    source::SnapshotBuilder& builder, std::stop_token stop) {
  ScanResult result;
  const auto databases = info.databases();
  std::uint64_t expected = 0;
  for (const auto& [number, counts] : databases) expected += counts.keys;
  builder.ExpectTotal(0, expected);
  const auto lane = builder.OpenLane();
  for (const auto& [number, counts] : databases) {
    DatabaseScan scan(connection, info.major_version() >= 7, builder, *lane, stop);
    RETURN_IF_ERROR(scan.Run(number));
    RETURN_IF_ERROR(lane->Cut());
    result.databases[number] = scan.counts();
    result.rdb_version = std::max(result.rdb_version, scan.rdb_version());
  }
  return result;
}

void DescribeDatabases(const std::map<std::uint64_t, RdbDatabase>& databases,
                       std::map<std::string, std::string>* attributes) {
  for (const auto& [number, counts] : databases) {
    (*attributes)[fmt::format("keys.{}", number)] = std::to_string(counts.keys);
    (*attributes)[fmt::format("expires.{}", number)] = std::to_string(counts.expires);
  }
}

std::map<std::uint64_t, RdbDatabase> DatabasesOf(
    const std::map<std::string, std::string>& attributes) {
  std::map<std::uint64_t, RdbDatabase> result;
  for (const auto& [name, value] : attributes) {
    const std::size_t dot = name.find('.');
    std::uint64_t number = 0;
    std::uint64_t count = 0;
    if (dot == std::string::npos || !absl::SimpleAtoi(name.substr(dot + 1), &number) ||
        !absl::SimpleAtoi(value, &count)) {
      continue;
    }
    if (name.substr(0, dot) == "keys") result[number].keys = count;
    if (name.substr(0, dot) == "expires") result[number].expires = count;
  }
  return result;
}

}  // namespace holdfast::redis
