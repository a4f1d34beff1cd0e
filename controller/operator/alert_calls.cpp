#include "controller/operator/alert_calls.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::uint32_t kAlertsListed = 100;
constexpr std::uint32_t kAlertsMost = 10'000;
constexpr std::size_t kMaxWords = 200;
constexpr absl::Duration kTestTime = absl::Seconds(35);

const char* StateName(catalog::AlertState state) {
  switch (state) {
    case catalog::AlertState::kOpen:
      return "open";
    case catalog::AlertState::kAcknowledged:
      return "acknowledged";
    case catalog::AlertState::kResolved:
      return "resolved";
  }
  return "open";
}

const char* StateName(catalog::MessageState state) {
  switch (state) {
    case catalog::MessageState::kWaiting:
      return "waiting";
    case catalog::MessageState::kSending:
      return "sending";
    case catalog::MessageState::kDelivered:
      return "delivered";
    case catalog::MessageState::kDead:
      return "dead";
    case catalog::MessageState::kWithdrawn:
      return "withdrawn";
  }
  return "waiting";
}

void FillDelivery(const catalog::MessageRow& row, v1::AlertDeliveryInfo* out) {
  out->set_channel(row.channel);
  out->set_action(std::string(notify::NameOf(static_cast<notify::Action>(row.action))));
  out->set_state(StateName(row.state));
  out->set_attempts(row.attempts);
  out->set_last_attempt_at_ms(row.last_attempt_at_ms);
  out->set_possibly_repeated(row.repeated);
  out->set_error(row.error);
}

void FillAlert(const catalog::AlertRow& row, const std::vector<catalog::SilenceRow>& silences,
               v1::AlertInfo* out) {
  out->set_id(row.id);
  out->set_kind(row.kind);
  out->set_subject(row.subject);
  out->set_severity(std::string(notify::NameOf(notify::SeverityOf(row.severity))));
  out->set_title(row.title);
  out->set_detail(row.detail);
  out->set_hint(row.hint);
  out->set_state(StateName(row.state));
  out->set_count(row.count);
  out->set_opened_at_ms(row.opened_at_ms);
  out->set_last_at_ms(row.last_at_ms);
  out->set_acknowledged_at_ms(row.acknowledged_at_ms);
  out->set_acknowledged_by(row.acknowledged_by);
  out->set_resolved_at_ms(row.resolved_at_ms);
  out->set_silenced(
      std::any_of(silences.begin(), silences.end(), [&](const catalog::SilenceRow& silence) {
        return silence.subject == "*" || silence.subject == row.subject;
      }));
}

void FillSilence(const catalog::SilenceRow& row, v1::SilenceInfo* out) {
  out->set_id(row.id);
  out->set_subject(row.subject);
  out->set_since_ms(row.since_ms);
  out->set_until_ms(row.until_ms);
  out->set_by(row.by);
  out->set_reason(row.reason);
}

std::string HoursWords(const WeekHours& hours) {
  static constexpr const char* kNames[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
  std::string days;
  for (int day = 0; day < 7; ++day) {
    if ((hours.days >> day & 1) == 0) continue;
    days += (days.empty() ? "" : ",") + std::string(kNames[day]);
  }
  return fmt::format("{} {:02}:{:02}-{:02}:{:02}", hours.days == 0x7f ? "daily" : days,
                     hours.from_minute / 60, hours.from_minute % 60, hours.to_minute / 60,
                     hours.to_minute % 60);
}

std::uint64_t NowMsOf(alert::AlertDesk& desk) {
  return static_cast<std::uint64_t>(absl::ToUnixMillis(desk.now()));
}

}  // namespace

absl::Status FillAlerts(alert::AlertDesk& desk, const v1::ListAlertsRequest& request,
                        v1::ListAlertsReply* out) {
  catalog::AlertBook& book = desk.engine().book();
  const std::uint32_t limit =
      request.limit() == 0 ? kAlertsListed : std::min(request.limit(), kAlertsMost);
  ASSIGN_OR_RETURN(auto alerts, request.all() ? book.RecentAlerts(limit) : book.OpenAlerts());
  if (!request.all()) {
    std::stable_sort(alerts.begin(), alerts.end(),
                     [](const auto& a, const auto& b) { return a.severity > b.severity; });
    if (alerts.size() > limit) alerts.resize(limit);
  }
  ASSIGN_OR_RETURN(const auto silences, book.SilencesAt(NowMsOf(desk)));
  for (const catalog::AlertRow& alert : alerts) {
    v1::AlertInfo* info = out->add_alerts();
    FillAlert(alert, silences, info);
    ASSIGN_OR_RETURN(const auto messages, book.MessagesOf(alert.id));
    for (const catalog::MessageRow& message : messages) {
      FillDelivery(message, info->add_deliveries());
    }
  }
  for (const catalog::SilenceRow& silence : silences) FillSilence(silence, out->add_silences());
  for (const alert::AlertDesk::ChannelView& channel : desk.Channels()) {
    v1::AlertChannelInfo* info = out->add_channels();
    info->set_name(channel.name);
    info->set_kind(channel.kind);
    info->set_target(channel.target);
    info->set_least(std::string(notify::NameOf(channel.least)));
  }
  return absl::OkStatus();
}

absl::Status TestChannels(const OperatorServiceOptions& options,
                          const v1::TestAlertsRequest& request,
                          const std::function<bool()>& stopped, v1::TestAlertsReply* out) {
  alert::Engine& engine = options.alerts->engine();
  notify::Message message;
  message.kind = "test";
  message.subject = "alerting";
  message.severity = notify::Severity::kInfo;
  message.title = "a test of this channel";
  message.text = "Somebody typed 'holdfast alert test'. Nothing is wrong.";
  std::vector<std::string> channels;
  if (!request.channel().empty()) channels.push_back(request.channel());
  if (channels.empty() && options.alerts->Channels().empty()) {
    return Error(ErrorKind::kRefused, 5507, "unable to test: no channel is configured",
                 "Channels stand in controller.yaml below alerts.");
  }
  ASSIGN_OR_RETURN(const auto ids, engine.Announce(std::move(message), std::move(channels)));
  const absl::Duration end = options.env.clock.Monotonic() + kTestTime;
  for (;;) {
    out->clear_deliveries();
    bool under_way = false;
    for (const std::int64_t id : ids) {
      ASSIGN_OR_RETURN(const catalog::MessageRow row, engine.book().GetMessage(id));
      FillDelivery(row, out->add_deliveries());
      // One that failed and waits for its next attempt has said enough.
      under_way = under_way || row.state == catalog::MessageState::kSending ||
                  (row.state == catalog::MessageState::kWaiting && row.attempts == 0);
    }
    if (!under_way || stopped() || options.env.clock.Monotonic() > end) return absl::OkStatus();
    options.env.clock.SleepFor(absl::Milliseconds(100), {});
  }
}

absl::Status Acknowledge(alert::AlertDesk& desk, const v1::AcknowledgeAlertRequest& request,
                         v1::AlertInfo* out) {
  ASSIGN_OR_RETURN(const catalog::AlertRow alert,
                   desk.engine().Acknowledge(request.id(), Escaped(request.by(), kMaxWords)));
  FillAlert(alert, {}, out);
  return absl::OkStatus();
}

absl::Status Silence(alert::AlertDesk& desk, const v1::SilenceAlertsRequest& request,
                     v1::SilenceInfo* out) {
  const auto seconds =
      static_cast<std::int64_t>(std::min<std::uint64_t>(request.seconds(), 1'000'000'000));
  ASSIGN_OR_RETURN(const catalog::SilenceRow silence,
                   desk.engine().Silence({request.subject(), absl::Seconds(seconds),
                                          Escaped(request.by(), kMaxWords),
                                          Escaped(request.reason(), kMaxWords)}));
  FillSilence(silence, out);
  return absl::OkStatus();
}

void FillContacts(const alert::AlertConfig& config, absl::Time now, v1::ListContactsReply* out) {
  for (const alert::Contact& contact : config.contacts) {
    v1::ContactInfo* info = out->add_contacts();
    info->set_name(contact.name);
    info->set_role(contact.role);
    info->set_phone(contact.phone);
    info->set_time_zone(contact.zone_name);
    info->set_on_call(alert::IsOnCall(contact, now));
    *info->mutable_channels() = {contact.channels.begin(), contact.channels.end()};
    std::string hours;
    for (const WeekHours& one : contact.hours) {
      hours += (hours.empty() ? "" : "; ") + HoursWords(one);
    }
    info->set_hours(hours);
  }
  for (const alert::Provider& provider : config.providers) {
    v1::ProviderInfo* info = out->add_providers();
    info->set_name(provider.name);
    info->set_service(provider.service);
    info->set_support(provider.support);
    info->set_phone(provider.phone);
  }
  for (const alert::EscalationStep& step : config.steps) {
    v1::EscalationStepInfo* info = out->add_steps();
    info->set_after_seconds(static_cast<std::uint64_t>(absl::ToInt64Seconds(step.after)));
    *info->mutable_contacts() = {step.contacts.begin(), step.contacts.end()};
    *info->mutable_channels() = {step.channels.begin(), step.channels.end()};
  }
}

absl::Status FillAlertStatus(alert::AlertDesk& desk, v1::StatusReply* out) {
  catalog::AlertBook& book = desk.engine().book();
  ASSIGN_OR_RETURN(const catalog::AlertCounts counts, book.CountAlerts());
  out->set_open_alerts(counts.open);
  out->set_acknowledged_alerts(counts.acknowledged);
  out->set_undelivered_alerts(counts.waiting_messages + counts.dead_messages);
  out->set_alert_channels(desk.Channels().size());
  if (counts.open == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto alerts, book.OpenAlerts());
  const catalog::AlertRow* gravest = nullptr;
  for (const catalog::AlertRow& alert : alerts) {
    if (alert.state != catalog::AlertState::kOpen) continue;
    if (gravest == nullptr || alert.severity > gravest->severity) gravest = &alert;
  }
  if (gravest != nullptr) out->set_gravest_alert(gravest->title);
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
