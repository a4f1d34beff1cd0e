// The documents of the HTTP API: what `holdfast --json` prints, made where the catalog is.
//
// Invariants: no key is here, so what only the operators' keys open is not told: of a failed run
//             its time, not its text.
// Threading:  any.
// Errors:     of the catalog; kNotFound 6098 for a source that is not there.
#pragma once

#include <string>

#include "controller/http/http_server.h"
#include "controller/operator/operator_service.h"

namespace holdfast::daemon {

absl::StatusOr<std::string> ApiDocumentText(const operator_service::OperatorServiceOptions& options,
                                            const http::ApiRequest& request);

}  // namespace holdfast::daemon
