// The makers of channels, one per kind; options as channel_config.h reads them.
//
// Hides:      what Slack, PagerDuty, a Standard Webhooks receiver and an SMTP server want to see.
// Invariants: as channel.h. Secrets stay in SecretBytes until a request is made.
// Threading:  pure functions; the channels as channel.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/crypto/secret.h"
#include "common/env/env.h"
#include "common/notify/channel.h"
#include "common/notify/transfer.h"

namespace holdfast::notify {

// An incoming webhook; its URL is the secret.
struct SlackOptions {
  std::string name;
  SecretBytes url;
  NetworkOptions network;
};
std::unique_ptr<Channel> MakeSlack(SlackOptions options);

// Events API v2. Acknowledges and resolves by dedup_key.
inline constexpr char kPagerDutyUrl[] = "https://events.pagerduty.com/v2/enqueue";
struct PagerDutyOptions {
  std::string name;
  SecretBytes routing_key;
  std::string url = kPagerDutyUrl;
  NetworkOptions network;
};
std::unique_ptr<Channel> MakePagerDuty(PagerDutyOptions options);

// JSON signed by the convention of Standard Webhooks: HMAC-SHA256 over "id.timestamp.body". With a
// previous secret there are two signatures, so that receivers can change over.
struct WebhookOptions {
  std::string name;
  SecretBytes url;
  SecretBytes secret;           // "whsec_" and base64, or the key itself
  SecretBytes previous_secret;  // empty: none
  NetworkOptions network;
};
std::unique_ptr<Channel> MakeWebhook(Env env, WebhookOptions options);
// "v1,<base64>" for one secret.
std::string WebhookSignature(ByteView secret, std::string_view id, std::string_view timestamp,
                             std::string_view body);

struct EmailOptions {
  std::string name;
  std::string server;  // smtp://host:port or smtps://host:port
  bool needs_tls = true;
  std::string user;
  SecretBytes password;
  std::string from;
  std::vector<std::string> to;
  NetworkOptions network;
};
std::unique_ptr<Channel> MakeEmail(Env env, EmailOptions options);

// A local program, without a shell; the message as JSON on its stdin. Exit 0: delivered; 75
// (EX_TEMPFAIL), a signal or the time limit: later; anything else: refused.
struct CommandOptions {
  std::string name;
  std::vector<std::string> argv;
  absl::Duration time = kDeliveryTime;
};
std::unique_ptr<Channel> MakeCommand(CommandOptions options);

// What webhook and command get.
std::string PublicJson(const Message& message);

}  // namespace holdfast::notify
