// Names close to a mistyped one.
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Edits that make `b` of `a`: insert, delete, replace, swap of neighbours (optimal string alignment
// distance).
std::size_t EditDistance(std::string_view a, std::string_view b);

// At most three of `names` within an edit distance of a third of the length (at least 1), nearest
// first.
std::vector<std::string> NearestNames(std::string_view text, const std::vector<std::string>& names);

}  // namespace holdfast
