// Is everything backed up? The answer of GET /health/backup.
//
// Invariants: I1  "healthy" means: every configured source has a snapshot, no objective is broken,
//                 no last run failed, nothing that a snapshot needs is lost, the store takes what
//                 comes, the configuration on disk is the one in use, and channels take what they
//                 are sent. Anything else, also "there is nothing yet", is "degraded" and has a
//                 reason. Whether an objective is broken is for controller/objective to say.
//             I2  An agent that is away is no reason by itself: its sources become too old in time.
// Threading:  pure functions.
#pragma once

#include <string>
#include <vector>

#include "controller/http/facts.h"

namespace holdfast::http {

enum class SourceState { kOk, kNever, kFailed, kStale, kDamaged };

SourceState StateOf(const SourceFacts& source);

struct Health {
  std::vector<std::string> reasons;
  bool healthy() const { return reasons.empty(); }
};
Health Judge(const Facts& facts);

// {"backup_system","last_backup","next_scheduled","sources":[…],"reasons":[…]}
std::string HealthJson(const Facts& facts);
// The same form when there are no facts to tell: while the controller starts or stops, or when the
// catalog does not answer.
std::string HealthJsonWithout(const std::string& reason);

}  // namespace holdfast::http
