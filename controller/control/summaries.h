// Catalog rows as the messages that operators and agents see.
// Threading: pure functions.
#pragma once

#include "controller/catalog/catalog.h"

namespace holdfast::v1 {
class SnapshotSummary;
class SourceInfo;
}  // namespace holdfast::v1

namespace holdfast::control {

void FillSource(const catalog::SourceRow& row, v1::SourceInfo* info);
void FillSummary(const catalog::SnapshotRow& row, const catalog::SourceRow& source,
                 const std::string& agent_name, v1::SnapshotSummary* summary);

}  // namespace holdfast::control
