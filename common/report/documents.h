// What `holdfast status`, `source list`, `agent list` and `snapshots` say with --json, and what the
// HTTP API says: the same documents.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/report/json.h"
#include "common/report/operator_types.h"

namespace holdfast::report {

struct Warning {
  std::string text;
  std::string hint;
};
// What an operator should look at, most telling first.
std::vector<Warning> WarningsOf(const StatusReport& status, absl::Time now);

Json StatusJson(const StatusReport& status, const std::vector<Warning>& warnings);
Json SourcesJson(const StatusReport& status);
Json AgentsJson(const std::vector<AgentInfo>& agents);
Json SnapshotsJson(const std::vector<SnapshotSummary>& snapshots);
// By source, the newest first.
void SortForReaders(std::vector<SnapshotSummary>* snapshots);

}  // namespace holdfast::report
