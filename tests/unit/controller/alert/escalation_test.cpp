// Goal: the right person is told: step by step, within on-call hours, until somebody acknowledges;
// a silence holds back and loses nothing.
#include "tests/unit/controller/alert/alert_fixture.h"

namespace holdfast::alert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr WeekHours kOffice{0x1f, 8 * 60, 18 * 60};  // Monday to Friday

class EscalationTest : public test::AlertTest {
 protected:
  EscalationTest() {
    config_.limits.disk_free_bytes = 0;
    config_.contacts = {{"ana", "", "", {"ana-mail"}, absl::UTCTimeZone(), "UTC", {}},
                        {"ben", "", "", {"ben-pager"}, absl::UTCTimeZone(), "UTC", {}},
                        {"eva", "", "", {"eva-mail"}, absl::UTCTimeZone(), "UTC", {}}};
    config_.steps = {{absl::ZeroDuration(), {"ana"}, {}},
                     {absl::Minutes(30), {"ben"}, {}},
                     {absl::Hours(2), {"eva"}, {"ben-pager"}}};
    config_.providers = {{"DigitalOcean", "servers", "https://cloud.example/support", "+1 555"}};
  }
  void OpenAll() { OpenDesk({"ana-mail", "ben-pager", "eva-mail"}); }
};

TEST_F(EscalationTest, NoSuccessFor25HoursIsToldWithinAMinuteThenStepByStepAndItsEndOnce) {
  OpenAll();
  Succeed(1);
  Pass(absl::Hours(25));
  EXPECT_THAT(channel("ana-mail").taken, IsEmpty()) << "the limit is not passed yet";
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ana-mail").Headlines(),
              ElementsAre("[critical] no successful backup of 'db' since 2026-01-07 02:00 UTC"));
  EXPECT_THAT(channel("ben-pager").taken, IsEmpty());
  EXPECT_THAT(notify::PlainText(channel("ana-mail").taken[0]),
              testing::HasSubstr("DigitalOcean: servers, https://cloud.example/support, +1 555"));
  Pass(absl::Minutes(31));
  EXPECT_THAT(channel("ben-pager").taken, SizeIs(1));
  EXPECT_THAT(channel("eva-mail").taken, IsEmpty());
  Pass(absl::Minutes(91));
  EXPECT_THAT(channel("eva-mail").taken, SizeIs(1));
  EXPECT_THAT(channel("ben-pager").taken, SizeIs(2));
  Succeed(2);
  Pass(absl::Minutes(30));
  for (const char* name : {"ana-mail", "ben-pager", "eva-mail"}) {
    int over = 0;
    for (const auto& message : channel(name).taken) {
      over += message.action == notify::Action::kResolve ? 1 : 0;
    }
    EXPECT_EQ(over, 1) << name;
  }
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(EscalationTest, AnAcknowledgementStopsTheStepsAndTheReminders) {
  OpenAll();
  Pass(absl::Hours(25) + absl::Minutes(1));
  ASSERT_THAT(Open(), SizeIs(1));
  const auto acknowledged = engine().Acknowledge(Open()[0].id, "ana");
  ASSERT_TRUE(acknowledged.ok()) << acknowledged.status();
  Pass(absl::Hours(24));
  EXPECT_THAT(channel("ben-pager").taken, IsEmpty());
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
  EXPECT_EQ(Open()[0].acknowledged_by, "ana");
  EXPECT_TRUE(engine().Acknowledge(Open()[0].id, "ben").ok()) << "twice is no harm";
  Succeed(1);
  Pass(absl::Minutes(1));
  EXPECT_EQ(CodeOf(engine().Acknowledge(1, "ana").status()), 5503);
  EXPECT_EQ(CodeOf(engine().Acknowledge(99, "ana").status()), 5500);
}

TEST_F(EscalationTest, ChannelsThatTakeAcknowledgementsHearOfThem) {
  OpenAll();
  Pass(absl::Hours(25) + absl::Minutes(32));
  ASSERT_THAT(channel("ben-pager").taken, SizeIs(1));
  ASSERT_TRUE(engine().Acknowledge(Open()[0].id, "ben").ok());
  Deliver();
  ASSERT_THAT(channel("ben-pager").taken, SizeIs(2));
  EXPECT_EQ(channel("ben-pager").taken[1].action, notify::Action::kAcknowledge);
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
}

TEST_F(EscalationTest, NobodyAcknowledgesAndAllAreRemindedEveryFourHours) {
  OpenAll();
  Pass(absl::Hours(25) + absl::Hours(3));
  const std::size_t before = channel("ana-mail").taken.size();
  Pass(absl::Hours(4));
  EXPECT_EQ(channel("ana-mail").taken.size(), before + 1);
  Pass(absl::Hours(4));
  EXPECT_EQ(channel("ana-mail").taken.size(), before + 2);
}

TEST_F(EscalationTest, WhoIsNotOnCallIsPassedOver) {
  config_.contacts[0].hours = {kOffice};
  OpenAll();
  Succeed(1);
  Pass(absl::Hours(25) + absl::Minutes(1));  // 03:01 on Thursday
  EXPECT_THAT(channel("ana-mail").taken, IsEmpty());
  EXPECT_THAT(channel("ben-pager").taken, SizeIs(1)) << "the next step, at once";
}

TEST_F(EscalationTest, WhenNobodyIsOnCallTheFirstAreWoken) {
  for (Contact& contact : config_.contacts) contact.hours = {kOffice};
  config_.steps[2].channels.clear();
  OpenAll();
  Succeed(1);
  Pass(absl::Hours(25) + absl::Minutes(1));
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
}

TEST_F(EscalationTest, OnCallHoursFollowTheContactsZone) {
  Contact contact;
  contact.hours = {kOffice};
  ASSERT_TRUE(absl::LoadTimeZone("America/New_York", &contact.zone));
  const absl::Time noon = absl::FromCivil(absl::CivilHour(2026, 1, 7, 12), absl::UTCTimeZone());
  EXPECT_FALSE(IsOnCall(contact, noon)) << "07:00 there";
  EXPECT_TRUE(IsOnCall(contact, noon + absl::Hours(1)));
  EXPECT_FALSE(IsOnCall(contact, noon + absl::Hours(24 * 3 + 2))) << "Saturday";
}

TEST_F(EscalationTest, ASilenceHoldsBackAndWhatIsStillWrongIsToldWhenItEnds) {
  OpenAll();
  ASSERT_TRUE(engine().Silence({"db", absl::Hours(30), "ana", "moving"}).ok());
  Pass(absl::Hours(29));
  EXPECT_THAT(Open(), SizeIs(1));
  EXPECT_THAT(channel("ana-mail").attempts, IsEmpty());
  Pass(absl::Hours(1) + absl::Minutes(1));
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
}

TEST_F(EscalationTest, ASilenceThatIsEndedSoonerOrIsOfSomebodyElse) {
  OpenAll();
  const auto silence = engine().Silence({"db", absl::Hours(100), "ana", ""});
  ASSERT_TRUE(silence.ok());
  Pass(absl::Hours(26));
  EXPECT_THAT(channel("ana-mail").attempts, IsEmpty());
  ASSERT_TRUE(engine().EndSilence(silence->id, "root").ok());
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
  EXPECT_EQ(CodeOf(engine().EndSilence(silence->id, "root")), 5501) << "over already";
  EXPECT_EQ(CodeOf(engine().Silence({"db", absl::Hours(24 * 31), "ana", ""}).status()), 5504);
  EXPECT_EQ(CodeOf(engine().Silence({"db", -absl::Hours(1), "ana", ""}).status()), 5504);
}

TEST_F(EscalationTest, ASilenceDuringTheWaitOfABurstHoldsItBackToo) {
  OpenAll();
  Fail("no space");
  ASSERT_TRUE(engine().Silence({"*", absl::Hours(1), "ana", ""}).ok());
  Pass(absl::Minutes(30));
  EXPECT_THAT(channel("ana-mail").attempts, IsEmpty());
  Pass(absl::Minutes(31));
  EXPECT_THAT(channel("ana-mail").taken, SizeIs(1));
}

TEST_F(EscalationTest, ALinkAcknowledgesOneAlertForAWeek) {
  config_.link = "https://backup.example.com/ack/";
  OpenAll();
  Pass(absl::Hours(25) + absl::Minutes(1));
  const std::string url = channel("ana-mail").taken.at(0).acknowledge_url;
  ASSERT_TRUE(url.starts_with(config_.link)) << url;
  const std::string token = url.substr(config_.link.size());
  std::string forged = token;
  forged[2] = forged[2] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {forged, std::string(), std::string("."), std::string(600, 'a'),
                                 token.substr(0, token.size() - 1), token + "0"}) {
    EXPECT_EQ(CodeOf(engine().AcknowledgeByToken(bad).status()), 5510) << bad;
  }
  const auto alert = engine().AcknowledgeByToken(token);
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_EQ(alert->state, catalog::AlertState::kAcknowledged);
  EXPECT_EQ(alert->acknowledged_by, "the link sent through 'ana-mail'");
  clock_.Move(kLinkLife);
  EXPECT_EQ(CodeOf(engine().AcknowledgeByToken(token).status()), 5510) << "too old";
}

TEST_F(EscalationTest, LinksOfAnotherKeyAreNotGood) {
  const AckTokens ours(Bytes(32, 'a'));
  const AckTokens theirs(Bytes(32, 'b'));
  const std::string token = theirs.Make({1, "ops", clock_.Now() + absl::Hours(1)});
  EXPECT_TRUE(theirs.Check(token, clock_.Now()).ok());
  EXPECT_FALSE(ours.Check(token, clock_.Now()).ok());
}

TEST_F(EscalationTest, AChannelHearsOnlyWhatIsGraveEnough) {
  Routing routing;
  routing.channels = {{"all", notify::Severity::kInfo, false},
                      {"grave", notify::Severity::kCritical, false}};
  EXPECT_THAT(TakeStep(routing, 0, notify::Severity::kWarning, clock_.Now()).channels,
              ElementsAre("all"));
  EXPECT_THAT(TakeStep(routing, 0, notify::Severity::kCritical, clock_.Now()).channels,
              ElementsAre("all", "grave"));
}

}  // namespace
}  // namespace holdfast::alert
