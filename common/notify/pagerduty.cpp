// PagerDuty: Events API v2.
#include <nlohmann/json.hpp>

#include "common/notify/channels.h"

namespace holdfast::notify {
namespace {

using PagerJson = nlohmann::ordered_json;

constexpr std::size_t kSummaryLimit = 1024;
constexpr std::size_t kKeyLimit = 255;

class PagerDutyChannel final : public Channel {
 public:
  explicit PagerDutyChannel(PagerDutyOptions options) : options_(std::move(options)) {}
  const std::string& name() const override { return options_.name; }
  std::string_view kind() const override { return "pagerduty"; }
  std::string target() const override { return RedactedUrl(options_.url); }
  bool TakesAcknowledgements() const override { return true; }

  Delivery Deliver(const Message& message, std::stop_token stop) override {
    if (message.action != Action::kReport) return Send(message, NameOf(message.action), stop);
    // A report is nobody's to close: it is closed at once.
    const Delivery delivery = Send(message, NameOf(Action::kTrigger), stop);
    if (delivery.kind == Delivery::Kind::kDelivered) {
      Send(message, NameOf(Action::kResolve), stop);
    }
    return delivery;
  }

 private:
  Delivery Send(const Message& message, std::string_view action, const std::stop_token& stop) {
    PagerJson json = {{"routing_key", std::string(options_.routing_key.view())},
                      {"event_action", std::string(action)},
                      {"dedup_key", message.dedup_key.substr(0, kKeyLimit)}};
    if (action == NameOf(Action::kTrigger)) json["payload"] = Payload(message);
    HttpPost post;
    post.url = options_.url;
    post.headers = {"Content-Type: application/json"};
    post.body = json.dump(-1, ' ', false, PagerJson::error_handler_t::replace);
    return JudgeReply(Exchange(post, options_.network, stop));
  }

  static PagerJson Payload(const Message& message) {
    PagerJson details = {{"text", message.text}, {"hint", message.hint}, {"count", message.count}};
    for (const Fact& fact : message.facts) details[fact.label] = fact.value;
    if (message.possibly_repeated) details["possibly_repeated"] = true;
    return {{"summary", Headline(message).substr(0, kSummaryLimit)},
            {"source", message.origin},
            {"severity", std::string(NameOf(message.severity))},
            {"timestamp", absl::FormatTime(absl::RFC3339_sec, message.at, absl::UTCTimeZone())},
            {"component", message.subject},
            {"class", message.kind},
            {"custom_details", std::move(details)}};
  }

  const PagerDutyOptions options_;
};

}  // namespace

std::unique_ptr<Channel> MakePagerDuty(PagerDutyOptions options) {
  return std::make_unique<PagerDutyChannel>(std::move(options));
}

}  // namespace holdfast::notify
