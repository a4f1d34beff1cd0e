// Goal: channels are read as they are written; what is not safe or not right is refused with its
// place; no secret stands in the file or in a message.
#include "common/notify/channel_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/temp_dir.h"

namespace holdfast::notify {
namespace {

using testing::HasSubstr;
using testing::Not;

class ChannelConfigTest : public testing::Test {
 protected:
  ChannelConfigTest() {
    Write("slack.url", "https://hooks.slack.com/services/T0/SECRET\n");
    Write("key", "KEY-SECRET\n");
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / name, text).ok());
  }
  absl::StatusOr<std::vector<ChannelConfig>> Read(const std::string& yaml) {
    Write("c.yaml", yaml);
    const auto document = LoadConfig(RealFileSystem(), directory_ / "c.yaml");
    if (!document.ok()) return document.status();
    return ReadChannels(RealFileSystem(), document->root());
  }
  std::string Refusal(const std::string& line) {
    const auto read = Read("channels:\n  - " + line + "\n");
    EXPECT_FALSE(read.ok()) << line;
    const std::string text = MessageOf(read.status()) + HintOf(read.status());
    EXPECT_THAT(text, HasSubstr("c.yaml:2:")) << line;
    EXPECT_THAT(text, Not(HasSubstr("SECRET"))) << line;
    return text;
  }
  holdfast::test::TempDir directory_;
};

TEST_F(ChannelConfigTest, AllKindsAreRead) {
  const auto read = Read(
      "channels:\n"
      "  - {name: ops, kind: slack, url_file: slack.url, severity: warning}\n"
      "  - {name: mail, kind: email, server: \"smtp://mail.example.com:587\", user: u, "
      "password_file: key, from: b@example.com, to: [a@example.com]}\n"
      "  - {name: pager, kind: pagerduty, routing_key_file: key}\n"
      "  - {name: hook, kind: webhook, url_file: slack.url, secret_file: key}\n"
      "  - {name: siren, kind: command, argv: [/bin/true, \"--loud\"], timeout: 10s}\n");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 5u);
  EXPECT_EQ((*read)[0].least, Severity::kWarning);
  EXPECT_EQ(std::get<EmailOptions>((*read)[1].options).password.view(), "KEY-SECRET");
  EXPECT_EQ(std::get<CommandOptions>((*read)[4].options).time, absl::Seconds(10));
  for (const ChannelConfig& config : *read) {
    const auto channel = MakeChannel(RealEnv(), config);
    EXPECT_EQ(channel->name(), config.name);
    EXPECT_THAT(channel->target(), Not(HasSubstr("SECRET")));
  }
}

TEST_F(ChannelConfigTest, NonsenseIsRefusedWithItsPlace) {
  Refusal("{name: ops, kind: smoke}");
  Refusal("{name: ops, kind: slack}");
  Refusal("{name: ops, kind: slack, url: \"https://hooks.slack.com/SECRET\"}");
  Refusal("{name: ops, kind: slack, url_file: slack.url, urls: x}");
  Refusal("{name: ops, kind: slack, url_file: slack.url, severity: loud}");
  Refusal("{name: \"two words\", kind: slack, url_file: slack.url}");
  Refusal("{name: s, kind: command, argv: [siren]}");
  Refusal("{name: s, kind: command, argv: []}");
  Refusal("{name: s, kind: command, argv: [/bin/true], timeout: 1h}");
  Refusal("{name: p, kind: pagerduty, routing_key_file: key, url: \"http://events.example\"}");
  Refusal("{name: m, kind: email, server: mail.example.com, from: a@b, to: [a@b]}");
  Refusal("{name: m, kind: email, server: \"smtp://m\", from: a@b, to: [\"a@b\\r\\nBcc: c@d\"]}");
  Refusal("{name: m, kind: email, server: \"smtp://m\", from: a@b, to: []}");
  EXPECT_THAT(Refusal("{name: m, kind: email, server: \"smtp://m\", tls: false, user: u, "
                      "password_file: key, from: a@b, to: [a@b]}"),
              HasSubstr("without TLS"));
}

TEST_F(ChannelConfigTest, PlainHttpNeedsPermission) {
  Write("plain.url", "http://127.0.0.1:8080/hook\n");
  Refusal("{name: ops, kind: slack, url_file: plain.url}");
  EXPECT_TRUE(Read("allow_private_addresses: true\nchannels:\n"
                   "  - {name: ops, kind: slack, url_file: plain.url}\n")
                  .ok());
}

TEST_F(ChannelConfigTest, NamesAreUnique) {
  const auto read = Read(
      "channels:\n  - {name: ops, kind: slack, url_file: slack.url}\n"
      "  - {name: ops, kind: pagerduty, routing_key_file: key}\n");
  EXPECT_THAT(MessageOf(read.status()), HasSubstr("c.yaml:3:"));
}

}  // namespace
}  // namespace holdfast::notify
