// One exchange over libcurl with everything that a channel must not do switched off.
//
// Hides:      libcurl, its options and codes.
// Invariants: I1  No redirect is followed, no proxy used; only the protocol asked for.
//             I2  Every address is judged by the AddressPolicy when it is connected to, after name
//                 resolution: a name that points elsewhere meanwhile gains nothing.
//             I3  At most kMaxReplyBytes of an answer are read, at most kDeliveryTime is taken.
//             I4  Certificates are verified, against the system's CAs or `ca_file`.
// Threading:  calls are independent.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/notify/address_policy.h"
#include "common/notify/channel.h"

namespace holdfast::notify {

inline constexpr std::size_t kMaxReplyBytes = 64 << 10;

struct NetworkOptions {
  AddressPolicy policy;
  std::string ca_file;                  // empty: the system's
  absl::Duration time = kDeliveryTime;  // for all of it
};

// "https://hooks.slack.com/…": what of a URL may be told.
std::string RedactedUrl(std::string_view url);
// An https URL, or http where private addresses are allowed; with a host and without credentials.
bool IsUsableUrl(std::string_view url, const AddressPolicy& policy);

struct HttpPost {
  std::string url;
  std::vector<std::string> headers;
  std::string body;  // empty: a GET
};
struct HttpReply {
  long status = 0;
  std::string body;  // its beginning
  absl::Duration retry_after;
};
// Without a reply: `failure` says why, and whether another attempt is of use.
struct HttpOutcome {
  HttpReply reply;
  Delivery failure;
  bool replied = false;
};
HttpOutcome Exchange(const HttpPost& post, const NetworkOptions& options, std::stop_token stop);
// 2xx delivered; 408, 425, 429 and 5xx later; anything else, redirects too, never.
Delivery JudgeReply(const HttpOutcome& outcome);

struct Mail {
  std::string server;     // smtp://host:port or smtps://host:port
  bool needs_tls = true;  // smtp: STARTTLS or nothing
  std::string user;       // empty: no authentication
  std::string password;
  std::string from;
  std::vector<std::string> to;
  std::vector<std::string> headers;  // without line breaks
  std::string text;
  std::string html;
};
Delivery SendMail(const Mail& mail, const NetworkOptions& options, std::stop_token stop);

}  // namespace holdfast::notify
