// Version 6 of the schema: retries of scheduled runs.
//   schedule.retries   the retries of the last time of the calendar, the coming one included
//   schedule.retry_at  when the coming one is due; 0: none is
// Threading: a constant.
#pragma once

namespace holdfast::catalog {

inline constexpr char kVersion6[] = R"sql(
ALTER TABLE schedule ADD COLUMN retries INT NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN retry_at INT NOT NULL DEFAULT 0;
)sql";

}  // namespace holdfast::catalog
