#include "controller/cli/render/report.h"

#include <algorithm>
#include <cmath>

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kShownProblems = 20;

// The agent's report, read without trust in its shape.
class Report {
 public:
  explicit Report(const std::string& text) : json_(ParsedJson(text)) {}

  std::optional<std::uint64_t> Number(const char* key) const {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
    return value->get<std::uint64_t>();
  }
  std::optional<double> Real(const char* key) const {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->get<double>();
  }
  std::string Text(const char* key) const {
    const Json* value = Find(key);
    return value != nullptr && value->is_string() ? Escaped(value->get<std::string>()) : "";
  }
  std::vector<std::string> Texts(const char* key) const {
    std::vector<std::string> texts;
    const Json* value = Find(key);
    if (value == nullptr || !value->is_array()) return texts;
    for (const Json& one : *value) {
      if (one.is_string()) texts.push_back(Escaped(one.get<std::string>(), 1000));
    }
    return texts;
  }
  // "path: reason" of each {path, reason}.
  std::vector<std::string> Problems(const char* key) const {
    std::vector<std::string> texts;
    const Json* value = Find(key);
    if (value == nullptr || !value->is_array()) return texts;
    for (const Json& one : *value) {
      if (!one.is_object()) continue;
      texts.push_back(fmt::format("{}: {}", Member(one, "path"), Member(one, "reason")));
    }
    return texts;
  }

 private:
  const Json* Find(const char* key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  static std::string Member(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? Escaped(found->get<std::string>(), 1000)
                                                       : "";
  }
  Json json_;
};

void AppendPart(const std::string& part, std::string* line) {
  if (part.empty()) return;
  if (!line->empty()) *line += kGap;
  *line += part;
}

std::string DoneText(const Report& report) {
  const auto seconds = report.Real("seconds");
  return seconds && std::isfinite(*seconds) ? "done in " + SecondsText(*seconds) : "done";
}

std::string BackupText(const Report& report) {
  std::string line;
  const auto content = report.Number("content_bytes");
  if (content) AppendPart(SizeText(*content), &line);
  if (const auto fresh = report.Number("new_bytes")) {
    const std::string share = PercentText(*fresh, content.value_or(0));
    AppendPart(share.empty() ? "new " + SizeText(*fresh)
                             : fmt::format("new {} ({})", SizeText(*fresh), share),
               &line);
  }
  AppendPart(DoneText(report), &line);
  AppendPart(report.Text("summary"), &line);
  return line;
}

std::string RestoreText(const Report& report) {
  std::string line;
  if (const auto entries = report.Number("restored_entries")) {
    AppendPart(fmt::format("restored {}", Plural(*entries, "item")), &line);
  }
  if (const auto bytes = report.Number("restored_bytes")) AppendPart(SizeText(*bytes), &line);
  AppendPart(DoneText(report), &line);
  std::string compared = report.Text("compared_what");
  if (const auto items = report.Number("compared_items"); compared.empty() && items) {
    compared = Plural(*items, "item");
  }
  if (!compared.empty()) AppendPart("compared " + compared, &line);
  if (const std::string target = report.Text("target"); !target.empty()) {
    AppendPart("now at " + target, &line);
  }
  return line;
}

std::string VerifyText(const Report& report) {
  std::string line;
  if (const auto checked = report.Number("checked")) {
    AppendPart(fmt::format("checked {}", Plural(*checked, "item")), &line);
  }
  if (const auto bytes = report.Number("bytes")) AppendPart(SizeText(*bytes), &line);
  AppendPart(DoneText(report), &line);
  return line;
}

void AppendList(std::string_view title, const std::vector<std::string>& texts, std::string* out) {
  for (std::size_t i = 0; i < std::min(texts.size(), kShownProblems); ++i) {
    *out += fmt::format("  {} {}\n", title, texts[i]);
  }
  if (texts.size() > kShownProblems) {
    *out += fmt::format("  {} … and {} more (--json shows all)\n", title,
                        CountText(texts.size() - kShownProblems));
  }
}

}  // namespace

std::string OutcomeText(JobKind kind, const JobResult& result) {
  const Report report(result.report_json);
  std::string line;
  switch (kind) {
    case JobKind::kBackup:
      line = BackupText(report);
      break;
    case JobKind::kRestore:
      line = RestoreText(report);
      break;
    case JobKind::kVerify:
      line = VerifyText(report);
      break;
  }
  if (result.exit_code == 0) return line;
  if (result.exit_code == static_cast<std::uint32_t>(ErrorKind::kPartial)) {
    return fmt::format("done in part{}{}", kGap, line);
  }
  return "failed";
}

std::string DetailText(JobKind kind, const JobResult& result) {
  const Report report(result.report_json);
  std::string text;
  switch (kind) {
    case JobKind::kBackup:
      AppendList("left out:", report.Problems("problems"), &text);
      AppendList("note:", report.Texts("notes"), &text);
      break;
    case JobKind::kRestore:
      AppendList("differs:", report.Problems("mismatches"), &text);
      AppendList("skipped:", report.Problems("skipped"), &text);
      AppendList("warning:", report.Texts("warnings"), &text);
      break;
    case JobKind::kVerify:
      AppendList("damaged:", report.Problems("damaged"), &text);
      break;
  }
  return text;
}

absl::Status StatusOfResult(const JobResult& result) {
  if (result.exit_code == 0) return absl::OkStatus();
  const bool known = result.exit_code >= 1 && result.exit_code <= 12;
  return Error(
      known ? static_cast<ErrorKind>(result.exit_code) : ErrorKind::kFailed,
      static_cast<int>(result.error_code),
      result.message.empty() ? "the job failed without saying why" : Escaped(result.message, 2000),
      Escaped(result.hint, 1000));
}

int WorstExitCode(const std::vector<int>& codes) {
  // Most serious first: damage, then what no repetition mends, then what one may.
  constexpr int kOrder[] = {5, 12, 11, 10, 9, 8, 7, 6, 4, 2, 1, 3, 0};
  for (const int code : kOrder) {
    if (std::find(codes.begin(), codes.end(), code) != codes.end()) return code;
  }
  return codes.empty() ? 0 : 1;
}

}  // namespace holdfast::cli
