// Goal: the collector runs at the start, once a day, when it is woken, and sooner after a failure.
#include "controller/retention/collector_thread.h"

#include "tests/support/stepped_clock.h"
#include "tests/unit/controller/retention/collector_fixture.h"

namespace holdfast::retention {
namespace {

class CollectorThreadTest : public CollectorTest {
 protected:
  // Snapshots that a run puts into the trash tell that there was one.
  void MakeWork() {
    Backup({static_cast<int>(seq_)});
    Backup({static_cast<int>(seq_)});
    Check(collector_->SetPolicy(source_, ParsePolicy("last=1").value(), "root"));
  }
  std::size_t Kept() { return catalog_->ListSnapshots(source_, 100)->size(); }
};

TEST_F(CollectorThreadTest, RunsAtTheStartDailyAndWhenWoken) {
  MakeWork();
  test::SteppedClock clock;
  CollectorThread thread(clock, *collector_);
  clock.Pass(1);
  EXPECT_EQ(Kept(), 1u) << "at the start";
  MakeWork();
  clock.Pass(24 * 3600 - 1);
  EXPECT_EQ(Kept(), 3u) << "not before a day is over";
  clock.Pass(1);
  EXPECT_EQ(Kept(), 1u);
  MakeWork();
  thread.Wake();
  clock.Pass(1);
  EXPECT_EQ(Kept(), 1u) << "woken";
  thread.Wake();
  clock.Pass(1);
  EXPECT_EQ(Kept(), 1u) << "nothing to do";
}

TEST_F(CollectorThreadTest, TriesAgainAnHourAfterAFailure) {
  auto pack = store_->CreatePack().value();
  fs_->FailAt(0, test::Fault::kError);
  ASSERT_FALSE(pack->Sync().ok());
  test::SteppedClock clock;
  CollectorThread thread(clock, *collector_);
  clock.Pass(1);
  fs_->Heal();
  ASSERT_TRUE(store_->Probe().ok());
  MakeWork();
  clock.Pass(3599);
  EXPECT_EQ(Kept(), 2u);
  clock.Pass(1);
  EXPECT_EQ(Kept(), 1u);
}

}  // namespace
}  // namespace holdfast::retention
