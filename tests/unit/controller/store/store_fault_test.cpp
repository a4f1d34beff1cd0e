// Goal: whichever step fails, an object whose Sync returned OK survives a crash and power loss, a
// torn one is never seen, documents are whole or absent, and after the disk works again so does the
// store.
// Method: fail step 0, 1, 2, … until no step is left to fail; damage staging files by hand.
#include <filesystem>
#include <fstream>

#include "common/format/layout.h"
#include "common/format/pack_file.h"
#include "tests/support/faulty_file_system.h"
#include "tests/unit/controller/store/store_fixture.h"

namespace holdfast::store {
namespace {

namespace stdfs = std::filesystem;
using test::Fault;
using test::FaultyFileSystem;

constexpr int kStepsMax = 200;

// Everything that was acknowledged while the fault was armed.
struct Promised {
  std::vector<PackEntry> entries;
  std::uint64_t number = 0;
  bool record = false;
  bool envelope = false;
};

const SourceId kSource = *SourceId::From("0123456789abcdef");

Promised RunUnderFault(Store& store, const std::vector<SealedObject>& objects) {
  Promised promised;
  auto pack = store.CreatePack();
  if (pack.ok()) {
    promised.number = (*pack)->number();
    std::vector<PackEntry> appended;
    for (std::size_t i = 0; i < objects.size(); ++i) {
      const auto entry = (*pack)->Append(objects[i].id, objects[i].bytes);
      if (entry.ok()) appended.push_back(*entry);
      if (i % 2 == 1 && (*pack)->Sync().ok()) promised.entries = appended;
    }
    if ((*pack)->Finish().ok()) promised.entries = appended;
  }
  promised.envelope = store.PutEnvelope({}, {}, "envelope").ok();
  promised.record = PutRecord(store, kSource, 1, "record", "refs").ok();
  return promised;
}

class StoreUnderFault : public testing::TestWithParam<std::tuple<Fault, bool>> {};

TEST_P(StoreUnderFault, WhatWasAcknowledgedSurvives) {
  const auto [fault, power_loss] = GetParam();
  std::vector<SealedObject> objects;
  for (int i = 0; i < 5; ++i) objects.push_back(MakeObject(300 + 100 * i));
  int step = 0;
  for (bool fired = true; fired; ++step) {
    SCOPED_TRACE(testing::Message() << "fault at step " << step);
    ASSERT_LT(step, kStepsMax);
    test::TempDir directory;
    FaultyFileSystem fs;
    Opened opened = OpenStore(directory.path(), fs);
    fs.FailAt(step, fault);
    const Promised promised = RunUnderFault(*opened.store, objects);
    fired = fs.fired();
    EXPECT_EQ(fired, !(promised.record && promised.envelope && promised.entries.size() == 5u));
    opened.store.reset();
    if (power_loss) fs.LosePower(step % 2 == 0);

    FaultyFileSystem healthy;
    Opened again = OpenStore(directory.path(), healthy);
    for (const RecoveredPack& pack : again.recovered) {
      if (pack.name.IsZero()) continue;
      const std::string path = directory / ("store/" + layout::PackPath(pack.name));
      EXPECT_EQ(Sha256(*RealFileSystem().ReadFile(path)).view(), pack.name.view());
      ExpectReadable(*again.store, pack.name, 0, pack.entries, objects);
    }
    ExpectReadable(*again.store, PackName(), promised.number, promised.entries, objects);
    if (promised.record) {
      EXPECT_EQ(*again.store->GetRecord(kSource, 1), "record");
      EXPECT_EQ(*again.store->GetReferences(kSource, 1), "refs");
    }
    if (promised.envelope) {
      EXPECT_EQ(*again.store->GetEnvelope({}, {}), "envelope");
    }
    EXPECT_TRUE(PutRecord(*again.store, kSource, 1, "record", "refs").ok()) << "must be repeatable";
    EXPECT_EQ(RunUnderFault(*again.store, objects).entries.size(), 5u);
  }
  EXPECT_GT(step, 15) << "too few steps: the test would prove little";
}

class StoreAfterFault : public testing::TestWithParam<Fault> {};

TEST_P(StoreAfterFault, TheStoreWorksAgainAfterAProbe) {
  const std::vector<SealedObject> objects = {MakeObject(300), MakeObject(400), MakeObject(500),
                                             MakeObject(600)};
  bool refused_once = false;
  int step = 0;
  for (bool fired = true; fired; ++step) {
    SCOPED_TRACE(testing::Message() << "fault at step " << step);
    ASSERT_LT(step, kStepsMax);
    test::TempDir directory;
    FaultyFileSystem fs;
    Opened opened = OpenStore(directory.path(), fs);
    fs.FailAt(step, GetParam());
    const Promised promised = RunUnderFault(*opened.store, objects);
    fired = fs.fired();
    fs.Heal();
    if (!opened.store->writable()) {
      refused_once = true;
      EXPECT_EQ(CodeOf(opened.store->CreatePack().status()), 5011);
      EXPECT_EQ(CodeOf(opened.store->PutOwner({})), 5011);
      ASSERT_TRUE(opened.store->Probe().ok());
    }
    EXPECT_TRUE(opened.store->writable());
    ExpectReadable(*opened.store, PackName(), promised.number, promised.entries, objects);
    EXPECT_TRUE(PutRecord(*opened.store, kSource, 1, "record", "refs").ok());
    EXPECT_EQ(RunUnderFault(*opened.store, objects).entries.size(), objects.size());
  }
  EXPECT_TRUE(refused_once);
}

INSTANTIATE_TEST_SUITE_P(Faults, StoreUnderFault,
                         testing::Combine(testing::Values(Fault::kError, Fault::kLateError,
                                                          Fault::kNoSpace, Fault::kCrash),
                                          testing::Bool()));

INSTANTIATE_TEST_SUITE_P(Faults, StoreAfterFault,
                         testing::Values(Fault::kError, Fault::kLateError, Fault::kNoSpace));

TEST(StoreFaultTest, AFailedProbeKeepsTheStoreReadOnly) {
  test::TempDir directory;
  FaultyFileSystem fs;
  Opened opened = OpenStore(directory.path(), fs);
  fs.FailAt(0, Fault::kCrash);  // from here on every write fails
  EXPECT_FALSE(opened.store->PutEnvelope({}, {}, "x").ok());
  EXPECT_FALSE(opened.store->writable());
  EXPECT_FALSE(opened.store->Probe().ok());
  EXPECT_FALSE(opened.store->writable());
}

TEST(StoreFaultTest, AFullDiskIsNoSpaceAndRecoversByItself) {
  test::TempDir directory;
  FaultyFileSystem fs;
  Opened opened = OpenStore(directory.path(), fs);
  auto pack = opened.store->CreatePack().value();
  const SealedObject object = MakeObject(1000);
  fs.SetFreeBytes(33u << 20);
  ASSERT_TRUE(pack->Append(object.id, object.bytes).ok());
  fs.SetFreeBytes((32u << 20) - 1);
  for (const absl::Status& status :
       {pack->Append(object.id, object.bytes).status(), opened.store->CreatePack().status(),
        opened.store->PutEnvelope({}, {}, "x")}) {
    EXPECT_EQ(KindOf(status), ErrorKind::kNoSpace);
    EXPECT_EQ(CodeOf(status), 5012);
  }
  ASSERT_TRUE(pack->Finish().ok()) << "what was taken can still be finished";
  fs.SetFreeBytes(1ull << 30);
  EXPECT_TRUE(opened.store->writable());
  EXPECT_TRUE(opened.store->PutEnvelope({}, {}, "x").ok());
}

// Leaves a pack in staging as a killed controller does, then damages it.
class RecoveryTest : public testing::Test {
 protected:
  void LeaveOpenPack(const std::function<void(Bytes&, const std::vector<PackEntry>&)>& damage) {
    Opened opened = OpenStore(directory_.path());
    auto pack = opened.store->CreatePack().value();
    for (int i = 0; i < 4; ++i) objects_.push_back(MakeObject(500 + i));
    for (const auto& object : objects_) {
      entries_.push_back(pack->Append(object.id, object.bytes).value());
    }
    ASSERT_TRUE(pack->Sync().ok());
    number_ = pack->number();
    pack.reset();
    opened.store.reset();
    path_ = directory_ / ("staging/" + std::to_string(number_) + ".open");
    Bytes file = RealFileSystem().ReadFile(path_).value();
    damage(file, entries_);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << file;
  }

  void ExpectRecovered(const std::vector<int>& which, std::uint64_t dropped) {
    Opened opened = OpenStore(directory_.path());
    ASSERT_EQ(opened.recovered.size(), 1u);
    const RecoveredPack& pack = opened.recovered[0];
    EXPECT_EQ(pack.number, number_);
    EXPECT_EQ(pack.dropped_bytes, dropped);
    std::vector<PackEntry> expected;
    for (const int i : which) expected.push_back(entries_[i]);
    EXPECT_EQ(pack.entries, expected);
    EXPECT_FALSE(stdfs::exists(path_));
    ASSERT_EQ(pack.name.IsZero(), which.empty());
    if (which.empty()) return;
    ExpectReadable(*opened.store, pack.name, 0, pack.entries, objects_);
    EXPECT_EQ(ReadPackIndex(RealFileSystem(), directory_ / ("store/" + layout::PackPath(pack.name)))
                  ->entries,
              expected);
  }

  test::TempDir directory_;
  std::vector<SealedObject> objects_;
  std::vector<PackEntry> entries_;
  std::uint64_t number_ = 0;
  std::string path_;
};

TEST_F(RecoveryTest, AWholePackIsFinished) {
  LeaveOpenPack([](Bytes&, const auto&) {});
  ExpectRecovered({0, 1, 2, 3}, 0);
}

TEST_F(RecoveryTest, ATornTailIsCut) {
  LeaveOpenPack([](Bytes& file, const auto&) { file.resize(file.size() - 10); });
  ExpectRecovered({0, 1, 2}, entries_[3].length_bytes - 10);
}

TEST_F(RecoveryTest, ZerosBehindTheLastObjectAreCut) {
  LeaveOpenPack([](Bytes& file, const auto&) { file.append(4096, '\0'); });
  ExpectRecovered({0, 1, 2, 3}, 4096);
}

TEST_F(RecoveryTest, AnUnfinishedFooterIsWrittenAnew) {
  LeaveOpenPack(
      [](Bytes& file, const auto& entries) { file += EncodePackFooter(entries).substr(0, 100); });
  ExpectRecovered({0, 1, 2, 3}, 100);
}

TEST_F(RecoveryTest, ADamagedHeaderLosesItsObjectOnly) {
  LeaveOpenPack([](Bytes& file, const auto& entries) { file[entries[1].offset_bytes] ^= 1; });
  ExpectRecovered({0, 2, 3}, entries_[1].length_bytes);
}

TEST_F(RecoveryTest, NothingButAHeaderIsRemoved) {
  LeaveOpenPack([](Bytes& file, const auto&) { file.resize(kPackHeader.size()); });
  ExpectRecovered({}, 0);
}

TEST_F(RecoveryTest, ACutHeaderIsRemoved) {
  LeaveOpenPack([](Bytes& file, const auto&) { file.resize(3); });
  ExpectRecovered({}, 3);
}

TEST_F(RecoveryTest, AFileThatIsNoPackIsSetAside) {
  LeaveOpenPack([](Bytes& file, const auto&) { file[0] = 'X'; });
  const std::uint64_t size = stdfs::file_size(path_);
  ExpectRecovered({}, size);
  EXPECT_EQ(stdfs::file_size(directory_ / ("staging/" + std::to_string(number_) + ".damaged")),
            size);
}

}  // namespace
}  // namespace holdfast::store
