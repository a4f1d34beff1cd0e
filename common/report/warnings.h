// What an operator should look at.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/report/operator_types.h"

namespace holdfast::report {

struct Warning {
  std::string text;
  std::string hint;
};
std::vector<Warning> WarningsOf(const StatusReport& status, absl::Time now);

// Names of the systems and sources whose objective is broken.
std::vector<std::string> BrokenOf(const StatusReport& status);

}  // namespace holdfast::report
