// Goal: a store written by the first version is restored by this one, byte for byte, with nothing
// but the recovery key; and this version still writes the same bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/object.h"
#include "common/format/pack.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "common/snapshot/opener.h"
#include "common/snapshot/store_reader.h"
#include "tests/support/golden_store.h"

namespace holdfast {
namespace {

const std::string kGolden = HOLDFAST_SOURCE_DIR "/tests/golden/format-v1";

// Files below `directory` by relative path.
std::map<std::string, Bytes> Tree(const std::string& directory) {
  std::map<std::string, Bytes> result;
  for (const auto& item : std::filesystem::recursive_directory_iterator(directory)) {
    if (!item.is_regular_file()) continue;
    const std::string path = item.path().string();
    result[path.substr(directory.size() + 1)] = RealFileSystem().ReadFile(path).value();
  }
  return result;
}

KeyPair RecoveryKey() {
  return X25519FromSecret(
      SecretBytes::Take(RealFileSystem().ReadFile(kGolden + "/recovery.key").value()));
}

class GoldenStoreTest : public testing::Test {
 protected:
  absl::StatusOr<OpenedSnapshot> Open(std::uint64_t seq, const KeyPair& key) {
    const SourceId source = reader_->Sources().at(0);
    return OpenSnapshot(reader_->Documents(source, seq).value(), {source, seq}, reader_->owner(),
                        key, reader_);
  }

  const std::shared_ptr<StoreReader> reader_ =
      StoreReader::Open(RealFileSystem(), kGolden + "/store").value();
};

TEST_F(GoldenStoreTest, ListsWhatItHolds) {
  EXPECT_TRUE(reader_->damage().empty());
  ASSERT_EQ(reader_->Sources().size(), 1u);
  EXPECT_THAT(reader_->Snapshots(reader_->Sources()[0]), testing::ElementsAre(1, 2));
  const auto list = OpenRecipientList(reader_->NewestRecipients().value(), reader_->owner());
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->recipients.at(0).key, RecoveryKey().public_key);
}

TEST_F(GoldenStoreTest, EveryContentIsRestoredWithTheRecoveryKey) {
  for (const std::uint64_t seq : {1, 2}) {
    SCOPED_TRACE(seq);
    const auto opened = Open(seq, RecoveryKey());
    ASSERT_TRUE(opened.ok()) << opened.status();
    std::map<std::string, Bytes> found;
    std::uint64_t entries = 0;
    ASSERT_TRUE(opened->view
                    ->ForEachEntry([&](const Entry& entry) {
                      ++entries;
                      if (entry.type == EntryType::kFile) {
                        found[entry.path] = ReadAll(*opened->view, entry).value();
                      }
                      return absl::OkStatus();
                    })
                    .ok());
    EXPECT_EQ(entries, 11u);
    EXPECT_TRUE(found == Tree(kGolden + "/content/" + std::to_string(seq)));
    const ChunkCheck check =
        CheckSnapshot(*opened, 100, 1, [](std::uint64_t, std::uint64_t) { return true; }).value();
    EXPECT_TRUE(check.damaged.empty());
    EXPECT_GE(check.checked, 5u);
  }
}

TEST_F(GoldenStoreTest, MetadataIsRestored) {
  const OpenedSnapshot opened = Open(1, RecoveryKey()).value();
  EXPECT_EQ(opened.agent.agent_name, "web-1");
  EXPECT_EQ(opened.view->info().source_name, "uploads");
  EXPECT_EQ(opened.view->info().taken_at, absl::FromUnixSeconds(1'767'751'200));
  EXPECT_EQ(opened.facts.summary, "11 entries");
  EXPECT_EQ(opened.view->Find("dir/link")->link_target, "../anywhere");
  EXPECT_EQ(opened.view->Find("dir/twin")->link_target, "dir/a.txt");
  const Entry odd = opened.view->Find("odd \xff\n").value();
  EXPECT_EQ(odd.type, EntryType::kFifo);
  EXPECT_EQ(odd.xattrs.at("user.note"), Bytes("\0\1", 2));
  const Entry sparse = opened.view->Find("sparse.img").value();
  EXPECT_EQ(sparse.size_bytes, 1u << 20);
  EXPECT_EQ(sparse.extents, (std::vector<Extent>{{4'096, 600}, {500'000, 400}}));
  const Entry table = opened.view->Find("table.copy").value();
  EXPECT_EQ(table.rows, 500u);
  EXPECT_EQ(table.mode, 0640u);
  EXPECT_EQ(table.user_name, "ann");
  EXPECT_EQ(table.mtime_ns % 1'000'000'000, 123'456'789);
}

TEST_F(GoldenStoreTest, RecordsAreAChainAndNameTheirLists) {
  const SourceId source = reader_->Sources().at(0);
  const Bytes first = reader_->Documents(source, 1)->record;
  const RecordClear clear = ParseRecord(reader_->Documents(source, 2)->record).value();
  EXPECT_EQ(clear.previous, RecordHash(first));
  EXPECT_TRUE(ParseRecord(first)->previous.IsZero());
  EXPECT_EQ(clear.key_ids.size(), 2u);
  for (const auto& [path, bytes] : Tree(kGolden + "/store/records")) {
    if (!path.ends_with(".refs")) continue;
    const bool is_first = path.find("0001.refs") != std::string::npos;
    const ReferenceList list = DecodeReferenceList(bytes).value();
    EXPECT_EQ(list.full, is_first);
    EXPECT_EQ(Sha256(bytes),
              is_first ? ParseRecord(first)->reference_list_hash : clear.reference_list_hash);
    std::vector<ChunkId> referenced =
        ReferencedChunks(Open(is_first ? 1 : 2, RecoveryKey()).value()).value();
    for (const ChunkId& id : list.added) {
      EXPECT_TRUE(std::binary_search(referenced.begin(), referenced.end(), id)) << id.hex();
    }
  }
}

TEST_F(GoldenStoreTest, ADeltaChunkIsInIt) {
  int deltas = 0;
  for (const auto& [path, bytes] : Tree(kGolden + "/store/packs")) {
    EXPECT_EQ(Sha256(bytes).hex() + ".pack", path.substr(path.find('/') + 1));
    const PackScan scan = ScanOpenPack(bytes).value();
    for (const PackEntry& entry : scan.entries) {
      deltas += ParseObjectHeader(bytes.substr(entry.offset_bytes))->codec == Codec::kZstdDelta;
    }
  }
  EXPECT_EQ(deltas, 1);
}

// The object of docs/FORMAT.md, section 10, as printed there, is the one in the pack.
TEST_F(GoldenStoreTest, WorkedExampleOfTheDocumentIsReal) {
  const Bytes text = RealFileSystem().ReadFile(HOLDFAST_SOURCE_DIR "/docs/FORMAT.md").value();
  std::size_t at = text.find("\n48464f42 01 01 00 01");
  ASSERT_NE(at, std::string::npos);
  std::string hex;
  for (++at; text.compare(at, 3, "```") != 0; at = text.find('\n', at) + 1) {
    // Hexadecimal groups up to the remark, which stands behind two blanks.
    for (std::size_t i = at; text[i] != '\n' && text.compare(i, 2, "  ") != 0; ++i) {
      if (text[i] != ' ') hex.push_back(text[i]);
    }
  }
  const Bytes object = FromHex(hex).value();
  EXPECT_EQ(object.size(), 165u);
  bool found = false;
  for (const auto& [path, bytes] : Tree(kGolden + "/store/packs")) {
    found = found || bytes.find(object) == 235u;
  }
  EXPECT_TRUE(found);
  const ChunkId id = ParseObjectHeader(object)->chunk_id;
  const OpenedSnapshot opened = Open(2, RecoveryKey()).value();
  EXPECT_EQ(opened.view->Find("new.txt")->slices.at(0).chunk, id);
}

TEST_F(GoldenStoreTest, NobodyElseOpensIt) {
  EXPECT_EQ(CodeOf(Open(1, X25519FromSecret(SecretBytes(Bytes(32, 'x')))).status()), 4029);
}

// Packs hold zstd frames, whose bytes depend on the version of zstd: of those only the objects
// stored raw are compared, and the headers of the others up to their lengths.
TEST(GoldenEncoderTest, WritesTheSameBytes) {
  const test::GoldenStore made = test::MakeGoldenStore();
  std::map<std::string, Bytes> golden = Tree(kGolden + "/store");
  const auto split = [](const std::map<std::string, Bytes>& files,
                        std::map<ChunkId, Bytes>* objects) {
    std::map<std::string, Bytes> documents;
    for (const auto& [path, bytes] : files) {
      if (path.substr(0, 5) != "packs") {
        documents[path] = bytes;
        continue;
      }
      const PackScan scan = ScanOpenPack(bytes).value();
      for (const PackEntry& entry : scan.entries) {
        const Bytes object = bytes.substr(entry.offset_bytes, entry.length_bytes);
        const ObjectHeader header = ParseObjectHeader(object).value();
        const std::size_t lengths_at = 4 + 4 + 16 + 16 + 32 + 1 + 32 * header.bases.size();
        (*objects)[entry.id] =
            header.codec == Codec::kRaw ? object : object.substr(0, lengths_at + 4);
      }
    }
    return documents;
  };
  std::map<ChunkId, Bytes> made_objects;
  std::map<ChunkId, Bytes> golden_objects;
  EXPECT_TRUE(split(made.files, &made_objects) == split(golden, &golden_objects));
  EXPECT_GE(golden_objects.size(), 8u);
  EXPECT_TRUE(made_objects == golden_objects);
  EXPECT_EQ(made.recovery.public_key, RecoveryKey().public_key);
}

}  // namespace
}  // namespace holdfast
