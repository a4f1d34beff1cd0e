// From events and rules to alerts, and from alerts to messages that wait for their channel.
//
// Hides:      counting, grouping, escalation, silences, what is told to whom when.
// Invariants: I1  An event, the alert that it opens or changes and the messages about it are one
//                 transaction of the catalog.
//             I2  Per problem there is one alert until it is over; what comes again is counted. A
//                 message about what comes in bursts waits until nothing came for kQuiet, at most
//                 kGroupTime, and then tells how often. One that came back within kGroupTime of
//                 being over is the same alert again.
//             I3  That it is over is told once, to the channels that were told of it.
//             I4  An attempt is recorded before it is made. One that was cut off is made again and
//                 marked as possibly repeated; no message is lost.
//             I5  A channel that takes a message no more is told about through the others.
//             I6  When kStormSources sources failed within kGroupTime, one alert speaks for all of
//                 them, with the count, until each is backed up again: what nobody was told of yet
//                 is not told one by one.
//             I7  A silence holds messages back, it does not lose them: what is still wrong when it
//                 ends is told then.
// Threading:  every method from any thread.
// Errors:     of the catalog; kConflict 5503 (over already), kUsage 5504 (a silence that ends
//             before it begins, or after more than kLongestSilence), kNotFound 5505 (no such
//             channel).
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "common/notify/channel.h"
#include "controller/alert/ack_token.h"
#include "controller/alert/event_sink.h"
#include "controller/alert/facts.h"
#include "controller/alert/problem.h"
#include "controller/alert/routing.h"
#include "controller/catalog/alert_book.h"

namespace holdfast::alert {

inline constexpr absl::Duration kQuiet = absl::Seconds(20);
inline constexpr absl::Duration kGroupTime = absl::Minutes(5);
inline constexpr std::size_t kStormSources = 5;
inline constexpr absl::Duration kChannelPatience = absl::Minutes(15);
inline constexpr absl::Duration kLongestSilence = absl::Hours(24 * 30);
inline constexpr absl::Duration kLinkLife = absl::Hours(24 * 7);

struct EngineOptions {
  std::string origin;                      // which installation speaks
  std::string link_base;                   // before a token; empty: no links
  absl::Duration remind = absl::Hours(4);  // nobody acknowledged: told again; zero: never
  Routing routing;
};

struct Outgoing {
  std::int64_t row = 0;
  notify::Message message;
};

class Engine final : public EventSink {
 public:
  // `tokens` may be null: then there are no links.
  Engine(Env env, catalog::AlertBook& book, EngineOptions options,
         std::function<std::string(const SourceId&)> label_of, const AckTokens* tokens);

  // Before all else: what a predecessor was sending, and for channels that are no more.
  absl::Status Start();

  // Other channels, contacts or steps from now on; messages for channels that are no more are
  // dropped, and whom they were about is told over the others.
  absl::Status Reconfigure(EngineOptions options);

  void Report(const Event& event) override;
  absl::Status Raise(const Problem& problem);
  absl::Status Resolve(const std::string& key, const std::string& why);
  // Makes the alerts follow the rules' verdict.
  absl::Status Reconcile(const Facts& facts, const std::vector<Problem>& problems);
  // Takes the steps that are due; reminds.
  absl::Status Escalate();

  absl::StatusOr<catalog::AlertRow> Acknowledge(std::int64_t alert, const std::string& by);
  // What an HTTP listener calls for a link in a message, on POST only.
  absl::StatusOr<catalog::AlertRow> AcknowledgeByToken(std::string_view token);
  struct SilenceRequest {
    std::string subject;  // "*": everything
    absl::Duration length;
    std::string by;
    std::string reason;
  };
  absl::StatusOr<catalog::SilenceRow> Silence(const SilenceRequest& request);
  absl::Status EndSilence(std::int64_t silence, const std::string& by);

  // A report for these channels (a digest, a test); empty: all. The rows' ids. The mark is set in
  // the same transaction.
  absl::StatusOr<std::vector<std::int64_t>> Announce(
      notify::Message message, std::vector<std::string> channels,
      const std::optional<std::pair<std::string, std::uint64_t>>& mark = std::nullopt);

  // For the courier: the next message for this channel, recorded as being sent; then how it went.
  absl::StatusOr<std::optional<Outgoing>> Claim(const std::string& channel);
  absl::Status Finish(std::int64_t row, const notify::Delivery& delivery);

  catalog::AlertBook& book() { return book_; }

 private:
  enum class Seen { kEvent, kState };
  enum class Telling { kAsRouted, kNobody };

  std::uint64_t NowMs() const;
  catalog::EventRow EventAt(std::string_view kind, const catalog::AlertRow& alert,
                            const std::string& text) const;
  absl::StatusOr<bool> IsSilenced(const std::string& subject);
  absl::Status RaiseLocked(const Problem& problem, Seen seen, catalog::AlertChange change,
                           Telling telling = Telling::kAsRouted);
  absl::Status CountAgain(const Problem& problem, Seen seen, catalog::AlertRow alert,
                          catalog::AlertChange change);
  absl::Status RaiseFailure(const Problem& problem, Seen seen);
  absl::Status BeginStorm(std::vector<catalog::AlertRow> failures, const Problem& newest);
  absl::Status Absorb(catalog::AlertRow alert);
  absl::Status FollowStorm();
  absl::StatusOr<std::vector<catalog::AlertRow>> OpenFailures();
  absl::StatusOr<std::uint64_t> HoldAfterReturn(const Problem& problem,
                                                const catalog::AlertRow& alert);
  absl::Status ResolveLocked(const std::string& key, const std::string& why,
                             catalog::AlertChange change);
  absl::Status TakeStepLocked(catalog::AlertRow* alert, std::uint64_t from_ms,
                              const std::vector<catalog::MessageRow>& known,
                              catalog::AlertChange* change);
  void AddMessage(const std::string& channel, notify::Action action, std::uint64_t at_ms,
                  catalog::AlertChange* change);
  absl::Status EscalateOne(catalog::AlertRow alert);
  absl::StatusOr<bool> Withdraw(const catalog::MessageRow& message);
  notify::Message Render(const catalog::MessageRow& row, const catalog::AlertRow& alert) const;
  Problem ChannelProblem(const catalog::MessageRow& row, const std::string& cause) const;
  absl::Status DropUnknownChannels();
  bool IsKnown(const std::string& channel) const;

  const Env env_;
  catalog::AlertBook& book_;
  const std::function<std::string(const SourceId&)> label_of_;
  const AckTokens* const tokens_;
  std::mutex mutex_;  // held from reading the book to changing it; guards all below
  EngineOptions options_;
};

// Nobody was told yet.
bool IsUnsentTrigger(const catalog::MessageRow& message);
// Channels that were told of the alert and not yet that it is over.
std::vector<std::string> ToldChannels(const std::vector<catalog::MessageRow>& messages);

}  // namespace holdfast::alert
