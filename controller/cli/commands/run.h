// The whole `holdfast` program but its process: arguments in, exit code out.
//
// Hides:      the command line library and its own exit codes.
// Invariants: whatever the arguments, the exit code is one of DESIGN 12, and an argument that may
//             be a secret is never repeated.
// Threading:  one thread.
#pragma once

#include <string>
#include <vector>

#include "controller/cli/context.h"

namespace holdfast::cli {

// `arguments` without the program's name.
int Run(Context& context, const std::vector<std::string>& arguments);

}  // namespace holdfast::cli
