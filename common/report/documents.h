// What `holdfast status`, `source list`, `agent list` and `snapshots` say with --json, and what the
// HTTP API says: the same documents.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "common/report/json.h"
#include "common/report/operator_types.h"
#include "common/report/warnings.h"

namespace holdfast::report {

Json StatusJson(const StatusReport& status, const std::vector<Warning>& warnings);
Json SourcesJson(const StatusReport& status);
Json AgentsJson(const std::vector<AgentInfo>& agents);
Json SnapshotsJson(const std::vector<SnapshotSummary>& snapshots);
// By source, the newest first.
void SortForReaders(std::vector<SnapshotSummary>* snapshots);

}  // namespace holdfast::report
