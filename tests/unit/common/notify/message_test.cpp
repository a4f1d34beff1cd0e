// Goal: a message survives its outbox, is safe in every form it takes, and retries spread over a
// day.
#include "common/notify/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/notify/channels.h"
#include "common/notify/retry.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::notify {
namespace {

using testing::HasSubstr;
using testing::Not;

Message Sample() {
  Message message;
  message.id = "msg_1";
  message.dedup_key = "backup-1/alert/7";
  message.severity = Severity::kCritical;
  message.kind = "no-success";
  message.subject = "db";
  message.title = "no backup of '<db>' & more";
  message.text = "line one\nline \"two\"";
  message.hint = "holdfast status";
  message.facts = {{"Since", "2026-01-07"}, {"<b>", "&"}};
  message.count = 3;
  message.at = absl::FromUnixSeconds(1'767'751'200);
  message.origin = "backup-1";
  message.acknowledge_url = "https://backup.example.com/ack/abc";
  return message;
}

TEST(Message, JsonIsReadBack) {
  const Message before = Sample();
  const auto after = MessageFromJson(ToJson(before));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(ToJson(*after), ToJson(before));
  EXPECT_EQ(after->facts.size(), 2u);
  EXPECT_EQ(after->at, before.at);
}

TEST(Message, NonsenseIsRefused) {
  for (const char* text : {"", "{", "[]", "{\"id\":\"x\",\"action\":9}", "{\"action\":0}",
                           "{\"id\":\"x\",\"facts\":[1]}"}) {
    EXPECT_EQ(CodeOf(MessageFromJson(text).status()), 6100) << text;
  }
}

TEST(Message, BytesThatAreNoUtf8DoNotThrow) {
  Message message = Sample();
  message.text = "\xff\xfe";
  EXPECT_TRUE(MessageFromJson(ToJson(message)).ok());
  EXPECT_THAT(PublicJson(message), HasSubstr("\xef\xbf\xbd"));
}

TEST(Message, HtmlEscapesEverything) {
  const std::string html = Html(Sample());
  EXPECT_THAT(html, HasSubstr("&lt;db&gt;' &amp; more"));
  EXPECT_THAT(html, Not(HasSubstr("<db>")));
  EXPECT_THAT(html, Not(HasSubstr("<b>&<")));
  EXPECT_THAT(html, HasSubstr("https://backup.example.com/ack/abc"));
}

TEST(Message, TextSaysHowOftenAndWhetherItMayBeARepetition) {
  Message message = Sample();
  EXPECT_EQ(Headline(message), "[critical] no backup of '<db>' & more (3 times)");
  EXPECT_THAT(PlainText(message), Not(HasSubstr("repetition")));
  message.possibly_repeated = true;
  EXPECT_THAT(PlainText(message), HasSubstr("repetition"));
  message.action = Action::kResolve;
  EXPECT_THAT(Headline(message), HasSubstr("[resolved]"));
}

// The example of the convention's own description.
TEST(Message, WebhookSignatureIsTheConventions) {
  EXPECT_EQ(
      WebhookSignature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                       "1614265330", "{\"test\": 2432232314}"),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Retry, GrowsToAnHourAndHeedsWhatWasAskedFor) {
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  holdfast::test::SeededRng rng(kSeed);
  for (std::uint64_t attempt = 1; attempt < 40; ++attempt) {
    const absl::Duration full = std::min(
        absl::Seconds(10) * (1ll << std::min<std::uint64_t>(attempt - 1, 12)), absl::Hours(1));
    const absl::Duration wait = RetryDelay(attempt, absl::ZeroDuration(), rng);
    EXPECT_GE(wait, full / 2) << attempt;
    EXPECT_LE(wait, full) << attempt;
  }
  EXPECT_EQ(RetryDelay(1, absl::Minutes(7), rng), absl::Minutes(7));
  EXPECT_EQ(RetryDelay(1, absl::Hours(1000), rng), absl::Hours(6)) << "not for ever";
}

}  // namespace
}  // namespace holdfast::notify
