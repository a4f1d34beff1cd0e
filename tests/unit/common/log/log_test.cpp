// Goal: one event is one line, whatever the message holds; levels and formats are what was asked.
#include "common/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string Captured(const std::function<void()>& what) {
  ::testing::internal::CaptureStderr();
  what();
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogTest, TextLineHasUtcTimeLevelAndProgram) {
  ASSERT_TRUE(log::Setup({"agent", "info", "text"}).ok());
  const std::string line = Captured([] { log::Info("backed up source '{}' in {} s", "db", 2); });
  EXPECT_THAT(line, MatchesRegex("[0-9-]+T[0-9:]+\\.[0-9][0-9][0-9]Z info  agent: backed up source "
                                 "'db' in 2 s\n"));
}

TEST(LogTest, JsonLineIsEscaped) {
  ASSERT_TRUE(log::Setup({"agent", "debug", "json"}).ok());
  const std::string line = Captured([] { log::Debug("say \"{}\"", "a\\b\nc\x1b"); });
  EXPECT_THAT(line, HasSubstr(R"("level":"debug","program":"agent",)"));
  EXPECT_THAT(line, HasSubstr(R"("message":"say \"a\\x5cb\\x0ac\\x1b\""})"));
}

TEST(LogTest, MessageCannotForgeALine) {
  ASSERT_TRUE(log::Setup({"agent", "info", "text"}).ok());
  const std::string text =
      Captured([] { log::Warn("name '{}'", "x\n2026 info agent: all is well"); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_THAT(text, HasSubstr("x\\x0a2026"));
}

TEST(LogTest, LevelsBelowTheOneSetAreSilent) {
  ASSERT_TRUE(log::Setup({"agent", "warn", "text"}).ok());
  const auto all = [] {
    log::Debug("one");
    log::Info("two");
    log::Warn("three");
    log::Error("four");
  };
  const std::string text = Captured(all);
  EXPECT_THAT(text, ::testing::Not(HasSubstr("two")));
  EXPECT_THAT(text, HasSubstr("three"));
  EXPECT_THAT(text, HasSubstr("four"));
  ASSERT_TRUE(log::Setup({"agent", "off", "text"}).ok());
  EXPECT_EQ(Captured(all), "");
}

TEST(LogTest, FailureShowsHintAndCode) {
  ASSERT_TRUE(log::Setup({"agent", "info", "text"}).ok());
  const std::string text =
      Captured([] { log::Failure(Error(ErrorKind::kSource, 2114, "no rights", "Grant them.")); });
  EXPECT_THAT(text, HasSubstr("error agent: no rights (hint: Grant them.) (HF-2114)\n"));
}

TEST(LogTest, UnknownLevelAndFormatAreUsageErrors) {
  EXPECT_EQ(ExitCodeOf(log::Setup({"agent", "loud", "text"})), 2);
  EXPECT_EQ(ExitCodeOf(log::Setup({"agent", "info", "xml"})), 2);
}

}  // namespace
}  // namespace holdfast
