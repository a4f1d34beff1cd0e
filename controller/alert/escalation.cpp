// Who is told next; acknowledging and silencing.
#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "controller/alert/engine.h"
#include "controller/alert/words.h"
#include "fmt/format.h"

namespace holdfast::alert {

using catalog::AlertChange;
using catalog::AlertRow;
using catalog::AlertState;
using catalog::MessageRow;
using catalog::MessageState;

namespace {

std::uint64_t Milliseconds(absl::Duration span) {
  return static_cast<std::uint64_t>(absl::ToInt64Milliseconds(span));
}

bool HasWaitingTrigger(const std::vector<MessageRow>& messages, const std::string& channel) {
  return std::any_of(messages.begin(), messages.end(), [&](const MessageRow& message) {
    return message.channel == channel && message.state == MessageState::kWaiting &&
           message.action == static_cast<std::uint32_t>(notify::Action::kTrigger);
  });
}

// Also those that refused: they may be well again, and the reminder shows it.
std::set<std::string> TriedChannels(const std::vector<MessageRow>& messages) {
  std::set<std::string> channels;
  for (const MessageRow& message : messages) {
    if (message.action == static_cast<std::uint32_t>(notify::Action::kTrigger)) {
      channels.insert(message.channel);
    }
  }
  return channels;
}

}  // namespace

void Engine::AddMessage(const std::string& channel, notify::Action action, std::uint64_t at_ms,
                        AlertChange* change) {
  MessageRow message;
  message.message_id = "msg_" + ToHex(env_.rng.Draw(12));
  message.channel = channel;
  message.action = static_cast<std::uint32_t>(action);
  message.created_at_ms = NowMs();
  message.next_at_ms = at_ms;
  change->messages.push_back(std::move(message));
}

absl::StatusOr<bool> Engine::IsSilenced(const std::string& subject) {
  ASSIGN_OR_RETURN(const auto silences, book_.SilencesAt(NowMs()));
  return std::any_of(silences.begin(), silences.end(), [&](const catalog::SilenceRow& silence) {
    return silence.subject == "*" || silence.subject == subject;
  });
}

// The step of the alert, or the next that reaches somebody, with messages from `from_ms` on. While
// it is silenced, or when nobody can be reached at all, the step stays due.
absl::Status Engine::TakeStepLocked(AlertRow* alert, std::uint64_t from_ms,
                                    const std::vector<MessageRow>& known, AlertChange* change) {
  alert->step_at_ms = NowMs();
  ASSIGN_OR_RETURN(const bool silenced, IsSilenced(alert->subject));
  if (silenced) return absl::OkStatus();
  const Routing& routing = options_.routing;
  const auto severity = notify::SeverityOf(alert->severity);
  StepTaken taken = TakeStep(routing, alert->step, severity, env_.clock.Now());
  if (alert->kind == kChannel) std::erase(taken.channels, alert->subject);
  if (taken.channels.empty() && alert->kind == kChannel) {
    for (const ChannelFacts& other : routing.channels) {
      if (other.name != alert->subject) taken.channels.push_back(other.name);
    }
  }
  if (taken.channels.empty() && alert->step == 0) return absl::OkStatus();
  if (alert->step == 0) from_ms = std::max(from_ms, NowMs() + Milliseconds(routing.AfterOf(0)));
  for (const std::string& channel : taken.channels) {
    if (!HasWaitingTrigger(known, channel)) {
      AddMessage(channel, notify::Action::kTrigger, from_ms, change);
    }
  }
  const std::size_t next = std::min(taken.step + 1, routing.step_count());
  alert->step = static_cast<std::uint32_t>(next);
  if (next < routing.step_count()) {
    alert->step_at_ms = from_ms + Milliseconds(routing.AfterOf(next) - routing.AfterOf(taken.step));
  } else {
    alert->step_at_ms =
        options_.remind > absl::ZeroDuration() ? from_ms + Milliseconds(options_.remind) : 0;
  }
  return absl::OkStatus();
}

absl::Status Engine::Escalate() {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const auto open, book_.OpenAlerts());
  const std::uint64_t now = NowMs();
  for (const AlertRow& alert : open) {
    if (alert.state != AlertState::kOpen || alert.step_at_ms == 0 || alert.step_at_ms > now) {
      continue;
    }
    RETURN_IF_ERROR(EscalateOne(alert));
  }
  return absl::OkStatus();
}

absl::Status Engine::EscalateOne(AlertRow alert) {
  const std::uint64_t now = NowMs();
  ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(alert.id));
  AlertChange change;
  if (alert.step < options_.routing.step_count()) {
    const std::uint32_t before = alert.step;
    RETURN_IF_ERROR(TakeStepLocked(&alert, now, known, &change));
    if (alert.step == before) return absl::OkStatus();  // silenced, or nobody can be told
    change.events.push_back(
        EventAt("escalated", alert, fmt::format("step {}: {}", alert.step, alert.title)));
  } else {
    ASSIGN_OR_RETURN(const bool silenced, IsSilenced(alert.subject));
    if (silenced) return absl::OkStatus();
    for (const std::string& channel : TriedChannels(known)) {
      if (HasWaitingTrigger(known, channel) || !IsKnown(channel)) continue;
      AddMessage(channel, notify::Action::kTrigger, now, &change);
    }
    alert.step_at_ms = now + Milliseconds(options_.remind);
    change.events.push_back(EventAt("reminded", alert, alert.title));
  }
  change.alert = alert;
  return book_.Apply(&change);
}

absl::StatusOr<AlertRow> Engine::Acknowledge(std::int64_t id, const std::string& by) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(AlertRow alert, book_.GetAlert(id));
  if (alert.state == AlertState::kAcknowledged) return alert;
  if (alert.state == AlertState::kResolved) {
    return Error(
        ErrorKind::kConflict, 5503,
        fmt::format(
            "unable to acknowledge alert {}: it is over since {}", id,
            TimeWords(absl::FromUnixMillis(static_cast<std::int64_t>(alert.resolved_at_ms)))));
  }
  AlertChange change;
  alert.state = AlertState::kAcknowledged;
  alert.acknowledged_at_ms = NowMs();
  alert.acknowledged_by = by;
  ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(id));
  for (const std::string& channel : ToldChannels(known)) {
    for (const ChannelFacts& facts : options_.routing.channels) {
      if (facts.name != channel || !facts.takes_acknowledgements) continue;
      AddMessage(channel, notify::Action::kAcknowledge, NowMs(), &change);
    }
  }
  change.events.push_back(EventAt("acknowledged", alert, fmt::format("by {}", by)));
  change.audit = catalog::AuditEntry{NowMs(), by, "alert.acknowledge", alert.subject,
                                     fmt::format("alert {}: {}", id, alert.title)};
  change.alert = alert;
  RETURN_IF_ERROR(book_.Apply(&change));
  return alert;
}

absl::StatusOr<AlertRow> Engine::AcknowledgeByToken(std::string_view token) {
  if (tokens_ == nullptr) {
    return Error(ErrorKind::kNotFound, 5506, "unable to acknowledge: links are not in use");
  }
  ASSIGN_OR_RETURN(const Acknowledgement acknowledgement, tokens_->Check(token, env_.clock.Now()));
  return Acknowledge(acknowledgement.alert,
                     fmt::format("the link sent through '{}'", acknowledgement.channel));
}

absl::StatusOr<catalog::SilenceRow> Engine::Silence(const SilenceRequest& request) {
  if (request.length < absl::Seconds(1) || request.length > kLongestSilence) {
    return Error(ErrorKind::kUsage, 5504,
                 "unable to silence alerts: not between a second and 30 days",
                 "A silence ends by itself; make another one when it does.");
  }
  std::lock_guard lock(mutex_);
  AlertChange change;
  change.silence = catalog::SilenceRow{0,          request.subject,
                                       NowMs(),    NowMs() + Milliseconds(request.length),
                                       request.by, request.reason};
  AlertRow about;
  about.subject = request.subject;
  change.events.push_back(EventAt(
      "silenced", about,
      fmt::format("for {} by {}: {}", SpanWords(request.length), request.by, request.reason)));
  change.audit =
      catalog::AuditEntry{NowMs(), request.by, "alert.silence", request.subject,
                          fmt::format("for {}: {}", SpanWords(request.length), request.reason)};
  RETURN_IF_ERROR(book_.Apply(&change));
  return *change.silence;
}

absl::Status Engine::EndSilence(std::int64_t silence, const std::string& by) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const auto silences, book_.SilencesAt(NowMs()));
  std::string subject;
  for (const catalog::SilenceRow& one : silences) {
    if (one.id == silence) subject = one.subject;
  }
  return book_.EndSilence(silence, {NowMs(), by, "alert.unsilence", subject,
                                    fmt::format("silence {} ends now", silence)});
}

}  // namespace holdfast::alert
