// The objectives of sources and systems, and how they stand now.
//
// Hides:      where the newest restorable point is found, where the values come from.
// Invariants: I1  A snapshot that needs a damaged chunk, or that lies in the trash, is no
//                 restorable point. An agent's word for when a snapshot was taken counts only when
//                 it is not later than the controller's for when it was committed.
//             I2  A system is as old as its oldest source, and comes back in the sum of their
//                 times.
// Threading:  every method from any thread.
// Errors:     of the catalog; kUsage 5094 for values, kNotFound 5095 for a system.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "controller/objective/judgement.h"
#include "controller/objective/objective_config.h"
#include "controller/schedule/setting.h"

namespace holdfast::objective {

struct Standing {
  schedule::Setting rpo;
  schedule::Setting rto;
  std::optional<absl::Time> point;  // the newest that can be restored
  absl::Duration age;               // of the point, or since the source was first seen
  State state = State::kMet;        // of the RPO
  RestoreEstimate restore;
  bool restore_too_slow = false;  // the estimate is above the RTO
  bool broken() const { return state == State::kBroken || (restore_too_slow && restore.measured); }
};

struct SourceStanding {
  catalog::SourceRow source;
  std::string agent_name;
  Standing standing;
  std::optional<std::uint64_t> seq;  // of the point
  std::uint64_t restored_at_ms = 0;  // of the measured restore; 0: none
};

struct SystemStanding {
  std::string name;
  std::vector<std::string> sources;  // that exist
  std::vector<std::string> unknown;  // named in the file, but nowhere to be found
  Standing standing;
};

struct Report {
  std::vector<SourceStanding> sources;
  std::vector<SystemStanding> systems;
};

class Objectives {
 public:
  Objectives(Env env, catalog::Catalog& catalog, ObjectiveConfig config);

  absl::StatusOr<Report> Judge();
  void Reconfigure(ObjectiveConfig config);

  struct Change {
    TargetTexts targets;
    bool use_default = false;  // forget what was set by command
    std::string by;
  };
  absl::Status SetForSource(const SourceId& source, const Change& change);
  absl::Status SetForSystem(const std::string& system, const Change& change);

  // A restore succeeded. Remembered when it says at least as much as the one that is known.
  absl::Status NoteRestore(const SourceId& source, std::uint64_t bytes, absl::Duration time);

 private:
  absl::Status SetValues(const std::string& scope, const std::string& object, const Change& change);

  const Env env_;
  catalog::Catalog& catalog_;
  std::mutex mutex_;  // guards config_
  ObjectiveConfig config_;
};

}  // namespace holdfast::objective
