// One way to reach somebody: Slack, e-mail, PagerDuty, a signed webhook, a local command.
//
// Hides:      protocols and their answers.
// Invariants: I1  kDelivered only when the other side said that it took the message.
//             I2  Deliver ends within kDeliveryTime, or soon after `stop` was requested.
//             I3  `cause` holds neither secrets nor paths of URLs, and no more than 200 bytes of
//                 what the other side said, Escaped().
// Threading:  Deliver on one thread at a time per channel.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/notify/message.h"

namespace holdfast::notify {

inline constexpr absl::Duration kDeliveryTime = absl::Seconds(30);

struct Delivery {
  enum class Kind {
    kDelivered,
    kTryAgain,  // the same message may be taken later
    kRefused,   // for good: another attempt would end the same way
  };
  Kind kind = Kind::kDelivered;
  std::string cause;
  absl::Duration retry_after;  // what the other side asked for; zero: it did not
  bool maybe_taken = false;    // later: it may have the message in spite of the failure

  static Delivery Done() { return {}; }
  static Delivery Later(std::string cause) {
    return {Kind::kTryAgain, std::move(cause), {}, false};
  }
  static Delivery Never(std::string cause) { return {Kind::kRefused, std::move(cause), {}, false}; }
};

class Channel {
 public:
  virtual ~Channel() = default;
  virtual const std::string& name() const = 0;
  virtual std::string_view kind() const = 0;
  virtual std::string target() const = 0;  // for people; without what is secret
  // Wants to hear that somebody took care of it.
  virtual bool TakesAcknowledgements() const { return false; }
  virtual Delivery Deliver(const Message& message, std::stop_token stop) = 0;
};

}  // namespace holdfast::notify
