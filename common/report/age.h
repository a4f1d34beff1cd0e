// How long ago something was, as people say it.
//
// Threading: pure function.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace holdfast::report {

std::string AgeText(absl::Duration age);  // "2s", "3m10s", "12h04m", "41d"

}  // namespace holdfast::report
