// Raising and resolving: what opens an alert, what is the same again, when it is over.
#include "controller/alert/engine.h"

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/log/log.h"
#include "controller/alert/rules.h"
#include "controller/alert/words.h"
#include "fmt/format.h"

namespace holdfast::alert {

using catalog::AlertChange;
using catalog::AlertRow;
using catalog::AlertState;
using catalog::MessageRow;
using catalog::MessageState;

namespace {

std::uint64_t SpanMs(absl::Duration span) {
  return static_cast<std::uint64_t>(absl::ToInt64Milliseconds(span));
}

Problem FailureOf(const Event& event, const std::string& label) {
  return {KeyOf(kFailure, event.source.hex()),
          kFailure,
          label,
          notify::Severity::kError,
          fmt::format("the backup of '{}' failed", label),
          event.text,
          fmt::format("'holdfast status' says why; 'holdfast backup {}' tries it now.", label),
          true};
}

Problem MissOf(const Event& event, const std::string& label) {
  return {KeyOf(kMissed, event.source.hex()),
          kMissed,
          label,
          notify::Severity::kWarning,
          fmt::format("a scheduled backup of '{}' did not run", label),
          event.text,
          fmt::format("'holdfast backup {}' makes up for it now.", label),
          true};
}

Problem ReloadFailureOf(const Event& event) {
  return {KeyOf(kReload, "controller"),
          kReload,
          "configuration",
          notify::Severity::kError,
          "the new configuration was not taken; the old one stays active",
          event.text,
          "Correct the file, then reload again.",
          false};
}

}  // namespace

bool IsUnsentTrigger(const MessageRow& message) {
  return message.state == MessageState::kWaiting && message.attempts == 0 &&
         message.action == static_cast<std::uint32_t>(notify::Action::kTrigger);
}

std::vector<std::string> ToldChannels(const std::vector<MessageRow>& messages) {
  std::map<std::string, bool> told;
  for (const MessageRow& message : messages) {
    const auto action = static_cast<notify::Action>(message.action);
    if (action == notify::Action::kTrigger && message.attempts > 0 &&
        message.state != MessageState::kDead) {
      told[message.channel] = true;
    } else if (action == notify::Action::kResolve && message.state != MessageState::kWithdrawn) {
      told[message.channel] = false;
    }
  }
  std::vector<std::string> channels;
  for (const auto& [channel, is_told] : told) {
    if (is_told) channels.push_back(channel);
  }
  return channels;
}

Engine::Engine(Env env, catalog::AlertBook& book, EngineOptions options,
               std::function<std::string(const SourceId&)> label_of, const AckTokens* tokens)
    : env_(env),
      book_(book),
      label_of_(std::move(label_of)),
      tokens_(tokens),
      options_(std::move(options)) {}

std::uint64_t Engine::NowMs() const {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, absl::ToUnixMillis(env_.clock.Now())));
}

catalog::EventRow Engine::EventAt(std::string_view kind, const AlertRow& alert,
                                  const std::string& text) const {
  return {NowMs(), std::string(kind), alert.subject, alert.severity, text};
}

void Engine::Report(const Event& event) {
  const std::string label = event.source.IsZero() ? "" : label_of_(event.source);
  std::lock_guard lock(mutex_);
  absl::Status status;
  switch (event.kind) {
    case EventKind::kBackupFailed:
      status = RaiseFailure(FailureOf(event, label), Seen::kEvent);
      break;
    case EventKind::kBackupSucceeded:
      status = ResolveLocked(KeyOf(kFailure, event.source.hex()), "A backup succeeded.", {});
      if (status.ok()) {
        status = ResolveLocked(KeyOf(kMissed, event.source.hex()), "A backup succeeded.", {});
      }
      break;
    case EventKind::kRunMissed:
      status = RaiseLocked(MissOf(event, label), Seen::kEvent, {});
      break;
    case EventKind::kReloadFailed:
      status = RaiseLocked(ReloadFailureOf(event), Seen::kEvent, {});
      break;
    case EventKind::kReloadSucceeded:
      status = ResolveLocked(KeyOf(kReload, "controller"), "A configuration was taken.", {});
      break;
  }
  if (!status.ok()) log::Failure(WithContext(status, "unable to record an event"));
}

absl::Status Engine::Raise(const Problem& problem) {
  std::lock_guard lock(mutex_);
  return RaiseLocked(problem, Seen::kEvent, {});
}

absl::Status Engine::Resolve(const std::string& key, const std::string& why) {
  std::lock_guard lock(mutex_);
  return ResolveLocked(key, why, {});
}

absl::Status Engine::RaiseLocked(const Problem& problem, Seen seen, AlertChange change,
                                 Telling telling) {
  ASSIGN_OR_RETURN(const auto newest, book_.NewestAlert(problem.key));
  if (newest && newest->state != AlertState::kResolved) {
    return CountAgain(problem, seen, *newest, std::move(change));
  }
  const std::uint64_t now = NowMs();
  AlertRow alert;
  std::uint64_t told_from = problem.in_bursts ? now + SpanMs(kQuiet) : now;
  if (newest && now < newest->resolved_at_ms + SpanMs(kGroupTime)) {
    alert = *newest;
    ASSIGN_OR_RETURN(told_from, HoldAfterReturn(problem, alert));
    ++alert.count;
    alert.state = AlertState::kOpen;
    alert.acknowledged_at_ms = alert.resolved_at_ms = 0;
    alert.acknowledged_by.clear();
  } else {
    alert.key = problem.key;
    alert.kind = problem.kind;
    alert.subject = problem.subject;
    alert.opened_at_ms = now;
  }
  alert.severity = static_cast<std::uint32_t>(problem.severity);
  alert.title = problem.title;
  alert.detail = problem.detail;
  alert.hint = problem.hint;
  alert.last_at_ms = now;
  alert.step = 0;
  change.events.push_back(EventAt(problem.kind, alert, problem.title));
  std::vector<MessageRow> known;
  if (alert.id != 0) {
    ASSIGN_OR_RETURN(known, book_.MessagesOf(alert.id));
  }
  if (telling == Telling::kAsRouted) {
    RETURN_IF_ERROR(TakeStepLocked(&alert, told_from, known, &change));
  } else {
    alert.step_at_ms = 0;
  }
  change.alert = alert;
  log::Warn("alert: {}", problem.title);
  return book_.Apply(&change);
}

// One that was told of before waits until its group's time is over; one that nobody heard of yet
// keeps the patience of its first event.
absl::StatusOr<std::uint64_t> Engine::HoldAfterReturn(const Problem& problem,
                                                      const AlertRow& alert) {
  const std::uint64_t now = NowMs();
  ASSIGN_OR_RETURN(const auto messages, book_.MessagesOf(alert.id));
  const bool heard = std::any_of(messages.begin(), messages.end(),
                                 [](const MessageRow& message) { return message.attempts > 0; });
  // A clock that was set back may have let it end "later" than now.
  if (heard) return std::min(alert.resolved_at_ms, now) + SpanMs(kGroupTime);
  if (!problem.in_bursts) return now;
  return std::clamp(alert.opened_at_ms + SpanMs(kGroupTime), now, now + SpanMs(kQuiet));
}

// The problem is known and not over.
absl::Status Engine::CountAgain(const Problem& problem, Seen seen, AlertRow alert,
                                AlertChange change) {
  const auto severity = static_cast<std::uint32_t>(problem.severity);
  const bool graver = severity > alert.severity;
  const bool has_more = !change.events.empty() || !change.messages.empty();
  if (seen == Seen::kState && !graver && alert.title == problem.title && !has_more) {
    return absl::OkStatus();
  }
  const std::uint64_t now = NowMs();
  ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(alert.id));
  alert.title = problem.title;
  alert.detail = problem.detail;
  alert.hint = problem.hint;
  alert.severity = std::max(alert.severity, severity);
  if (seen == Seen::kEvent) {
    ++alert.count;
    alert.last_at_ms = now;
  }
  change.events.push_back(EventAt(problem.kind, alert, problem.title));
  if (graver) {
    alert.state = AlertState::kOpen;
    alert.acknowledged_at_ms = 0;
    alert.acknowledged_by.clear();
    alert.step = 0;
    RETURN_IF_ERROR(TakeStepLocked(&alert, now, known, &change));
  }
  for (MessageRow message : known) {
    if (!IsUnsentTrigger(message)) continue;
    const std::uint64_t latest = message.created_at_ms + SpanMs(kGroupTime);
    if (graver) {
      message.next_at_ms = now;
    } else if (seen == Seen::kEvent && problem.in_bursts) {
      message.next_at_ms = std::max(message.next_at_ms, std::min(now + SpanMs(kQuiet), latest));
    }
    change.messages.push_back(std::move(message));
  }
  change.alert = alert;
  return book_.Apply(&change);
}

absl::Status Engine::ResolveLocked(const std::string& key, const std::string& why,
                                   AlertChange change) {
  ASSIGN_OR_RETURN(auto alert, book_.NewestAlert(key));
  if (!alert || alert->state == AlertState::kResolved) {
    if (change.events.empty() && change.messages.empty()) return absl::OkStatus();
    return book_.Apply(&change);
  }
  const std::uint64_t now = NowMs();
  ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(alert->id));
  for (MessageRow message : known) {
    if (!IsUnsentTrigger(message)) continue;
    message.state = MessageState::kWithdrawn;
    message.done_at_ms = now;
    change.messages.push_back(std::move(message));
  }
  for (const std::string& channel : ToldChannels(known)) {
    AddMessage(channel, notify::Action::kResolve, now, &change);
  }
  alert->state = AlertState::kResolved;
  alert->resolved_at_ms = now;
  if (!why.empty()) alert->detail = why;
  change.events.push_back(EventAt("resolved", *alert, alert->title));
  change.alert = *alert;
  log::Info("over: {}", alert->title);
  RETURN_IF_ERROR(book_.Apply(&change));
  return alert->kind == kFailure ? FollowStorm() : absl::OkStatus();
}

absl::Status Engine::Reconcile(const Facts& facts, const std::vector<Problem>& problems) {
  std::lock_guard lock(mutex_);
  for (const Problem& problem : problems) {
    RETURN_IF_ERROR(problem.kind == kFailure ? RaiseFailure(problem, Seen::kState)
                                             : RaiseLocked(problem, Seen::kState, {}));
  }
  ASSIGN_OR_RETURN(const auto open, book_.OpenAlerts());
  for (const AlertRow& alert : open) {
    if (!IsJudged(alert.kind)) continue;
    if (NeedsAcknowledgement(alert.kind) && alert.state == AlertState::kOpen) continue;
    const bool still = std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) {
      return problem.key == alert.key;
    });
    if (!still) RETURN_IF_ERROR(ResolveLocked(alert.key, "", {}));
  }
  for (const SourceFacts& source : facts.sources) {
    const std::string key = KeyOf(kMissed, source.id.hex());
    for (const AlertRow& alert : open) {
      const absl::Time last = absl::FromUnixMillis(static_cast<std::int64_t>(alert.last_at_ms));
      if (alert.key == key && source.last_success > last) {
        RETURN_IF_ERROR(ResolveLocked(key, "A backup succeeded.", {}));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace holdfast::alert
