// Alerts and events: the changes, and what is known of them.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr int kEventsKept = 100'000;

constexpr char kSelectAlert[] =
    "SELECT id,key,kind,subject,severity,title,detail,hint,state,count,opened_at,last_at,"
    "acknowledged_at,acknowledged_by,resolved_at,step,step_at FROM alert WHERE id=?1";
constexpr char kSelectNewest[] =
    "SELECT id,key,kind,subject,severity,title,detail,hint,state,count,opened_at,last_at,"
    "acknowledged_at,acknowledged_by,resolved_at,step,step_at FROM alert WHERE key=?1 "
    "ORDER BY id DESC LIMIT 1";
constexpr char kSelectOpen[] =
    "SELECT id,key,kind,subject,severity,title,detail,hint,state,count,opened_at,last_at,"
    "acknowledged_at,acknowledged_by,resolved_at,step,step_at FROM alert WHERE state<3 ORDER BY id";
constexpr char kSelectRecent[] =
    "SELECT id,key,kind,subject,severity,title,detail,hint,state,count,opened_at,last_at,"
    "acknowledged_at,acknowledged_by,resolved_at,step,step_at FROM alert ORDER BY id DESC LIMIT ?1";

AlertRow AlertIn(const Statement& row) {
  AlertRow alert;
  alert.id = row.Integer(0);
  alert.key = row.Blob(1);
  alert.kind = row.Blob(2);
  alert.subject = row.Blob(3);
  alert.severity = static_cast<std::uint32_t>(row.Integer(4));
  alert.title = row.Blob(5);
  alert.detail = row.Blob(6);
  alert.hint = row.Blob(7);
  alert.state = static_cast<AlertState>(row.Integer(8));
  alert.count = row.Unsigned(9);
  alert.opened_at_ms = row.Unsigned(10);
  alert.last_at_ms = row.Unsigned(11);
  alert.acknowledged_at_ms = row.Unsigned(12);
  alert.acknowledged_by = row.Blob(13);
  alert.resolved_at_ms = row.Unsigned(14);
  alert.step = static_cast<std::uint32_t>(row.Integer(15));
  alert.step_at_ms = row.Unsigned(16);
  return alert;
}

absl::StatusOr<std::vector<AlertRow>> AlertsIn(Statement row) {
  std::vector<AlertRow> alerts;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return alerts;
    alerts.push_back(AlertIn(row));
  }
}

absl::Status PutAlert(SqliteDb& db, AlertRow* alert) {
  const int state = static_cast<int>(alert->state);
  if (alert->id == 0) {
    RETURN_IF_ERROR(
        db.Run("INSERT INTO alert(key,kind,subject,severity,title,detail,hint,state,count,"
               "opened_at,last_at,acknowledged_at,acknowledged_by,resolved_at,step,step_at) "
               "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
               alert->key, alert->kind, alert->subject, alert->severity, alert->title,
               alert->detail, alert->hint, state, alert->count, alert->opened_at_ms,
               alert->last_at_ms, alert->acknowledged_at_ms, alert->acknowledged_by,
               alert->resolved_at_ms, alert->step, alert->step_at_ms));
    alert->id = db.LastRow();
    return absl::OkStatus();
  }
  return db.Run(
      "UPDATE alert SET severity=?2,title=?3,detail=?4,hint=?5,state=?6,count=?7,last_at=?8,"
      "acknowledged_at=?9,acknowledged_by=?10,resolved_at=?11,step=?12,step_at=?13 WHERE id=?1",
      alert->id, alert->severity, alert->title, alert->detail, alert->hint, state, alert->count,
      alert->last_at_ms, alert->acknowledged_at_ms, alert->acknowledged_by, alert->resolved_at_ms,
      alert->step, alert->step_at_ms);
}

absl::Status PutMessage(SqliteDb& db, MessageRow* message) {
  const int state = static_cast<int>(message->state);
  if (message->id == 0) {
    RETURN_IF_ERROR(db.Run(
        "INSERT INTO outbox(message_id,alert,channel,action,state,payload,created_at,next_at,"
        "error) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
        message->message_id, message->alert, message->channel, message->action, state,
        message->payload, message->created_at_ms, message->next_at_ms, message->error));
    message->id = db.LastRow();
    return absl::OkStatus();
  }
  return db.Run(
      "UPDATE outbox SET state=?2,payload=?3,next_at=?4,attempts=?5,first_attempt_at=?6,"
      "last_attempt_at=?7,repeated=?8,error=?9,done_at=?10 WHERE id=?1",
      message->id, state, message->payload, message->next_at_ms, message->attempts,
      message->first_attempt_at_ms, message->last_attempt_at_ms, message->repeated, message->error,
      message->done_at_ms);
}

}  // namespace

absl::Status SqliteAlerts::Apply(AlertChange* change) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    std::int64_t alert = 0;
    if (change->alert) {
      RETURN_IF_ERROR(PutAlert(db, &*change->alert));
      alert = change->alert->id;
    }
    for (const EventRow& event : change->events) {
      RETURN_IF_ERROR(
          db.Run("INSERT INTO event(at,kind,subject,severity,text,alert) "
                 "VALUES(?1,?2,?3,?4,?5,?6)",
                 event.at_ms, event.kind, event.subject, event.severity, event.text, alert));
    }
    for (MessageRow& message : change->messages) {
      if (message.id == 0 && message.alert == 0) message.alert = alert;
      RETURN_IF_ERROR(PutMessage(db, &message));
    }
    if (change->silence) {
      const SilenceRow& silence = *change->silence;
      RETURN_IF_ERROR(
          db.Run("INSERT INTO silence(subject,since,until,made_by,reason) VALUES(?1,?2,?3,?4,?5)",
                 silence.subject, silence.since_ms, silence.until_ms, silence.by, silence.reason));
      change->silence->id = db.LastRow();
    }
    if (change->audit) RETURN_IF_ERROR(WriteAudit(db, *change->audit));
    for (const auto& [name, value] : change->marks) {
      RETURN_IF_ERROR(
          db.Run("INSERT INTO alert_mark(name,value) VALUES(?1,?2) "
                 "ON CONFLICT(name) DO UPDATE SET value=?2",
                 name, value));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::optional<AlertRow>> SqliteAlerts::NewestAlert(const std::string& key) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::optional<AlertRow>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare(kSelectNewest));
    ASSIGN_OR_RETURN(const bool found, row.Bind(key).Step());
    if (!found) return std::optional<AlertRow>();
    return std::optional<AlertRow>(AlertIn(row));
  });
}

absl::StatusOr<AlertRow> SqliteAlerts::GetAlert(std::int64_t id) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<AlertRow> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare(kSelectAlert));
    ASSIGN_OR_RETURN(const bool found, row.Bind(id).Step());
    if (found) return AlertIn(row);
    return Error(ErrorKind::kNotFound, 5500,
                 fmt::format("unable to find alert {}: there is none", id),
                 "See 'holdfast alert list'.");
  });
}

absl::StatusOr<std::vector<AlertRow>> SqliteAlerts::OpenAlerts() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<std::vector<AlertRow>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare(kSelectOpen));
    return AlertsIn(std::move(row));
  });
}

absl::StatusOr<std::vector<AlertRow>> SqliteAlerts::RecentAlerts(std::uint32_t limit) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<AlertRow>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare(kSelectRecent));
    row.Bind(limit);
    return AlertsIn(std::move(row));
  });
}

absl::StatusOr<std::vector<EventRow>> SqliteAlerts::RecentEvents(std::uint32_t limit) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<EventRow>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT at,kind,subject,severity,text FROM event "
                                               "ORDER BY id DESC LIMIT ?1"));
    row.Bind(limit);
    std::vector<EventRow> events;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return events;
      events.push_back({row.Unsigned(0), row.Blob(1), row.Blob(2),
                        static_cast<std::uint32_t>(row.Integer(3)), row.Blob(4)});
    }
  });
}

absl::StatusOr<AlertCounts> SqliteAlerts::CountAlerts() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<AlertCounts> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT (SELECT count(*) FROM alert WHERE state<3 AND state=1),"
                   "(SELECT count(*) FROM alert WHERE state<3 AND state=2),"
                   "(SELECT count(*) FROM outbox WHERE state<3),"
                   "(SELECT count(*) FROM outbox o JOIN alert a ON a.id=o.alert AND a.state<3 "
                   "WHERE o.state=4)"));
    RETURN_IF_ERROR(row.Step().status());
    return AlertCounts{row.Unsigned(0), row.Unsigned(1), row.Unsigned(2), row.Unsigned(3)};
  });
}

absl::Status SqliteAlerts::ForgetHistory(std::uint64_t before_ms) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(db.Run("DELETE FROM event WHERE at<?1 OR id<=(SELECT max(id) FROM event)-?2",
                           before_ms, kEventsKept));
    RETURN_IF_ERROR(
        db.Run("DELETE FROM outbox WHERE state>=3 AND done_at<?1 AND "
               "NOT EXISTS(SELECT 1 FROM alert a WHERE a.id=outbox.alert AND a.state<3)",
               before_ms));
    RETURN_IF_ERROR(
        db.Run("DELETE FROM alert WHERE state=3 AND resolved_at<?1 AND "
               "NOT EXISTS(SELECT 1 FROM outbox o WHERE o.alert=alert.id)",
               before_ms));
    return db.Run("DELETE FROM silence WHERE until<?1", before_ms);
  });
}

}  // namespace holdfast::catalog
