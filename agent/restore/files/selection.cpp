#include "agent/restore/files/selection.h"

#include "common/base/error.h"

namespace holdfast::restore {

absl::StatusOr<Selection> Selection::Make(const std::vector<std::string>& paths) {
  Selection selection;
  for (const std::string& path : paths) {
    Wish wish;
    wish.text = path;
    wish.exact = path;
    while (!wish.exact.empty() && wish.exact.back() == '/') wish.exact.pop_back();
    while (!wish.exact.empty() && wish.exact.front() == '/') wish.exact.erase(0, 1);
    if (wish.exact.empty() || wish.exact == ".") return Selection();  // the root: everything
    auto glob = source::Glob::Parse(path);
    if (!glob.ok() && !ValidatePath(wish.exact).ok()) return glob.status();
    if (glob.ok()) wish.glob.push_back(*std::move(glob));
    selection.wishes_.push_back(std::move(wish));
  }
  return selection;
}

bool Selection::Takes(const Entry& entry) {
  if (wishes_.empty()) return true;
  const auto type =
      entry.type == EntryType::kDirectory ? source::PathType::kDirectory : source::PathType::kOther;
  bool taken = false;
  for (Wish& wish : wishes_) {
    const std::string& path = entry.path;
    bool match = path.compare(0, wish.exact.size(), wish.exact) == 0 &&
                 (path.size() == wish.exact.size() || path[wish.exact.size()] == '/');
    if (!match && !wish.glob.empty()) {
      const source::Glob::Result result = wish.glob.front().Test(path, type);
      match = result.matches || result.below_match;
    }
    wish.matched = wish.matched || match;
    taken = taken || match;
  }
  return taken;
}

std::string Selection::Unmatched() const {
  for (const Wish& wish : wishes_) {
    if (!wish.matched) return wish.text;
  }
  return "";
}

}  // namespace holdfast::restore
