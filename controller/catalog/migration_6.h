// Version 6 of the schema: retries of scheduled runs, and who changed what (audit.h).
//   schedule.retries   the retries of the last time of the calendar, the coming one included
//   schedule.retry_at  when the coming one is due; 0: none is
//   audit.hash         over the row and the hash of the row before
// Threading: a constant.
#pragma once

namespace holdfast::catalog {

inline constexpr char kVersion6[] = R"sql(
ALTER TABLE schedule ADD COLUMN retries INT NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN retry_at INT NOT NULL DEFAULT 0;
CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, at INT NOT NULL, made_by BLOB NOT NULL,
  action BLOB NOT NULL, object BLOB NOT NULL, detail BLOB NOT NULL, hash BLOB NOT NULL);
)sql";

}  // namespace holdfast::catalog
