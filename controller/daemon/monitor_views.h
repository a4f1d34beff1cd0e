// What monitors learn from schedules, objectives and alerts, which know nothing of HTTP.
// Threading: the functions from any thread. Errors: of the catalog.
#pragma once

#include "controller/http/facts.h"
#include "controller/operator/operator_service.h"

namespace holdfast::daemon {

// What `options` points to must outlive the functions.
http::Views MonitorViews(const operator_service::OperatorServiceOptions& options);

}  // namespace holdfast::daemon
