// Quotas as operators ask for them.
// Threading: any. Errors: of controller/quota.
#pragma once

#include "controller/operator/operator_service.h"

namespace holdfast::v1 {
class ListQuotasReply;
class SetQuotaRequest;
class StatusReply;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status ListQuotas(const OperatorServiceOptions& options, v1::ListQuotasReply* out);
absl::Status SetQuota(const OperatorServiceOptions& options, const v1::SetQuotaRequest& request);

// Names the agents that have used up nine tenths of what they may store.
absl::Status AddQuotaWarnings(const OperatorServiceOptions& options, v1::StatusReply* out);

}  // namespace holdfast::operator_service
