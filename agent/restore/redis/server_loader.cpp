#include "agent/restore/redis/server_loader.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "agent/source/redis/rdb_format.h"
#include "common/base/count_text.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::size_t kOutstandingMax = 512;
constexpr std::size_t kOutstandingBytesMax = 4 << 20;
constexpr std::int64_t kDayMs = 86'400'000;

absl::Status Refused(int code, const redis::RedisAddress& address, std::string_view cause,
                     std::string hint) {
  return Error(ErrorKind::kRefused, code,
               fmt::format("unable to restore into redis '{}': {}", address.Name(), cause),
               std::move(hint));
}

absl::Status RefuseFilled(redis::RedisConnection& connection, const redis::ServerInfo& info) {
  std::uint64_t keys = 0;
  for (const auto& [number, counts] : info.databases()) keys += counts.keys;
  if (keys > 0) {
    return Refused(3203, connection.address(), fmt::format("it holds {} keys", CountText(keys)),
                   "Name an empty server, or restore into an RDB file.");
  }
  if (info.major_version() < 7) return absl::OkStatus();
  ASSIGN_OR_RETURN(const redis::Reply list, connection.Command({"FUNCTION", "LIST"}));
  if (list.elements.empty()) return absl::OkStatus();
  return Refused(3203, connection.address(),
                 fmt::format("it holds {} function libraries", list.elements.size()),
                 "Name an empty server, or restore into an RDB file.");
}

}  // namespace

std::string DescribeKeys(std::uint64_t keys, std::size_t databases) {
  return fmt::format("{} {} in {} {}", CountText(keys), keys == 1 ? "key" : "keys", databases,
                     databases == 1 ? "database" : "databases");
}

absl::StatusOr<ServerLoader> ServerLoader::Open(Env env, const redis::RedisAddress& address,
                                                const RedisContents& contents,
                                                std::stop_token stop) {
  ASSIGN_OR_RETURN(redis::RedisConnection connection,
                   redis::RedisConnection::Open(env.clock, address, stop));
  ASSIGN_OR_RETURN(redis::ServerInfo info, redis::ReadInfo(connection));
  if (info.role() != "master") {
    return Refused(3204, address, fmt::format("it is a {}, not a master", Escaped(info.role())),
                   "Name a master, or make this server one with REPLICAOF NO ONE.");
  }
  if (info.cluster_enabled()) {
    return Refused(3204, address, "cluster mode is enabled",
                   "Restore into a server without cluster mode, or into an RDB file.");
  }
  RETURN_IF_ERROR(RefuseFilled(connection, info));
  for (const auto& [number, counts] : contents.databases) {
    connection.Append({"SELECT", std::to_string(number)});
    ASSIGN_OR_RETURN(const redis::Reply reply, connection.Next());
    if (reply.kind != redis::Reply::Kind::kError) continue;
    return Refused(3206, address,
                   fmt::format("database {} is not there: {}", number, Escaped(reply.text)),
                   "Raise 'databases' in the server's configuration.");
  }
  return ServerLoader(std::move(connection), std::move(info));
}

absl::Status ServerLoader::Load(const SnapshotView& view, const RedisContents& contents,
                                RestoreProgress& progress, std::stop_token stop) {
  ASSIGN_OR_RETURN(begin_ms_, ServerMilliseconds());
  redis::RdbWalker walker(this);
  walker_ = &walker;
  RETURN_IF_ERROR(ProduceRdb(view, contents, [&](ByteView piece) -> absl::Status {
    if (stop.stop_requested()) {
      return Error(ErrorKind::kFailed, 3212, "unable to restore redis: stopped");
    }
    RETURN_IF_ERROR(walker.Feed(piece));
    if (!walker.counted()) {
      return Refused(3210, connection_.address(),
                     fmt::format("the RDB holds type {}, which this version does not know",
                                 walker.unknown_type()),
                     "Restore into an RDB file and start the server from it.");
    }
    progress.Progressed(piece.size(), 0);
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(walker.Finish());
  RETURN_IF_ERROR(Drain());
  return RestoreFunctions();
}

absl::Status ServerLoader::CheckVersion() const {
  const int newest = redis::NewestRdbVersion(info_.version());
  if (walker_->version() <= newest) return absl::OkStatus();
  return Refused(3205, connection_.address(),
                 fmt::format("the RDB is of version {}, redis {} reads at most {}",
                             walker_->version(), Escaped(info_.version()), newest),
                 "Name a server at least as new as the one that was backed up.");
}

absl::Status ServerLoader::Visit(const redis::RdbRecord& record) {
  if (loaded_.empty()) RETURN_IF_ERROR(CheckVersion());
  if (current_ == nullptr || current_number_ != record.database) {
    RETURN_IF_ERROR(Drain());
    RETURN_IF_ERROR(connection_.Command({"SELECT", std::to_string(record.database)}).status());
    current_number_ = record.database;
    current_ = &loaded_[record.database];
  }
  ++current_->counts.keys;
  if (record.expire_at_ms >= 0) {
    ++current_->counts.expires;
    if (record.expire_at_ms <= begin_ms_) {
      ++current_->gone_before;
      return absl::OkStatus();
    }
    if (record.expire_at_ms <= begin_ms_ + kDayMs) ++current_->soon[record.expire_at_ms / 1000];
  }
  Bytes payload(record.body);
  payload += redis::DumpFooter(record.body, walker_->version());
  const std::string expiry = std::to_string(std::max<std::int64_t>(record.expire_at_ms, 0));
  connection_.Append({"RESTORE", record.key, expiry, payload, "ABSTTL"});
  ++outstanding_;
  outstanding_bytes_ += payload.size();
  return outstanding_ >= kOutstandingMax || outstanding_bytes_ >= kOutstandingBytesMax
             ? Drain()
             : absl::OkStatus();
}

absl::Status ServerLoader::VisitFunction(ByteView encoded_library) {
  if (loaded_.empty()) RETURN_IF_ERROR(CheckVersion());
  functions_.append(encoded_library);
  return absl::OkStatus();
}

absl::Status ServerLoader::Drain() {
  absl::Status first;
  outstanding_bytes_ = 0;
  for (; outstanding_ > 0; --outstanding_) {
    auto reply = connection_.Next();
    if (!reply.ok()) return reply.status();
    if (reply->kind != redis::Reply::Kind::kError) continue;
    if (reply->Begins("BUSYKEY")) foreign_writer_ = true;
    if (!first.ok()) continue;
    first = Error(ErrorKind::kSource, 3207,
                  fmt::format("unable to restore into redis '{}': {}", connection_.address().Name(),
                              Escaped(reply->text)),
                  "Check maxmemory and proto-max-bulk-len of the server, and that nobody else "
                  "writes to it.");
  }
  return first;
}

absl::Status ServerLoader::RestoreFunctions() {
  if (functions_.empty()) return absl::OkStatus();
  functions_ += redis::DumpFooter(functions_, walker_->version());
  RETURN_IF_ERROR(connection_.Command({"FUNCTION", "RESTORE", functions_}).status());
  functions_restored_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> ServerLoader::ServerMilliseconds() {
  ASSIGN_OR_RETURN(const redis::Reply time, connection_.Command({"TIME"}));
  std::int64_t seconds = 0;
  if (time.elements.empty() || !absl::SimpleAtoi(time.elements[0].text, &seconds)) {
    return Error(ErrorKind::kSource, 3207, "unable to read the time of redis: unexpected reply");
  }
  return seconds * 1000;
}

absl::Status ServerLoader::Compare(RestoreReport* report) {
  ASSIGN_OR_RETURN(const redis::ServerInfo after, redis::ReadInfo(connection_));
  ASSIGN_OR_RETURN(const std::int64_t now_ms, ServerMilliseconds());
  const auto held = after.databases();
  std::uint64_t keys = 0;
  std::uint64_t gone = 0;
  for (const auto& [number, loaded] : loaded_) {
    std::uint64_t may_be_gone = loaded.gone_before;
    for (const auto& [second, count] : loaded.soon) {
      if (second * 1000 <= now_ms + 1000) may_be_gone += count;
    }
    const auto found = held.find(number);
    const std::uint64_t there = found == held.end() ? 0 : found->second.keys;
    const std::uint64_t missing = loaded.counts.keys - std::min(there, loaded.counts.keys);
    if (there > loaded.counts.keys || missing < loaded.gone_before || missing > may_be_gone) {
      report->mismatches.push_back(
          {fmt::format("database {}", number),
           fmt::format("{} keys where {} were loaded and at most {} may have expired", there,
                       loaded.counts.keys, may_be_gone)});
    }
    keys += there;
    gone += missing;
    ++report->compared_items;
  }
  for (const auto& [number, counts] : held) {
    if (loaded_.count(number) == 0) {
      report->mismatches.push_back(
          {fmt::format("database {}", number),
           fmt::format("{} keys that are not of the snapshot", counts.keys)});
    }
  }
  report->compared_what = DescribeKeys(keys, loaded_.size());
  if (gone > 0) {
    report->warnings.push_back(
        fmt::format("{} keys are not there because their time to live has passed since the backup",
                    CountText(gone)));
  }
  return absl::OkStatus();
}

std::map<std::uint64_t, redis::RdbDatabase> ServerLoader::databases() const {
  std::map<std::uint64_t, redis::RdbDatabase> result;
  for (const auto& [number, loaded] : loaded_) result[number] = loaded.counts;
  return result;
}

absl::Status ServerLoader::ApplyAccounts(const redis::StoredConfig& config) {
  for (const std::string& line : config.acl_lines) {
    // "user <name> <rules…>"
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() < 3 || words[0] != "user") continue;
    std::vector<ByteView> command = {"ACL", "SETUSER", words[1], "reset"};
    command.insert(command.end(), words.begin() + 2, words.end());
    RETURN_IF_ERROR(connection_.Command(command).status());
  }
  return absl::OkStatus();
}

absl::Status ServerLoader::WarnOfSettings(const redis::StoredConfig& config,
                                          RestoreReport* report) {
  // Those that change what the data does; paths and addresses differ between hosts as they should.
  std::string differing;
  for (const char* name : {"maxmemory", "maxmemory-policy", "appendonly", "save", "databases",
                           "notify-keyspace-events"}) {
    const auto wanted = config.settings.find(name);
    if (wanted == config.settings.end()) continue;
    connection_.Append({"CONFIG", "GET", name});
    ASSIGN_OR_RETURN(const redis::Reply reply, connection_.Next());
    if (reply.elements.size() != 2 || reply.elements[1].text == wanted->second) continue;
    differing += (differing.empty() ? "" : ", ") + std::string(name);
  }
  if (!differing.empty()) {
    report->warnings.push_back(fmt::format(
        "settings differ from those of the backup and were left alone: {} (see config.json)",
        differing));
  }
  return absl::OkStatus();
}

absl::Status ServerLoader::CleanUp(Env env, const absl::Status& cause) {
  if (loaded_.empty()) return cause;
  const auto left = [&](std::string_view why) {
    return WithContext(cause, fmt::format("redis '{}' still holds what was loaded ({})",
                                          connection_.address().Name(), why));
  };
  if (foreign_writer_) return left("somebody else writes to it, so it was not emptied");
  // The old connection may be broken, or have replies under way.
  auto fresh = redis::RedisConnection::Open(env.clock, connection_.address(), {});
  if (!fresh.ok()) return left(MessageOf(fresh.status()));
  auto info = redis::ReadInfo(*fresh);
  if (!info.ok()) return left(MessageOf(info.status()));
  for (const auto& [number, counts] : info->databases()) {
    const auto found = loaded_.find(number);
    if (found == loaded_.end() || counts.keys > found->second.counts.keys) {
      return left("it holds keys of somebody else, so it was not emptied");
    }
  }
  for (const auto& [number, loaded] : loaded_) {
    for (const auto& words : {std::vector<std::string>{"SELECT", std::to_string(number)},
                              std::vector<std::string>{"FLUSHDB"}}) {
      const std::vector<ByteView> views(words.begin(), words.end());
      if (auto reply = fresh->Command(views); !reply.ok()) return left(MessageOf(reply.status()));
    }
  }
  if (functions_restored_) {
    if (auto reply = fresh->Command({"FUNCTION", "FLUSH"}); !reply.ok()) {
      return left(MessageOf(reply.status()));
    }
  }
  return cause;
}

}  // namespace holdfast::restore
