// Goal: each channel says what its other side wants to hear, takes only a clear yes for a yes, and
// gives away no secret (fault row 90).
#include "tests/unit/common/notify/http_fixture.h"

namespace holdfast::notify {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using Kind = Delivery::Kind;

class ChannelsTest : public test::HttpTest {
 protected:
  std::unique_ptr<Channel> Slack() {
    return MakeSlack({"ops", SecretBytes(Url("/services/SECRET")), Local()});
  }
  std::unique_ptr<Channel> Webhook(const std::string& previous = "") {
    return MakeWebhook(RealEnv(), {"hook", SecretBytes(Url("/hook/SECRET")),
                                   SecretBytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                   SecretBytes(previous), Local()});
  }
  // One delivery through Slack, answered with this status.
  Delivery Answered(int status, const std::string& retry_after = "", const std::string& body = "") {
    answer_ = [=](httplib::Response& response) {
      response.status = status;
      if (!retry_after.empty()) response.set_header("Retry-After", retry_after);
      response.set_content(body, "text/plain");
    };
    return Slack()->Deliver(Sample(), {});
  }
};

TEST_F(ChannelsTest, SlackGetsBlocksWithEscapedText) {
  answer_ = [](httplib::Response& response) { response.set_content("ok", "text/plain"); };
  EXPECT_EQ(Slack()->Deliver(Sample(), {}).kind, Kind::kDelivered);
  ASSERT_THAT(seen(), SizeIs(1));
  const auto json = seen()[0].Json();
  EXPECT_THAT(json["text"].get<std::string>(), HasSubstr("&lt;db&gt; &amp; co"));
  EXPECT_EQ(json["blocks"][0]["type"], "header");
  EXPECT_EQ(json["blocks"][1]["text"]["text"], "no space");
  EXPECT_EQ(json["blocks"][3]["fields"][0]["text"], "*Since*\n2026-01-07");
}

TEST_F(ChannelsTest, SlacksLimitsAreKept) {
  Message message = Sample();
  for (int i = 0; i < 3000; ++i) message.title += "é";
  for (int i = 0; i < 3000; ++i) message.text += "<é";
  for (int i = 0; i < 200; ++i) message.facts.push_back({"label", std::string(5000, 'x')});
  EXPECT_EQ(Slack()->Deliver(message, {}).kind, Kind::kDelivered);
  const auto json = seen().at(0).Json();
  ASSERT_TRUE(json.is_object()) << "cut in the middle of a character";
  EXPECT_LE(json["blocks"].size(), 50u);
  EXPECT_LE(json["blocks"][0]["text"]["text"].get<std::string>().size(), 150u);
  for (const auto& block : json["blocks"]) {
    EXPECT_LE(block.value("fields", nlohmann::json::array()).size(), 10u);
    if (block["type"] == "section" && block.contains("text")) {
      EXPECT_LE(block["text"]["text"].get<std::string>().size(), 3000u);
    }
  }
}

TEST_F(ChannelsTest, AnswersDecideWhetherItIsTriedAgain) {
  for (const int status : {200, 202, 204}) {
    EXPECT_EQ(Answered(status).kind, Kind::kDelivered) << status;
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(Answered(status).kind, Kind::kTryAgain) << status;
  }
  for (const int status : {400, 401, 403, 404, 410, 413}) {
    EXPECT_EQ(Answered(status).kind, Kind::kRefused) << status;
  }
  EXPECT_EQ(Answered(429, "30").retry_after, absl::Seconds(30));
}

TEST_F(ChannelsTest, CausesAreBoundedAndHoldNoSecret) {
  const Delivery delivery =
      Answered(404, "", "channel_is_archived\x1b[31m" + std::string(9000, 'x'));
  EXPECT_THAT(delivery.cause, HasSubstr("404"));
  EXPECT_THAT(delivery.cause, HasSubstr("channel_is_archived\\x1b"));
  EXPECT_LT(delivery.cause.size(), 500u);
  EXPECT_THAT(Slack()->target(), Not(HasSubstr("SECRET")));
  const auto gone = MakeSlack({"ops", SecretBytes("http://127.0.0.1:1/SECRET"), Local()});
  const Delivery refused = gone->Deliver(Sample(), {});
  EXPECT_EQ(refused.kind, Kind::kTryAgain);
  EXPECT_FALSE(refused.maybe_taken) << "nobody was there";
  EXPECT_THAT(refused.cause, HasSubstr("http://127.0.0.1:1/…"));
  EXPECT_THAT(refused.cause, Not(HasSubstr("SECRET")));
}

TEST_F(ChannelsTest, RedirectsAreNotFollowed) {
  answer_ = [this](httplib::Response& response) { response.set_redirect(Url("/elsewhere"), 307); };
  const Delivery delivery = Slack()->Deliver(Sample(), {});
  EXPECT_EQ(delivery.kind, Kind::kRefused);
  EXPECT_THAT(delivery.cause, HasSubstr("redirect"));
  EXPECT_THAT(seen(), SizeIs(1));
}

TEST_F(ChannelsTest, TenMegabytesOfAnswerAreNotRead) {
  EXPECT_EQ(Answered(200, "", std::string(10 << 20, 'x')).kind, Kind::kDelivered);
  const Delivery delivery = Answered(500, "", std::string(10 << 20, 'x'));
  EXPECT_EQ(delivery.kind, Kind::kTryAgain);
  EXPECT_LT(delivery.cause.size(), 500u);
}

TEST_F(ChannelsTest, ASilentServerIsGivenUpAndMayHaveTheMessage) {
  answer_ = [](httplib::Response&) { RealClock().SleepFor(absl::Milliseconds(1500), {}); };
  NetworkOptions network = Local();
  network.time = absl::Milliseconds(500);
  const auto slack = MakeSlack({"ops", SecretBytes(Url("/x")), network});
  const Delivery delivery = slack->Deliver(Sample(), {});
  EXPECT_EQ(delivery.kind, Kind::kTryAgain);
  EXPECT_TRUE(delivery.maybe_taken);
}

TEST_F(ChannelsTest, PrivateAddressesNeedPermissionAlsoBehindAName) {
  for (const std::string& host : {std::string("127.0.0.1"), std::string("localhost")}) {
    NetworkOptions network = Local();
    network.policy.allow_private = false;
    const auto slack = MakeSlack(
        {"ops", SecretBytes("https://" + host + ":" + std::to_string(port_) + "/x"), network});
    const Delivery delivery = slack->Deliver(Sample(), {});
    EXPECT_EQ(delivery.kind, Kind::kRefused) << host;
    EXPECT_THAT(delivery.cause, HasSubstr("may not be connected to")) << host;
  }
  EXPECT_THAT(seen(), SizeIs(0));
}

TEST_F(ChannelsTest, PagerDutyTriggersAcknowledgesAndResolvesByOneKey) {
  answer_ = [](httplib::Response& response) { response.status = 202; };
  const auto pager = MakePagerDuty({"pager", SecretBytes("KEY"), Url("/v2/enqueue"), Local()});
  EXPECT_TRUE(pager->TakesAcknowledgements());
  for (const Action action : {Action::kTrigger, Action::kAcknowledge, Action::kResolve}) {
    Message message = Sample();
    message.action = action;
    EXPECT_EQ(pager->Deliver(message, {}).kind, Kind::kDelivered);
    const auto json = seen().back().Json();
    EXPECT_EQ(json["routing_key"], "KEY");
    EXPECT_EQ(json["event_action"], NameOf(action));
    EXPECT_EQ(json["dedup_key"], "backup-1/alert/7");
    EXPECT_EQ(json.contains("payload"), action == Action::kTrigger);
  }
  const auto payload = seen()[0].Json()["payload"];
  EXPECT_EQ(payload["severity"], "critical");
  EXPECT_EQ(payload["source"], "backup-1");
  EXPECT_EQ(payload["timestamp"], "2026-01-07T02:00:00+00:00");
  EXPECT_EQ(payload["custom_details"]["Since"], "2026-01-07");
}

TEST_F(ChannelsTest, PagerDutysReportsCloseThemselves) {
  answer_ = [](httplib::Response& response) { response.status = 202; };
  const auto pager = MakePagerDuty({"pager", SecretBytes("KEY"), Url("/v2/enqueue"), Local()});
  Message message = Sample();
  message.action = Action::kReport;
  EXPECT_EQ(pager->Deliver(message, {}).kind, Kind::kDelivered);
  ASSERT_THAT(seen(), SizeIs(2));
  EXPECT_EQ(seen()[0].Json()["event_action"], "trigger");
  EXPECT_EQ(seen()[1].Json()["event_action"], "resolve");
}

TEST_F(ChannelsTest, WebhooksAreSignedByBothSecretsWhileTheyChange) {
  EXPECT_EQ(Webhook("old secret")->Deliver(Sample(), {}).kind, Kind::kDelivered);
  const test::Seen got = seen().at(0);
  const std::string id = got.Header("webhook-id");
  const std::string timestamp = got.Header("webhook-timestamp");
  EXPECT_EQ(id, "msg_1");
  EXPECT_LT(std::abs(std::stoll(timestamp) - absl::ToUnixSeconds(RealClock().Now())), 60);
  EXPECT_EQ(got.Header("webhook-signature"),
            WebhookSignature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id, timestamp, got.body) +
                " " + WebhookSignature("old secret", id, timestamp, got.body));
  EXPECT_EQ(got.Json()["type"], "holdfast.alert.trigger");
  EXPECT_EQ(got.Json()["data"]["dedup_key"], "backup-1/alert/7");
}

TEST(CommandChannel, GetsTheMessageOnItsInputAndNoShell) {
  const auto command = [](std::vector<std::string> argv) {
    return MakeCommand({"siren", std::move(argv), absl::Seconds(2)});
  };
  Message message;
  message.id = "msg_1";
  message.title = "$(touch /nonexistent); `id`";
  EXPECT_EQ(command({"/bin/grep", "-q", "\"id\":\"msg_1\""})->Deliver(message, {}).kind,
            Kind::kDelivered);
  const Delivery no = command({"/bin/grep", "-q", "something else"})->Deliver(message, {});
  EXPECT_EQ(no.kind, Kind::kRefused);
  EXPECT_THAT(no.cause, HasSubstr("status 1"));
  EXPECT_EQ(command({"/bin/sh", "-c", "exit 75"})->Deliver(message, {}).kind, Kind::kTryAgain);
  const Delivery slow = command({"/bin/sleep", "30"})->Deliver(message, {});
  EXPECT_EQ(slow.kind, Kind::kTryAgain);
  EXPECT_TRUE(slow.maybe_taken);
  EXPECT_EQ(command({"/nonexistent/siren"})->Deliver(message, {}).kind, Kind::kTryAgain);
}

}  // namespace
}  // namespace holdfast::notify
