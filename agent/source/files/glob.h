// One path pattern: '*' and '?' within a component, '[…]' classes, '**' across components.
//
// Hides:      components, backtracking, the set of positions a path can reach in the pattern.
// Invariants: I1  Patterns are relative to the root and always match whole paths: "*.log" means the
//                 top level only, "**/*.log" every level. "a/**" is all below a, not a itself.
//             I2  A trailing '/' restricts the pattern to directories. A backslash takes the next
//                 character literally. Bytes are compared, no locale is asked.
//             I3  Matching takes no more than (pattern size × path size) steps.
// Threading:  immutable after Parse; any thread.
// Errors:     kUsage 2304 for a pattern that is empty, has more than 60 components or "..".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace holdfast::source {

enum class PathType { kDirectory, kOther };

class Glob {
 public:
  static absl::StatusOr<Glob> Parse(std::string_view pattern);

  struct Result {
    bool matches = false;          // the path itself
    bool below_match = false;      // a directory above the path
    bool may_match_below = false;  // something below the path could match
  };
  Result Test(std::string_view path, PathType type) const;

 private:
  std::uint64_t Closure(std::uint64_t positions) const;
  std::uint64_t Step(std::uint64_t positions, std::string_view name) const;

  std::vector<std::string> components_;
  bool directories_only_ = false;
};

// One component against one component pattern.
bool MatchesComponent(std::string_view pattern, std::string_view name);

}  // namespace holdfast::source
