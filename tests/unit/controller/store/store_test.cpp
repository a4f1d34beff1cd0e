// Goal: objects and documents come back byte-exact from an open pack, a finished pack and after a
// reopen; write-once documents stay what they were; reads never leave the objects of a pack.
#include "controller/store/store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/format/layout.h"
#include "common/format/pack_file.h"
#include "tests/support/faulty_file_system.h"
#include "tests/unit/controller/store/store_fixture.h"

namespace holdfast::store {
namespace {

namespace stdfs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  std::string PackFile(const PackName& name) {
    return directory_ / ("store/" + layout::PackPath(name));
  }

  test::TempDir directory_;
};

TEST_F(StoreTest, ObjectsReadBackWhileOpenAndFinishedAndReopened) {
  std::vector<SealedObject> objects = {MakeObject(1), MakeObject(70'000), MakeObject(1 << 20)};
  std::vector<PackEntry> entries;
  PackName name;
  std::uint64_t number = 0;
  {
    Opened opened = OpenStore(directory_.path());
    EXPECT_TRUE(opened.recovered.empty());
    auto pack = opened.store->CreatePack().value();
    number = pack->number();
    for (const SealedObject& object : objects) {
      entries.push_back(pack->Append(object.id, object.bytes).value());
    }
    ASSERT_TRUE(pack->Sync().ok());
    ExpectReadable(*opened.store, PackName(), number, entries, objects);
    const std::uint64_t before_footer = pack->size_bytes();
    name = pack->Finish().value();
    EXPECT_LT(before_footer, stdfs::file_size(PackFile(name)));
    // A reader whose catalog answer is older than Finish still gets its bytes.
    ExpectReadable(*opened.store, PackName(), number, entries, objects);
    ExpectReadable(*opened.store, name, 0, entries, objects);
  }
  const Bytes file = RealFileSystem().ReadFile(PackFile(name)).value();
  EXPECT_EQ(Sha256(file).view(), name.view());
  EXPECT_EQ(ReadPackIndex(RealFileSystem(), PackFile(name))->entries, entries);

  Opened again = OpenStore(directory_.path());
  ExpectReadable(*again.store, name, 0, entries, objects);
  ASSERT_EQ(again.recovered.size(), 1u) << "not settled: the catalog may not know it";
  EXPECT_EQ(again.recovered[0].number, number);
  EXPECT_EQ(again.recovered[0].name, name);
  EXPECT_EQ(again.recovered[0].entries, entries);
  ASSERT_TRUE(again.store->Settle(number).ok());
  ASSERT_TRUE(again.store->Settle(number).ok());
  again.store.reset();
  EXPECT_TRUE(OpenStore(directory_.path()).recovered.empty());
}

TEST_F(StoreTest, NumbersAreNeverGivenTwice) {
  std::uint64_t last = 0;
  for (int round = 0; round < 4; ++round) {
    Opened opened = OpenStore(directory_.path());
    for (int i = 0; i < 3; ++i) {
      auto pack = opened.store->CreatePack().value();
      EXPECT_GT(pack->number(), last);
      last = pack->number();
      EXPECT_TRUE(pack->Finish()->IsZero()) << "an empty pack has no name";
      EXPECT_FALSE(stdfs::exists(directory_ / ("staging/" + std::to_string(last) + ".open")));
    }
  }
}

TEST_F(StoreTest, ASecondControllerIsRefused) {
  Opened opened = OpenStore(directory_.path());
  std::vector<RecoveredPack> recovered;
  const auto second = Store::Open(RealEnv(), directory_.path(), &recovered);
  EXPECT_EQ(KindOf(second.status()), ErrorKind::kConflict) << second.status();
}

TEST_F(StoreTest, ReadsNeverLeaveTheObjects) {
  const SealedObject object = MakeObject(1000);
  Opened opened = OpenStore(directory_.path());
  auto pack = opened.store->CreatePack().value();
  const PackEntry entry = pack->Append(object.id, object.bytes).value();
  const std::uint64_t number = pack->number();
  const auto expect_refused = [&](const PackName& name) {
    const std::uint64_t huge = ~0ull;
    const struct {
      std::uint64_t offset;
      std::uint32_t length;
    } cases[] = {{0, entry.length_bytes},
                 {entry.offset_bytes, entry.length_bytes + 1},
                 {entry.offset_bytes, entry.length_bytes - 1},
                 {entry.offset_bytes + 1, entry.length_bytes - 1},
                 {entry.offset_bytes, 0},
                 {entry.offset_bytes, 0xffffffffu},
                 {huge - 5, 100},
                 {entry.offset_bytes + entry.length_bytes, 40}};
    for (const auto& c : cases) {
      const auto got = opened.store->ReadObject(name, number, c.offset, c.length);
      EXPECT_EQ(KindOf(got.status()), ErrorKind::kIntegrity) << c.offset << " " << c.length;
    }
  };
  expect_refused(PackName());
  const PackName name = pack->Finish().value();
  expect_refused(name);
  PackName unknown = name;
  unknown.data()[0] ^= 1;
  EXPECT_EQ(KindOf(opened.store->ReadObject(unknown, 0, 8, 100).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(opened.store->ReadObject({}, 999, 8, 100).status()), ErrorKind::kNotFound);
}

TEST_F(StoreTest, ATruncatedPackGivesItsWholeObjectsOnly) {
  const std::vector<SealedObject> objects = {MakeObject(1000), MakeObject(2000)};
  Opened opened = OpenStore(directory_.path());
  auto pack = opened.store->CreatePack().value();
  std::vector<PackEntry> entries;
  for (const auto& object : objects) entries.push_back(*pack->Append(object.id, object.bytes));
  const PackName name = pack->Finish().value();
  stdfs::resize_file(PackFile(name), entries[1].offset_bytes + 500);
  ExpectReadable(*opened.store, name, 0, {entries[0]}, objects);
  EXPECT_EQ(
      KindOf(opened.store->ReadObject(name, 0, entries[1].offset_bytes, entries[1].length_bytes)
                 .status()),
      ErrorKind::kIntegrity);
  stdfs::resize_file(PackFile(name), 3);
  EXPECT_EQ(
      KindOf(opened.store->ReadObject(name, 0, entries[0].offset_bytes, entries[0].length_bytes)
                 .status()),
      ErrorKind::kIntegrity);
}

TEST_F(StoreTest, DocumentsAreWriteOnce) {
  const auto source = RealRng().DrawFixed<SourceId>();
  const auto domain = RealRng().DrawFixed<DomainId>();
  const auto agent = RealRng().DrawFixed<AgentId>();
  const auto key = RealRng().DrawFixed<KeyId>();
  const auto owner = RealRng().DrawFixed<PublicKey>();
  for (int round = 0; round < 2; ++round) {  // the second round puts equal bytes after a reopen
    Store& store = *OpenStore(directory_.path()).store.release();
    const std::unique_ptr<Store> owned(&store);
    ASSERT_TRUE(PutRecord(store, source, 1, "record 1", "refs 1").ok());
    ASSERT_TRUE(store.PutEnvelope(domain, key, "envelope").ok());
    ASSERT_TRUE(store.PutIdentity(domain, agent, "identity", "secrets").ok());
    ASSERT_TRUE(store.PutOwner(owner).ok());
    ASSERT_TRUE(store.PutRecipients(1, "list 1").ok());
    const auto conflict = [](const absl::Status& status) {
      EXPECT_EQ(KindOf(status), ErrorKind::kConflict) << status;
      EXPECT_EQ(CodeOf(status), 5014);
    };
    conflict(PutRecord(store, source, 1, "record X", "refs X"));
    conflict(PutRecord(store, source, 1, "record 1", "refs X"));
    conflict(store.PutEnvelope(domain, key, "other"));
    conflict(store.PutIdentity(domain, agent, "other", "secrets"));
    conflict(store.PutOwner(PublicKey()));
    conflict(store.PutRecipients(1, "list X"));
    EXPECT_EQ(*store.GetRecord(source, 1), "record 1");
    EXPECT_EQ(*store.GetReferences(source, 1), "refs 1");
    EXPECT_EQ(*store.GetEnvelope(domain, key), "envelope");
    EXPECT_EQ(*store.GetIdentity(domain, agent), "identity");
    EXPECT_EQ(*store.GetSecrets(domain, agent), "secrets");
  }
  EXPECT_EQ(*RealFileSystem().ReadFile(directory_ / "store/trust/owner.pub"), owner.view());

  Opened opened = OpenStore(directory_.path());
  EXPECT_EQ(KindOf(opened.store->GetRecord(source, 2).status()), ErrorKind::kNotFound);
  ASSERT_TRUE(opened.store->ReplaceSecrets(domain, agent, "new secrets").ok());
  EXPECT_EQ(*opened.store->GetSecrets(domain, agent), "new secrets");
  ASSERT_TRUE(opened.store->RemoveRecord(source, 1).ok());
  ASSERT_TRUE(opened.store->RemoveRecord(source, 1).ok());
  EXPECT_EQ(KindOf(opened.store->GetRecord(source, 1).status()), ErrorKind::kNotFound);
  ASSERT_TRUE(PutRecord(*opened.store, source, 1, "record Y", "refs Y").ok());
  EXPECT_EQ(*opened.store->GetReferences(source, 1), "refs Y");
}

TEST_F(StoreTest, AReferenceListWithoutItsRecordMayBeReplaced) {
  const auto source = RealRng().DrawFixed<SourceId>();
  Opened opened = OpenStore(directory_.path());
  stdfs::create_directories(directory_ / ("store/records/" + source.hex()));
  std::ofstream(directory_ / ("store/" + layout::ReferencesPath(source, 1))) << "of a dead run";
  ASSERT_TRUE(PutRecord(*opened.store, source, 1, "record", "refs").ok());
  EXPECT_EQ(*opened.store->GetReferences(source, 1), "refs");
}

TEST_F(StoreTest, AReferenceListArrivesInPieces) {
  const auto source = RealRng().DrawFixed<SourceId>();
  Opened opened = OpenStore(directory_.path());
  const auto files_in_staging = [&] {
    std::set<std::string> names;
    for (const auto& file : stdfs::directory_iterator(directory_ / "staging")) {
      names.insert(file.path().filename());
    }
    for (const char* own : {"next", "lock"}) names.erase(own);
    return names;
  };
  auto list = opened.store->Stage().value();
  auto other = opened.store->Stage().value();
  Bytes whole;
  for (int i = 0; i < 5; ++i) {
    const Bytes piece(600'000 + 7 * static_cast<std::size_t>(i), static_cast<char>('a' + i));
    ASSERT_TRUE(list->Append(piece).ok());
    whole += piece;
  }
  ASSERT_TRUE(other->Append(whole.substr(0, whole.size() - 1) + 'x').ok());
  EXPECT_EQ(list->size_bytes(), whole.size());
  EXPECT_EQ(list->hash(), Sha256(whole));
  EXPECT_EQ(files_in_staging().size(), 2u);
  ASSERT_TRUE(opened.store->PutRecord(source, 1, "record", *list).ok());
  EXPECT_EQ(*list->ReadAt(600'000, 50), whole.substr(600'000, 50)) << "still to be read";
  EXPECT_EQ(*opened.store->GetReferences(source, 1), whole);
  EXPECT_EQ(CodeOf(opened.store->PutRecord(source, 1, "record", *other)), 5014);
  EXPECT_EQ(*opened.store->GetReferences(source, 1), whole);
  list.reset();
  EXPECT_EQ(*opened.store->GetReferences(source, 1), whole);
  other.reset();
  EXPECT_EQ(files_in_staging(), std::set<std::string>());
}

TEST_F(StoreTest, TemporaryFilesOfADeadPredecessorAreRemoved) {
  OpenStore(directory_.path());
  stdfs::create_directories(directory_ / "store/records/aa");
  const std::vector<std::string> leftovers = {
      directory_ / "store/records/aa/1.record.tmp", directory_ / "store/trust/owner.pub.tmp",
      directory_ / "staging/next.tmp", directory_ / "staging/7.staged.tmp",
      directory_ / "staging/probe.tmp"};
  for (const std::string& path : leftovers) std::ofstream(path) << "x";
  OpenStore(directory_.path());
  for (const std::string& path : leftovers) EXPECT_FALSE(stdfs::exists(path)) << path;
}

TEST_F(StoreTest, FilesAreForTheOwnerOnly) {
  Opened opened = OpenStore(directory_.path());
  ASSERT_TRUE(opened.store->PutEnvelope({}, {}, "envelope").ok());
  auto pack = opened.store->CreatePack().value();
  const SealedObject object = MakeObject(10);
  ASSERT_TRUE(pack->Append(object.id, object.bytes).ok());
  ASSERT_TRUE(pack->Finish().ok());
  int files = 0;
  for (const auto& file : stdfs::recursive_directory_iterator(directory_.path())) {
    struct stat info {};
    ASSERT_EQ(::stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << file.path();
    files += file.is_regular_file();
  }
  EXPECT_GE(files, 3);
}

TEST_F(StoreTest, WhatIsSetAsideIsThereUntilItIsDropped) {
  stdfs::create_directories(directory_ / "staging");
  std::ofstream(directory_ / "staging/7.open") << "this is no pack";
  Opened opened = OpenStore(directory_.path());
  ASSERT_EQ(opened.store->ListSetAside().value(), std::vector<std::uint64_t>{7});
  ASSERT_TRUE(opened.store->DropSetAside(7).ok());
  EXPECT_TRUE(opened.store->ListSetAside()->empty());
  EXPECT_TRUE(opened.store->DropSetAside(7).ok()) << "again, as after a crash";
}

TEST_F(StoreTest, DocumentsOfAnAgentAreReplacedAndItsRemovalIsMarked) {
  Opened opened = OpenStore(directory_.path());
  const auto domain = RealRng().DrawFixed<DomainId>();
  const auto agent = RealRng().DrawFixed<AgentId>();
  ASSERT_TRUE(opened.store->PutIdentity(domain, agent, "first", "secrets").ok());
  ASSERT_TRUE(opened.store->ReplaceIdentity(domain, agent, "second").ok());
  EXPECT_EQ(opened.store->GetIdentity(domain, agent).value(), "second");
  const std::string mark = directory_ / ("store/" + layout::RemovedMarkPath(domain, agent));
  EXPECT_FALSE(stdfs::exists(mark));
  ASSERT_TRUE(opened.store->MarkAgentRemoved(domain, agent).ok());
  EXPECT_TRUE(stdfs::exists(mark));
}

TEST_F(StoreTest, FreeBytesAreThoseOfItsDisk) {
  test::FaultyFileSystem fs;
  fs.SetFreeBytes(12'345);
  EXPECT_EQ(OpenStore(directory_.path(), fs).store->FreeBytes().value(), 12'345u);
}

TEST_F(StoreTest, ANumberThatDoesNotReadIsNotGuessed) {
  OpenStore(directory_.path()).store->CreatePack().value()->Finish().IgnoreError();
  for (const char* text : {"many", "0", ""}) {
    std::ofstream(directory_ / "staging/next", std::ios::trunc) << text;
    std::vector<RecoveredPack> recovered;
    const absl::Status status = Store::Open(RealEnv(), directory_.path(), &recovered).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
    EXPECT_EQ(CodeOf(status), 5013);
    EXPECT_NE(HintOf(status), "");
  }
}

}  // namespace
}  // namespace holdfast::store
