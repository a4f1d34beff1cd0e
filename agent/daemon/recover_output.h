// What `holdfast-agent recover` prints: the list of snapshots, and errors for programs.
//
// Invariants: text of the store is escaped; a source's id is always shown, because names may be
//             those of two agents.
// Threading:  pure functions.
#pragma once

#include <string>
#include <vector>

#include "agent/daemon/recover.h"

namespace holdfast::daemon {

// A table, with a heading.
std::string ListText(const std::vector<RecoverableSnapshot>& snapshots);
// {"snapshots":[{"source","source_id","kind","seq","taken_at","state","problem"}…]}; state is
// complete, partial or damaged.
std::string ListJson(const std::vector<RecoverableSnapshot>& snapshots);
// {"error":{"message","hint","code","exit"}}, as `holdfast --json` has it.
std::string ErrorJson(const absl::Status& status);

}  // namespace holdfast::daemon
