// Which entries a restore was asked for: exact paths and patterns.
//
// Invariants: an exact path wins over its reading as a pattern, so that any name can be asked for;
//             a directory means all below it; no paths at all means everything.
// Threading:  immutable after Make, except Unmatched's bookkeeping by Takes: one thread.
// Errors:     kUsage 2304 for a path that is neither acceptable as a path nor as a pattern.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/source/files/glob.h"
#include "common/format/entry.h"

namespace holdfast::restore {

class Selection {
 public:
  static absl::StatusOr<Selection> Make(const std::vector<std::string>& paths);

  bool Takes(const Entry& entry);
  bool TakesAll() const { return wishes_.empty(); }
  // The first path asked for that matched no entry so far; empty when all did.
  std::string Unmatched() const;

 private:
  struct Wish {
    std::string text;
    std::string exact;
    std::vector<source::Glob> glob;  // none or one
    bool matched = false;
  };
  std::vector<Wish> wishes_;
};

}  // namespace holdfast::restore
