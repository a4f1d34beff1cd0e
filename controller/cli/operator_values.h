// What the controller tells an operator (common/report), by the names that commands use.
//
// Threading: values.
#pragma once

#include "common/report/alert_types.h"
#include "common/report/audit_types.h"
#include "common/report/operator_types.h"
#include "common/report/quota_types.h"
#include "common/report/retention_types.h"
#include "common/report/schedule_types.h"

namespace holdfast::cli {

using namespace report;  // NOLINT(google-build-using-namespace)

}  // namespace holdfast::cli
