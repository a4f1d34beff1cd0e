// Goal: values, defaults, verbs and errors of a command line are what the program asked for.
#include "common/config/command_line.h"

#include <sstream>

#include "common/base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    line_.AllowOptionsAfterVerb();
    Command program = line_.program();
    program.RequireVerb();
    program.Flag("--json", json_, "As JSON");
    Command show = program.Verb("show", "Shows");
    show.Add("what", what_, "What").Required();
    const CommandOption limit = show.Add("--limit", limit_, "So many").Between(1, 10).ShowDefault();
    show.Add("--all", all_, "All of them").Excludes(limit);
    show.Add("--each", each_, "Repeatable").OneValueEach();
    show.Add("--mode", mode_, {{"slow", 1}, {"fast", 2}}, "How");
    show.Footer(Examples("tool show x", "tool show y --limit 3"));
    show.Action([this] { ++shown_; });
  }

  absl::StatusOr<CommandLine::Outcome> Read(const std::vector<std::string>& arguments) {
    return line_.Read(arguments, out_);
  }

  CommandLine line_{"tool", "Tries things.", "1.2.3"};
  bool json_ = false;
  std::string what_;
  std::string all_;
  std::uint32_t limit_ = 7;
  std::vector<std::string> each_;
  int mode_ = 0;
  int shown_ = 0;
  std::ostringstream out_;
};

TEST_F(CommandLineTest, BindsValuesAndRunsTheVerbOnce) {
  const auto outcome =
      Read({"show", "x", "--each", "a", "--each", "b", "--mode", "fast", "--json"});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(*outcome, CommandLine::Outcome::kRead);
  EXPECT_EQ(what_, "x");
  EXPECT_EQ(limit_, 7u);  // what was not named keeps its default
  EXPECT_EQ(each_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(mode_, 2);
  EXPECT_TRUE(json_);
  EXPECT_EQ(shown_, 1);
}

TEST_F(CommandLineTest, PrintsVersionAndHelpOfTheVerbInstead) {
  EXPECT_EQ(*Read({"--version"}), CommandLine::Outcome::kPrinted);
  EXPECT_EQ(out_.str(), "tool 1.2.3\n");
  EXPECT_EQ(*Read({"show", "--help"}), CommandLine::Outcome::kPrinted);
  EXPECT_THAT(out_.str(), HasSubstr("tool show y --limit 3"));
  EXPECT_EQ(shown_, 0);
}

TEST_F(CommandLineTest, WhatIsWrongIsAUsageErrorAndNothingRuns) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"show"},
                                             {"show", "x", "--limit", "11"},
                                             {"show", "x", "--limit", "3", "--all", "yes"},
                                             {"show", "x", "--mode", "middling"},
                                             {"show", "x", "--no-such-option"}}) {
    const auto outcome = Read(arguments);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(KindOf(outcome.status()), ErrorKind::kUsage);
    EXPECT_EQ(ExitCodeOf(outcome.status()), 2);
  }
  EXPECT_EQ(shown_, 0);
}

TEST_F(CommandLineTest, AMistypedVerbIsGuessed) {
  const auto outcome = Read({"shwo", "x"});
  ASSERT_FALSE(outcome.ok());
  EXPECT_THAT(Render(outcome.status()), HasSubstr("Did you mean 'tool show'?"));
}

}  // namespace
}  // namespace holdfast
