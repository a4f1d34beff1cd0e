// Messages that wait for a channel; silences; what was done when.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr std::uint64_t kClockSlackMs = 60'000;

MessageRow MessageIn(const Statement& row) {
  MessageRow message;
  message.id = row.Integer(0);
  message.message_id = row.Blob(1);
  message.alert = row.Integer(2);
  message.channel = row.Blob(3);
  message.action = static_cast<std::uint32_t>(row.Integer(4));
  message.state = static_cast<MessageState>(row.Integer(5));
  message.payload = row.Blob(6);
  message.created_at_ms = row.Unsigned(7);
  message.next_at_ms = row.Unsigned(8);
  message.attempts = row.Unsigned(9);
  message.first_attempt_at_ms = row.Unsigned(10);
  message.last_attempt_at_ms = row.Unsigned(11);
  message.repeated = row.Integer(12) != 0;
  message.error = row.Blob(13);
  message.done_at_ms = row.Unsigned(14);
  return message;
}

absl::StatusOr<std::vector<MessageRow>> MessagesIn(Statement row) {
  std::vector<MessageRow> messages;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return messages;
    messages.push_back(MessageIn(row));
  }
}

}  // namespace

absl::StatusOr<std::vector<MessageRow>> SqliteAlerts::MessagesOf(std::int64_t alert) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<MessageRow>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT id,message_id,alert,channel,action,state,payload,created_at,next_at,"
                   "attempts,first_attempt_at,last_attempt_at,repeated,error,done_at FROM outbox "
                   "WHERE alert=?1 ORDER BY id"));
    row.Bind(alert);
    return MessagesIn(std::move(row));
  });
}

absl::StatusOr<MessageRow> SqliteAlerts::GetMessage(std::int64_t id) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<MessageRow> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT id,message_id,alert,channel,action,state,payload,created_at,next_at,"
                   "attempts,first_attempt_at,last_attempt_at,repeated,error,done_at FROM outbox "
                   "WHERE id=?1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
    if (found) return MessageIn(row);
    return Error(ErrorKind::kNotFound, 5502,
                 fmt::format("unable to find message {}: there is none", id));
  });
}

absl::StatusOr<std::optional<MessageRow>> SqliteAlerts::NextMessage(const std::string& channel,
                                                                    std::uint64_t now_ms) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::optional<MessageRow>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT id,message_id,alert,channel,action,state,payload,created_at,next_at,"
                   "attempts,first_attempt_at,last_attempt_at,repeated,error,done_at FROM outbox o "
                   "WHERE channel=?1 AND state<3 AND state=1 AND (next_at<=?2 OR created_at>?3) "
                   "AND NOT EXISTS(SELECT 1 FROM outbox e WHERE e.channel=?1 AND e.state<3 AND "
                   "e.alert<>0 AND e.alert=o.alert AND e.id<o.id) ORDER BY next_at,id LIMIT 1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(channel, now_ms, now_ms + kClockSlackMs).Step());
    if (!found) return std::optional<MessageRow>();
    return std::optional<MessageRow>(MessageIn(row));
  });
}

absl::StatusOr<std::uint64_t> SqliteAlerts::ReviveAttempts() {
  return catalog_.Write([](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    RETURN_IF_ERROR(
        db.Run("UPDATE outbox SET state=1,repeated=1,next_at=last_attempt_at WHERE state<3 AND "
               "state=2"));
    return static_cast<std::uint64_t>(db.Changes());
  });
}

absl::StatusOr<std::vector<MessageRow>> SqliteAlerts::UnfinishedMessages() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<std::vector<MessageRow>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT id,message_id,alert,channel,action,state,payload,created_at,next_at,"
                   "attempts,first_attempt_at,last_attempt_at,repeated,error,done_at FROM outbox "
                   "WHERE state<3 ORDER BY id"));
    return MessagesIn(std::move(row));
  });
}

absl::StatusOr<std::vector<SilenceRow>> SqliteAlerts::SilencesAt(std::uint64_t now_ms) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<SilenceRow>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT id,subject,since,until,made_by,reason FROM "
                                               "silence WHERE until>?1 ORDER BY id"));
    row.Bind(now_ms);
    std::vector<SilenceRow> silences;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return silences;
      silences.push_back({row.Integer(0), row.Blob(1), row.Unsigned(2), row.Unsigned(3),
                          row.Blob(4), row.Blob(5)});
    }
  });
}

absl::Status SqliteAlerts::EndSilence(std::int64_t id, const AuditEntry& audit) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    // Over since it began: a clock that is set back a little does not bring it back.
    RETURN_IF_ERROR(
        db.Run("UPDATE silence SET until=since WHERE id=?1 AND until>?2", id, audit.at_ms));
    if (db.Changes() == 1) return WriteAudit(db, audit);
    return Error(ErrorKind::kNotFound, 5501,
                 fmt::format("unable to end silence {}: there is none, or it is over", id),
                 "See 'holdfast alert list'.");
  });
}

absl::StatusOr<std::uint64_t> SqliteAlerts::WatchedSince(const SourceId& source,
                                                         std::uint64_t now_ms) {
  const auto find = [&](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT since FROM watched WHERE source=?1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(source).Step());
    return found ? row.Unsigned(0) : 0;
  };
  ASSIGN_OR_RETURN(const std::uint64_t since, catalog_.Read(find));
  if (since != 0) return since;
  return catalog_.Write([&](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    RETURN_IF_ERROR(
        db.Run("INSERT OR IGNORE INTO watched(source,since) VALUES(?1,?2)", source, now_ms));
    return find(db);
  });
}

absl::StatusOr<std::uint64_t> SqliteAlerts::GetMark(const std::string& name) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT value FROM alert_mark WHERE name=?1"));
    ASSIGN_OR_RETURN(const bool found, row.Bind(name).Step());
    return found ? row.Unsigned(0) : 0;
  });
}

}  // namespace holdfast::catalog
