#include "controller/cli/nearest.h"

#include <algorithm>
#include <numeric>

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxCompared = 200;

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> NearestNames(std::string_view text,
                                      const std::vector<std::string>& names) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& name : names) {
    if (name.size() > kMaxCompared || text.size() > kMaxCompared) continue;
    const std::size_t distance = EditDistance(text, name);
    if (distance <= std::max<std::size_t>(1, name.size() / 3)) found.emplace_back(distance, name);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, found.size()); ++i) {
    nearest.push_back(found[i].second);
  }
  return nearest;
}

}  // namespace holdfast::cli
