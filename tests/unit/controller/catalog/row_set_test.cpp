// Goal: a set of rows is what was put in, in ascending order, up to the last row of the table.
#include "controller/catalog/row_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace holdfast::catalog {
namespace {

std::vector<std::int64_t> Walk(const RowSet& set) {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = set.After(0); row != 0; row = set.After(row)) rows.push_back(row);
  return rows;
}

TEST(RowSet, AnEmptyOneHasNoRow) {
  EXPECT_EQ(RowSet().After(0), 0);
  RowSet set(1000);
  EXPECT_EQ(set.After(0), 0);
  EXPECT_EQ(set.After(5'000), 0);
  EXPECT_FALSE(set.Erase(7));
  EXPECT_FALSE(set.Erase(70'000));
  EXPECT_EQ(set.size(), 0u);
}

TEST(RowSet, IsAsAnOrderedSet) {
  constexpr int kSeed = 3;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (const std::int64_t last : {1, 63, 64, 65, 127, 128, 1'000}) {
    RowSet set(last);
    std::set<std::int64_t> model;
    for (int step = 0; step < 500; ++step) {
      const auto row = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(last)) + 1;
      if (random() % 3 == 0) {
        EXPECT_EQ(set.Erase(row), model.erase(row) == 1);
      } else {
        EXPECT_EQ(set.Insert(row), model.insert(row).second);
      }
    }
    set.Insert(last);
    model.insert(last);
    EXPECT_EQ(set.size(), model.size());
    EXPECT_EQ(Walk(set), std::vector<std::int64_t>(model.begin(), model.end())) << last;
  }
}

}  // namespace
}  // namespace holdfast::catalog
