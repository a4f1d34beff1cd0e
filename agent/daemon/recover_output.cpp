#include "agent/daemon/recover_output.h"

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using Json = nlohmann::json;

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string StateOf(const RecoverableSnapshot& one) {
  if (!one.problem.empty()) return "damaged";
  return one.partial ? "partial" : "complete";
}

std::string TimeOf(const RecoverableSnapshot& one, const char* format) {
  return one.problem.empty() ? absl::FormatTime(format, one.taken_at, absl::UTCTimeZone()) : "";
}

}  // namespace

std::string ListText(const std::vector<RecoverableSnapshot>& snapshots) {
  std::string text = fmt::format("{:<20} {:>6}  {:<9} {:<20}  {:<32}  {}\n", "SOURCE", "SEQ",
                                 "KIND", "TAKEN", "SOURCE ID", "STATE");
  for (const RecoverableSnapshot& each : snapshots) {
    // The name of a source is sealed too: of one that does not open only the id is known.
    const bool named = each.source_name != each.source_id.hex();
    text += fmt::format("{:<20} {:>6}  {:<9} {:<20}  {:<32}  {}{}\n",
                        named ? Escaped(each.source_name) : "?", each.seq, Escaped(each.kind, 20),
                        TimeOf(each, "%Y-%m-%d %H:%M UTC"), each.source_id.hex(), StateOf(each),
                        each.problem.empty() ? "" : ": " + each.problem);
  }
  return text;
}

std::string ListJson(const std::vector<RecoverableSnapshot>& snapshots) {
  Json list = Json::array();
  for (const RecoverableSnapshot& each : snapshots) {
    list.push_back({{"source", Escaped(each.source_name)},
                    {"source_id", each.source_id.hex()},
                    {"kind", Escaped(each.kind, 20)},
                    {"seq", each.seq},
                    {"taken_at", TimeOf(each, "%Y-%m-%dT%H:%M:%E3SZ")},
                    {"state", StateOf(each)},
                    {"problem", each.problem}});
  }
  return JsonLine({{"snapshots", std::move(list)}});
}

std::string ErrorJson(const absl::Status& status) {
  const int code = CodeOf(status);
  return JsonLine({{"error",
                    {{"message", MessageOf(status)},
                     {"hint", HintOf(status)},
                     {"code", code == 0 ? std::string() : fmt::format("HF-{:04}", code)},
                     {"exit", ExitCodeOf(status)}}}});
}

}  // namespace holdfast::daemon
