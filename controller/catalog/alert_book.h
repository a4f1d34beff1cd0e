// The part of the catalog that remembers alerts: events, what they came to, what has to be said.
// What is decided when is controller/alert's.
//
// Hides:      SQL.
// Invariants: I1  Apply is one transaction: an event, the alert that it opened or changed, and the
//                 messages about it are written together or not at all.
//             I2  Per key at most one alert is not resolved.
//             I3  A message of an alert waits behind the older ones of the same alert and channel.
// Threading:  every method from any thread; who reads, decides and applies keeps others out.
// Errors:     as catalog.h; kNotFound 5500 (no such alert), 5501 (no such silence).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"
#include "controller/catalog/audit.h"

namespace holdfast::catalog {

// Times are Unix milliseconds, 0 = never. Severity and action are numbers of common/notify.
enum class AlertState { kOpen = 1, kAcknowledged = 2, kResolved = 3 };

struct AlertRow {
  std::int64_t id = 0;  // 0: not stored yet
  std::string key;      // names the problem: "failure/<source>"
  std::string kind;
  std::string subject;  // for people: "db"
  std::uint32_t severity = 0;
  std::string title;
  std::string detail;
  std::string hint;
  AlertState state = AlertState::kOpen;
  std::uint64_t count = 1;
  std::uint64_t opened_at_ms = 0;
  std::uint64_t last_at_ms = 0;
  std::uint64_t acknowledged_at_ms = 0;
  std::string acknowledged_by;
  std::uint64_t resolved_at_ms = 0;
  std::uint32_t step = 0;        // of the escalation: the next one
  std::uint64_t step_at_ms = 0;  // when it is due
};

struct EventRow {
  std::uint64_t at_ms = 0;
  std::string kind;
  std::string subject;
  std::uint32_t severity = 0;
  std::string text;
};

enum class MessageState { kWaiting = 1, kSending = 2, kDelivered = 3, kDead = 4, kWithdrawn = 5 };

struct MessageRow {
  std::int64_t id = 0;     // 0: not stored yet
  std::string message_id;  // the same in every attempt
  std::int64_t alert = 0;  // 0: of the change's alert, or of none
  std::string channel;
  std::uint32_t action = 0;
  MessageState state = MessageState::kWaiting;
  Bytes payload;  // as it was sent first; before that empty: rendered when it is sent
  std::uint64_t created_at_ms = 0;
  std::uint64_t next_at_ms = 0;
  std::uint64_t attempts = 0;  // counted before they are made
  std::uint64_t first_attempt_at_ms = 0;
  std::uint64_t last_attempt_at_ms = 0;
  bool repeated = false;  // an attempt may have succeeded unseen
  std::string error;      // of the last attempt
  std::uint64_t done_at_ms = 0;
};

struct SilenceRow {
  std::int64_t id = 0;
  std::string subject;  // "*": everything
  std::uint64_t since_ms = 0;
  std::uint64_t until_ms = 0;
  std::string by;
  std::string reason;
};

struct AlertChange {
  std::vector<EventRow> events;
  std::optional<AlertRow> alert;     // inserted or replaced; gets its id
  std::vector<MessageRow> messages;  // inserted or replaced
  std::optional<SilenceRow> silence;
  std::optional<AuditEntry> audit;
  std::vector<std::pair<std::string, std::uint64_t>> marks;
};

struct AlertCounts {
  std::uint64_t open = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t waiting_messages = 0;
  std::uint64_t dead_messages = 0;  // of alerts that are not resolved
};

class AlertBook {
 public:
  virtual ~AlertBook() = default;

  virtual absl::Status Apply(AlertChange* change) = 0;

  virtual absl::StatusOr<std::optional<AlertRow>> NewestAlert(const std::string& key) = 0;
  virtual absl::StatusOr<AlertRow> GetAlert(std::int64_t id) = 0;
  virtual absl::StatusOr<std::vector<AlertRow>>
  OpenAlerts() = 0;  // also acknowledged; oldest first
  virtual absl::StatusOr<std::vector<AlertRow>> RecentAlerts(
      std::uint32_t limit) = 0;  // newest first
  virtual absl::StatusOr<std::vector<EventRow>> RecentEvents(
      std::uint32_t limit) = 0;  // newest first
  virtual absl::StatusOr<AlertCounts> CountAlerts() = 0;

  virtual absl::StatusOr<std::vector<MessageRow>> MessagesOf(std::int64_t alert) = 0;
  virtual absl::StatusOr<MessageRow> GetMessage(std::int64_t id) = 0;
  // The oldest that may go through this channel now (I3). One that was made "later" than now, by a
  // clock that was set back, may go too.
  virtual absl::StatusOr<std::optional<MessageRow>> NextMessage(const std::string& channel,
                                                                std::uint64_t now_ms) = 0;
  // Attempts that were under way when the process died: they wait again, marked as repeated.
  virtual absl::StatusOr<std::uint64_t> ReviveAttempts() = 0;
  virtual absl::StatusOr<std::vector<MessageRow>> UnfinishedMessages() = 0;

  virtual absl::StatusOr<std::vector<SilenceRow>> SilencesAt(std::uint64_t now_ms) = 0;
  virtual absl::Status EndSilence(std::int64_t id, const AuditEntry& audit) = 0;  // at that time

  // When it was asked for this source first; `now_ms` the first time.
  virtual absl::StatusOr<std::uint64_t> WatchedSince(const SourceId& source,
                                                     std::uint64_t now_ms) = 0;
  virtual absl::StatusOr<std::uint64_t> GetMark(const std::string& name) = 0;  // 0: never

  // Events, resolved alerts and finished messages from before `before_ms`; of events also all but
  // the newest 100,000.
  virtual absl::Status ForgetHistory(std::uint64_t before_ms) = 0;
};

}  // namespace holdfast::catalog
