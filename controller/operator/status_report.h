// What `holdfast status` and `holdfast agent list` show, from catalog, store and job board.
// Threading: any. Errors: of the catalog.
#pragma once

#include "controller/operator/operator_service.h"

namespace holdfast::v1 {
class AgentInfo;
class Installation;
class StatusReply;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status FillInstallation(const OperatorServiceOptions& options, v1::Installation* out);
absl::Status FillAgent(const OperatorServiceOptions& options, const catalog::AgentRow& row,
                       v1::AgentInfo* out);
absl::Status FillStatus(const OperatorServiceOptions& options, v1::StatusReply* out);

}  // namespace holdfast::operator_service
