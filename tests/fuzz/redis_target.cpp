#include "agent/source/redis/rdb_format.h"
#include "agent/source/redis/rdb_walker.h"
#include "agent/source/redis/scan_format.h"
#include "agent/source/redis/server_facts.h"
#include "common/base/error.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

struct Records final : redis::RdbVisitor {
  absl::Status Visit(const redis::RdbRecord& record) override {
    all.append(record.key).append(record.body);
    return absl::OkStatus();
  }
  absl::Status VisitFunction(ByteView encoded_library) override {
    all.append(encoded_library);
    return absl::OkStatus();
  }
  Bytes all;
};

struct Outcome {
  bool ok = false;
  bool counted = false;
  std::uint64_t keys = 0;
  Bytes records;
  bool operator==(const Outcome&) const = default;
};

Outcome WalkRdb(ByteView stream, std::size_t first_piece) {
  Records records;
  redis::RdbWalker walker(&records);
  Outcome outcome;
  outcome.ok = walker.Feed(stream.substr(0, first_piece)).ok() &&
               walker.Feed(stream.substr(first_piece)).ok() && walker.Finish().ok();
  if (!outcome.ok) return outcome;
  outcome.counted = walker.counted();
  outcome.keys = walker.key_count();
  outcome.records = std::move(records.all);
  return outcome;
}

Outcome WalkKeys(ByteView stream, std::size_t first_piece) {
  Outcome outcome;
  redis::ScanDecoder decoder;
  const auto visit = [&](const redis::ScannedKey& key) {
    outcome.records += redis::EncodeScannedKey(key);
    return absl::OkStatus();
  };
  outcome.ok = decoder.Feed(stream.substr(0, first_piece), visit).ok() &&
               decoder.Feed(stream.substr(first_piece), visit).ok() && decoder.Finish().ok();
  if (!outcome.ok) return {};
  outcome.keys = decoder.count();
  return outcome;
}

}  // namespace

// Whatever the pieces, a stream is the same; what is accepted can be written again.
void Redis(ByteView input) {
  HOLDFAST_CHECK(WalkRdb(input, input.size()) == WalkRdb(input, input.size() / 2));
  const Outcome keys = WalkKeys(input, input.size());
  HOLDFAST_CHECK(keys == WalkKeys(input, input.size() / 2));
  if (keys.ok) {
    HOLDFAST_CHECK(redis::ScanHeader() + keys.records + redis::ScanEnd(keys.keys) == input);
  }
  if (const auto text = redis::DecodeRdbString(input)) {
    Bytes again;
    redis::AppendRdbString(*text, &again);
    HOLDFAST_CHECK(redis::DecodeRdbString(again) == text);
  }
  if (const auto payload = redis::ParseDumpPayload(input)) {
    const Bytes footer = redis::DumpFooter(payload->body, payload->rdb_version);
    HOLDFAST_CHECK(Bytes(payload->body) + footer == input);
  }
  const redis::ServerInfo info = redis::ParseInfo(input);
  HOLDFAST_CHECK(redis::NewestRdbVersion(info.version()) >= 0);
  HOLDFAST_CHECK(info.databases().size() <= info.fields.size());
  redis::ParseConfig(input).IgnoreError();
}

}  // namespace holdfast::fuzz
