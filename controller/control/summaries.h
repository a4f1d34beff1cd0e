// Catalog rows as the messages that operators and agents see.
// Threading: pure functions.
#pragma once

#include "controller/catalog/catalog.h"

namespace holdfast::v1 {
class SnapshotSummary;
class SourceInfo;
class SourceStatus;
class JobResult;
}  // namespace holdfast::v1

namespace holdfast::control {

// Why a run failed, as the catalog keeps it: the agent's words stay sealed.
std::string FailureText(const v1::JobResult& result);
void FillFailure(const catalog::RunFailure& failure, v1::SourceStatus* out);

void FillSource(const catalog::SourceRow& row, v1::SourceInfo* info);
void FillSummary(const catalog::SnapshotRow& row, const catalog::SourceRow& source,
                 const std::string& agent_name, v1::SnapshotSummary* summary);

}  // namespace holdfast::control
