// Goal: fault row 92: an agent whose controller is silent, or that backs up nothing, says so
// itself: once per channel, over restarts, and once that it is over.
#include "agent/daemon/dead_man.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/seeded_rng.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SetClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return now - absl::UnixEpoch(); }
  bool SleepFor(absl::Duration, std::stop_token stop) override { return !stop.stop_requested(); }
  absl::Time now = absl::FromUnixSeconds(1'767'751'200);  // 2026-01-07 02:00 UTC
};

// Outlives the DeadMan that uses it, as the service behind a real channel does.
struct Told {
  notify::Delivery answer;
  int attempts = 0;
  std::vector<notify::Message> taken;
};

class ToldChannel final : public notify::Channel {
 public:
  ToldChannel(std::string name, Told& told) : name_(std::move(name)), told_(told) {}
  const std::string& name() const override { return name_; }
  std::string_view kind() const override { return "fake"; }
  std::string target() const override { return ""; }
  notify::Delivery Deliver(const notify::Message& message, std::stop_token) override {
    ++told_.attempts;
    if (told_.answer.kind == notify::Delivery::Kind::kDelivered) told_.taken.push_back(message);
    return told_.answer;
  }

 private:
  const std::string name_;
  Told& told_;
};

class DeadManTest : public testing::Test {
 protected:
  DeadManTest() { Restart(); }
  void Restart(bool has_sources = true) {
    dead_man_.reset();
    DeadManOptions options{env_, DeadManConfig(), "shop-1", directory_ / "state", has_sources, {}};
    options.channels.push_back(std::make_unique<ToldChannel>("ops", ops_));
    options.channels.push_back(std::make_unique<ToldChannel>("mail", mail_));
    dead_man_ = std::make_unique<DeadMan>(std::move(options));
  }
  void Pass(absl::Duration time) {
    for (const absl::Time end = clock_.now + time; clock_.now < end;) {
      clock_.now += std::min(absl::Seconds(30), end - clock_.now);
      dead_man_->Look({});
    }
  }
  holdfast::test::TempDir directory_;
  SetClock clock_;
  holdfast::test::SeededRng rng_{3};
  const Env env_{clock_, rng_, RealFileSystem()};
  Told ops_;
  Told mail_;
  std::unique_ptr<DeadMan> dead_man_;
};

TEST_F(DeadManTest, ASilentControllerIsToldOnceAndItsReturnOnce) {
  dead_man_->Reached();
  Pass(absl::Hours(3));
  dead_man_->Lost();
  Pass(absl::Hours(1));
  EXPECT_THAT(ops_.taken, IsEmpty());
  Pass(absl::Minutes(1));
  ASSERT_THAT(ops_.taken, SizeIs(1));
  EXPECT_THAT(ops_.taken[0].title,
              HasSubstr("has not reached its controller since 2026-01-07 05:00 UTC"));
  dead_man_->Lost();
  Pass(absl::Hours(5));
  EXPECT_THAT(ops_.taken, SizeIs(1));
  dead_man_->Reached();
  Pass(absl::Hours(1));
  ASSERT_THAT(ops_.taken, SizeIs(2));
  EXPECT_EQ(ops_.taken[1].action, notify::Action::kResolve);
  EXPECT_EQ(ops_.taken[1].dedup_key, ops_.taken[0].dedup_key);
  EXPECT_THAT(mail_.taken, SizeIs(2));
}

TEST_F(DeadManTest, NoBackupIsToldThoughTheControllerAnswers) {
  dead_man_->Reached();
  Pass(absl::Hours(26));
  EXPECT_THAT(ops_.taken, IsEmpty());
  Pass(absl::Minutes(1));
  ASSERT_THAT(ops_.taken, SizeIs(1));
  EXPECT_EQ(ops_.taken[0].kind, "no-backup");
  dead_man_->BackupSucceeded();
  Pass(absl::Minutes(1));
  EXPECT_EQ(ops_.taken.back().action, notify::Action::kResolve);
}

TEST_F(DeadManTest, TimeCountsWhileTheAgentIsStoppedAndNothingIsToldTwice) {
  dead_man_->Reached();
  dead_man_->Lost();
  Pass(absl::Minutes(10));
  Restart();
  clock_.now += absl::Hours(1);
  Pass(absl::Minutes(1));
  EXPECT_THAT(ops_.taken, SizeIs(1));
  Restart();
  Pass(absl::Hours(1));
  EXPECT_THAT(ops_.taken, SizeIs(1)) << "told before the restart";
  dead_man_->Reached();
  Pass(absl::Minutes(1));
  EXPECT_THAT(ops_.taken, SizeIs(2));
}

TEST_F(DeadManTest, AChannelThatDoesNotAnswerIsTriedAgainAndDelaysNoOther) {
  ops_.answer = notify::Delivery::Later("the answer was 503");
  Pass(absl::Hours(2));
  EXPECT_THAT(mail_.taken, SizeIs(1));
  EXPECT_GE(ops_.attempts, 5);
  EXPECT_LE(ops_.attempts, 20);
  ops_.answer = notify::Delivery::Never("the answer was 404");
  const int before = ops_.attempts;
  Pass(absl::Hours(4));
  EXPECT_LE(ops_.attempts, before + 6);
  ops_.answer = notify::Delivery::Done();
  Pass(absl::Hours(2));
  EXPECT_THAT(ops_.taken, SizeIs(1));
}

TEST_F(DeadManTest, AnAgentWithoutSourcesMissesNoBackup) {
  Restart(false);
  dead_man_->Reached();
  Pass(absl::Hours(100));
  EXPECT_THAT(ops_.taken, IsEmpty());
}

// Fault rows 63 and 64.
TEST_F(DeadManTest, WhatAControllerShouldNotDoIsToldOnceAndOverADayLater) {
  dead_man_->Reached();
  dead_man_->BackupSucceeded();
  Pass(absl::Hours(1));
  EXPECT_THAT(ops_.taken, IsEmpty());
  dead_man_->Suspect("a restore into '/etc\x1b' was asked for");
  Pass(absl::Minutes(1));
  ASSERT_THAT(ops_.taken, SizeIs(1));
  EXPECT_EQ(ops_.taken[0].kind, "controller-suspicious");
  EXPECT_THAT(ops_.taken[0].text, HasSubstr("a restore into '/etc\\x1b'"));
  dead_man_->Suspect("again");
  Restart();
  dead_man_->Reached();
  Pass(absl::Hours(20));
  EXPECT_THAT(ops_.taken, SizeIs(1)) << "one suspicion, however often it comes";
  dead_man_->BackupSucceeded();
  Pass(absl::Hours(5));
  ASSERT_THAT(ops_.taken, SizeIs(2));
  EXPECT_EQ(ops_.taken[1].action, notify::Action::kResolve);
  EXPECT_EQ(ops_.taken[1].dedup_key, ops_.taken[0].dedup_key);
  dead_man_->Suspect("a week later");
  Pass(absl::Minutes(1));
  EXPECT_THAT(ops_.taken, SizeIs(3));
}

TEST_F(DeadManTest, ADamagedStateFileIsAFirstStart) {
  for (const char* text : {"", "{", "[]", "{\"contact\":7}", "{\"contact\":{\"last_ms\":-1}}"}) {
    dead_man_.reset();
    ASSERT_TRUE(RealFileSystem().WriteAtomically(directory_ / "state", text).ok());
    Restart();
    Pass(absl::Minutes(1));
    EXPECT_THAT(ops_.taken, IsEmpty()) << text;
  }
}

TEST_F(DeadManTest, TimesThatCannotBeCountAsAFirstStart) {
  dead_man_.reset();
  ASSERT_TRUE(env_.fs
                  .WriteAtomically(directory_ / "state",
                                   "{\"contact\":{\"last_ms\":18446744073709551615},"
                                   "\"backup\":{\"last_ms\":9223372036854775808},"
                                   "\"suspicion\":{\"last_ms\":18446744073709551615}}")
                  .ok());
  Restart();
  dead_man_->Look({});
  EXPECT_THAT(ops_.taken, IsEmpty());
  Pass(absl::Hours(2));
  ASSERT_THAT(ops_.taken, SizeIs(1));
  EXPECT_EQ(ops_.taken.front().kind, "controller-unreachable");
}

}  // namespace
}  // namespace holdfast::daemon
