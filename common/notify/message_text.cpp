// Messages as people read them.
#include "common/notify/message.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

std::string_view Mark(const Message& message) {
  if (message.action == Action::kResolve) return "resolved";
  if (message.action == Action::kAcknowledge) return "acknowledged";
  if (message.action == Action::kReport) return "report";
  return NameOf(message.severity);
}

std::string HtmlEscaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr char kRepeated[] =
    "This message may be a repetition: the sender was stopped while it was sent before.";

std::string Footer(const Message& message) {
  return fmt::format("{}   {}", message.origin, message.id);
}

}  // namespace

std::string Headline(const Message& message) {
  std::string text = fmt::format("[{}] {}", Mark(message), message.title);
  if (message.count > 1) text += fmt::format(" ({} times)", message.count);
  return text;
}

std::string PlainText(const Message& message) {
  std::string text = Headline(message) + "\n";
  if (!message.text.empty()) text += "\n" + message.text + "\n";
  if (!message.hint.empty()) text += "\nWhat to do: " + message.hint + "\n";
  if (!message.facts.empty()) text += "\n";
  for (const Fact& fact : message.facts) text += fmt::format("{}: {}\n", fact.label, fact.value);
  if (!message.acknowledge_url.empty()) {
    text += fmt::format("\nI take care of it: {}\n", message.acknowledge_url);
  }
  if (message.possibly_repeated) text += fmt::format("\n{}\n", kRepeated);
  return text + "\n-- \n" + Footer(message) + "\n";
}

std::string Html(const Message& message) {
  std::string html =
      fmt::format("<!doctype html><html><body style=\"font-family:sans-serif\"><h2>{}</h2>",
                  HtmlEscaped(Headline(message)));
  if (!message.text.empty()) {
    html += fmt::format("<pre style=\"white-space:pre-wrap\">{}</pre>", HtmlEscaped(message.text));
  }
  if (!message.hint.empty()) {
    html += fmt::format("<p><b>What to do:</b> {}</p>", HtmlEscaped(message.hint));
  }
  if (!message.facts.empty()) {
    html += "<table>";
    for (const Fact& fact : message.facts) {
      html += fmt::format("<tr><th align=\"left\">{}</th><td>{}</td></tr>", HtmlEscaped(fact.label),
                          HtmlEscaped(fact.value));
    }
    html += "</table>";
  }
  if (!message.acknowledge_url.empty()) {
    html += fmt::format("<p><a href=\"{}\">I take care of it</a></p>",
                        HtmlEscaped(message.acknowledge_url));
  }
  if (message.possibly_repeated) html += fmt::format("<p>{}</p>", kRepeated);
  return html + fmt::format("<hr><small>{}</small></body></html>", HtmlEscaped(Footer(message)));
}

}  // namespace holdfast::notify
