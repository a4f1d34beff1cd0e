#include "agent/daemon/job_reports.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace holdfast::daemon {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kListed = 200;

Json Listed(const std::vector<Problem>& problems) {
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(problems.size(), kListed); ++i) {
    list.push_back(
        {{"path", Escaped(problems[i].path, 4096)}, {"reason", Escaped(problems[i].reason, 1000)}});
  }
  return list;
}

Json Listed(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(texts.size(), kListed); ++i) {
    list.push_back(Escaped(texts[i], 1000));
  }
  return list;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string ToJson(const pipeline::BackupReport& report) {
  return Dump({{"seq", report.seq},
               {"snapshot_id", report.snapshot_id.hex()},
               {"partial", report.partial},
               {"entry_count", report.entry_count},
               {"content_bytes", report.content_bytes},
               {"new_bytes", report.new_bytes},
               {"stored_bytes", report.stored_bytes},
               {"sent_objects", report.sent_objects},
               {"sent_deltas", report.sent_deltas},
               {"seconds", report.seconds},
               {"summary", Escaped(report.summary)},
               {"notes", Listed(report.notes)},
               {"problems", Listed(report.problems)},
               {"problem_count", report.problem_count}});
}

std::string ToJson(const restore::RestoreReport& report, double seconds) {
  return Dump({{"restored_entries", report.restored_entries},
               {"restored_bytes", report.restored_bytes},
               {"compared_items", report.compared_items},
               {"compared_what", Escaped(report.compared_what)},
               {"mismatches", Listed(report.mismatches)},
               {"skipped", Listed(report.skipped)},
               {"warnings", Listed(report.warnings)},
               {"target", Escaped(report.target, 4096)},
               {"seconds", seconds}});
}

std::string ToJson(const ChunkCheck& check, double seconds) {
  return Dump({{"checked", check.checked},
               {"bytes", check.bytes},
               {"damaged", Listed(check.damaged)},
               {"seconds", seconds}});
}

}  // namespace holdfast::daemon
