#include "common/notify/message.h"

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/error.h"

namespace holdfast::notify {
namespace {

using MessageJson = nlohmann::ordered_json;

std::string TextIn(const MessageJson& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}
std::uint64_t NumberIn(const MessageJson& json, const char* key) {
  return json.contains(key) && json[key].is_number_unsigned() ? json[key].get<std::uint64_t>() : 0;
}

absl::Status NoMessage() {
  return Error(ErrorKind::kIntegrity, 6100, "unable to read a stored alert message");
}

}  // namespace

std::string_view NameOf(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
    case Severity::kCritical:
      return "critical";
  }
  return "critical";
}

Severity SeverityOf(std::uint64_t number) {
  return number > 3 ? Severity::kCritical : static_cast<Severity>(number);
}

std::string_view NameOf(Action action) {
  switch (action) {
    case Action::kTrigger:
      return "trigger";
    case Action::kAcknowledge:
      return "acknowledge";
    case Action::kResolve:
      return "resolve";
    case Action::kReport:
      return "report";
  }
  return "report";
}

std::string ToJson(const Message& message) {
  MessageJson facts = MessageJson::array();
  for (const Fact& fact : message.facts) {
    facts.push_back({{"label", fact.label}, {"value", fact.value}});
  }
  const MessageJson json = {{"id", message.id},
                            {"dedup_key", message.dedup_key},
                            {"action", static_cast<std::uint64_t>(message.action)},
                            {"severity", static_cast<std::uint64_t>(message.severity)},
                            {"kind", message.kind},
                            {"subject", message.subject},
                            {"title", message.title},
                            {"text", message.text},
                            {"hint", message.hint},
                            {"facts", std::move(facts)},
                            {"count", message.count},
                            {"at_ms", static_cast<std::uint64_t>(absl::ToUnixMillis(message.at))},
                            {"origin", message.origin},
                            {"acknowledge_url", message.acknowledge_url},
                            {"possibly_repeated", message.possibly_repeated}};
  return json.dump(-1, ' ', false, MessageJson::error_handler_t::replace);
}

absl::StatusOr<Message> MessageFromJson(std::string_view text) {
  const MessageJson json = MessageJson::parse(text, nullptr, false);
  if (!json.is_object() || NumberIn(json, "action") > 3) return NoMessage();
  Message message;
  message.id = TextIn(json, "id");
  message.dedup_key = TextIn(json, "dedup_key");
  message.action = static_cast<Action>(NumberIn(json, "action"));
  message.severity = SeverityOf(NumberIn(json, "severity"));
  message.kind = TextIn(json, "kind");
  message.subject = TextIn(json, "subject");
  message.title = TextIn(json, "title");
  message.text = TextIn(json, "text");
  message.hint = TextIn(json, "hint");
  if (json.contains("facts") && json["facts"].is_array()) {
    for (const MessageJson& fact : json["facts"]) {
      if (!fact.is_object()) return NoMessage();
      message.facts.push_back({TextIn(fact, "label"), TextIn(fact, "value")});
    }
  }
  message.count = NumberIn(json, "count");
  message.at = absl::FromUnixMillis(static_cast<std::int64_t>(NumberIn(json, "at_ms")));
  message.origin = TextIn(json, "origin");
  message.acknowledge_url = TextIn(json, "acknowledge_url");
  message.possibly_repeated =
      json.contains("possibly_repeated") && json["possibly_repeated"] == true;
  if (message.id.empty()) return NoMessage();
  return message;
}

}  // namespace holdfast::notify
