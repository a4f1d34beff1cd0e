// Goal: one flipped bit anywhere in a pack is found by the next check and by the next read, and the
// pack has its bytes again; a fault while parity is written costs no more than the parity.
// Method: flip each byte in turn; fail step 0, 1, 2, … until no step is left to fail.
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

class PackHealthTest : public testing::Test {
 protected:
  PackHealthTest() {
    opened_ = OpenStore(directory_.path(), RealFileSystem(), 2);
    for (const int size : {100, 700, 1500}) objects_.push_back(MakeObject(size));
    auto pack = opened_.store->CreatePack().value();
    for (const SealedObject& object : objects_) {
      entries_.push_back(pack->Append(object.id, object.bytes).value());
    }
    name_ = pack->Finish().value();
    path_ = directory_ / ("store/" + layout::PackPath(name_));
    parity_path_ = directory_ / ("store/" + layout::ParityPath(name_));
    whole_ = Load(path_);
  }

  static Bytes Load(const std::string& path) { return RealFileSystem().ReadFile(path).value(); }
  static void Save(const std::string& path, ByteView bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  // A store that has read nothing yet and remembers nothing.
  void Reopen() {
    opened_.store.reset();
    opened_ = OpenStore(directory_.path(), RealFileSystem(), 2);
  }
  PackCheck Check() { return opened_.store->CheckPack(name_, {}).value(); }
  absl::StatusOr<Bytes> Read(std::size_t index) {
    return opened_.store->ReadObject(name_, 0, entries_[index].offset_bytes,
                                     entries_[index].length_bytes);
  }
  void Flip(const std::string& path, std::size_t at, int bit) {
    Bytes bytes = Load(path);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    Save(path, bytes);
  }

  test::TempDir directory_;
  Opened opened_;
  std::vector<SealedObject> objects_;
  std::vector<PackEntry> entries_;
  PackName name_;
  std::string path_;
  std::string parity_path_;
  Bytes whole_;
};

TEST_F(PackHealthTest, AFlippedBitAnywhereIsFoundAndRepairedByACheck) {
  for (std::size_t at = 0; at < whole_.size(); ++at) {
    Flip(path_, at, static_cast<int>(at % 8));
    ASSERT_EQ(Check(), PackCheck::kRepaired) << at;
    ASSERT_TRUE(Load(path_) == whole_) << at;
  }
  EXPECT_EQ(Check(), PackCheck::kSound);
}

TEST_F(PackHealthTest, AReadRepairsWhatItNeedsAndNeverGivesAWrongByte) {
  const std::size_t size = whole_.size();
  for (std::size_t at = 0; at < size; at += 7) {
    SCOPED_TRACE(at);
    Reopen();
    Flip(path_, at, static_cast<int>(at % 8));
    for (std::size_t i = 0; i < objects_.size(); ++i) {
      const auto object = Read(i);
      ASSERT_TRUE(object.ok()) << object.status();
      ASSERT_TRUE(*object == objects_[i].bytes);
    }
    // The pack's header is of no use to a read: a check finds it.
    if (at >= kPackHeader.size()) {
      ASSERT_TRUE(Load(path_) == whole_);
    }
    Save(path_, whole_);
  }
}

TEST_F(PackHealthTest, AFlippedBitInTheParityIsFoundAndMadeAnew) {
  const Bytes parity = Load(parity_path_);
  for (std::size_t at = 0; at < parity.size(); at += 5) {
    Flip(parity_path_, at, static_cast<int>(at % 8));
    ASSERT_EQ(Check(), PackCheck::kParityMade) << at;
    ASSERT_TRUE(Load(parity_path_) == parity) << at;
  }
}

TEST_F(PackHealthTest, BothDamagedIsRepairedOrSaidToBeDamaged) {
  Flip(path_, 200, 1);
  Flip(parity_path_, Load(parity_path_).size() - 100, 1);  // in Q; P is enough
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  EXPECT_TRUE(Load(path_) == whole_);
  EXPECT_EQ(Check(), PackCheck::kSound) << "its parity was made anew";
  Flip(path_, 200, 1);
  Flip(parity_path_, 60, 1);  // its head
  const Bytes damaged = Load(path_);
  EXPECT_EQ(Check(), PackCheck::kDamaged);
  EXPECT_TRUE(Load(path_) == damaged) << "what cannot be repaired stays";
  ASSERT_LT(200, entries_[0].offset_bytes + entries_[0].length_bytes);
  EXPECT_EQ(KindOf(Read(0).status()), ErrorKind::kIntegrity);
}

TEST_F(PackHealthTest, ADiskThatTakesNoWritesLosesNothingThatParityHas) {
  FaultyFileSystem fs;
  opened_.store.reset();
  opened_ = OpenStore(directory_.path(), fs, 2);
  Flip(path_, 200, 1);
  fs.FailAt(0, Fault::kError);
  EXPECT_EQ(Check(), PackCheck::kNotNow);
  ASSERT_TRUE(fs.fired());
  EXPECT_FALSE(opened_.store->writable());
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    const auto object = Read(i);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_TRUE(*object == objects_[i].bytes) << "read out of what was repaired in memory";
  }
  EXPECT_FALSE(Load(path_) == whole_);
  fs.Heal();
  ASSERT_TRUE(opened_.store->Probe().ok());
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  EXPECT_TRUE(Load(path_) == whole_);
  stdfs::remove(parity_path_);
  fs.FailAt(0, Fault::kError);
  EXPECT_EQ(Check(), PackCheck::kParityNotNow);
}

TEST_F(PackHealthTest, ADamagedIndexNeedsNoParity) {
  stdfs::remove(parity_path_);
  Flip(path_, whole_.size() - 30, 3);
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  EXPECT_TRUE(Load(path_) == whole_);
}

TEST_F(PackHealthTest, CutLongerEmptyAndMissing) {
  Save(path_, whole_.substr(0, whole_.size() - 700));
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  Save(path_, whole_ + "more");
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  EXPECT_TRUE(Load(path_) == whole_);
  // So small a pack is two rows of blocks: parity alone gives it back.
  Save(path_, Bytes(whole_.size(), '\0'));
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  EXPECT_TRUE(Load(path_) == whole_);
  stdfs::remove(path_);
  EXPECT_EQ(Check(), PackCheck::kMissing);
  EXPECT_EQ(opened_.store->RemoveOrphanedParity().value(), 1u);
  EXPECT_FALSE(stdfs::exists(parity_path_));
}

TEST_F(PackHealthTest, APackWithoutAWholeByteIsDamaged) {
  const SealedObject large = MakeObject(20'000);
  auto pack = opened_.store->CreatePack().value();
  ASSERT_TRUE(pack->Append(large.id, large.bytes).ok());
  const PackName name = pack->Finish().value();
  const std::string path = directory_ / ("store/" + layout::PackPath(name));
  for (const Bytes& content : {Bytes(Load(path).size(), '\0'), Bytes()}) {
    Save(path, content);
    EXPECT_EQ(opened_.store->CheckPack(name, {}).value(), PackCheck::kDamaged);
    EXPECT_TRUE(Load(path) == content);
  }
}

TEST_F(PackHealthTest, AnotherPackUnderThisNameIsNeverTaken) {
  const SealedObject other = MakeObject(900);
  auto pack = opened_.store->CreatePack().value();
  ASSERT_TRUE(pack->Append(other.id, other.bytes).ok());
  const PackName name = pack->Finish().value();
  const std::string other_path = directory_ / ("store/" + layout::PackPath(name));
  Save(path_, Load(other_path));
  Save(parity_path_, Load(directory_ / ("store/" + layout::ParityPath(name))));
  EXPECT_EQ(Check(), PackCheck::kDamaged);
  EXPECT_FALSE(Read(0).ok());
}

TEST_F(PackHealthTest, ACheckStopsWhenItIsTold) {
  EXPECT_EQ(opened_.store->CheckPack(name_, [](std::uint64_t) { return false; }).value(),
            PackCheck::kStopped);
}

// Sectors that the disk does not give: what lies around them is enough to make them anew.
TEST_F(PackHealthTest, ASectorThatDoesNotReadIsRepaired) {
  FaultyFileSystem fs;
  opened_.store.reset();
  opened_ = OpenStore(directory_.path(), fs, 2);
  fs.FailReadsAt(path_, 300);
  EXPECT_EQ(Check(), PackCheck::kRepaired);
  fs.FailReadsAt("", 0);
  EXPECT_TRUE(Load(path_) == whole_);
  EXPECT_EQ(Check(), PackCheck::kSound);
}

TEST_F(PackHealthTest, AFileLargerThanAnyPackIsNotReadIntoMemory) {
  stdfs::resize_file(path_, kMaxParityPackBytes + 1);
  EXPECT_EQ(opened_.store->CheckPack(name_, {}).value(), PackCheck::kDamaged);
  EXPECT_EQ(stdfs::file_size(path_), kMaxParityPackBytes + 1) << "it stays as it is";
}

class ParityUnderFault : public testing::TestWithParam<Fault> {};

TEST_P(ParityUnderFault, AFinishedPackIsWholeAndGetsItsParityLater) {
  int step = 0;
  for (bool fired = true; fired; ++step) {
    SCOPED_TRACE(testing::Message() << "fault at step " << step);
    ASSERT_LT(step, 100);
    test::TempDir directory;
    FaultyFileSystem fs;
    Opened opened = OpenStore(directory.path(), fs, 2);
    const SealedObject object = MakeObject(3000);
    auto pack = opened.store->CreatePack().value();
    const PackEntry entry = pack->Append(object.id, object.bytes).value();
    ASSERT_TRUE(pack->Sync().ok());
    fs.FailAt(step, GetParam());
    const auto name = pack->Finish();
    fired = fs.fired();
    fs.Heal();
    opened.store.reset();
    if (GetParam() == Fault::kCrash) fs.LosePower(step % 2 == 0);

    FaultyFileSystem healthy;
    Opened again = OpenStore(directory.path(), healthy, 2);
    if (!name.ok()) continue;  // the pack's own steps: store_fault_test
    ExpectReadable(*again.store, *name, 0, {entry}, {object});
    const PackCheck check = again.store->CheckPack(*name, {}).value();
    EXPECT_TRUE(check == PackCheck::kSound || check == PackCheck::kParityMade);
    EXPECT_EQ(again.store->CheckPack(*name, {}).value(), PackCheck::kSound);
  }
  EXPECT_GT(step, 5) << "too few steps: the test would prove little";
}

TEST_P(ParityUnderFault, ARepairIsWholeOrTheDamagedPackStays) {
  int step = 0;
  for (bool fired = true; fired; ++step) {
    SCOPED_TRACE(testing::Message() << "fault at step " << step);
    ASSERT_LT(step, 100);
    test::TempDir directory;
    FaultyFileSystem fs;
    Opened opened = OpenStore(directory.path(), fs, 2);
    const SealedObject object = MakeObject(3000);
    auto pack = opened.store->CreatePack().value();
    const PackEntry entry = pack->Append(object.id, object.bytes).value();
    const PackName name = pack->Finish().value();
    const std::string path = directory / ("store/" + layout::PackPath(name));
    Bytes damaged = RealFileSystem().ReadFile(path).value();
    const Bytes whole = damaged;
    damaged[500] = static_cast<char>(damaged[500] ^ 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
    fs.FailAt(step, GetParam());
    opened.store->CheckPack(name, {}).IgnoreError();
    fired = fs.fired();
    fs.Heal();
    const Bytes left = RealFileSystem().ReadFile(path).value();
    EXPECT_TRUE(left == whole || left == damaged);
    opened.store.reset();

    Opened again = OpenStore(directory.path(), RealFileSystem(), 2);
    const PackCheck check = again.store->CheckPack(name, {}).value();
    EXPECT_TRUE(check == PackCheck::kRepaired || check == PackCheck::kSound);
    ExpectReadable(*again.store, name, 0, {entry}, {object});
  }
  EXPECT_GE(step, 2) << "too few steps: the test would prove little";
}

INSTANTIATE_TEST_SUITE_P(Faults, ParityUnderFault,
                         testing::Values(Fault::kError, Fault::kLateError, Fault::kNoSpace,
                                         Fault::kCrash));

}  // namespace
}  // namespace holdfast::store
