#include "agent/restore/redis/rdb_producer.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "agent/source/redis/crc64.h"
#include "agent/source/redis/key_scan.h"
#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/scan_format.h"
#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::string_view kScanPrefix = "scan/";

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 3211,
               fmt::format("unable to compose an RDB from the snapshot: {}", what));
}

std::uint64_t NumberOf(const std::map<std::string, std::string>& attributes,
                       const std::string& name) {
  const auto found = attributes.find(name);
  std::uint64_t value = 0;
  return found != attributes.end() && absl::SimpleAtoi(found->second, &value) ? value : 0;
}

// Writes the records of an RDB in pieces, its checksum last.
class RdbComposer {
 public:
  RdbComposer(int version, absl::FunctionRef<absl::Status(ByteView)> consume)
      : version_(version), consume_(consume) {
    buffer_ = fmt::format("REDIS{:04}", version);
  }

  absl::Status Functions(ByteView payload) {
    ASSIGN_OR_RETURN(const redis::DumpPayload parsed, Parsed(payload, "functions"));
    buffer_.append(parsed.body);
    return HandOnFull();
  }

  void BeginDatabase(std::uint64_t number, const redis::RdbDatabase& counts) {
    Opcode(redis::kOpcodeSelectDb);
    redis::AppendRdbLength(number, &buffer_);
    Opcode(redis::kOpcodeResizeDb);
    redis::AppendRdbLength(counts.keys, &buffer_);
    redis::AppendRdbLength(counts.expires, &buffer_);
  }

  absl::Status Key(const redis::ScannedKey& key) {
    ASSIGN_OR_RETURN(const redis::DumpPayload parsed, Parsed(key.payload, Escaped(key.key)));
    if (parsed.body.empty()) return Damaged("an empty value");
    if (key.expire_at_ms >= 0) {
      Opcode(redis::kOpcodeExpireMs);
      Writer moment;
      moment.U64(static_cast<std::uint64_t>(key.expire_at_ms));
      buffer_.append(moment.bytes());
    }
    buffer_.push_back(parsed.body.front());
    redis::AppendRdbString(key.key, &buffer_);
    buffer_.append(parsed.body.substr(1));
    return HandOnFull();
  }

  absl::Status End() {
    Opcode(redis::kOpcodeEof);
    RETURN_IF_ERROR(HandOn());
    Writer checksum;
    checksum.U64(crc_);
    return consume_(checksum.bytes());
  }

 private:
  absl::StatusOr<redis::DumpPayload> Parsed(ByteView payload, std::string_view name) const {
    const auto parsed = redis::ParseDumpPayload(payload);
    if (!parsed) return Damaged(fmt::format("damaged payload of '{}'", name));
    if (parsed->rdb_version > version_) {
      return Damaged(fmt::format("the payload of '{}' is of a newer version", name));
    }
    return *parsed;
  }
  void Opcode(unsigned char opcode) { buffer_.push_back(static_cast<char>(opcode)); }
  absl::Status HandOnFull() { return buffer_.size() >= kPieceBytes ? HandOn() : absl::OkStatus(); }
  absl::Status HandOn() {
    crc_ = redis::Crc64(crc_, buffer_);
    const absl::Status status = consume_(buffer_);
    buffer_.clear();
    return status;
  }

  const int version_;
  absl::FunctionRef<absl::Status(ByteView)> consume_;
  Bytes buffer_;
  std::uint64_t crc_ = 0;
};

}  // namespace

absl::StatusOr<RedisContents> FindRedisContents(const SnapshotView& view) {
  RedisContents contents;
  RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) -> absl::Status {
    if (entry.path == "dump.rdb") {
      contents.by_replication = true;
      contents.entries.push_back(entry);
    } else if (entry.path == "config.json") {
      ASSIGN_OR_RETURN(const Bytes json, ReadAll(view, entry));
      ASSIGN_OR_RETURN(contents.config, redis::ParseConfig(json));
    } else if (entry.path.substr(0, kScanPrefix.size()) == kScanPrefix &&
               entry.type == EntryType::kFile) {
      contents.entries.push_back(entry);
    }
    return absl::OkStatus();
  }));
  const auto mode = view.info().attributes.find("point_in_time");
  const bool scanned = mode != view.info().attributes.end() && mode->second == "no";
  if (contents.by_replication == scanned) {
    return Error(ErrorKind::kNotFound, 3209,
                 "unable to restore redis: the snapshot holds neither dump.rdb nor scanned keys",
                 "Choose a snapshot of a redis source.");
  }
  for (const Entry& entry : contents.entries) {
    contents.bytes += entry.content_bytes;
    if (entry.attributes.count("counted") > 0) contents.counted = false;
    contents.databases.merge(redis::DatabasesOf(entry.attributes));
  }
  return contents;
}

absl::Status ProduceRdb(const SnapshotView& view, const RedisContents& contents,
                        absl::FunctionRef<absl::Status(ByteView)> consume) {
  if (contents.by_replication) return view.Read(contents.entries.front(), consume);

  RdbComposer composer(static_cast<int>(NumberOf(view.info().attributes, "rdb_version")), consume);
  if (!contents.config.functions.empty()) {
    RETURN_IF_ERROR(composer.Functions(contents.config.functions));
  }
  for (const Entry& entry : contents.entries) {
    std::uint64_t number = 0;
    const std::string name = entry.path.substr(kScanPrefix.size());
    if (!absl::SimpleAtoi(name.substr(0, name.find('.')), &number)) {
      return Damaged(fmt::format("unexpected entry '{}'", Escaped(entry.path)));
    }
    const auto counts = redis::DatabasesOf(entry.attributes);
    const auto found = counts.find(number);
    composer.BeginDatabase(number, found == counts.end() ? redis::RdbDatabase() : found->second);
    redis::ScanDecoder decoder;
    RETURN_IF_ERROR(view.Read(entry, [&](ByteView piece) {
      return decoder.Feed(piece, [&](const redis::ScannedKey& key) { return composer.Key(key); });
    }));
    RETURN_IF_ERROR(decoder.Finish());
  }
  return composer.End();
}

}  // namespace holdfast::restore
