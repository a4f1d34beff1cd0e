// The tables of alerts: a migration of their own. Threading: constants.
//
//   event      what happened, kept for a while: the history behind the alerts
//   alert      a problem, from its first event until it is over; one that is not over per key
//   outbox     what has to be said of it, one row per channel. attempts <> 0 and state 2: an
//              attempt is under way, or was when the process died
//   silence    about whom nothing is said until then; subject empty: about nobody
//   watched    since when a source is looked at, so that a new one has time for its first backup
//   alert_mark when something was done last, by name
#pragma once

namespace holdfast::catalog {

inline constexpr int kAlertsVersion = 5;

inline constexpr char kAlertsTables[] = R"sql(
CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, at INT NOT NULL, kind BLOB NOT NULL,
  subject BLOB NOT NULL, severity INT NOT NULL, text BLOB NOT NULL, alert INT NOT NULL DEFAULT 0);
CREATE INDEX event_at ON event(at);
CREATE TABLE alert(id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, kind BLOB NOT NULL,
  subject BLOB NOT NULL, severity INT NOT NULL, title BLOB NOT NULL, detail BLOB NOT NULL,
  hint BLOB NOT NULL, state INT NOT NULL, count INT NOT NULL, opened_at INT NOT NULL,
  last_at INT NOT NULL, acknowledged_at INT NOT NULL DEFAULT 0, acknowledged_by BLOB NOT NULL,
  resolved_at INT NOT NULL DEFAULT 0, step INT NOT NULL, step_at INT NOT NULL);
CREATE UNIQUE INDEX alert_open ON alert(key) WHERE state<3;
CREATE INDEX alert_key ON alert(key,id);
CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, message_id BLOB NOT NULL UNIQUE,
  alert INT NOT NULL, channel BLOB NOT NULL, action INT NOT NULL, state INT NOT NULL,
  payload BLOB NOT NULL, created_at INT NOT NULL, next_at INT NOT NULL,
  attempts INT NOT NULL DEFAULT 0, first_attempt_at INT NOT NULL DEFAULT 0,
  last_attempt_at INT NOT NULL DEFAULT 0, repeated INT NOT NULL DEFAULT 0,
  error BLOB NOT NULL, done_at INT NOT NULL DEFAULT 0);
CREATE INDEX outbox_waiting ON outbox(channel,id) WHERE state<3;
CREATE INDEX outbox_alert ON outbox(alert);
CREATE TABLE silence(id INTEGER PRIMARY KEY AUTOINCREMENT, subject BLOB NOT NULL,
  since INT NOT NULL, until INT NOT NULL, made_by BLOB NOT NULL, reason BLOB NOT NULL);
CREATE TABLE watched(source BLOB PRIMARY KEY, since INT NOT NULL) WITHOUT ROWID;
CREATE TABLE alert_mark(name BLOB PRIMARY KEY, value INT NOT NULL) WITHOUT ROWID;
)sql";

}  // namespace holdfast::catalog
