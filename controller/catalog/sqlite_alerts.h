// The alert book over the catalog's own connections.
//
// Hides:      SQL is in alert_changes.cpp and outbox.cpp.
// Invariants: as alert_book.h.
// Threading:  every method from any thread.
// Errors:     as alert_book.h.
#pragma once

#include "controller/catalog/alert_book.h"

namespace holdfast::catalog {

class SqliteCatalog;

class SqliteAlerts final : public AlertBook {
 public:
  explicit SqliteAlerts(SqliteCatalog& catalog) : catalog_(catalog) {}

  absl::Status Apply(AlertChange* change) override;
  absl::StatusOr<std::optional<AlertRow>> NewestAlert(const std::string& key) override;
  absl::StatusOr<AlertRow> GetAlert(std::int64_t id) override;
  absl::StatusOr<std::vector<AlertRow>> OpenAlerts() override;
  absl::StatusOr<std::vector<AlertRow>> RecentAlerts(std::uint32_t limit) override;
  absl::StatusOr<std::vector<EventRow>> RecentEvents(std::uint32_t limit) override;
  absl::StatusOr<AlertCounts> CountAlerts() override;
  absl::StatusOr<std::vector<MessageRow>> MessagesOf(std::int64_t alert) override;
  absl::StatusOr<MessageRow> GetMessage(std::int64_t id) override;
  absl::StatusOr<std::optional<MessageRow>> NextMessage(const std::string& channel,
                                                        std::uint64_t now_ms) override;
  absl::StatusOr<std::uint64_t> ReviveAttempts() override;
  absl::StatusOr<std::vector<MessageRow>> UnfinishedMessages() override;
  absl::StatusOr<std::vector<SilenceRow>> SilencesAt(std::uint64_t now_ms) override;
  absl::Status EndSilence(std::int64_t id, const AuditEntry& audit) override;
  absl::StatusOr<std::uint64_t> WatchedSince(const SourceId& source, std::uint64_t now_ms) override;
  absl::StatusOr<std::uint64_t> GetMark(const std::string& name) override;
  absl::Status ForgetHistory(std::uint64_t before_ms) override;

 private:
  SqliteCatalog& catalog_;
};

}  // namespace holdfast::catalog
