// `holdfast-agent check-config`: is this file in order, and what does it back up?
// Threading:  one thread.
// Errors:     kUsage with file, line and column, as at the start; kPermission for secrets.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "common/env/file_system.h"

namespace holdfast::daemon {

enum class CheckForm { kText, kJson };
absl::Status CheckAgentConfig(FileSystem& fs, const std::string& path, CheckForm form,
                              std::ostream& out);

}  // namespace holdfast::daemon
