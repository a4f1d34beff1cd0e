// Many sources that fail at once: one alert speaks for all.
//
// Its order makes a crash between two transactions harmless: first the alert of all, then silence
// about each.
#include <algorithm>

#include "common/base/error.h"
#include "common/log/log.h"
#include "controller/alert/engine.h"
#include "fmt/format.h"

namespace holdfast::alert {

using catalog::AlertChange;
using catalog::AlertRow;
using catalog::AlertState;
using catalog::MessageRow;
using catalog::MessageState;

namespace {

constexpr char kStormKey[] = "failures/*";
constexpr char kStormSubject[] = "several sources";
constexpr std::size_t kSourcesNamed = 20;

std::string TimesText(std::uint64_t count) {
  return count > 1 ? fmt::format(" ({} times)", count) : "";
}

// `failures` are open alerts, each of one source.
Problem StormOf(const std::vector<AlertRow>& failures) {
  std::string detail;
  for (std::size_t i = 0; i < std::min(failures.size(), kSourcesNamed); ++i) {
    const AlertRow& one = failures[i];
    detail += fmt::format("{}{}{}: {}", i == 0 ? "" : "\n", one.subject, TimesText(one.count),
                          one.detail);
  }
  if (failures.size() > kSourcesNamed) {
    detail += fmt::format("\nand {} more", failures.size() - kSourcesNamed);
  }
  return {
      kStormKey,
      kStorm,
      kStormSubject,
      notify::Severity::kError,
      failures.size() == 1 ? "the backup of 1 source failed"
                           : fmt::format("the backups of {} sources failed", failures.size()),
      detail,
      "Look for what they have in common: the network, the store, an upgrade. 'holdfast status' "
      "says why for each.",
      true};
}

AlertRow RowOf(const Problem& problem) {
  AlertRow row;
  row.subject = problem.subject;
  row.detail = problem.detail;
  return row;
}

}  // namespace

absl::StatusOr<std::vector<AlertRow>> Engine::OpenFailures() {
  ASSIGN_OR_RETURN(std::vector<AlertRow> open, book_.OpenAlerts());
  std::erase_if(open, [](const AlertRow& alert) { return alert.kind != kFailure; });
  return open;
}

absl::Status Engine::RaiseFailure(const Problem& problem, Seen seen) {
  ASSIGN_OR_RETURN(const auto newest, book_.NewestAlert(problem.key));
  const bool is_known = newest && newest->state != AlertState::kResolved;
  if (is_known && seen == Seen::kState) return RaiseLocked(problem, seen, {});
  ASSIGN_OR_RETURN(const auto storm, book_.NewestAlert(kStormKey));
  if (storm && storm->state != AlertState::kResolved) {
    RETURN_IF_ERROR(RaiseLocked(problem, seen, {}, Telling::kNobody));
    ASSIGN_OR_RETURN(const std::vector<AlertRow> failures, OpenFailures());
    return RaiseLocked(StormOf(failures), Seen::kEvent, {});
  }
  ASSIGN_OR_RETURN(std::vector<AlertRow> failures, OpenFailures());
  const std::uint64_t since =
      NowMs() - static_cast<std::uint64_t>(absl::ToInt64Milliseconds(kGroupTime));
  std::erase_if(failures, [&](const AlertRow& alert) { return alert.last_at_ms < since; });
  ASSIGN_OR_RETURN(const bool silenced, IsSilenced(problem.subject));
  if (is_known || silenced || failures.size() + 1 < kStormSources) {
    return RaiseLocked(problem, seen, {});
  }
  RETURN_IF_ERROR(BeginStorm(std::move(failures), problem));
  return RaiseLocked(problem, seen, {}, Telling::kNobody);
}

absl::Status Engine::BeginStorm(std::vector<AlertRow> failures, const Problem& newest) {
  const std::vector<AlertRow> before = failures;
  failures.push_back(RowOf(newest));
  RETURN_IF_ERROR(RaiseLocked(StormOf(failures), Seen::kEvent, {}));
  ASSIGN_OR_RETURN(auto storm, book_.NewestAlert(kStormKey));
  std::uint64_t count = 1;  // the newest
  for (const AlertRow& one : before) count += one.count;
  storm->count = std::max(storm->count, count);
  AlertChange change;
  change.alert = *storm;
  RETURN_IF_ERROR(book_.Apply(&change));
  for (const AlertRow& one : before) RETURN_IF_ERROR(Absorb(one));
  return absl::OkStatus();
}

// What was not told is not told. Who was told hears of the end, from this alert, as ever.
absl::Status Engine::Absorb(AlertRow alert) {
  ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(alert.id));
  AlertChange change;
  for (MessageRow message : known) {
    if (!IsUnsentTrigger(message)) continue;
    message.state = MessageState::kWithdrawn;
    message.done_at_ms = NowMs();
    change.messages.push_back(std::move(message));
  }
  alert.step_at_ms = 0;
  change.alert = std::move(alert);
  return book_.Apply(&change);
}

// A source was backed up again.
absl::Status Engine::FollowStorm() {
  ASSIGN_OR_RETURN(auto storm, book_.NewestAlert(kStormKey));
  if (!storm || storm->state == AlertState::kResolved) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<AlertRow> failures, OpenFailures());
  if (failures.empty()) return ResolveLocked(kStormKey, "All of them were backed up again.", {});
  const Problem problem = StormOf(failures);
  storm->title = problem.title;
  storm->detail = problem.detail;
  AlertChange change;
  change.alert = *storm;
  return book_.Apply(&change);
}

}  // namespace holdfast::alert
