// Goal: patterns mean what the header says, for every form of them.
#include "agent/source/files/glob.h"

#include <gtest/gtest.h>

#include "agent/source/files/path_filter.h"
#include "common/base/error.h"

namespace holdfast::source {
namespace {

bool Matches(std::string_view pattern, std::string_view path, PathType type = PathType::kOther) {
  return Glob::Parse(pattern).value().Test(path, type).matches;
}

TEST(GlobTest, StarStaysWithinAComponent) {
  EXPECT_TRUE(Matches("*.log", "a.log"));
  EXPECT_TRUE(Matches("*.log", ".log"));
  EXPECT_FALSE(Matches("*.log", "d/a.log"));
  EXPECT_FALSE(Matches("*.log", "a.log.1"));
  EXPECT_TRUE(Matches("d/*/f", "d/x/f"));
  EXPECT_FALSE(Matches("d/*/f", "d/x/y/f"));
  EXPECT_TRUE(Matches("a*b*c", "a__b_bc"));
  EXPECT_FALSE(Matches("a*b*c", "a__c_b"));
}

TEST(GlobTest, DoubleStarCrossesComponents) {
  for (const char* path : {"a.log", "d/a.log", "d/e/f/a.log"}) {
    EXPECT_TRUE(Matches("**/*.log", path)) << path;
  }
  EXPECT_TRUE(Matches("d/**/f", "d/f"));
  EXPECT_TRUE(Matches("d/**/f", "d/1/2/f"));
  EXPECT_FALSE(Matches("d/**/f", "e/1/f"));
  EXPECT_TRUE(Matches("d/**", "d/x"));
  EXPECT_TRUE(Matches("d/**", "d/x/y"));
  EXPECT_FALSE(Matches("d/**", "d")) << "all below it, not the directory";
}

TEST(GlobTest, ClassesQuestionMarksAndEscapes) {
  EXPECT_TRUE(Matches("f[0-9]?", "f1x"));
  EXPECT_FALSE(Matches("f[0-9]?", "fxx"));
  EXPECT_TRUE(Matches("f[!0-9]", "fx"));
  EXPECT_FALSE(Matches("f[!0-9]", "f5"));
  EXPECT_TRUE(Matches("[]x]", "]"));
  EXPECT_TRUE(Matches("[open", "[open")) << "a class that does not close is literal";
  EXPECT_TRUE(Matches("\\*", "*"));
  EXPECT_FALSE(Matches("\\*", "x"));
  EXPECT_TRUE(Matches("?", "\xff")) << "bytes, whatever the locale";
}

TEST(GlobTest, TrailingSlashMeansDirectories) {
  EXPECT_TRUE(Matches("cache/", "cache", PathType::kDirectory));
  EXPECT_FALSE(Matches("cache/", "cache", PathType::kOther));
  EXPECT_TRUE(Glob::Parse("cache/").value().Test("cache/x", PathType::kOther).below_match);
}

TEST(GlobTest, KnowsWhereAMatchIsPossible) {
  const Glob glob = Glob::Parse("a/*/c").value();
  EXPECT_TRUE(glob.Test("a", PathType::kDirectory).may_match_below);
  EXPECT_TRUE(glob.Test("a/b", PathType::kDirectory).may_match_below);
  EXPECT_FALSE(glob.Test("b", PathType::kDirectory).may_match_below);
  EXPECT_FALSE(glob.Test("a/b/d", PathType::kDirectory).may_match_below);
  EXPECT_TRUE(glob.Test("a/b/c/d", PathType::kOther).below_match);
}

TEST(GlobTest, RefusesWhatCannotBeMeant) {
  for (const char* pattern : {"", "/", "a//b", "../a", "a/../b", "."}) {
    EXPECT_EQ(CodeOf(Glob::Parse(pattern).status()), 2304) << pattern;
    EXPECT_EQ(ExitCodeOf(Glob::Parse(pattern).status()), 2) << pattern;
  }
  std::string many = "a";
  for (int i = 0; i < 60; ++i) many += "/a";
  EXPECT_EQ(CodeOf(Glob::Parse(many).status()), 2304);
}

TEST(GlobTest, LongStarsTakeLinearTime) {
  const std::string name(255, 'a');
  EXPECT_FALSE(MatchesComponent("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", name));
}

TEST(PathFilterTest, ExcludeWinsAndTakesAllBelow) {
  const PathFilter filter = PathFilter::Make({"keep"}, {"keep/cache/", "**/*.tmp"}).value();
  using Verdict = PathFilter::Verdict;
  EXPECT_EQ(filter.Judge("", PathType::kDirectory), Verdict::kIn);
  EXPECT_EQ(filter.Judge("keep/a", PathType::kOther), Verdict::kIn);
  EXPECT_EQ(filter.Judge("keep/a.tmp", PathType::kOther), Verdict::kOut);
  EXPECT_EQ(filter.Judge("keep/cache", PathType::kDirectory), Verdict::kOut);
  EXPECT_EQ(filter.Judge("keep/cache/x", PathType::kOther), Verdict::kOut);
  EXPECT_EQ(filter.Judge("other", PathType::kDirectory), Verdict::kOut);
}

TEST(PathFilterTest, GoesThroughDirectoriesThatLeadSomewhere) {
  const PathFilter filter = PathFilter::Make({"a/b/*.conf"}, {}).value();
  using Verdict = PathFilter::Verdict;
  EXPECT_EQ(filter.Judge("a", PathType::kDirectory), Verdict::kThrough);
  EXPECT_EQ(filter.Judge("a", PathType::kOther), Verdict::kOut) << "a file leads nowhere";
  EXPECT_EQ(filter.Judge("a/c", PathType::kDirectory), Verdict::kOut);
  EXPECT_EQ(filter.Judge("a/b/x.conf", PathType::kOther), Verdict::kIn);
}

}  // namespace
}  // namespace holdfast::source
