// Goal: whatever goes wrong opens one alert, is told once per channel with how often it happened,
// is told to be over once, and survives a kill at any moment.
#include "tests/unit/controller/alert/alert_fixture.h"

namespace holdfast::alert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class EngineTest : public test::AlertTest {
 protected:
  EngineTest() {
    config_.limits.disk_free_bytes = 0;
    OpenDesk({"ops", "pager"});
  }
};

TEST_F(EngineTest, AThousandFailuresInFiveMinutesAreOneAlertWithTheCount) {
  for (int i = 0; i < 1000; ++i) {
    Fail("connection refused");
    clock_.Move(absl::Milliseconds(299));
    if (i % 50 == 0) {
      Look();
      Deliver();
    }
  }
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_EQ(channel("ops").taken[0].count, 1000u);
  EXPECT_THAT(notify::Headline(channel("ops").taken[0]), HasSubstr("(1000 times)"));
  EXPECT_THAT(channel("pager").taken, SizeIs(1));
  EXPECT_THAT(Open(), SizeIs(1));
  Pass(absl::Hours(3));
  EXPECT_THAT(channel("ops").taken, SizeIs(1)) << "nothing new happened";
  EXPECT_THAT(*book().RecentEvents(2000), SizeIs(testing::Ge(1000u)));
}

TEST_F(EngineTest, OneFailureIsToldWithinAMinuteAndItsEndOnce) {
  Fail("role may not read table");
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").Headlines(), ElementsAre("[error] the backup of 'db' failed"));
  EXPECT_THAT(channel("ops").taken[0].text, HasSubstr("role may not read table"));
  clock_.Move(absl::Hours(1));
  Succeed(1);
  Pass(absl::Minutes(10));
  ASSERT_THAT(channel("ops").taken, SizeIs(2));
  EXPECT_EQ(channel("ops").taken[1].action, notify::Action::kResolve);
  EXPECT_EQ(channel("ops").taken[1].dedup_key, channel("ops").taken[0].dedup_key);
  EXPECT_NE(channel("ops").taken[1].id, channel("ops").taken[0].id);
  engine().Report({EventKind::kBackupSucceeded, db_, ""});
  Pass(absl::Hours(1));
  EXPECT_THAT(channel("ops").taken, SizeIs(2)) << "a recovery is told once";
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(EngineTest, WhatIsOverBeforeItWasToldIsNotTold) {
  Fail("a moment of trouble");
  clock_.Move(absl::Seconds(5));
  Succeed(1);
  Pass(absl::Minutes(10));
  EXPECT_THAT(channel("ops").taken, IsEmpty());
  const auto all = *book().RecentAlerts(10);
  ASSERT_THAT(all, SizeIs(1)) << "but it is in the list";
  EXPECT_EQ(all[0].state, catalog::AlertState::kResolved);
}

TEST_F(EngineTest, WhatComesAndGoesIsToldOncePerFiveMinutes) {
  std::uint64_t seq = 0;
  for (int i = 0; i < 60; ++i) {  // ten minutes
    Fail("flaps");
    Pass(absl::Seconds(5));
    Succeed(++seq);
    Pass(absl::Seconds(5));
  }
  Fail("flaps");
  Pass(absl::Minutes(6));
  EXPECT_THAT(channel("ops").taken, SizeIs(testing::AllOf(testing::Ge(1u), testing::Le(5u))));
  EXPECT_THAT(*book().RecentAlerts(100), SizeIs(1));
  EXPECT_EQ(Open()[0].count, 61u);
}

TEST_F(EngineTest, AClockThatIsSetBackHoldsNothingBackForLong) {
  Fail("broken");
  Pass(absl::Minutes(10));
  Succeed(1);
  Pass(absl::Minutes(1));
  const std::size_t told = channel("ops").taken.size();
  clock_.Move(-absl::Hours(48));  // what is over ended "in two days"
  Fail("broken again");
  Pass(absl::Minutes(6));
  EXPECT_EQ(channel("ops").taken.size(), told + 1);
}

TEST_F(EngineTest, KilledBetweenEventAndDeliveryNothingIsLostAndNothingIsTwice) {
  Fail("no space");
  Restart({"ops", "pager"});
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_FALSE(channel("ops").taken[0].possibly_repeated);
  Restart({"ops", "pager"});
  Pass(absl::Minutes(10));
  EXPECT_THAT(channel("ops").taken, IsEmpty()) << "delivered before the restart";
}

TEST_F(EngineTest, KilledDuringAnAttemptItIsMadeAgainAndMarked) {
  Fail("no space");
  clock_.Move(absl::Minutes(1));
  const auto first = *engine().Claim("ops");
  ASSERT_TRUE(first.has_value());
  Restart({"ops", "pager"});
  Deliver();
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_TRUE(channel("ops").taken[0].possibly_repeated);
  EXPECT_EQ(channel("ops").taken[0].id, first->message.id);
  EXPECT_FALSE(channel("pager").taken.at(0).possibly_repeated) << "only that attempt was cut off";
}

TEST_F(EngineTest, ACondemnedMessageIsToldThroughTheOtherChannels) {
  channel("ops").answer = notify::Delivery::Never("the answer was 404");
  Fail("no space");
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").attempts, SizeIs(1)) << "refused for good";
  EXPECT_THAT(channel("pager").Headlines(),
              ElementsAre("[error] the backup of 'db' failed",
                          "[error] channel 'ops' does not take alerts"));
  EXPECT_THAT(channel("pager").taken[1].text, HasSubstr("404"));
  EXPECT_THAT(channel("pager").taken[1].text, HasSubstr("the backup of 'db' failed"));
  channel("ops").answer = notify::Delivery::Done();
  clock_.Move(absl::Minutes(10));
  ASSERT_TRUE(engine().Announce({}, {"ops"}).ok());
  Deliver();
  EXPECT_THAT(channel("pager").Headlines().back(), HasSubstr("[resolved] channel 'ops'"));
}

TEST_F(EngineTest, RefusalsByEveryChannelEnd) {
  for (const char* name : {"ops", "pager"}) {
    channel(name).answer = notify::Delivery::Never("gone");
  }
  Fail("no space");
  Pass(absl::Hours(1));
  EXPECT_LE(channel("ops").attempts.size() + channel("pager").attempts.size(), 4u);
  EXPECT_THAT(Open(), SizeIs(3)) << "the failure and both channels";
}

TEST_F(EngineTest, AChannelThatRefusedIsTriedAgainWithTheReminder) {
  channel("ops").answer = notify::Delivery::Never("the answer was 404");
  Fail("no space");
  Pass(absl::Minutes(10));
  ASSERT_THAT(channel("ops").taken, IsEmpty());
  channel("ops").answer = notify::Delivery::Done();
  Pass(absl::Hours(4));
  EXPECT_THAT(channel("ops").Headlines(), testing::Contains("[error] the backup of 'db' failed"));
}

TEST_F(EngineTest, ATemporaryRefusalIsTriedAgainForADay) {
  channel("ops").answer = notify::Delivery::Later("the answer was 503");
  Fail("no space");
  Pass(absl::Minutes(25));
  const std::size_t soon = channel("ops").attempts.size();
  EXPECT_GE(soon, 5u);
  EXPECT_THAT(channel("pager").Headlines(),
              testing::Contains(HasSubstr("channel 'ops' does not take alerts")));
  Pass(absl::Hours(25));
  EXPECT_LE(channel("ops").attempts.size(), 80u) << "backoff";
  bool dead = false;
  for (const auto all = *book().MessagesOf(1); const auto& row : all) {
    dead = dead || (row.channel == "ops" && row.state == catalog::MessageState::kDead);
  }
  EXPECT_TRUE(dead) << "given up after 24 h";
}

TEST_F(EngineTest, RetryAfterIsHeeded) {
  channel("ops").answer = notify::Delivery::Later("the answer was 429");
  channel("ops").answer.retry_after = absl::Minutes(10);
  Fail("no space");
  Pass(absl::Minutes(9));
  EXPECT_THAT(channel("ops").attempts, SizeIs(1));
  channel("ops").answer = notify::Delivery::Done();
  Pass(absl::Minutes(3));
  EXPECT_THAT(channel("ops").taken, SizeIs(1));
}

TEST_F(EngineTest, AChannelThatIsGoneFromTheConfigurationLosesNothing) {
  Fail("no space");
  Restart({"mail"});
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("mail").Headlines(), ElementsAre("[error] the backup of 'db' failed"));
}

TEST_F(EngineTest, WithoutChannelsAlertsWaitForOne) {
  Restart({});
  Fail("no space");
  Pass(absl::Hours(1));
  EXPECT_THAT(Open(), SizeIs(1));
  Restart({"mail"});
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("mail").taken, SizeIs(1));
}

TEST_F(EngineTest, AnotherConfigurationIsTakenWhileItRuns) {
  Fail("no space");
  AlertConfig config = config_;
  const std::string taken = directory_ / "taken";
  config.channels.push_back(
      {"file", notify::Severity::kInfo,
       notify::CommandOptions{"file", {"/usr/bin/tee", "-a", taken}, absl::Seconds(5)}});
  ASSERT_TRUE(desk_->Reconfigure(config).ok());
  ASSERT_THAT(desk_->Channels(), SizeIs(1));
  EXPECT_EQ(desk_->Channels()[0].kind, "command");
  clock_.Move(absl::Minutes(1));
  Look();
  EXPECT_EQ(Deliver(), 1);
  EXPECT_THAT(RealFileSystem().ReadFile(taken).value_or(""),
              HasSubstr("the backup of 'db' failed"));
}

TEST_F(EngineTest, AFailureThatOnlyTheCatalogKnowsIsFound) {
  ASSERT_TRUE(catalog_->RecordFailure(db_, {NowMs(), 10, 2114, "sealed:00"}).ok());
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_THAT(channel("ops").taken[0].text, HasSubstr("HF-2114"));
}

TEST_F(EngineTest, AFailedReloadIsToldAndOverWhenOneSucceeds) {
  engine().Report({EventKind::kReloadFailed, {}, "controller.yaml:4:3: unknown key"});
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_THAT(channel("ops").taken[0].text, HasSubstr("controller.yaml:4:3"));
  engine().Report({EventKind::kReloadSucceeded, {}, ""});
  Deliver();
  EXPECT_EQ(channel("ops").taken.back().action, notify::Action::kResolve);
}

TEST_F(EngineTest, AHeartbeatThatDoesNotArriveIsToldAtTheThirdTime) {
  // Nobody listens there.
  config_.heartbeat = HeartbeatConfig{
      SecretBytes("http://127.0.0.1:1/SECRET"), absl::Minutes(5), {{true}, "", absl::Seconds(2)}};
  Restart({"ops"});
  desk_->Beat({});
  desk_->Beat({});
  Deliver();
  EXPECT_THAT(channel("ops").taken, IsEmpty());
  desk_->Beat({});
  Deliver();
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_EQ(channel("ops").taken[0].kind, "heartbeat");
  EXPECT_THAT(channel("ops").taken[0].text, testing::Not(HasSubstr("SECRET")));
  config_.heartbeat.reset();
  Restart({"ops"});
  Deliver();
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_EQ(channel("ops").taken[0].action, notify::Action::kResolve);
}

TEST_F(EngineTest, HistoryIsForgottenAfterNinetyDaysButNotWhatIsOpen) {
  Fail("once");
  Pass(absl::Minutes(1));
  Succeed(1);
  Pass(absl::Minutes(1));
  clock_.Move(absl::Hours(24 * 100));
  Fail("again");
  Look();
  EXPECT_THAT(*book().RecentAlerts(10), SizeIs(testing::Ge(1u)));
  for (const auto all = *book().RecentAlerts(10); const auto& alert : all) {
    EXPECT_NE(alert.state, catalog::AlertState::kResolved);
  }
}

}  // namespace
}  // namespace holdfast::alert
