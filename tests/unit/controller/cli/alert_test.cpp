// Goal: alerts, silences and contacts are shown as the controller tells them, harmless for the
// terminal, and what somebody types reaches the controller.
#include <gmock/gmock.h>

#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::CliTest;
using testing::HasSubstr;

class AlertTest : public CliTest {
 protected:
  AlertTest() {
    AlertInfo alert;
    alert.id = 12;
    alert.kind = "failure";
    alert.subject = "db";
    alert.severity = "error";
    alert.title = "the backup of 'db' failed \x1b[31m";
    alert.detail = "no space";
    alert.hint = "holdfast backup db";
    alert.state = "open";
    alert.count = 1000;
    alert.opened_at_ms = 1'767'751'200'000;
    alert.deliveries = {{"ops", "trigger", "delivered", 2, 1'767'751'260'000, true, ""},
                        {"mail", "trigger", "waiting", 1, 1'767'751'260'000, false, "421"}};
    client_->alert_list.alerts = {alert};
    client_->alert_list.silences = {{3, "*", 1, 1'767'752'100'000, "ana", "moving"}};
    client_->alert_list.channels = {{"ops", "slack", "https://hooks.slack.com/…", "info"}};
  }
};

TEST_F(AlertTest, ListShowsWhatIsWrongAndWhoWasTold) {
  ASSERT_EQ(Run({"alert", "list", "--deliveries"}), 0) << err();
  EXPECT_THAT(out(), HasSubstr("12  error  open  since 2026-01-07 02:00 UTC  the backup of 'db' "
                               "failed \\x1b[31m  (1,000 times)"));
  EXPECT_THAT(out(), HasSubstr("trigger through ops: delivered, 2 attempts"));
  EXPECT_THAT(out(), HasSubstr("may have arrived twice"));
  EXPECT_THAT(out(), HasSubstr("trigger through mail: waiting, 1 attempt"));
  EXPECT_THAT(out(), HasSubstr("silence 3: everything until 2026-01-07 02:15 UTC, by ana: moving"));
  EXPECT_EQ(err(), "");
  ASSERT_EQ(Run({"alert", "list", "--all", "--limit", "5", "--json"}), 0);
  EXPECT_EQ(OutJson()["alerts"][0]["count"], 1000);
  EXPECT_EQ(OutJson()["alerts"][0]["deliveries"][0]["possibly_repeated"], true);
  EXPECT_EQ(OutJson()["silences"][0]["subject"], "*");
  EXPECT_TRUE(client_->alert_queries.back().all);
  EXPECT_EQ(client_->alert_queries.back().limit, 5u);
}

TEST_F(AlertTest, WithoutChannelsItSaysThatNobodyIsTold) {
  client_->alert_list = {};
  ASSERT_EQ(Run({"alert", "list"}), 0);
  EXPECT_EQ(out(), "No alert is open.\n");
  EXPECT_THAT(err(), HasSubstr("nobody is told"));
}

TEST_F(AlertTest, TestTellsWhatBecameOfTheMessage) {
  client_->test_deliveries = {{"ops", "report", "delivered", 1, 1, false, ""},
                              {"mail", "report", "dead", 1, 1, false, "550 \x1b"}};
  EXPECT_EQ(Run({"alert", "test"}), 3);
  EXPECT_THAT(out(), HasSubstr("ops  delivered\nmail  NOT delivered (dead): 550 \\x1b\n"));
  client_->test_deliveries.erase(client_->test_deliveries.begin());
  EXPECT_EQ(Run({"alert", "test", "mail"}), 9);
  EXPECT_EQ(client_->tested_channels.back(), "mail");
  client_->test_deliveries = {{"ops", "report", "delivered", 1, 1, false, ""}};
  EXPECT_EQ(Run({"alert", "test", "ops", "--json"}), 0);
  EXPECT_EQ(OutJson()["deliveries"][0]["state"], "delivered");
}

TEST_F(AlertTest, AcknowledgingNamesWho) {
  variables_["USER"] = "eva";
  ASSERT_EQ(Run({"alert", "ack", "12"}), 0) << err();
  EXPECT_EQ(client_->alert_list.alerts[0].acknowledged_by, "eva");
  ASSERT_EQ(Run({"alert", "ack", "12", "--by", "ana", "--json"}), 0);
  EXPECT_EQ(OutJson()["acknowledged_by"], "ana");
  EXPECT_EQ(Run({"alert", "ack", "13"}), 6);
  EXPECT_EQ(Run({"alert", "ack"}), 2);
  EXPECT_EQ(Run({"alert", "ack", "-1"}), 2);
}

TEST_F(AlertTest, SilencesHaveAnEnd) {
  ASSERT_EQ(Run({"alert", "silence", "db", "--for", "4h", "--reason", "moving", "--by", "ana"}), 0)
      << err();
  EXPECT_EQ(client_->silences.back().subject, "db");
  EXPECT_EQ(client_->silences.back().seconds, 4u * 3600);
  EXPECT_THAT(err(), HasSubstr("holdfast alert unsilence 7"));
  ASSERT_EQ(Run({"alert", "silence", "all", "--for", "30m", "--json"}), 0);
  EXPECT_EQ(client_->silences.back().subject, "*");
  EXPECT_EQ(OutJson()["until"], "2026-01-07T02:15:00.000Z");
  for (const char* length : {"", "0h", "soon", "1e9h"}) {
    EXPECT_EQ(Run({"alert", "silence", "db", "--for", length}), 2) << length;
  }
  EXPECT_EQ(Run({"alert", "silence", "db"}), 2) << "for ever is not offered";
  ASSERT_EQ(Run({"alert", "unsilence", "7"}), 0);
  EXPECT_EQ(client_->ended_silences.back(), 7);
}

TEST_F(AlertTest, ContactsEscalationAndProviders) {
  client_->contact_list.contacts = {
      {"ana", "databases", "+49 30", "Europe/Berlin", true, {"ops"}, "mon-fri 08:00-18:00"},
      {"ben", "", "", "UTC", false, {"pager"}, ""}};
  client_->contact_list.steps = {{0, {"ana"}, {}}, {1800, {"ben"}, {"pager"}}};
  client_->contact_list.providers = {{"Example Cloud", "servers", "https://x.example", "+1"}};
  ASSERT_EQ(Run({"contact", "list"}), 0);
  EXPECT_THAT(out(), HasSubstr("mon-fri 08:00-18:00 Europe/Berlin"));
  EXPECT_THAT(out(), HasSubstr("after 30m00s: ben, channel pager"));
  EXPECT_THAT(out(), HasSubstr("provider Example Cloud   servers   https://x.example   +1"));
  ASSERT_EQ(Run({"contact", "list", "--json"}), 0);
  EXPECT_EQ(OutJson()["contacts"][0]["on_call"], true);
  EXPECT_EQ(OutJson()["escalation"][1]["after_seconds"], 1800);
}

TEST_F(AlertTest, StatusHasOneLine) {
  client_->status.alert_channels = 1;
  ASSERT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out(), HasSubstr("alerts: none open\n"));
  client_->status.open_alerts = 2;
  client_->status.acknowledged_alerts = 1;
  client_->status.undelivered_alerts = 1;
  client_->status.gravest_alert = "no successful backup of 'db'";
  ASSERT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out(), HasSubstr("alerts: 2 open, 1 acknowledged, 1 message not delivered yet; "
                               "gravest: no successful backup of 'db'\n"));
  ASSERT_EQ(Run({"status", "--json"}), 0);
  EXPECT_EQ(OutJson()["alerts"]["open"], 2);
}

}  // namespace
}  // namespace holdfast::cli
