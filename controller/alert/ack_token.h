// Links by which somebody acknowledges an alert without logging in.
//
// Hides:      the form of a token: "<base64url of alert, expiry, channel>.<MAC>".
// Invariants: a token is good for one alert until its expiry and cannot be made without the key;
//             the key lies in the data directory, mode 0600, and never leaves it. Who serves such
//             links must not act on a GET alone: mail scanners open links.
// Threading:  const after Open; any thread.
// Errors:     kPermission 5510 for every token that is not good, with one text.
#pragma once

#include <cstdint>
#include <string>

#include "common/crypto/crypto.h"
#include "common/env/env.h"

namespace holdfast::alert {

struct Acknowledgement {
  std::int64_t alert = 0;
  std::string channel;  // through which the link came
  absl::Time expires;
};

class AckTokens {
 public:
  // Reads the key at `path`, or makes it.
  static absl::StatusOr<AckTokens> Open(Env env, const std::string& path);
  explicit AckTokens(ByteView key) : key_(key) {}

  std::string Make(const Acknowledgement& acknowledgement) const;
  absl::StatusOr<Acknowledgement> Check(std::string_view token, absl::Time now) const;

 private:
  std::string MacOf(const std::string& payload) const;
  HmacKey key_;
};

}  // namespace holdfast::alert
