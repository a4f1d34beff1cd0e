// Goal: whatever is typed, the answer is one of the documented exit codes, in the documented form.
#include "common/base/error.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;

class CommandLineTest : public CliTest {
 protected:
  static const std::vector<std::vector<std::string>>& Commands() {
    static const std::vector<std::vector<std::string>> commands = {{},
                                                                   {"init"},
                                                                   {"enroll"},
                                                                   {"agent"},
                                                                   {"agent", "list"},
                                                                   {"agent", "remove"},
                                                                   {"source"},
                                                                   {"source", "list"},
                                                                   {"status"},
                                                                   {"backup"},
                                                                   {"snapshots"},
                                                                   {"ls"},
                                                                   {"find"},
                                                                   {"cat"},
                                                                   {"diff"},
                                                                   {"restore"},
                                                                   {"export"},
                                                                   {"verify"},
                                                                   {"forget"},
                                                                   {"undelete"},
                                                                   {"retention"},
                                                                   {"retention", "show"},
                                                                   {"retention", "set"},
                                                                   {"retention", "explain"},
                                                                   {"retention", "confirm"},
                                                                   {"gc"}};
    return commands;
  }
  std::string Help(std::vector<std::string> command) {
    command.push_back("--help");
    EXPECT_EQ(Run(command), 0);
    return out();
  }
  static std::vector<std::string> Words(const std::string& line) {
    std::vector<std::string> words;
    bool quoted = false, open = false;
    for (const char c : line) {
      if (c == '\'') {
        quoted = !quoted;
        open = true;
        if (quoted) words.emplace_back();
      } else if (c == ' ' && !quoted) {
        open = false;
      } else {
        if (!open) words.emplace_back();
        open = true;
        words.back().push_back(c);
      }
    }
    return words;
  }
};

TEST_F(CommandLineTest, EveryHelpEndsWithTwoExamplesThatParse) {
  for (const auto& command : Commands()) {
    const std::string help = Help(command);
    const std::size_t at = help.rfind("Examples:\n");
    ASSERT_NE(at, std::string::npos) << help;
    std::istringstream lines(help.substr(at + 10));
    std::vector<std::string> examples;
    for (std::string line; std::getline(lines, line);) {
      if (line.find_first_not_of(' ') != std::string::npos) examples.push_back(line);
    }
    ASSERT_EQ(examples.size(), 2u) << help;
    for (const std::string& example : examples) {
      std::vector<std::string> words = Words(example.substr(0, example.find('>')));
      ASSERT_EQ(words.front(), "holdfast") << example;
      words.erase(words.begin());
      client_->reachable = false;  // the syntax is tried, not the deed
      EXPECT_NE(Run(words), 2) << example << "\n" << err();
    }
  }
}

TEST_F(CommandLineTest, UsageErrorsAreTwoWithOneLineHint) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"--nonsense"},
                                             {"nonsense"},
                                             {"backup", "--nonsense"},
                                             {"cat", "db"},
                                             {"verify", "db", "--sample-percent", "0"},
                                             {"verify", "db", "--sample-percent", "101"},
                                             {"verify", "db", "--sample-percent", "NaN"},
                                             {"verify", "db", "--sample-percent", "9e18"},
                                             {"snapshots", "--limit", "-1"},
                                             {"restore", "db", "--overwrite", "maybe"},
                                             {"export", "db"},
                                             {"agent"},
                                             {"agent", "forget"},
                                             {"status", "extra"},
                                             {"status", "--socket"}}) {
    EXPECT_EQ(Run(arguments), 2) << (arguments.empty() ? "" : arguments.front());
    EXPECT_EQ(out(), "");
    EXPECT_EQ(err().rfind("error: unable to read the command line: ", 0), 0u) << err();
    EXPECT_NE(err().find("\nhint: "), std::string::npos) << err();
    EXPECT_EQ(std::ranges::count(err(), '\n'), 2) << err();
  }
}

TEST_F(CommandLineTest, AMistypedVerbGetsTheNearest) {
  EXPECT_EQ(Run({"bakcup"}), 2);
  EXPECT_NE(err().find("holdfast backup"), std::string::npos) << err();
}

TEST_F(CommandLineTest, ASecretInArgvIsRefusedAndNotRepeated) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"init", "--passphrase", "hunter2"},
                                             {"--passphrase=hunter2", "enroll", "a"},
                                             {"init", "--recovery-key=hunter2"}}) {
    EXPECT_EQ(Run(arguments), 2);
    EXPECT_EQ(err().find("hunter2"), std::string::npos) << err();
    EXPECT_NE(err().find("--passphrase-file"), std::string::npos);
  }
  EXPECT_EQ(Run({"backup", "--", "--passphrase"}), 2);  // after "--" it is a source's name
}

TEST_F(CommandLineTest, ErrorsAreJsonWhenAsked) {
  client_->reachable = false;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--json", "status"},
                                             {"status", "--json"},
                                             {"agent", "list", "--json"},
                                             {"--json", "nonsense"},
                                             {"cat", "db", "--json"},
                                             {"ls", "db\x1b@", "--json"}}) {
    const int code = Run(arguments);
    EXPECT_NE(code, 0);
    const Json json = ParsedJson(err());
    ASSERT_TRUE(json.is_object()) << err();
    EXPECT_EQ(json["error"]["exit"], code);
    EXPECT_FALSE(json["error"]["message"].get<std::string>().empty());
    EXPECT_EQ(json["error"]["code"].get<std::string>().rfind("HF-", 0), 0u);
    EXPECT_EQ(out(), "");
  }
}

TEST_F(CommandLineTest, TheSocketIsFoundInOrder) {
  Run({"status", "--socket", "/tmp/a.sock"});
  EXPECT_EQ(socket_, "/tmp/a.sock");
  variables_["HOLDFAST_SOCKET"] = "/tmp/b.sock";
  Run({"status"});
  EXPECT_EQ(socket_, "/tmp/b.sock");
  variables_.erase("HOLDFAST_SOCKET");
  Run({"status"});
  EXPECT_NE(socket_.find("controller.sock"), std::string::npos);
}

TEST_F(CommandLineTest, VersionAndUnreachable) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(out().rfind("holdfast ", 0), 0u);
  client_->reachable = false;
  EXPECT_EQ(Run({"status"}), 8);
}

}  // namespace
}  // namespace holdfast::cli
