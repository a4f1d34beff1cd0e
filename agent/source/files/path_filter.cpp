#include "agent/source/files/path_filter.h"

#include "common/base/error.h"

namespace holdfast::source {

absl::StatusOr<PathFilter> PathFilter::Make(const std::vector<std::string>& include,
                                            const std::vector<std::string>& exclude) {
  PathFilter filter;
  for (const std::string& pattern : include) {
    ASSIGN_OR_RETURN(Glob glob, Glob::Parse(pattern));
    filter.include_.push_back(std::move(glob));
  }
  for (const std::string& pattern : exclude) {
    ASSIGN_OR_RETURN(Glob glob, Glob::Parse(pattern));
    filter.exclude_.push_back(std::move(glob));
  }
  return filter;
}

PathFilter::Verdict PathFilter::Judge(std::string_view path, PathType type) const {
  if (path.empty()) return Verdict::kIn;
  for (const Glob& glob : exclude_) {
    const Glob::Result result = glob.Test(path, type);
    if (result.matches || result.below_match) return Verdict::kOut;
  }
  if (include_.empty()) return Verdict::kIn;
  bool may_match_below = false;
  for (const Glob& glob : include_) {
    const Glob::Result result = glob.Test(path, type);
    if (result.matches || result.below_match) return Verdict::kIn;
    may_match_below = may_match_below || result.may_match_below;
  }
  return may_match_below && type == PathType::kDirectory ? Verdict::kThrough : Verdict::kOut;
}

}  // namespace holdfast::source
