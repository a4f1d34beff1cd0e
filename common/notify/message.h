// What is told to people and to the services that wake them: one message, whatever the channel.
//
// Hides:      its JSON form, in which it waits in an outbox.
// Invariants: I1  `id` names this message and stays the same in every attempt; `dedup_key` names
//                 the problem and is the same from trigger to resolve.
//             I2  Texts hold no secret. Names in them are Escaped() by who makes the message.
// Threading:  values and pure functions.
// Errors:     kIntegrity 6100 for JSON that is no message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast::notify {

enum class Severity { kInfo = 0, kWarning = 1, kError = 2, kCritical = 3 };
std::string_view NameOf(Severity severity);  // "info" "warning" "error" "critical"
Severity SeverityOf(std::uint64_t number);   // what is no severity counts as critical

// kReport: a digest or a test, about which nobody has to do anything.
enum class Action { kTrigger = 0, kAcknowledge = 1, kResolve = 2, kReport = 3 };
std::string_view NameOf(Action action);

struct Fact {
  std::string label;
  std::string value;
};

struct Message {
  std::string id;
  std::string dedup_key;
  Action action = Action::kTrigger;
  Severity severity = Severity::kError;
  std::string kind;     // "failure", "no-success" …
  std::string subject;  // what it is about: a source, an agent, the store
  std::string title;    // one line
  std::string text;     // what is known, several lines
  std::string hint;     // what to do next
  std::vector<Fact> facts;
  std::uint64_t count = 1;      // how often, since the problem began
  absl::Time at;                // when the problem began
  std::string origin;           // which installation speaks
  std::string acknowledge_url;  // empty: there is none
  bool possibly_repeated = false;
};

std::string ToJson(const Message& message);
absl::StatusOr<Message> MessageFromJson(std::string_view json);

// "[critical] db: no successful backup since …"; a recovery begins with "[resolved]".
std::string Headline(const Message& message);
// All of it for people: lines of text, and the same as HTML (everything in it escaped).
std::string PlainText(const Message& message);
std::string Html(const Message& message);

}  // namespace holdfast::notify
