// Names close to a mistyped one.
// Threading: pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast::cli {

// At most three of `names` within an edit distance of a third of the length (at least 1), nearest
// first.
std::vector<std::string> NearestNames(std::string_view text, const std::vector<std::string>& names);

}  // namespace holdfast::cli
