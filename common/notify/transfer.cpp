#include "common/notify/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "common/base/bytes.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

constexpr long kConnectSeconds = 10;

struct CurlDelete {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct MimeDelete {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};
using List = std::unique_ptr<curl_slist, ListDelete>;

// What the callbacks of one exchange share.
struct Exchanged {
  const NetworkOptions& options;
  std::stop_token stop;
  std::string body;
  bool too_long = false;
  bool forbidden = false;
};

std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchanged = static_cast<Exchanged*>(self);
  const std::size_t take = std::min(size * count, kMaxReplyBytes - exchanged->body.size());
  exchanged->body.append(data, take);
  if (take < size * count) exchanged->too_long = true;
  return exchanged->too_long ? 0 : size * count;
}

curl_socket_t OpenSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* exchanged = static_cast<Exchanged*>(self);
  if (!IsAllowed(exchanged->options.policy, address->addr)) {
    exchanged->forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int GoOn(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchanged*>(self)->stop.stop_requested() ? 1 : 0;
}

class Handle {
 public:
  explicit Handle(Exchanged& exchanged) {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (ready) curl_.reset(curl_easy_init());
    if (!curl_) return;
    const absl::Duration time = exchanged.options.time;
    Set(CURLOPT_PROXY, "");
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    Set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(time)));
    Set(CURLOPT_SERVER_RESPONSE_TIMEOUT,
        std::max(1L, static_cast<long>(absl::ToInt64Seconds(time))));
    Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!exchanged.options.ca_file.empty()) {
      Set(CURLOPT_CAINFO, exchanged.options.ca_file.c_str());
    }
    Set(CURLOPT_WRITEFUNCTION, &TakeBody);
    Set(CURLOPT_WRITEDATA, &exchanged);
    Set(CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
    Set(CURLOPT_OPENSOCKETDATA, &exchanged);
    Set(CURLOPT_NOPROGRESS, 0L);
    Set(CURLOPT_XFERINFOFUNCTION, &GoOn);
    Set(CURLOPT_XFERINFODATA, &exchanged);
    Set(CURLOPT_BUFFERSIZE, 16L << 10);
  }
  bool ok() const { return curl_ != nullptr; }
  CURL* get() const { return curl_.get(); }
  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(curl_.get(), option, value);
  }
  CURLcode Perform() { return curl_easy_perform(curl_.get()); }
  long ResponseCode() {
    long code = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &code);
    return code;
  }

 private:
  std::unique_ptr<CURL, CurlDelete> curl_;
};

void Append(List* list, const std::string& text) {
  list->reset(curl_slist_append(list->release(), text.c_str()));
}

Delivery Failure(CURLcode code, const Exchanged& exchanged, const std::string& where) {
  if (exchanged.forbidden) {
    return Delivery::Never(fmt::format("{} is at an address that may not be connected to", where));
  }
  const bool never_spoke = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
                           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_USE_SSL_FAILED ||
                           code == CURLE_PEER_FAILED_VERIFICATION;
  Delivery delivery = Delivery::Later(code == CURLE_ABORTED_BY_CALLBACK
                                          ? "stopped"
                                          : fmt::format("{}: {}", where, curl_easy_strerror(code)));
  delivery.maybe_taken = !never_spoke;
  return delivery;
}

std::string_view AfterScheme(std::string_view url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? std::string_view() : url.substr(scheme + 3);
}

}  // namespace

std::string RedactedUrl(std::string_view url) {
  const std::string_view rest = AfterScheme(url);
  if (rest.empty()) return "(no URL)";
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  const bool has_more = host.size() < rest.size();
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) {
    host.remove_prefix(at + 1);
  }
  return fmt::format("{}://{}{}", url.substr(0, url.find("://")), Escaped(host, 100),
                     has_more ? "/…" : "");
}

bool IsUsableUrl(std::string_view url, const AddressPolicy& policy) {
  const bool secure = url.substr(0, 8) == "https://";
  if (!secure && !(policy.allow_private && url.substr(0, 7) == "http://")) return false;
  const std::string_view rest = AfterScheme(url);
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  return !host.empty() && host.find('@') == std::string_view::npos &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c != 0x7f; });
}

HttpOutcome Exchange(const HttpPost& post, const NetworkOptions& options, std::stop_token stop) {
  HttpOutcome outcome;
  Exchanged exchanged{options, std::move(stop), {}, false, false};
  Handle handle(exchanged);
  if (!handle.ok()) {
    outcome.failure = Delivery::Later("unable to start the HTTP client");
    return outcome;
  }
  handle.Set(CURLOPT_URL, post.url.c_str());
  handle.Set(CURLOPT_PROTOCOLS_STR, options.policy.allow_private ? "http,https" : "https");
  List headers;
  for (const std::string& header : post.headers) Append(&headers, header);
  Append(&headers, "Expect:");
  Append(&headers, "User-Agent: holdfast");
  handle.Set(CURLOPT_HTTPHEADER, headers.get());
  if (!post.body.empty()) {
    handle.Set(CURLOPT_POSTFIELDSIZE, static_cast<long>(post.body.size()));
    handle.Set(CURLOPT_POSTFIELDS, post.body.c_str());
  }
  const CURLcode code = handle.Perform();
  outcome.reply.status = handle.ResponseCode();
  // An answer that is too long, or that breaks off after its status, is still an answer.
  outcome.replied = code == CURLE_OK || (exchanged.too_long && outcome.reply.status != 0);
  if (!outcome.replied) {
    outcome.failure = Failure(code, exchanged, RedactedUrl(post.url));
    return outcome;
  }
  outcome.reply.body = std::move(exchanged.body);
  curl_off_t seconds = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RETRY_AFTER, &seconds);
  outcome.reply.retry_after = absl::Seconds(std::int64_t{seconds});
  return outcome;
}

Delivery JudgeReply(const HttpOutcome& outcome) {
  if (!outcome.replied) return outcome.failure;
  const HttpReply& reply = outcome.reply;
  if (reply.status >= 200 && reply.status < 300) return Delivery::Done();
  const bool later = reply.status == 408 || reply.status == 425 || reply.status == 429 ||
                     reply.status >= 500 || reply.status < 200;
  Delivery delivery{later ? Delivery::Kind::kTryAgain : Delivery::Kind::kRefused,
                    fmt::format("the answer was {}", reply.status), reply.retry_after, false};
  if (reply.status >= 300 && reply.status < 400) delivery.cause += ", a redirect";
  const std::string said = Escaped(reply.body.substr(0, 200), 200);
  if (!said.empty()) delivery.cause += ": " + said;
  return delivery;
}

namespace {

void AddPart(curl_mime* mime, const std::string& content, const char* type) {
  curl_mimepart* part = curl_mime_addpart(mime);
  curl_mime_data(part, content.data(), content.size());
  curl_mime_type(part, type);
  curl_mime_encoder(part, "quoted-printable");
}

Delivery JudgeMail(CURLcode result, long code, const Exchanged& exchanged,
                   const std::string& server) {
  if (result == CURLE_OK) return Delivery::Done();
  if (exchanged.forbidden) return Failure(result, exchanged, server);
  if (result == CURLE_LOGIN_DENIED) {
    return Delivery::Never(fmt::format("{} refused the login ({})", server, code));
  }
  const bool spoke = result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR ||
                     result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_UPLOAD_FAILED ||
                     result == CURLE_QUOTE_ERROR;
  if (spoke && code >= 500 && code < 600) {
    return Delivery::Never(fmt::format("{} answered {}", server, code));
  }
  if (spoke && code >= 400 && code < 500) {
    return Delivery::Later(fmt::format("{} answered {}", server, code));
  }
  return Failure(result, exchanged, server);
}

}  // namespace

Delivery SendMail(const Mail& mail, const NetworkOptions& options, std::stop_token stop) {
  Exchanged exchanged{options, std::move(stop), {}, false, false};
  Handle handle(exchanged);
  if (!handle.ok()) return Delivery::Later("unable to start the SMTP client");
  handle.Set(CURLOPT_URL, mail.server.c_str());
  handle.Set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  handle.Set(CURLOPT_USE_SSL, static_cast<long>(mail.needs_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (!mail.user.empty()) {
    handle.Set(CURLOPT_USERNAME, mail.user.c_str());
    handle.Set(CURLOPT_PASSWORD, mail.password.c_str());
  }
  const std::string from = "<" + mail.from + ">";
  handle.Set(CURLOPT_MAIL_FROM, from.c_str());
  List recipients;
  for (const std::string& to : mail.to) Append(&recipients, "<" + to + ">");
  handle.Set(CURLOPT_MAIL_RCPT, recipients.get());
  // One address that is gone does not keep the mail from the others; none taken is an error.
  handle.Set(CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
  List headers;
  for (const std::string& header : mail.headers) Append(&headers, header);
  handle.Set(CURLOPT_HTTPHEADER, headers.get());
  const std::unique_ptr<curl_mime, MimeDelete> mime(curl_mime_init(handle.get()));
  curl_mime* both = curl_mime_init(handle.get());
  AddPart(both, mail.text, "text/plain; charset=utf-8");
  AddPart(both, mail.html, "text/html; charset=utf-8");
  curl_mimepart* body = curl_mime_addpart(mime.get());
  curl_mime_subparts(body, both);  // owned by it from here on
  curl_mime_type(body, "multipart/alternative");
  handle.Set(CURLOPT_MIMEPOST, mime.get());
  const CURLcode result = handle.Perform();
  return JudgeMail(result, handle.ResponseCode(), exchanged, RedactedUrl(mail.server));
}

}  // namespace holdfast::notify
