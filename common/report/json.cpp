#include "common/report/json.h"

#include "absl/time/time.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::report {

std::string JsonLine(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ParsedJson(const std::string& text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? Json() : value;
}

Json ErrorJson(const absl::Status& status) {
  const int code = CodeOf(status);
  return {{"error",
           {{"message", MessageOf(status)},
            {"hint", HintOf(status)},
            {"code", code == 0 ? std::string() : fmt::format("HF-{:04}", code)},
            {"exit", ExitCodeOf(status)}}}};
}

std::string JsonTime(std::uint64_t unix_ms) {
  if (unix_ms == 0 || unix_ms > 253'402'300'799'000u) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ",
                          absl::FromUnixMillis(static_cast<std::int64_t>(unix_ms)),
                          absl::UTCTimeZone());
}

Json SnapshotJson(const SnapshotSummary& snapshot) {
  return {{"snapshot", fmt::format("{}@{}", Escaped(snapshot.source_name), snapshot.seq)},
          {"id", snapshot.snapshot_id.hex()},
          {"source", snapshot.source_name},
          {"source_id", snapshot.source_id.hex()},
          {"kind", snapshot.kind},
          {"agent", snapshot.agent_name},
          {"seq", snapshot.seq},
          {"taken_at", JsonTime(snapshot.taken_at_ms)},
          {"committed_at", JsonTime(snapshot.committed_at_ms)},
          {"partial", snapshot.partial},
          {"content_bytes", snapshot.content_bytes},
          {"stored_bytes", snapshot.stored_bytes},
          {"entries", snapshot.entry_count},
          {"chunks", snapshot.chunk_count},
          {"verified_at", JsonTime(snapshot.verified_at_ms)},
          {"duration_ms", snapshot.duration_ms}};
}

Json AgentJson(const AgentInfo& agent) {
  Json sources = Json::array();
  for (const SourceInfo& source : agent.sources) {
    sources.push_back({{"name", source.name}, {"kind", source.kind}, {"id", source.id.hex()}});
  }
  return {{"name", agent.name},
          {"id", agent.id.hex()},
          {"host", agent.host},
          {"connected", agent.connected},
          {"removed", agent.removed},
          {"last_seen", JsonTime(agent.last_seen_ms)},
          {"version", agent.software_version},
          {"certificate_expires", JsonTime(agent.certificate_not_after_ms)},
          {"clock_skew_ms", agent.clock_skew_ms},
          {"sources", std::move(sources)}};
}

void PutPath(std::string_view path, Json* object) {
  const Json raw = std::string(path);
  const std::string dumped = raw.dump(-1, ' ', false, Json::error_handler_t::ignore);
  if (ParsedJson(dumped) == raw) {
    (*object)["path"] = raw;
    return;
  }
  (*object)["path"] = Escaped(path, 65536);
  (*object)["path_hex"] = ToHex(path);
}

}  // namespace holdfast::report
