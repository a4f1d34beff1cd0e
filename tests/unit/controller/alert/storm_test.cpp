// Goal: when many sources fail at once people get one message with the count, not one for each, and
// hear once that all of it is over; nothing that was told before loses its end. Fault row 91.
#include "tests/unit/controller/alert/alert_fixture.h"

namespace holdfast::alert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class StormTest : public test::AlertTest {
 protected:
  StormTest() {
    config_.limits.disk_free_bytes = 0;
    OpenDesk({"ops"});
    std::vector<catalog::SourceRow> rows;
    for (int i = 0; i < 100; ++i) {
      catalog::SourceRow row;
      row.id = Id(i);
      row.name = "db" + std::to_string(i);
      row.kind = "postgres";
      rows.push_back(row);
    }
    Check(catalog_->SetSources(*AgentId::From(Bytes(16, 'a')), rows));
  }
  static SourceId Id(int number) {
    return *SourceId::From(Sha256(std::to_string(number)).view().substr(0, SourceId::kSize));
  }
  void FailOne(int number) {
    Check(catalog_->RecordFailure(Id(number), {NowMs(), 8, 6040, "no route to host"}));
    engine().Report({EventKind::kBackupFailed, Id(number), "no route to host"});
  }
  void MendOne(int number) {
    Check(catalog_->ClearFailure(Id(number)));
    engine().Report({EventKind::kBackupSucceeded, Id(number), ""});
  }
  std::vector<notify::Message> Told(notify::Action action) {
    std::vector<notify::Message> messages;
    for (const notify::Message& message : channel("ops").taken) {
      if (message.action == action) messages.push_back(message);
    }
    return messages;
  }
};

TEST_F(StormTest, AThousandFailuresOfAHundredSourcesInFiveMinutesAreOneMessageWithTheCount) {
  for (int i = 0; i < 1000; ++i) {
    FailOne(i % 100);
    clock_.Move(absl::Milliseconds(299));
    if (i % 50 == 0) {
      Look();
      Deliver();
    }
  }
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  const notify::Message& message = channel("ops").taken[0];
  EXPECT_EQ(message.count, 1000u);
  EXPECT_EQ(message.kind, "failures");
  EXPECT_EQ(notify::Headline(message), "[error] the backups of 100 sources failed (1000 times)");
  EXPECT_THAT(message.text, HasSubstr("db0 (10 times): no route to host\n"));
  EXPECT_THAT(message.text, HasSubstr("and 80 more"));
  EXPECT_THAT(Open(), SizeIs(101)) << "each has its own alert in the list, and all one";
  Pass(absl::Hours(3));
  EXPECT_THAT(channel("ops").taken, SizeIs(1)) << "nothing new happened";
  Pass(absl::Hours(2));
  EXPECT_THAT(channel("ops").taken, SizeIs(2)) << "the one reminder";
}

TEST_F(StormTest, ItsEndIsToldOnceWhenTheLastIsBackedUp) {
  for (int i = 0; i < 10; ++i) FailOne(i);
  Pass(absl::Minutes(1));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  for (int i = 0; i < 9; ++i) MendOne(i);
  Pass(absl::Minutes(10));
  EXPECT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_EQ(book().NewestAlert("failures/*").value()->title, "the backup of 1 source failed");
  MendOne(9);
  Pass(absl::Minutes(10));
  ASSERT_THAT(channel("ops").taken, SizeIs(2));
  EXPECT_EQ(channel("ops").taken[1].action, notify::Action::kResolve);
  EXPECT_EQ(channel("ops").taken[1].dedup_key, channel("ops").taken[0].dedup_key);
  EXPECT_THAT(Open(), IsEmpty());
}

TEST_F(StormTest, FourAreToldOneByOne) {
  for (int i = 0; i < 4; ++i) FailOne(i);
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").taken, SizeIs(4));
  Pass(absl::Minutes(4));
  // Nor are many a storm that come in a long time.
  for (int i = 4; i < 14; ++i) {
    Pass(absl::Minutes(2));
    FailOne(i);
  }
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").taken, SizeIs(14));
  EXPECT_FALSE(book().NewestAlert("failures/*").value().has_value());
}

TEST_F(StormTest, WhoWasToldBeforeHearsOfTheEndOfEach) {
  FailOne(0);
  Pass(absl::Minutes(1));
  ASSERT_THAT(Told(notify::Action::kTrigger), SizeIs(1));
  for (int i = 1; i < 10; ++i) FailOne(i);
  Pass(absl::Minutes(1));
  ASSERT_THAT(Told(notify::Action::kTrigger), SizeIs(2));
  EXPECT_THAT(Told(notify::Action::kTrigger)[1].title, HasSubstr("10 sources"));
  for (int i = 0; i < 10; ++i) MendOne(i);
  Pass(absl::Minutes(1));
  const auto over = Told(notify::Action::kResolve);
  ASSERT_THAT(over, SizeIs(2));
  EXPECT_EQ(over[0].dedup_key, Told(notify::Action::kTrigger)[0].dedup_key);
}

TEST_F(StormTest, ItSurvivesAKillAtItsBeginning) {
  for (int i = 0; i < 10; ++i) FailOne(i);
  Restart({"ops"});
  for (int i = 5; i < 15; ++i) FailOne(i);
  Pass(absl::Minutes(6));
  ASSERT_THAT(channel("ops").taken, SizeIs(1));
  EXPECT_EQ(channel("ops").taken[0].count, 20u);
  EXPECT_THAT(channel("ops").taken[0].title, HasSubstr("15 sources"));
}

TEST_F(StormTest, SourcesThatAreSilencedDoNotMakeOne) {
  for (int i = 0; i < 4; ++i) FailOne(i);
  ASSERT_TRUE(engine().Silence({"db4", absl::Hours(1), "ann", "moving"}).ok());
  FailOne(4);
  Pass(absl::Minutes(1));
  EXPECT_THAT(channel("ops").taken, SizeIs(4));
  EXPECT_FALSE(book().NewestAlert("failures/*").value().has_value());
}

TEST_F(StormTest, AnAcknowledgementOfItStopsTheReminder) {
  for (int i = 0; i < 10; ++i) FailOne(i);
  Pass(absl::Minutes(1));
  ASSERT_TRUE(engine().Acknowledge(book().NewestAlert("failures/*").value()->id, "ann").ok());
  Pass(absl::Hours(10));
  EXPECT_THAT(Told(notify::Action::kTrigger), SizeIs(1));
}

}  // namespace
}  // namespace holdfast::alert
