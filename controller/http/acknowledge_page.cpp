#include "controller/http/acknowledge_page.h"

#include "absl/strings/str_replace.h"
#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::http {
namespace {

std::string HtmlPage(const std::string& body) {
  return "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width\"><title>Holdfast</title>\n" +
         body + "</html>\n";
}

std::string HtmlText(std::string_view text) {
  return absl::StrReplaceAll(
      Escaped(text, 500),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

}  // namespace

std::string AskToAcknowledge() {
  return HtmlPage(
      "<p>Do you take care of this alert? Reminders and further steps end then.</p>\n"
      "<form method=\"post\"><button>I take care of it</button></form>\n");
}

std::string AcknowledgedPage(const absl::StatusOr<std::string>& title) {
  if (title.ok())
    return HtmlPage(fmt::format("<p>You take care of it: {}</p>\n", HtmlText(*title)));
  std::string body = fmt::format("<p>{}</p>\n", HtmlText(MessageOf(title.status())));
  const std::string hint = HintOf(title.status());
  if (!hint.empty()) body += fmt::format("<p>{}</p>\n", HtmlText(hint));
  return HtmlPage(body);
}

}  // namespace holdfast::http
