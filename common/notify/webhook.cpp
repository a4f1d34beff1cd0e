// A webhook signed by the convention of Standard Webhooks (github.com/standard-webhooks).
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "common/crypto/crypto.h"
#include "common/notify/channels.h"
#include "fmt/format.h"

namespace holdfast::notify {
namespace {

using HookJson = nlohmann::ordered_json;

constexpr std::string_view kSecretPrefix = "whsec_";

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

class WebhookChannel final : public Channel {
 public:
  WebhookChannel(Env env, WebhookOptions options) : env_(env), options_(std::move(options)) {}
  const std::string& name() const override { return options_.name; }
  std::string_view kind() const override { return "webhook"; }
  std::string target() const override { return RedactedUrl(options_.url.view()); }
  bool TakesAcknowledgements() const override { return true; }

  Delivery Deliver(const Message& message, std::stop_token stop) override {
    HttpPost post;
    post.url = options_.url.view();
    post.body = PublicJson(message);
    const std::string timestamp = std::to_string(absl::ToUnixSeconds(env_.clock.Now()));
    std::string signatures =
        WebhookSignature(options_.secret.view(), message.id, timestamp, post.body);
    if (!options_.previous_secret.empty()) {
      signatures +=
          " " + WebhookSignature(options_.previous_secret.view(), message.id, timestamp, post.body);
    }
    post.headers = {"Content-Type: application/json", "webhook-id: " + message.id,
                    "webhook-timestamp: " + timestamp, "webhook-signature: " + signatures};
    return JudgeReply(Exchange(post, options_.network, std::move(stop)));
  }

 private:
  const Env env_;
  const WebhookOptions options_;
};

}  // namespace

std::string WebhookSignature(ByteView secret, std::string_view id, std::string_view timestamp,
                             std::string_view body) {
  SecretBytes key(secret);
  std::string decoded;
  if (secret.substr(0, kSecretPrefix.size()) == kSecretPrefix &&
      absl::Base64Unescape(std::string(secret.substr(kSecretPrefix.size())), &decoded)) {
    key = SecretBytes::Take(std::move(decoded));
  }
  const Hash256 mac = HmacKey(key.view()).Mac(fmt::format("{}.{}.", id, timestamp), body);
  return "v1," + absl::Base64Escape(mac.bytes());
}

std::unique_ptr<Channel> MakeWebhook(Env env, WebhookOptions options) {
  return std::make_unique<WebhookChannel>(env, std::move(options));
}

std::string PublicJson(const Message& message) {
  HookJson facts = HookJson::object();
  for (const Fact& fact : message.facts) facts[fact.label] = fact.value;
  const HookJson json = {{"type", fmt::format("holdfast.alert.{}", NameOf(message.action))},
                         {"timestamp", Rfc3339(message.at)},
                         {"data",
                          {{"id", message.id},
                           {"dedup_key", message.dedup_key},
                           {"action", NameOf(message.action)},
                           {"severity", NameOf(message.severity)},
                           {"kind", message.kind},
                           {"subject", message.subject},
                           {"title", message.title},
                           {"text", message.text},
                           {"hint", message.hint},
                           {"count", message.count},
                           {"origin", message.origin},
                           {"acknowledge_url", message.acknowledge_url},
                           {"possibly_repeated", message.possibly_repeated},
                           {"facts", std::move(facts)}}}};
  return json.dump(-1, ' ', false, HookJson::error_handler_t::replace);
}

}  // namespace holdfast::notify
