// Schedules and objectives as the controller tells them, as plain values.
//
// Times are Unix milliseconds, 0 = never.
// Threading:  values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::report {

struct SourceInfo {
  SourceId id;
  std::string name;
  std::string kind;
};

// A value that decides what happens by itself, and where it comes from.
struct Setting {
  std::string text;
  std::string origin;  // default, file, command
  std::string place;
  std::string set_by;
  std::uint64_t set_at_ms = 0;
};

struct SourceSchedule {
  SourceInfo source;
  std::string agent_name;
  std::string group;
  Setting cron;
  Setting zone;
  Setting jitter;
  std::string problem;
  std::vector<std::uint64_t> next_ms;
  std::uint64_t paused_at_ms = 0;
  std::string paused_by;
  std::uint64_t last_due_ms = 0;
  bool waiting = false;  // for its agent
  std::uint64_t running_since_ms = 0;
  std::uint64_t skipped = 0;
  std::uint64_t skipped_in_row = 0;
  std::uint64_t missed = 0;
  std::uint64_t retries = 0;  // of the last time, the coming or running one included
  std::uint64_t most_retries = 0;
  std::uint64_t retry_ms = 0;  // when the coming one begins; also in next_ms
};

struct ScheduleChange {
  SourceId source;    // or
  std::string group;  // when not empty
  std::string cron;   // empty: as it is
  std::string zone;
  std::string jitter;
  bool use_default = false;
  std::string by;
};

struct ObjectiveStanding {
  Setting rpo;
  Setting rto;
  std::uint64_t point_ms = 0;
  std::uint64_t age_seconds = 0;
  std::string state;  // met, late, broken
  std::uint64_t restore_seconds = 0;
  bool restore_measured = false;
  bool restore_too_slow = false;
  bool broken = false;
};

struct SourceObjective {
  SourceInfo source;
  std::string agent_name;
  ObjectiveStanding standing;
  std::uint64_t seq = 0;
  std::uint64_t restored_at_ms = 0;
};

struct SystemObjective {
  std::string name;
  std::vector<std::string> sources;
  std::vector<std::string> unknown;
  ObjectiveStanding standing;
};

struct ObjectiveReport {
  std::vector<SourceObjective> sources;
  std::vector<SystemObjective> systems;
};

struct ObjectiveChange {
  SourceId source;     // or
  std::string system;  // when not empty
  std::string rpo;     // empty: as it is
  std::string rto;
  bool use_default = false;
  std::string by;
};

}  // namespace holdfast::report
