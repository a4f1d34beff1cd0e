// `holdfast-controller check-config`: is this file in order, and when would it back up?
// Threading: one thread. Errors: kUsage with file, line and column, as at the start.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "common/env/env.h"

namespace holdfast::daemon {

enum class CheckForm { kText, kJson };
// The next three runs of each schedule in the file, without jitter.
absl::Status CheckControllerConfig(Env env, const std::string& path, CheckForm form,
                                   std::ostream& out);
// {"error":{"message","hint","code","exit"}}, as `holdfast --json` has it.
std::string ConfigErrorJson(const absl::Status& status);

}  // namespace holdfast::daemon
