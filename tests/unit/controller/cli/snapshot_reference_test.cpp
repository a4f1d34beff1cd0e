// Goal: every form of a snapshot reference means what the manual says; anything else is refused.
#include "controller/cli/snapshot_reference.h"

#include <gtest/gtest.h>

#include "controller/cli/when.h"
#include "tests/unit/controller/cli/fake_client.h"

namespace holdfast::cli {
namespace {

using test::FakeClient;

constexpr std::uint64_t kDay = 86'400'000;
constexpr std::uint64_t kSeventh = 1'767'751'213'000;  // 2026-01-07 02:00:13 UTC

absl::StatusOr<SnapshotReference> Parse(std::string_view text) {
  return ParseSnapshotReference(text, absl::UTCTimeZone());
}

TEST(ParseSnapshotReferenceTest, Forms) {
  EXPECT_FALSE(std::get<NewestSnapshot>(Parse("db")->which).stated);
  EXPECT_TRUE(std::get<NewestSnapshot>(Parse("db@latest")->which).stated);
  EXPECT_EQ(std::get<NumberedSnapshot>(Parse("db@57")->which).seq, 57u);
  EXPECT_EQ(Parse("db-1/db@57")->agent, "db-1");
  EXPECT_TRUE(Parse("a41f")->MayBeId());
  EXPECT_FALSE(Parse("a41")->MayBeId());
  EXPECT_FALSE(Parse("a41f@latest")->MayBeId());
  EXPECT_FALSE(Parse("db-1/a41f")->MayBeId());
}

TEST(ParseSnapshotReferenceTest, WhatIsNoReferenceIsRefusedEscaped) {
  const std::string long_text(65536, 'a');
  for (const std::string& text : {std::string(),
                                  std::string("@57"),
                                  std::string("db@"),
                                  std::string("db@0"),
                                  std::string("db@99999999999999999999"),
                                  std::string("db@-1"),
                                  std::string("db@9e18"),
                                  std::string("db@NaN"),
                                  std::string("db@1@2"),
                                  std::string("../db"),
                                  std::string("a/b/c"),
                                  std::string("db\n@1"),
                                  std::string("db\x1b[2J"),
                                  std::string("db\xff"),
                                  long_text,
                                  std::string("db@2026-02-31"),
                                  std::string("db@2026-13-01"),
                                  std::string("db@2026-01-07 25:00"),
                                  std::string("db@2026-01-07 02:00 Nowhere/City"),
                                  std::string("db@yesterday"),
                                  std::string("db@2026-01-07 02:00 ../../etc/passwd"),
                                  std::string("d b"),
                                  std::string("-db")}) {
    const auto result = Parse(text);
    ASSERT_FALSE(result.ok()) << Escaped(text);
    EXPECT_EQ(ExitCodeOf(result.status()), 2);
    EXPECT_EQ(MessageOf(result.status()).find('\x1b'), std::string::npos);
    EXPECT_EQ(MessageOf(result.status()).find('\n'), std::string::npos);
    EXPECT_LT(MessageOf(result.status()).size(), 700u);
  }
}

TEST(ParseEndOfTimeTest, NamesTheWholeUnit) {
  const auto ms = [](std::string_view text) {
    return absl::ToUnixMillis(ParseEndOfTime(text, absl::UTCTimeZone()).value());
  };
  EXPECT_EQ(ms("2026-01-07"), 1'767'830'400'000);
  EXPECT_EQ(ms("2026-01-07 02:00"), 1'767'751'260'000);
  EXPECT_EQ(ms("2026-01-07T02:00:13"), 1'767'751'214'000);
  EXPECT_EQ(ms("2026-01-07 02:00 UTC"), 1'767'751'260'000);
  EXPECT_EQ(ms("2026-01-07T02:00:13Z"), 1'767'751'214'000);
  EXPECT_EQ(ms("2026-01-07 02:00+01:00"), 1'767'747'660'000);
  EXPECT_EQ(ms("2026-01-07 03:00 Europe/Berlin"), 1'767'751'260'000);
  EXPECT_EQ(ms("2026-01-07 UTC"), 1'767'830'400'000);
}

TEST(ParseSpanTest, OneNumberOneUnit) {
  EXPECT_EQ(*ParseSpan("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseSpan("15m"), absl::Minutes(15));
  EXPECT_EQ(*ParseSpan("7d"), absl::Hours(168));
  for (const char* text :
       {"", "0s", "-1m", "1", "m", "1.5h", "9e18d", "99999999999d", "1h30m", " 1m"}) {
    EXPECT_FALSE(ParseSpan(text).ok()) << text;
  }
}

TEST(CheckNameTest, OnlyTameNames) {
  EXPECT_TRUE(CheckName("agent", "db-1.example_x").ok());
  EXPECT_TRUE(CheckName("agent", "büro").ok());
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("-x"), std::string("a/b"), std::string("a@b"),
        std::string("a\tb"), std::string("a\0b", 3), std::string(129, 'a')}) {
    EXPECT_EQ(ExitCodeOf(CheckName("agent", name)), 2) << Escaped(name);
  }
}

class ResolveTest : public testing::Test {
 protected:
  ResolveTest() {
    client_.AddSource("db", "postgres");
    client_.AddSource("uploads", "files", "web-1");
    client_.AddSource("cafe", "files", "web-1");
    client_.AddSource("empty", "files", "web-1");
    client_.AddSummary("db", 55, kSeventh - 2 * kDay, "a41f00");
    client_.AddSummary("db", 56, kSeventh - kDay, "a41f11");
    client_.AddSummary("db", 57, kSeventh, "b5");
    client_.AddSummary("cafe", 1, kSeventh);
  }
  absl::StatusOr<SnapshotSummary> Resolve(const std::string& text) {
    return ResolveSnapshot(client_, text, absl::UTCTimeZone());
  }
  std::uint64_t Seq(const std::string& text) {
    const auto resolved = Resolve(text);
    EXPECT_TRUE(resolved.ok()) << text << ": " << resolved.status();
    return resolved.ok() ? resolved->seq : 0;
  }
  FakeClient client_;
};

TEST_F(ResolveTest, NewestNumberAndTime) {
  EXPECT_EQ(Seq("db"), 57u);
  EXPECT_EQ(Seq("db@latest"), 57u);
  EXPECT_EQ(Seq("db@55"), 55u);
  EXPECT_EQ(Seq("db@2026-01-07"), 57u);        // the day, to its end
  EXPECT_EQ(Seq("db@2026-01-07 02:00"), 57u);  // the minute, to its end
  EXPECT_EQ(Seq("db@2026-01-07 02:00:12"), 56u);
  EXPECT_EQ(Seq("db@2026-01-06"), 56u);
  EXPECT_EQ(Seq("db@2030-01-01"), 57u);
  EXPECT_EQ(Seq("db-1/db@56"), 56u);
}

TEST_F(ResolveTest, IdPrefix) {
  EXPECT_EQ(Seq("a41f1"), 56u);
  EXPECT_EQ(Seq("A41F0"), 55u);
  EXPECT_EQ(Seq("cafe"), 1u) << "a source's name comes before an id";
  const auto ambiguous = Resolve("a41f");
  ASSERT_FALSE(ambiguous.ok());
  EXPECT_EQ(ExitCodeOf(ambiguous.status()), 2);
  EXPECT_NE(HintOf(ambiguous.status()).find("db@55"), std::string::npos);
  EXPECT_NE(HintOf(ambiguous.status()).find("db@56"), std::string::npos);
  EXPECT_EQ(ExitCodeOf(Resolve("ffff").status()), 6);
}

TEST_F(ResolveTest, WhatIsNotThereIsNotFoundWithTheNearest) {
  const auto misspelt = Resolve("uplaods");
  EXPECT_EQ(ExitCodeOf(misspelt.status()), 6);
  EXPECT_NE(HintOf(misspelt.status()).find("uploads"), std::string::npos);
  EXPECT_EQ(ExitCodeOf(Resolve("db@58").status()), 6);
  EXPECT_NE(HintOf(Resolve("db@58").status()).find("55 to 57"), std::string::npos);
  EXPECT_EQ(ExitCodeOf(Resolve("db@2020-01-01").status()), 6);
  EXPECT_EQ(ExitCodeOf(Resolve("empty").status()), 6);
  EXPECT_EQ(ExitCodeOf(Resolve("web-1/db").status()), 6);
}

TEST_F(ResolveTest, ANameOfTwoAgentsMustBeQualified) {
  client_.AddSource("db", "postgres", "db-2");
  const auto ambiguous = Resolve("db@57");
  EXPECT_EQ(ExitCodeOf(ambiguous.status()), 2);
  EXPECT_NE(HintOf(ambiguous.status()).find("db-1/db, db-2/db"), std::string::npos);
  EXPECT_EQ(Seq("db-1/db@57"), 57u);
}

}  // namespace
}  // namespace holdfast::cli
