// Messages: what they say, what became of them.
#include <algorithm>

#include "common/base/error.h"
#include "common/log/log.h"
#include "common/notify/retry.h"
#include "controller/alert/engine.h"
#include "controller/alert/words.h"
#include "fmt/format.h"

namespace holdfast::alert {

using catalog::AlertChange;
using catalog::AlertRow;
using catalog::AlertState;
using catalog::MessageRow;
using catalog::MessageState;
using notify::Action;

namespace {

absl::Time At(std::uint64_t ms) { return absl::FromUnixMillis(static_cast<std::int64_t>(ms)); }

std::string ProviderWords(const Provider& provider) {
  std::string text = provider.service;
  for (const std::string& part : {provider.support, provider.phone}) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  }
  return text;
}

}  // namespace

bool Engine::IsKnown(const std::string& channel) const {
  return std::any_of(options_.routing.channels.begin(), options_.routing.channels.end(),
                     [&](const ChannelFacts& known) { return known.name == channel; });
}

absl::Status Engine::Start() {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const std::uint64_t revived, book_.ReviveAttempts());
  if (revived > 0) {
    log::Warn("{} alert messages were being sent when the controller stopped: sent again, marked",
              revived);
  }
  RETURN_IF_ERROR(DropUnknownChannels());
  return ResolveLocked(KeyOf(kReload, "controller"), "The configuration was taken at start.", {});
}

absl::Status Engine::Reconfigure(EngineOptions options) {
  std::lock_guard lock(mutex_);
  options_ = std::move(options);
  return DropUnknownChannels();
}

// Their messages cannot go anywhere. An alert that nobody was told of begins again.
absl::Status Engine::DropUnknownChannels() {
  ASSIGN_OR_RETURN(const auto unfinished, book_.UnfinishedMessages());
  for (MessageRow message : unfinished) {
    if (IsKnown(message.channel)) continue;
    message.state = MessageState::kDead;
    message.error = "the channel is not configured any more";
    message.done_at_ms = NowMs();
    AlertChange change;
    const std::int64_t id = message.alert;
    change.messages.push_back(std::move(message));
    RETURN_IF_ERROR(book_.Apply(&change));
    if (id == 0) continue;
    ASSIGN_OR_RETURN(AlertRow alert, book_.GetAlert(id));
    ASSIGN_OR_RETURN(const auto known, book_.MessagesOf(id));
    const bool told = std::any_of(known.begin(), known.end(), [](const MessageRow& other) {
      return other.state == MessageState::kDelivered || other.state == MessageState::kWaiting;
    });
    if (alert.state != AlertState::kOpen || told) continue;
    AlertChange again;
    alert.step = 0;
    alert.step_at_ms = NowMs();
    again.alert = alert;
    RETURN_IF_ERROR(book_.Apply(&again));
  }
  ASSIGN_OR_RETURN(const auto open, book_.OpenAlerts());
  for (const AlertRow& alert : open) {
    if (alert.kind == kChannel && !IsKnown(alert.subject)) {
      RETURN_IF_ERROR(ResolveLocked(alert.key, "The channel is not configured any more.", {}));
    }
  }
  return absl::OkStatus();
}

notify::Message Engine::Render(const MessageRow& row, const AlertRow& alert) const {
  notify::Message message;
  message.id = row.message_id;
  message.dedup_key = fmt::format("{}/alert/{}", options_.origin, alert.id);
  message.action = static_cast<Action>(row.action);
  message.severity = notify::SeverityOf(alert.severity);
  message.kind = alert.kind;
  message.subject = alert.subject;
  message.title = alert.title;
  message.text = alert.detail;
  message.count = alert.count;
  message.at = At(alert.opened_at_ms);
  message.origin = options_.origin;
  message.facts.push_back({"Alert", std::to_string(alert.id)});
  message.facts.push_back({"About", alert.subject});
  message.facts.push_back({"Since", TimeWords(At(alert.opened_at_ms))});
  if (message.action == Action::kResolve) {
    message.facts.push_back({"Over", TimeWords(At(alert.resolved_at_ms))});
    message.facts.push_back(
        {"Lasted", SpanWords(At(alert.resolved_at_ms) - At(alert.opened_at_ms))});
    return message;
  }
  if (message.action == Action::kAcknowledge) {
    message.facts.push_back({"Acknowledged by", alert.acknowledged_by});
    return message;
  }
  message.hint = alert.hint;
  if (alert.count > 1) {
    message.facts.push_back({"Count", std::to_string(alert.count)});
    message.facts.push_back({"Last", TimeWords(At(alert.last_at_ms))});
  }
  for (const Provider& provider : options_.routing.providers) {
    message.facts.push_back({provider.name, ProviderWords(provider)});
  }
  message.facts.push_back({"Acknowledge", fmt::format("holdfast alert ack {}", alert.id)});
  if (tokens_ != nullptr && !options_.link_base.empty()) {
    message.acknowledge_url =
        options_.link_base + tokens_->Make({alert.id, row.channel, env_.clock.Now() + kLinkLife});
  }
  return message;
}

// A trigger that nobody saw yet and that nobody needs to see now. True: it was withdrawn.
absl::StatusOr<bool> Engine::Withdraw(const MessageRow& message) {
  if (message.alert == 0 || message.attempts > 0 ||
      static_cast<Action>(message.action) != Action::kTrigger) {
    return false;
  }
  ASSIGN_OR_RETURN(AlertRow alert, book_.GetAlert(message.alert));
  ASSIGN_OR_RETURN(const bool silenced, IsSilenced(alert.subject));
  if (alert.state == AlertState::kOpen && !silenced) return false;
  AlertChange change;
  MessageRow row = message;
  row.state = MessageState::kWithdrawn;
  row.done_at_ms = NowMs();
  change.messages.push_back(std::move(row));
  if (silenced && alert.state == AlertState::kOpen) {
    alert.step = 0;
    alert.step_at_ms = NowMs();
    change.alert = alert;
  }
  RETURN_IF_ERROR(book_.Apply(&change));
  return true;
}

absl::StatusOr<std::optional<Outgoing>> Engine::Claim(const std::string& channel) {
  std::lock_guard lock(mutex_);
  for (;;) {
    ASSIGN_OR_RETURN(auto row, book_.NextMessage(channel, NowMs()));
    if (!row) return std::optional<Outgoing>();
    ASSIGN_OR_RETURN(const bool withdrawn, Withdraw(*row));
    if (withdrawn) continue;
    if (row->payload.empty()) {
      ASSIGN_OR_RETURN(const AlertRow alert, book_.GetAlert(row->alert));
      row->payload = notify::ToJson(Render(*row, alert));
    }
    ASSIGN_OR_RETURN(notify::Message message, notify::MessageFromJson(row->payload));
    message.id = row->message_id;
    message.possibly_repeated = row->repeated;
    row->state = MessageState::kSending;
    ++row->attempts;
    row->last_attempt_at_ms = NowMs();
    if (row->first_attempt_at_ms == 0) row->first_attempt_at_ms = row->last_attempt_at_ms;
    AlertChange change;
    change.messages.push_back(*row);
    RETURN_IF_ERROR(book_.Apply(&change));
    return std::optional<Outgoing>(Outgoing{row->id, std::move(message)});
  }
}

Problem Engine::ChannelProblem(const MessageRow& row, const std::string& cause) const {
  const auto message = notify::MessageFromJson(row.payload);
  const std::string what = message.ok() ? notify::Headline(*message) : row.message_id;
  return {KeyOf(kChannel, row.channel),
          kChannel,
          row.channel,
          notify::Severity::kError,
          fmt::format("channel '{}' does not take alerts", row.channel),
          fmt::format("{}\nNot delivered through it: {}", cause, what),
          fmt::format("Look at the channel in controller.yaml; 'holdfast alert test {}' tries it.",
                      row.channel),
          false};
}

absl::Status Engine::Finish(std::int64_t id, const notify::Delivery& delivery) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(MessageRow row, book_.GetMessage(id));
  const absl::Duration tried = At(NowMs()) - At(row.first_attempt_at_ms);
  AlertChange change;
  row.error = delivery.cause;
  switch (delivery.kind) {
    case notify::Delivery::Kind::kDelivered:
      row.state = MessageState::kDelivered;
      row.done_at_ms = NowMs();
      change.messages.push_back(row);
      return ResolveLocked(KeyOf(kChannel, row.channel), "It takes alerts again.",
                           std::move(change));
    case notify::Delivery::Kind::kTryAgain: {
      if (tried >= notify::kGiveUpAfter) break;
      const absl::Duration wait = notify::RetryDelay(row.attempts, delivery.retry_after, env_.rng);
      row.state = MessageState::kWaiting;
      row.repeated = row.repeated || delivery.maybe_taken;
      row.next_at_ms = NowMs() + static_cast<std::uint64_t>(absl::ToInt64Milliseconds(wait));
      change.messages.push_back(row);
      log::Warn("channel '{}' did not take an alert, next try in {}: {}", row.channel,
                SpanWords(wait), delivery.cause);
      if (tried < kChannelPatience) return book_.Apply(&change);
      return RaiseLocked(ChannelProblem(row, delivery.cause), Seen::kState, std::move(change));
    }
    case notify::Delivery::Kind::kRefused:
      break;
  }
  row.state = MessageState::kDead;
  row.done_at_ms = NowMs();
  change.messages.push_back(row);
  log::Error("channel '{}' refused an alert for good: {}", row.channel, delivery.cause);
  return RaiseLocked(ChannelProblem(row, delivery.cause), Seen::kEvent, std::move(change));
}

absl::StatusOr<std::vector<std::int64_t>> Engine::Announce(
    notify::Message message, std::vector<std::string> channels,
    const std::optional<std::pair<std::string, std::uint64_t>>& mark) {
  std::lock_guard lock(mutex_);
  if (channels.empty()) {
    for (const ChannelFacts& channel : options_.routing.channels) channels.push_back(channel.name);
  }
  AlertChange change;
  message.action = Action::kReport;
  message.origin = options_.origin;
  if (message.at == absl::Time()) message.at = env_.clock.Now();
  for (const std::string& channel : channels) {
    if (!IsKnown(channel)) {
      return Error(ErrorKind::kNotFound, 5505,
                   fmt::format("unable to find channel '{}': there is none", Escaped(channel)),
                   "Channels stand in controller.yaml below alerts.");
    }
    AddMessage(channel, Action::kReport, NowMs(), &change);
    MessageRow& row = change.messages.back();
    message.id = row.message_id;
    message.dedup_key = row.message_id;
    row.payload = notify::ToJson(message);
  }
  if (mark) change.marks.push_back(*mark);
  RETURN_IF_ERROR(book_.Apply(&change));
  std::vector<std::int64_t> ids;
  for (const MessageRow& row : change.messages) ids.push_back(row.id);
  return ids;
}

}  // namespace holdfast::alert
