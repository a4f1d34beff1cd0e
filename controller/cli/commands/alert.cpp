// `holdfast alert list|test|ack|silence|unsilence`: what is wrong, who was told, who looks after
// it.
//
// Exit status: 0; `test`: 3 when some channels took the message, 9 when none did; 6 no such alert,
// silence or channel; 7 an alert that is over; others in DESIGN 12.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "controller/cli/when.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr int kMaxId = 2'000'000'000;

struct AlertListOptions {
  bool all = false;
  bool deliveries = false;
  std::uint32_t limit = 0;
};
struct AlertTestOptions {
  std::string channel;
};
struct AcknowledgeOptions {
  int id = 0;
  std::string by;
};
struct SilenceOptions {
  std::string subject;
  std::string length;
  std::string reason;
  std::string by;
};
struct UnsilenceOptions {
  int id = 0;
};

std::string WhoTypes(const Context& context, const std::string& given) {
  if (!given.empty()) return given;
  for (const char* name : {"SUDO_USER", "USER", "LOGNAME"}) {
    const auto value = context.variable(name);
    if (value && !value->empty()) return *value;
  }
  return "an operator";
}

Json DeliveryJson(const AlertDelivery& one) {
  return {{"channel", one.channel},
          {"action", one.action},
          {"state", one.state},
          {"attempts", one.attempts},
          {"last_attempt_at", JsonTime(one.last_attempt_at_ms)},
          {"possibly_repeated", one.possibly_repeated},
          {"error", one.error}};
}

Json AlertJson(const AlertInfo& alert) {
  Json deliveries = Json::array();
  for (const AlertDelivery& one : alert.deliveries) deliveries.push_back(DeliveryJson(one));
  return {{"id", alert.id},
          {"kind", alert.kind},
          {"subject", alert.subject},
          {"severity", alert.severity},
          {"title", alert.title},
          {"detail", alert.detail},
          {"hint", alert.hint},
          {"state", alert.state},
          {"silenced", alert.silenced},
          {"count", alert.count},
          {"opened_at", JsonTime(alert.opened_at_ms)},
          {"last_at", JsonTime(alert.last_at_ms)},
          {"acknowledged_at", JsonTime(alert.acknowledged_at_ms)},
          {"acknowledged_by", alert.acknowledged_by},
          {"resolved_at", JsonTime(alert.resolved_at_ms)},
          {"deliveries", std::move(deliveries)}};
}

Json SilenceJson(const SilenceInfo& silence) {
  return {{"id", silence.id},
          {"subject", silence.subject},
          {"since", JsonTime(silence.since_ms)},
          {"until", JsonTime(silence.until_ms)},
          {"by", silence.by},
          {"reason", silence.reason}};
}

Json AlertListJson(const AlertList& list) {
  Json alerts = Json::array();
  for (const AlertInfo& alert : list.alerts) alerts.push_back(AlertJson(alert));
  Json silences = Json::array();
  for (const SilenceInfo& silence : list.silences) silences.push_back(SilenceJson(silence));
  Json channels = Json::array();
  for (const AlertChannel& channel : list.channels) {
    channels.push_back({{"name", channel.name},
                        {"kind", channel.kind},
                        {"target", channel.target},
                        {"severity", channel.least}});
  }
  return {{"alerts", std::move(alerts)},
          {"silences", std::move(silences)},
          {"channels", std::move(channels)}};
}

std::string StateText(const AlertInfo& alert) {
  if (alert.state == "acknowledged") return "ack by " + Escaped(alert.acknowledged_by, 40);
  if (alert.state == "open" && alert.silenced) return "silenced";
  return Escaped(alert.state, 20);
}

// "delivered to ops, mail; waiting: pager (the answer was 503)"
std::string DeliveryLines(const AlertInfo& alert, absl::TimeZone zone) {
  std::string text;
  for (const AlertDelivery& one : alert.deliveries) {
    text += fmt::format("    {} through {}: {}", Escaped(one.action, 20), Escaped(one.channel, 60),
                        Escaped(one.state, 20));
    if (one.attempts > 0) {
      text += fmt::format(", {}, last {}", Plural(one.attempts, "attempt"),
                          TimeText(one.last_attempt_at_ms, zone));
    }
    if (one.possibly_repeated) text += ", may have arrived twice";
    if (!one.error.empty()) text += fmt::format(": {}", Escaped(one.error, 300));
    text += "\n";
  }
  return text;
}

std::string AlertListText(const Context& context, const AlertList& list,
                          const AlertListOptions& options) {
  std::string text;
  if (list.alerts.empty()) text += options.all ? "No alerts.\n" : "No alert is open.\n";
  for (const AlertInfo& alert : list.alerts) {
    text += fmt::format("{}  {}  {}  since {}  {}{}\n", alert.id, Escaped(alert.severity, 20),
                        StateText(alert), TimeText(alert.opened_at_ms, context.zone),
                        Escaped(alert.title, 300),
                        alert.count > 1 ? fmt::format("  ({} times)", CountText(alert.count)) : "");
    if (!alert.detail.empty()) text += fmt::format("    {}\n", Escaped(alert.detail, 600));
    if (alert.state == "open" && !alert.hint.empty()) {
      text += fmt::format("    hint: {}\n", Escaped(alert.hint, 300));
    }
    if (options.deliveries) text += DeliveryLines(alert, context.zone);
  }
  for (const SilenceInfo& silence : list.silences) {
    text += fmt::format("silence {}: {} until {}, by {}{}\n", silence.id,
                        silence.subject == "*" ? "everything" : Escaped(silence.subject, 60),
                        TimeText(silence.until_ms, context.zone), Escaped(silence.by, 60),
                        silence.reason.empty() ? "" : ": " + Escaped(silence.reason, 200));
  }
  return text;
}

absl::Status ListAlerts(Context& context, const AlertListOptions& options) {
  ASSIGN_OR_RETURN(const AlertList list,
                   Connect(context)->ListAlerts({options.all, options.limit}));
  if (context.json) return WriteOut(context, JsonLine(AlertListJson(list)));
  RETURN_IF_ERROR(WriteOut(context, AlertListText(context, list, options)));
  if (list.channels.empty()) {
    context.err << "warning: no channel is configured: nobody is told of alerts\n"
                   "  hint: add alerts.channels to controller.yaml\n";
  }
  return absl::OkStatus();
}

absl::Status TestAlerts(Context& context, const AlertTestOptions& options) {
  ASSIGN_OR_RETURN(const auto deliveries, Connect(context)->TestAlerts(options.channel));
  std::size_t good = 0;
  Json list = Json::array();
  std::string text;
  for (const AlertDelivery& one : deliveries) {
    const bool delivered = one.state == "delivered";
    good += delivered ? 1 : 0;
    list.push_back(DeliveryJson(one));
    text += fmt::format("{}  {}{}\n", Escaped(one.channel, 60),
                        delivered ? "delivered" : "NOT delivered (" + Escaped(one.state, 20) + ")",
                        one.error.empty() ? "" : ": " + Escaped(one.error, 300));
  }
  RETURN_IF_ERROR(WriteOut(
      context, context.json ? JsonLine({{"deliveries", std::move(list)}}) : std::move(text)));
  if (good == deliveries.size()) return absl::OkStatus();
  return Error(good > 0 ? ErrorKind::kPartial : ErrorKind::kCheckFailed, 1250,
               fmt::format("unable to test alerting: {} of {} took the message", good,
                           Plural(deliveries.size(), "channel")),
               "What was not refused for good is tried again for 24 hours.");
}

absl::Status AcknowledgeAlert(Context& context, const AcknowledgeOptions& options) {
  ASSIGN_OR_RETURN(const AlertInfo alert,
                   Connect(context)->AcknowledgeAlert(options.id, WhoTypes(context, options.by)));
  if (context.json) return WriteOut(context, JsonLine(AlertJson(alert)));
  context.err << fmt::format("Alert {} is acknowledged by {}: nobody else is called. {}\n",
                             alert.id, Escaped(alert.acknowledged_by, 60),
                             Escaped(alert.title, 300));
  return absl::OkStatus();
}

absl::Status SilenceAlerts(Context& context, const SilenceOptions& options) {
  const auto length = ParseSpan(options.length);
  if (!length.ok()) {
    return Error(ErrorKind::kUsage, 1251,
                 fmt::format("unable to read --for '{}': {}", Escaped(options.length),
                             MessageOf(length.status())),
                 "Write for example 30m, 4h or 2d.");
  }
  OperatorClient::SilenceRequest request;
  request.subject = options.subject == "all" ? "*" : options.subject;
  request.seconds = static_cast<std::uint64_t>(absl::ToInt64Seconds(*length));
  request.by = WhoTypes(context, options.by);
  request.reason = options.reason;
  ASSIGN_OR_RETURN(const SilenceInfo silence, Connect(context)->SilenceAlerts(request));
  if (context.json) return WriteOut(context, JsonLine(SilenceJson(silence)));
  context.err << fmt::format(
      "Nobody is told of {} until {}. What is still wrong then is told. To end it sooner: holdfast "
      "alert unsilence {}\n",
      silence.subject == "*" ? "anything" : "'" + Escaped(silence.subject, 60) + "'",
      TimeText(silence.until_ms, context.zone), silence.id);
  return absl::OkStatus();
}

absl::Status UnsilenceAlerts(Context& context, const UnsilenceOptions& options) {
  RETURN_IF_ERROR(Connect(context)->EndSilence(options.id));
  if (context.json) return WriteOut(context, JsonLine({{"ended", options.id}}));
  context.err << fmt::format("Silence {} is over.\n", options.id);
  return absl::OkStatus();
}

void AddAlertList(Command& group, Context& context) {
  auto list = std::make_shared<AlertListOptions>();
  Command command = group.Verb("list", "Open alerts, gravest first");
  command.Flag("--all", list->all, "Also those that are over, newest first");
  command.Flag("--deliveries", list->deliveries, "Through which channels, with what success");
  command.Add("--limit", list->limit, "So many at most (default: 100)").Between(1, 10'000);
  command.Footer(Examples("holdfast alert list", "holdfast alert list --all --json"));
  command.Action(
      [&context, list] { context.exit_code = Report(context, ListAlerts(context, *list)); });
}

void AddSilence(Command& group, Context& context) {
  auto silence = std::make_shared<SilenceOptions>();
  Command command = group.Verb("silence", "Tell nobody, for a time");
  command.Add("subject", silence->subject, "A source, agent or channel as alerts name it; or all")
      .Required();
  command.Add("--for", silence->length, "How long: 30m, 4h, 2d").Required();
  command.Add("--reason", silence->reason, "Why, for others");
  command.Add("--by", silence->by, "Who (default: the user)");
  command.Footer(Examples("holdfast alert silence db --for 4h --reason 'moving the server'",
                          "holdfast alert silence all --for 30m --json"));
  command.Action([&context, silence] {
    context.exit_code = Report(context, SilenceAlerts(context, *silence));
  });
  auto end = std::make_shared<UnsilenceOptions>();
  Command ending = group.Verb("unsilence", "End a silence now");
  ending.Add("id", end->id, "Its number, as 'alert list' shows it").Required().Between(1, kMaxId);
  ending.Footer(Examples("holdfast alert unsilence 3", "holdfast alert unsilence 3 --json"));
  ending.Action(
      [&context, end] { context.exit_code = Report(context, UnsilenceAlerts(context, *end)); });
}

}  // namespace

void AddAlert(Command& program, Context& context) {
  Command group = program.Verb("alert", "What is wrong, and who was told");
  group.RequireVerb();
  group.Footer(Examples("holdfast alert list", "holdfast alert ack 12"));
  AddAlertList(group, context);
  auto test = std::make_shared<AlertTestOptions>();
  Command testing = group.Verb("test", "Send a test message and see whether it is taken");
  testing.Add("channel", test->channel, "Only through this channel");
  testing.Footer(Examples("holdfast alert test", "holdfast alert test ops --json"));
  testing.Action(
      [&context, test] { context.exit_code = Report(context, TestAlerts(context, *test)); });
  auto acknowledge = std::make_shared<AcknowledgeOptions>();
  Command acknowledging = group.Verb("ack", "Somebody looks after it: call nobody else");
  acknowledging.Add("id", acknowledge->id, "Its number, as 'alert list' shows it")
      .Required()
      .Between(1, kMaxId);
  acknowledging.Add("--by", acknowledge->by, "Who (default: the user)");
  acknowledging.Footer(Examples("holdfast alert ack 12", "holdfast alert ack 12 --by ana --json"));
  acknowledging.Action([&context, acknowledge] {
    context.exit_code = Report(context, AcknowledgeAlert(context, *acknowledge));
  });
  AddSilence(group, context);
}

}  // namespace holdfast::cli
