// Version 4 of the schema: what planning needs (planning.h), and how often a source failed in a
// row.
//   setting          values that operators set by command
//   schedule         where each schedule stands; run_id is not empty while a run is claimed
//   restore_measure  the a restore of each source, as it was measured
// Threading: a constant.
#pragma once

namespace holdfast::catalog {

inline constexpr char kVersion4[] = R"sql(
CREATE TABLE setting(scope BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  set_by BLOB NOT NULL, set_at INT NOT NULL, PRIMARY KEY(scope,key)) WITHOUT ROWID;
CREATE TABLE schedule(source INTEGER PRIMARY KEY REFERENCES source(row), first_seen INT NOT NULL,
  due INT NOT NULL, fired INT NOT NULL, run_id BLOB NOT NULL, skipped INT NOT NULL,
  skipped_in_row INT NOT NULL, missed INT NOT NULL, paused_at INT NOT NULL,
  paused_by BLOB NOT NULL);
CREATE TABLE restore_measure(source INTEGER PRIMARY KEY REFERENCES source(row),
  bytes INT NOT NULL, duration_ms INT NOT NULL, at INT NOT NULL);
ALTER TABLE failure ADD COLUMN in_row INT NOT NULL DEFAULT 1;
)sql";

}  // namespace holdfast::catalog
