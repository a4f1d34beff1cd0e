// Goal: a snapshot opens for its recipients only, as the agent signed it, and every byte it hands
// out is the one that was backed up; anything swapped or damaged is refused.
#include "common/snapshot/opener.h"

#include "tests/unit/common/snapshot/store_snapshot_fixture.h"

namespace holdfast {
namespace {

using test::CommittedSnapshot;
using test::DirectoryNamed;
using test::FileNamed;

class OpenerTest : public StoreSnapshotTest {
 protected:
  OpenerTest() {
    contents_ = {{"", ""}, {"dir", ""}, {"dir/a", store_.rng().Draw(5000)}, {"dir/empty", ""}};
    first_ = Commit("uploads");
  }
  CommittedSnapshot Commit(const std::string& source, const test::CommitOptions& options = {}) {
    std::vector<test::SealedFile> files = {DirectoryNamed(""), DirectoryNamed("dir")};
    for (const auto& [path, content] : contents_) {
      if (path != "" && path != "dir") files.push_back(FileNamed(path, content));
    }
    return store_.Commit(source, files, options);
  }
  // Puts `object` into the place of chunk `id` in an additional store of its own.
  void ReplaceObject(const ChunkId& id, ByteView object) {
    Bytes file = Load(first_.pack_path);
    Bytes pack(kPackHeader);
    std::vector<PackEntry> entries;
    for (const PackEntry& entry : first_.pack) {
      const ByteView bytes =
          entry.id == id ? object : ByteView(file).substr(entry.offset_bytes, entry.length_bytes);
      entries.push_back(
          {entry.id, pack.size(), static_cast<std::uint32_t>(bytes.size()), Crc32(bytes)});
      pack += bytes;
    }
    Save(first_.pack_path, pack + EncodePackFooter(entries));
  }

  Contents contents_;
  CommittedSnapshot first_;
};

TEST_F(OpenerTest, EveryRecipientReadsEverything) {
  for (const KeyPair* key :
       {&store_.recovery_key(), &store_.operator_key(), &store_.agent_recipient()}) {
    const auto opened = Open(first_, *key);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*ReadEverything(*opened->view), contents_);
    EXPECT_EQ(opened->view->info().source_name, "uploads");
    EXPECT_EQ(opened->view->info().entry_count, 4u);
    EXPECT_EQ(opened->view->Find("dir/a")->mode, 0640u);
    EXPECT_EQ(KindOf(opened->view->Find("nothing").status()), ErrorKind::kNotFound);
  }
}

TEST_F(OpenerTest, ReferencesAreManifestAndContent) {
  const auto opened = Open(first_, store_.recovery_key()).value();
  std::vector<ChunkId> expected = first_.content;
  expected.insert(expected.end(), first_.manifest.begin(), first_.manifest.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(*ReferencedChunks(opened), expected);
}

TEST_F(OpenerTest, AKeyThatIsNoRecipientIsRefused) {
  const auto status = Open(first_, X25519Generate(store_.rng())).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 4029);
}

TEST_F(OpenerTest, AnotherOwnerIsRefused) {
  auto reader = Reader();
  const auto documents = reader->Documents(first_.source, 1).value();
  const auto status =
      OpenSnapshot(documents, {first_.source, 1}, Ed25519Generate(store_.rng()).public_key,
                   store_.recovery_key(), reader)
          .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
}

TEST_F(OpenerTest, ASwappedRecordIsRefused) {
  contents_["dir/a"] += "more";
  const CommittedSnapshot second = Commit("uploads");
  const CommittedSnapshot other = Commit("configuration");
  const std::string path = store_.Path(layout::RecordPath(second.source, second.seq));
  for (const Bytes& record : {first_.record, other.record}) {
    Save(path, record);
    const auto status = Open(second, store_.recovery_key()).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
    EXPECT_EQ(CodeOf(status), 4063);
  }
}

TEST_F(OpenerTest, SecretsOfAnotherDomainAreRefused) {
  auto reader = Reader();
  SnapshotDocuments documents = reader->Documents(first_.source, 1).value();
  documents.domain_secrets = SealDomainSecrets(
      MakeDomainSecrets(store_.rng()),
      {{RecipientRole::kRecovery, "recovery", store_.recovery_key().public_key}}, store_.rng());
  const auto status = OpenSnapshot(documents, {first_.source, 1}, store_.owner().public_key,
                                   store_.recovery_key(), reader)
                          .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 4064);
}

TEST_F(OpenerTest, AnEntryThatIsTooLargeIsNotReadWhole) {
  const auto opened = Open(first_, store_.recovery_key()).value();
  const Entry entry = opened.view->Find("dir/a").value();
  EXPECT_EQ(ReadAll(*opened.view, entry, 5000).value(), contents_["dir/a"]);
  const auto status = ReadAll(*opened.view, entry, 4999).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kUsage) << status;
  EXPECT_NE(MessageOf(status).find("'dir/a'"), std::string::npos) << status;
}

TEST_F(OpenerTest, AnotherChunkUnderAnIdIsRefused) {
  const ChunkId id = first_.content[1];
  const Bytes file = Load(first_.pack_path);
  const PackEntry& neighbour = first_.pack[2];
  const std::vector<Bytes> objects = {
      file.substr(neighbour.offset_bytes, neighbour.length_bytes),          // another whole chunk
      store_.SealAlone(id, ObjectType::kContent, store_.rng().Draw(1000)),  // forged under the id
      store_.SealAlone(id, ObjectType::kManifest, store_.rng().Draw(1000))};
  for (const Bytes& object : objects) {
    ReplaceObject(id, object);
    EXPECT_EQ(KindOf(ReadBack(first_).status()), ErrorKind::kIntegrity);
    Save(first_.pack_path, file);
  }
  EXPECT_EQ(*ReadBack(first_), contents_);
}

TEST_F(OpenerTest, ALostManifestChunkIsAnError) {
  ReplaceObject(first_.manifest.back(), "cut");
  EXPECT_EQ(KindOf(ReadBack(first_).status()), ErrorKind::kIntegrity);
}

TEST_F(OpenerTest, DeltaChunksReadBack) {
  contents_["dir/a"].replace(1500, 4, "DIFF");
  contents_["dir/a"].replace(4900, 4, "DIFF");
  test::CommitOptions options;
  options.delta = true;
  const CommittedSnapshot second = Commit("uploads", options);
  int deltas = 0;
  const Bytes file = Load(second.pack_path);
  for (const PackEntry& entry : second.pack) {
    deltas +=
        ParseObjectHeader(ByteView(file).substr(entry.offset_bytes))->codec == Codec::kZstdDelta;
  }
  EXPECT_EQ(deltas, 2);
  EXPECT_EQ(*ReadBack(second), contents_);
}

TEST_F(OpenerTest, ALostEnvelopeIsNamed) {
  const KeyId key = ParseRecord(first_.record)->key_ids[0];
  std::filesystem::remove(store_.Path(layout::EnvelopePath(store_.secrets().domain, key)));
  EXPECT_EQ(KindOf(Open(first_, store_.recovery_key()).status()), ErrorKind::kNotFound);
}

TEST_F(OpenerTest, TheEnvelopeOfAnotherKeyIsRefused) {
  contents_["dir/a"] += "more";
  const CommittedSnapshot second = Commit("uploads");
  const auto envelope = [&](const CommittedSnapshot& snapshot) {
    const KeyId key = ParseRecord(snapshot.record)->key_ids[0];
    return store_.Path(layout::EnvelopePath(store_.secrets().domain, key));
  };
  Save(envelope(first_), Load(envelope(second)));
  const auto status = Open(first_, store_.recovery_key()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_EQ(CodeOf(status), 4062);
}

}  // namespace
}  // namespace holdfast
