// Which paths below a root belong to the source: include and exclude patterns.
//
// Invariants: I1  Without include patterns everything is in. With them: what matches one, and all
//                 below a directory that matches one.
//             I2  An exclude pattern wins over every include pattern, for a directory with all
//                 below it.
//             I3  kThrough is given only to directories below which something may be in, so that a
//                 walk visits no subtree in vain.
// Threading:  immutable; any thread.
// Errors:     kUsage 2304 for a bad pattern, see glob.h.
#pragma once

#include <string>
#include <vector>

#include "agent/source/files/glob.h"

namespace holdfast::source {

class PathFilter {
 public:
  static absl::StatusOr<PathFilter> Make(const std::vector<std::string>& include,
                                         const std::vector<std::string>& exclude);

  enum class Verdict {
    kOut,      // neither it nor anything below
    kThrough,  // a directory that matters only for what is below it
    kIn,
  };
  Verdict Judge(std::string_view path, PathType type) const;
  bool TakesAll() const { return include_.empty() && exclude_.empty(); }

 private:
  std::vector<Glob> include_;
  std::vector<Glob> exclude_;
};

}  // namespace holdfast::source
