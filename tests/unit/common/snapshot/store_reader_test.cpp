// Goal: from the files of a store alone everything is found and read back byte-exact; damage costs
// what it hit, is reported, and never gives wrong bytes.
#include "common/snapshot/store_reader.h"

#include "tests/unit/common/snapshot/store_snapshot_fixture.h"

namespace holdfast {
namespace {

namespace stdfs = std::filesystem;
using test::CommittedSnapshot;
using test::DirectoryNamed;
using test::FileNamed;

class StoreReaderTest : public StoreSnapshotTest {
 protected:
  StoreReaderTest() {
    first_files_ = {{"", ""}, {"a", store_.rng().Draw(2500)}, {"b", "short"}};
    second_files_ = first_files_;
    second_files_["b"] = "changed";
    second_files_["c"] = store_.rng().Draw(1500);
    first_ = store_.Commit("uploads", From(first_files_));
    test::CommitOptions options;
    options.open_pack = true;
    second_ = store_.Commit("uploads", From(second_files_), options);
  }
  static std::vector<test::SealedFile> From(const Contents& contents) {
    std::vector<test::SealedFile> files;
    for (const auto& [path, content] : contents) {
      files.push_back(path.empty() ? DirectoryNamed(path) : FileNamed(path, content));
    }
    return files;
  }

  Contents first_files_, second_files_;
  CommittedSnapshot first_, second_;
};

TEST_F(StoreReaderTest, FindsWhatIsThere) {
  auto reader = Reader();
  EXPECT_EQ(reader->Sources(), std::vector<SourceId>{first_.source});
  EXPECT_EQ(reader->Snapshots(first_.source), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_TRUE(reader->Snapshots(SourceId()).empty());
  EXPECT_EQ(reader->owner(), store_.owner().public_key);
  EXPECT_TRUE(reader->damage().empty());
  const auto list = OpenRecipientList(*reader->NewestRecipients(), reader->owner());
  EXPECT_EQ(list->recipients.size(), 3u);
  EXPECT_EQ(reader->Documents(first_.source, 0)->record, second_.record) << "0 is the newest";
  EXPECT_EQ(KindOf(reader->Documents(first_.source, 3).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(reader->Documents(SourceId(), 0).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(StoreReader::Open(RealFileSystem(), directory_.path()).status()),
            ErrorKind::kNotFound);
}

TEST_F(StoreReaderTest, TheNewestRecipientListWins) {
  Save(store_.Path(layout::RecipientsPath(9)), "nine");
  Save(store_.Path(layout::RecipientsPath(10)), "ten");
  EXPECT_EQ(*Reader()->NewestRecipients(), "ten");
}

TEST_F(StoreReaderTest, EverySnapshotReadsBackAlsoFromAnOpenPack) {
  EXPECT_EQ(*ReadBack(first_), first_files_);
  EXPECT_EQ(*ReadBack(second_), second_files_);
  // The store alone, without the staging directory beside it, has the first one.
  auto reader = Reader(store_.root());
  const auto documents = reader->Documents(first_.source, 1).value();
  const auto opened = OpenSnapshot(documents, {first_.source, 1}, store_.owner().public_key,
                                   store_.operator_key(), reader);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*ReadEverything(*opened->view), first_files_);
  EXPECT_EQ(KindOf(reader->Fetch(store_.secrets().domain, {second_.content.back()}).status()),
            ErrorKind::kNotFound);
}

TEST_F(StoreReaderTest, NothingIsChanged) {
  std::map<std::string, stdfs::file_time_type> before, after;
  const auto note = [&](auto& times) {
    for (const auto& file : stdfs::recursive_directory_iterator(directory_.path())) {
      times[file.path()] = file.last_write_time();
    }
  };
  note(before);
  EXPECT_TRUE(ReadBack(second_).ok());
  note(after);
  EXPECT_EQ(before, after);
}

TEST_F(StoreReaderTest, ATornOpenPackKeepsItsWholeObjects) {
  stdfs::resize_file(second_.pack_path, stdfs::file_size(second_.pack_path) - 1);
  auto reader = Reader();
  EXPECT_TRUE(reader->damage().empty()) << "a torn end is no damage";
  for (std::size_t i = 0; i < second_.pack.size(); ++i) {
    const bool whole = i + 1 < second_.pack.size();
    EXPECT_EQ(reader->Fetch(store_.secrets().domain, {second_.pack[i].id}).ok(), whole);
  }
}

TEST_F(StoreReaderTest, ADamagedPackIsListedAndTheRestStaysUsable) {
  const Bytes whole = Load(first_.pack_path);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    Save(first_.pack_path, whole.substr(0, size));
    auto reader = Reader();
    ASSERT_EQ(reader->damage().size(), 1u);
    EXPECT_EQ(reader->damage()[0].path, first_.pack_path);
    const auto lost = reader->Fetch(store_.secrets().domain, {first_.content[0]}).status();
    EXPECT_EQ(KindOf(lost), ErrorKind::kNotFound);
    EXPECT_FALSE(HintOf(lost).empty());
    EXPECT_TRUE(reader->Fetch(store_.secrets().domain, {second_.content.back()}).ok());
  }
}

TEST_F(StoreReaderTest, ABitFlipAnywhereIsNeverAWrongByte) {
  const Bytes whole = Load(first_.pack_path);
  int noticed = 0;
  int flips = 0;
  for (std::size_t at = 0; at < whole.size(); at += 37, ++flips) {
    Bytes damaged = whole;
    damaged[at] ^= 0x10;
    Save(first_.pack_path, damaged);
    const auto contents = ReadBack(first_);
    if (contents.ok()) {
      EXPECT_EQ(*contents, first_files_) << "byte " << at;
    } else {
      ++noticed;
    }
  }
  // Only flips in fields that reading does not need (checksums of single copies) go unnoticed here.
  EXPECT_GT(noticed, flips * 9 / 10);
}

TEST_F(StoreReaderTest, AnotherCopyStandsInForADamagedOne) {
  Bytes pack(kPackHeader);
  const Bytes original = Load(first_.pack_path);
  std::vector<PackEntry> entries;
  for (const PackEntry& entry : first_.pack) {
    entries.push_back({entry.id, pack.size(), entry.length_bytes, entry.crc});
    pack += original.substr(entry.offset_bytes, entry.length_bytes);
  }
  pack += EncodePackFooter(entries);
  pack[entries[0].offset_bytes + entries[0].length_bytes - 3] ^= 1;
  const std::string copy = store_.Path(layout::PackPath(*PackName::From(Bytes(32, '\x01'))));
  stdfs::create_directories(ParentPath(copy));
  for (const bool swap : {false, true}) {
    Save(copy, swap ? original : pack);
    Save(first_.pack_path, swap ? pack : original);
    EXPECT_EQ(*ReadBack(first_), first_files_);
  }
}

TEST_F(StoreReaderTest, ChunksOfAnotherDomainAreUnknown) {
  auto reader = Reader();
  const auto absent = reader->Fetch(store_.secrets().domain, {ChunkId()}).status();
  const auto foreign = reader->Fetch(DomainId(), {first_.content[0]}).status();
  EXPECT_EQ(CodeOf(absent), 4091);
  EXPECT_EQ(CodeOf(foreign), 4091);
}

TEST_F(StoreReaderTest, OverlappingOrHugeOffsetsAreRefused) {
  for (const std::uint64_t offset : {~0ull - 3, 1ull << 40}) {
    Bytes file = Load(first_.pack_path);
    const std::size_t data_end = first_.pack.back().offset_bytes + first_.pack.back().length_bytes;
    file.resize(data_end);
    std::vector<PackEntry> entries = first_.pack;
    entries.back().offset_bytes = offset;
    Save(first_.pack_path, file + EncodePackFooter(entries));
    auto reader = Reader();
    EXPECT_EQ(reader->damage().size(), 1u);
  }
}

TEST_F(StoreReaderTest, ARecordThatNobodySignedIsRefused) {
  const std::string path = store_.Path(layout::RecordPath(first_.source, 1));
  Bytes record = Load(path);
  record[record.size() - 1] ^= 1;
  Save(path, record);
  const auto status = Reader()->Documents(first_.source, 1).status();
  EXPECT_EQ(CodeOf(status), 4093) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_EQ(*ReadBack(second_), second_files_);
}

TEST_F(StoreReaderTest, WhatDoesNotBelongThereIsDamage) {
  const std::string staging = ParentPath(second_.pack_path);
  const std::string stray = JoinPath(ParentPath(first_.pack_path), "notes.txt");
  Save(stray, "of somebody");
  Save(staging + "/7.open", Bytes(100, 'x'));
  stdfs::create_directories(staging + "/8.open");
  Save(staging + "/9.open", "");  // made right before the controller died: no damage
  Save(staging + "/10.damaged", "");
  Save(store_.Path(layout::kOwner), "short");
  Save(store_.Path(std::string(layout::kPacks) + "/file"), "no directory, and no pack");
  std::map<std::string, std::string> found;
  auto reader = Reader();
  for (const Problem& problem : reader->damage()) found[problem.path] = problem.reason;
  EXPECT_EQ(found.size(), 5u);
  EXPECT_EQ(found[stray], "it is not named like a pack");
  EXPECT_EQ(found[staging + "/7.open"], "it does not begin like a pack");
  EXPECT_NE(found[staging + "/8.open"], "");
  EXPECT_EQ(found[staging + "/10.damaged"], "set aside as no pack");
  EXPECT_EQ(found[store_.Path(layout::kOwner)], "it is not a key");
  EXPECT_TRUE(reader->Fetch(store_.secrets().domain, {first_.content[0]}).ok());
}

TEST_F(StoreReaderTest, DamageInsideAnOpenPackCostsWhatItHit) {
  const PackEntry& middle = second_.pack[second_.pack.size() / 2];
  Bytes pack = Load(second_.pack_path);
  pack.replace(middle.offset_bytes, 4, "gone");
  Save(second_.pack_path, pack);
  auto reader = Reader();
  ASSERT_EQ(reader->damage().size(), 1u);
  EXPECT_EQ(reader->damage()[0].path, second_.pack_path);
  EXPECT_NE(reader->damage()[0].reason.find("between its objects are damaged"), std::string::npos);
  for (const PackEntry& entry : second_.pack) {
    EXPECT_EQ(reader->Fetch(store_.secrets().domain, {entry.id}).ok(), entry.id != middle.id);
  }
}

TEST_F(StoreReaderTest, ADirectoryThatCannotBeListedIsDamage) {
  const std::string records = store_.Path(layout::kRecords);
  stdfs::remove_all(records);
  auto reader = Reader();
  ASSERT_EQ(reader->damage().size(), 1u);
  EXPECT_EQ(reader->damage()[0].path, records);
  EXPECT_TRUE(reader->Sources().empty());
}

TEST_F(StoreReaderTest, WithoutSecretsOrRecipientsItSaysSo) {
  const DomainId domain = store_.secrets().domain;
  stdfs::remove(store_.Path(layout::SecretsPath(domain, store_.identity().agent_id)));
  stdfs::remove(store_.Path(layout::RecipientsPath(1)));
  auto reader = Reader();
  const auto secrets = reader->Documents(first_.source, 1).status();
  EXPECT_EQ(CodeOf(secrets), 4094) << secrets;
  EXPECT_EQ(KindOf(secrets), ErrorKind::kNotFound);
  const auto recipients = reader->NewestRecipients().status();
  EXPECT_EQ(CodeOf(recipients), 4095) << recipients;
  EXPECT_EQ(KindOf(recipients), ErrorKind::kNotFound);
}

TEST_F(StoreReaderTest, TheSignerIsFoundAmongTheAgentsOfTheDomain) {
  // An agent whose identity sorts first and signed nothing here.
  AgentIdentity other = store_.identity();
  other.agent_id = AgentId();
  other.signing_key = Ed25519Generate(store_.rng()).public_key;
  const KeyPair grant_key = Ed25519Generate(store_.rng());
  const auto grant = MakeEnrolmentGrant(store_.owner(), grant_key.public_key, "web-1", 1);
  const DomainId domain = store_.secrets().domain;
  Save(store_.Path(layout::IdentityPath(domain, other.agent_id)),
       SignAgentIdentity(other, grant, grant_key));
  // The signer's own copy of the secrets is lost; any agent's is the same.
  const std::string secrets = store_.Path(layout::SecretsPath(domain, store_.identity().agent_id));
  stdfs::rename(secrets, store_.Path(layout::SecretsPath(domain, other.agent_id)));
  EXPECT_EQ(*ReadBack(first_), first_files_);
}

}  // namespace
}  // namespace holdfast
