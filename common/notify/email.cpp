// E-mail: text and HTML in one message, by SMTP.
#include <algorithm>

#include "absl/strings/escaping.h"
#include "common/notify/channels.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

constexpr std::size_t kSubjectLimit = 300;

// A header value: no line breaks (RFC 5322), other than ASCII as encoded words (RFC 2047).
std::string HeaderText(std::string_view text) {
  std::string clean(text.substr(0, kSubjectLimit));
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  const bool ascii = std::all_of(clean.begin(), clean.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return clean;
  // 45 bytes make 60 characters of base64: below the 75 of an encoded word.
  std::string out;
  for (std::size_t begin = 0; begin < clean.size();) {
    std::size_t end = std::min(clean.size(), begin + 45);
    while (end < clean.size() && end > begin + 1 && (clean[end] & 0xc0) == 0x80) --end;
    if (!out.empty()) out += "\r\n ";
    out += fmt::format("=?utf-8?B?{}?=", absl::Base64Escape(clean.substr(begin, end - begin)));
    begin = end;
  }
  return out;
}

// What may stand between the angle brackets of a Message-ID.
std::string IdText(std::string_view text) {
  std::string clean(text.substr(0, 120));
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '-' || c == '_');
      },
      '-');
  return clean.empty() ? "none" : clean;
}

class EmailChannel final : public Channel {
 public:
  EmailChannel(Env env, EmailOptions options) : env_(env), options_(std::move(options)) {}
  const std::string& name() const override { return options_.name; }
  std::string_view kind() const override { return "email"; }
  std::string target() const override {
    std::string text;
    for (const std::string& to : options_.to) text += (text.empty() ? "" : ", ") + to;
    return text;
  }

  Delivery Deliver(const Message& message, std::stop_token stop) override {
    const std::string host = IdText(options_.from.substr(options_.from.rfind('@') + 1));
    Mail mail;
    mail.server = options_.server;
    mail.needs_tls = options_.needs_tls;
    mail.user = options_.user;
    mail.password = options_.password.view();
    mail.from = options_.from;
    mail.to = options_.to;
    std::string to;
    for (const std::string& one : options_.to) to += (to.empty() ? "" : ", ") + one;
    const std::string thread = fmt::format("<{}.thread@{}>", IdText(message.dedup_key), host);
    mail.headers = {
        "Date: " +
            absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000", env_.clock.Now(), absl::UTCTimeZone()),
        "From: Holdfast <" + options_.from + ">",
        "To: " + to,
        "Subject: " + HeaderText(Headline(message)),
        fmt::format("Message-ID: <{}@{}>", IdText(message.id), host),
        "References: " + thread,
        "Auto-Submitted: auto-generated",
        "X-Holdfast-Severity: " + std::string(NameOf(message.severity)),
        fmt::format("X-Holdfast-Repeated: {}", message.possibly_repeated ? "perhaps" : "no")};
    mail.text = PlainText(message);
    mail.html = Html(message);
    const Delivery delivery = SendMail(mail, options_.network, std::move(stop));
    std::fill(mail.password.begin(), mail.password.end(), '\0');
    return delivery;
  }

 private:
  const Env env_;
  const EmailOptions options_;
};

}  // namespace

std::unique_ptr<Channel> MakeEmail(Env env, EmailOptions options) {
  return std::make_unique<EmailChannel>(env, std::move(options));
}

}  // namespace holdfast::notify
