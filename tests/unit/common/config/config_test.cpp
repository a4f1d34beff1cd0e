// Goal: a configuration is read strictly; whatever is wrong names the place and the next step.
#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ConfigNode Root(std::string_view text) {
  auto document = ParseConfig(text, "agent.yaml");
  EXPECT_TRUE(document.ok()) << document.status();
  return document.value().root();
}

// Message of the usage error that `text` must cause already when it is parsed.
std::string ParseFailure(std::string_view text) {
  const auto document = ParseConfig(text, "agent.yaml");
  EXPECT_FALSE(document.ok());
  if (document.ok()) return "";
  EXPECT_EQ(ExitCodeOf(document.status()), 2);
  return MessageOf(document.status());
}

TEST(ConfigTest, ReadsEveryType) {
  const ConfigNode root = Root(
      "name: db\nquoted: \"007\"\non: true\nworkers: 4\nless: -3\nevery: 15m\nmemory: 64 MiB\n"
      "paths: [/etc, '/srv/a b']\nsources:\n  - kind: files\n  - kind: redis\n");
  EXPECT_EQ(root.Text("name").value(), "db");
  EXPECT_EQ(root.Text("quoted").value(), "007");
  EXPECT_TRUE(root.Bool("on", false).value());
  EXPECT_EQ(root.Integer("workers", 1).value(), 4);
  EXPECT_EQ(root.Integer("less", 1).value(), -3);
  EXPECT_EQ(root.Duration("every", absl::ZeroDuration()).value(), absl::Minutes(15));
  EXPECT_EQ(root.Size("memory", 0).value(), 64u << 20);
  EXPECT_THAT(root.Texts("paths").value(), ElementsAre("/etc", "/srv/a b"));
  const auto sources = root.List("sources").value();
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[1].Text("kind").value(), "redis");
  EXPECT_EQ(sources[1].where(), "agent.yaml:11:5");
  EXPECT_EQ(root.AsMembers().value().size(), 9u);
}

TEST(ConfigTest, MissingKeysGiveTheFallbackOrAnError) {
  const ConfigNode root = Root("a: 1\n");
  EXPECT_EQ(root.Text("x", "y").value(), "y");
  EXPECT_EQ(root.Integer("x", 5).value(), 5);
  EXPECT_TRUE(root.Texts("x").value().empty());
  EXPECT_FALSE(root.Has("x"));
  const absl::Status missing = root.Text("x").status();
  EXPECT_EQ(MessageOf(missing), "agent.yaml:1:1: key 'x' is missing");
  EXPECT_EQ(ExitCodeOf(missing), 2);
  EXPECT_EQ(CodeOf(root.CheckKeys({"a", "b"}, {"a", "b"})), 1015);
}

TEST(ConfigTest, UnknownKeyNamesPlaceAndNearestKey) {
  const ConfigNode root = Root("name: web\n\nagent:\n  sorces: []\n");
  const absl::Status status =
      root.Find("agent")->CheckKeys({"sources", "state", "listen"}, {"sources"});
  EXPECT_EQ(MessageOf(status), "agent.yaml:4:3: unknown key 'sorces'");
  EXPECT_EQ(HintOf(status), "Did you mean 'sources'?");
  EXPECT_EQ(CodeOf(status), 1012);
  EXPECT_EQ(HintOf(Root("zzzzzz: 1").CheckKeys({"a", "listen"})), "Known here: a, listen.");
  EXPECT_TRUE(root.CheckKeys({"agent", "name"}).ok());
  EXPECT_EQ(CodeOf(Root("- a\n- b\n").CheckKeys({"a"})), 1014);
}

TEST(ConfigTest, DuplicateKeysAreRefused) {
  const auto document = ParseConfig("a: 1\nb: 2\na: 3\n", "agent.yaml");
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(MessageOf(document.status()), "agent.yaml:3:1: duplicate key 'a'");
  EXPECT_EQ(HintOf(document.status()), "It stands in line 1 already.");
  EXPECT_EQ(CodeOf(document.status()), 1013);
  EXPECT_TRUE(ParseConfig("a: {k: 1}\nb: {k: 2}\n", "x").ok()) << "only within one mapping";
}

TEST(ConfigTest, NoTypeIsGuessed) {
  const ConfigNode root = Root(
      "no: no\noctal: 010\nhex: 0x10\nfloat: 1.5\nplus: +1\nquoted: '1'\nyes: 'true'\nempty:\n"
      "big: 9223372036854775808\nlist: [1]\n");
  EXPECT_EQ(MessageOf(root.Bool("no", true).status()),
            "agent.yaml:1:5: expected true or false, found 'no'");
  for (const char* key : {"octal", "hex", "float", "plus", "quoted", "empty", "big", "list"}) {
    EXPECT_EQ(CodeOf(root.Integer(key, 0).status()), 1014) << key;
  }
  EXPECT_EQ(CodeOf(root.Bool("yes", true).status()), 1014);
  EXPECT_EQ(MessageOf(root.Text("empty").status()), "agent.yaml:8:1: expected text, found nothing");
  EXPECT_EQ(CodeOf(root.Texts("no").status()), 1014);
  EXPECT_EQ(root.Text("no").value(), "no") << "text is taken word for word";
  EXPECT_EQ(root.Text("octal").value(), "010");
}

TEST(ConfigTest, RangesAreChecked) {
  const ConfigNode root = Root("port: 70000\nsize: 2 GiB\nwait: 5 minutes\n");
  EXPECT_EQ(MessageOf(root.Integer("port", 1, {1, 65535}).status()),
            "agent.yaml:1:7: expected a number from 1 to 65535, found '70000'");
  EXPECT_EQ(CodeOf(root.Size("size", 1, {1, 1u << 30}).status()), 1014);
  EXPECT_EQ(HintOf(root.Duration("wait", absl::Seconds(1)).status()),
            "Write it like 30s, 15m, 4h or 7d.");
}

TEST(ConfigTest, SyntaxErrorsNameThePlace) {
  EXPECT_THAT(ParseFailure("a: [1, 2\nb: 3\n"), StartsWith("agent.yaml:"));
  EXPECT_THAT(ParseFailure("a:\n\tb: 1\n"), HasSubstr("2:1: a tab is used as indentation"));
  EXPECT_THAT(ParseFailure("a: \"\t\"\nb:\n \t c: 1\n"), HasSubstr("3:2: a tab"));
  EXPECT_THAT(ParseFailure(std::string_view("a: x\0y\n", 7)),
              HasSubstr("1:5: control character 0x00"));
  EXPECT_THAT(ParseFailure("a: x\004\nb: 1\n"), HasSubstr("1:5: control character 0x04"));
  EXPECT_THAT(ParseFailure("\xef\xbb\xbf"
                           "a: 1\n"),
              HasSubstr("1:1: the file begins with a byte order"));
  EXPECT_THAT(ParseFailure("\xff\xfe"
                           "a"),
              HasSubstr("byte order mark"));
  EXPECT_THAT(ParseFailure("a: &x 1\nb: 2\n"), HasSubstr("1:4: anchors are not supported"));
  EXPECT_THAT(ParseFailure("a: &x 1\nb: *x\n"), HasSubstr("anchors are not supported"));
  EXPECT_THAT(ParseFailure("a: !!binary aGk=\n"), HasSubstr("tag"));
  EXPECT_THAT(ParseFailure("a: 1\n---\nb: 2\n"), HasSubstr("second document"));
  EXPECT_THAT(ParseFailure("? [a]\n: 1\n"), HasSubstr("a key must be a word"));
  EXPECT_THAT(ParseFailure(std::string(2u << 20, '#')), HasSubstr("larger than 1 MiB"));
}

TEST(ConfigTest, NestingIsBounded) {
  const auto nested = [](std::size_t depth) {
    return "a: " + std::string(depth, '[') + std::string(depth, ']') + "\n";
  };
  EXPECT_TRUE(ParseConfig(nested(63), "x").ok());
  EXPECT_THAT(ParseFailure(nested(64)), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(ParseFailure(nested(10'000)), HasSubstr("nested deeper than 64 levels"));
  std::string maps;
  for (int i = 0; i < 1'000; ++i) maps += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(ParseFailure(maps), HasSubstr("nested deeper than 64 levels"));
}

TEST(ConfigTest, EmptyFileIsAnEmptyMapping) {
  for (const char* text : {"", "\n", "# only words\n", "---\n", "~\n"}) {
    const ConfigNode root = Root(text);
    EXPECT_TRUE(root.CheckKeys({"a"}).ok()) << text;
    EXPECT_EQ(CodeOf(root.CheckKeys({"a"}, {"a"})), 1015) << text;
  }
}

TEST(ConfigTest, ReaderCanRefuseAValueAtItsPlace) {
  const absl::Status status =
      Root("a: b\n").Find("a")->Refuse("no such store 'b'", "Name another.");
  EXPECT_EQ(MessageOf(status), "agent.yaml:1:4: no such store 'b'");
  EXPECT_EQ(CodeOf(status), 1017);
}

class ConfigFileTest : public testing::Test {
 protected:
  void Write(const std::string& name, std::string_view text, unsigned mode = 0600) {
    ASSERT_TRUE(fs_.WriteAtomically(directory_ / name, text, mode).ok());
    ASSERT_EQ(::chmod((directory_ / name).c_str(), mode), 0);
  }
  absl::StatusOr<std::optional<SecretBytes>> Secret(std::string_view text) {
    Write("c.yaml", text);
    const Surroundings surroundings{false,
                                    [this](const std::string& name) -> std::optional<std::string> {
                                      if (name == "PASS") return "from env";
                                      if (name == "CREDENTIALS_DIRECTORY" && !credentials_.empty())
                                        return credentials_;
                                      return std::nullopt;
                                    }};
    return LoadConfig(fs_, directory_ / "c.yaml")->root().Secret(fs_, "password", surroundings);
  }

  test::TempDir directory_;
  FileSystem& fs_ = RealFileSystem();
  std::string credentials_ = directory_.path();
};

TEST_F(ConfigFileTest, WhatCannotBeReadIsNamed) {
  const absl::Status missing = LoadConfig(fs_, directory_ / "none.yaml").status();
  EXPECT_EQ(ExitCodeOf(missing), 2);
  EXPECT_THAT(MessageOf(missing), HasSubstr(directory_ / "none.yaml"));
  EXPECT_THAT(MessageOf(missing), HasSubstr("No such file or directory"));
  const absl::Status folder = LoadConfig(fs_, directory_.path()).status();
  EXPECT_EQ(ExitCodeOf(folder), 2);
  EXPECT_THAT(MessageOf(folder), HasSubstr("not a regular file"));
  Write("big.yaml", std::string((1u << 20) + 1, '#'));
  EXPECT_EQ(ExitCodeOf(LoadConfig(fs_, directory_ / "big.yaml").status()), 2);
}

TEST_F(ConfigFileTest, SecretsComeFromFileOrEnvironment) {
  Write("pass", "s3cret pass \n");
  EXPECT_EQ(Secret("password_file: pass\n").value()->view(), "s3cret pass ");
  EXPECT_EQ(Secret("password_file: " + (directory_ / "pass") + "\n").value()->view(),
            "s3cret pass ");
  EXPECT_EQ(Secret("password: ${env:PASS}\n").value()->view(), "from env");
  EXPECT_FALSE(Secret("other: 1\n").value().has_value());
}

TEST_F(ConfigFileTest, SecretsComeFromCredentialsOfTheUnit) {
  // systemd gives them by an access list, which makes the mode look wide.
  Write("holdfast_pass", "s3cret\n", 0640);
  EXPECT_EQ(Secret("password: ${credential:holdfast_pass}\n").value()->view(), "s3cret");
  Write("holdfast_empty", "\n");
  for (const char* name : {"none", "holdfast_empty", "../holdfast_pass", ".", "a/b"}) {
    const absl::Status refused =
        Secret(std::string("password: ${credential:") + name + "}\n").status();
    EXPECT_EQ(CodeOf(refused), 1016) << name;
    EXPECT_EQ(ExitCodeOf(refused), 2) << name;
  }
  credentials_.clear();
  EXPECT_EQ(CodeOf(Secret("password: ${credential:holdfast_pass}\n").status()), 1016);
}

TEST_F(ConfigFileTest, SecretsAreRefusedInlineAndWithWideRights) {
  const absl::Status inlined = Secret("password: hunter2\n").status();
  EXPECT_EQ(ExitCodeOf(inlined), 2);
  EXPECT_THAT(Render(inlined), ::testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(HintOf(inlined), HasSubstr("password_file"));
  EXPECT_EQ(CodeOf(Secret("password: ${env:NONE}\n").status()), 1016);
  EXPECT_EQ(CodeOf(Secret("password: ${env:PASS}\npassword_file: x\n").status()), 1016);
  EXPECT_EQ(ExitCodeOf(Secret("password_file: none\n").status()), 2);
  Write("wide", "s3cret\n", 0644);
  const absl::Status wide = Secret("password_file: wide\n").status();
  EXPECT_EQ(ExitCodeOf(wide), 12);
  EXPECT_THAT(HintOf(wide), HasSubstr("chmod 600"));
  Write("empty", "\n");
  EXPECT_EQ(CodeOf(Secret("password_file: empty\n").status()), 1016);
}

}  // namespace
}  // namespace holdfast
