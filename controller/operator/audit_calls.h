// The audit trail as operators ask for it.
// Threading: any. Errors: of the catalog.
#pragma once

#include "controller/catalog/catalog.h"

namespace holdfast::v1 {
class ListAuditReply;
class ListAuditRequest;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status FillAudit(catalog::Catalog& catalog, const v1::ListAuditRequest& request,
                       v1::ListAuditReply* out);

}  // namespace holdfast::operator_service
