// Goal: manual page and completions say what the command line takes: every verb, option and choice.
#include "common/config/command_tree.h"

#include <sstream>

#include "absl/strings/str_split.h"
#include "common/config/command_line.h"
#include "common/env/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class CommandTreeTest : public ::testing::Test {
 protected:
  CommandTreeTest() {
    line_.AllowOptionsAfterVerb();
    Command program = line_.program();
    program.Flag("--json", flag_, "As JSON");
    program.Add("--format", word_, "How it looks").OneOf({"plain", "wide"});
    Command show = program.Verb("show", "Shows .things\\of interest");
    show.Add("what", word_, "What").Required();
    show.Add("--mode", number_, {{"slow", 1}, {"fast", 2}}, "How");
    show.Add("--file,-f", word_, "From where").Called("FILE");
    show.Footer(Examples("tool show x", "tool show y --mode fast"));
    Command group = program.Verb("group", "Several");
    group.RequireVerb();
    group.Verb("list", "All").Flag("--all", flag_, "Really all");
    group.Verb("remove", "One less");
  }

  std::string Printed(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    const auto outcome = line_.Read(arguments, out);
    EXPECT_TRUE(outcome.ok() && *outcome == CommandLine::Outcome::kPrinted) << outcome.status();
    return out.str();
  }

  // What bash would offer for the last of `words`, which stand behind the program's name.
  std::vector<std::string> Offered(const std::vector<std::string>& words) {
    std::string text = Printed({"--print-completion"}) + "COMP_WORDS=(tool";
    for (const std::string& word : words) text += " '" + word + "'";
    text += ")\nCOMP_CWORD=" + std::to_string(words.size()) +
            "\n_tool\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    ProcessOptions bash;
    bash.argv = {"bash", "-u", "-s"};
    bash.standard_input = text;
    const auto output = RunProcessForOutput(bash, {});
    EXPECT_TRUE(output.ok()) << output.status();
    return absl::StrSplit(output.value_or(""), '\n', absl::SkipEmpty());
  }

  CommandLine line_{"tool", "The tool: tries things.", "1.2.3"};
  bool flag_ = false;
  int number_ = 0;
  std::string word_;
};

TEST_F(CommandTreeTest, BashIsOfferedVerbsOptionsAndChoices) {
  EXPECT_THAT(Offered({"s"}), UnorderedElementsAre("show"));
  EXPECT_THAT(Offered({""}), UnorderedElementsAre("show", "group"));
  EXPECT_THAT(Offered({"group", ""}), UnorderedElementsAre("list", "remove"));
  EXPECT_THAT(Offered({"group", "list", "--a"}), UnorderedElementsAre("--all"));
  EXPECT_THAT(Offered({"group", "list", "--js"}), UnorderedElementsAre("--json"));
  EXPECT_THAT(Offered({"show", "--mode", ""}), UnorderedElementsAre("slow", "fast"));
  EXPECT_THAT(Offered({"show", "x", "--mode", "f"}), UnorderedElementsAre("fast"));
  EXPECT_THAT(Offered({"group", "list", "--format", "w"}), UnorderedElementsAre("wide"));
}

TEST_F(CommandTreeTest, WhereAnythingGoesBashIsLeftToFileNames) {
  EXPECT_TRUE(Offered({"show", ""}).empty());
  EXPECT_TRUE(Offered({"show", "--file", ""}).empty());
  EXPECT_TRUE(Offered({"show", "-f", "s"}).empty());
}

TEST_F(CommandTreeTest, ThePageHasEveryVerbAndOption) {
  const std::string page = Printed({"--print-manual", "8"});
  EXPECT_EQ(page.rfind(".TH TOOL 8 ", 0), 0u) << page;
  EXPECT_THAT(page, HasSubstr("Holdfast 1.2.3"));
  EXPECT_THAT(page, HasSubstr("tool \\- tries things."));
  for (const char* part :
       {".SS tool show\n", ".SS tool group list\n", ".SS tool group remove\n", "\\fB\\-\\-json\\fR",
        "\\fB\\-f\\fR, \\fB\\-\\-file\\fR \\fIFILE\\fR", "How (fast, slow)",
        "How it looks (plain, wide)", "What (required)", "Shows .things\\eof interest",
        "tool show y \\-\\-mode fast", ".SH EXIT STATUS"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

}  // namespace
}  // namespace holdfast
