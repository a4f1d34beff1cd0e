// Goal: a store that is not as one controller left it is read as far as it goes: what is foreign,
// double or out of its order is named, and costs nobody else anything.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/format/pack.h"
#include "controller/catalog/catalog.h"
#include "controller/rebuild/pack_scan.h"
#include "controller/rebuild/rebuild.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/sealed_snapshot.h"
#include "tests/support/temp_dir.h"

namespace holdfast::rebuild {
namespace {

namespace stdfs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class OddStoreTest : public testing::Test {
 protected:
  test::CommittedSnapshot Commit(test::SealedStore& store, const Bytes& content) {
    return store.Commit("uploads", {test::FileNamed("a", content)}, {});
  }
  RebuildReport Run(FileSystem& fs = RealFileSystem()) {
    catalog_.reset();
    RebuildOptions options;
    options.data_directory = store_.data_directory();
    options.controller_id = Bytes(16, 'c');
    options.progress = [this](const std::string& line) { progress_.push_back(line); };
    auto report = RebuildCatalog({RealClock(), RealRng(), fs}, options);
    EXPECT_TRUE(report.ok()) << report.status();
    if (!report.ok()) return {};
    catalog_ =
        catalog::Catalog::Open(RealEnv(), store_.data_directory() + "/catalog/catalog.db").value();
    return *std::move(report);
  }
  static std::string TextOf(const RebuildReport& report) {
    std::string text;
    for (const Finding& finding : report.damage)
      text += finding.what + ": " + finding.reason + "\n";
    return text;
  }

  test::TempDir directory_;
  test::SealedStore store_{directory_ / "data", 7};
  const Bytes content_ = test::Compressible(20'000);
  std::vector<std::string> progress_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

TEST_F(OddStoreTest, WithoutASignedListOfRecipientsNothingIsMade) {
  Commit(store_, content_);
  std::ofstream(store_.Path(layout::RecipientsPath(1)), std::ios::trunc) << "no list";
  RebuildOptions options;
  options.data_directory = store_.data_directory();
  const auto report = RebuildCatalog(RealEnv(), options);
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kIntegrity) << report.status();
  EXPECT_EQ(CodeOf(report.status()), 5075);
  EXPECT_FALSE(stdfs::exists(store_.data_directory() + "/catalog/catalog.db"));
}

TEST_F(OddStoreTest, ASourceOfWhichNoRecordCanBeUsedIsNamed) {
  const auto snapshot = Commit(store_, content_);
  std::ofstream(store_.Path(layout::RecordPath(snapshot.source, 1)), std::ios::trunc) << "no";
  const RebuildReport report = Run();
  EXPECT_THAT(TextOf(report),
              HasSubstr("source " + snapshot.source.hex() + ": none of its records can be used"));
  EXPECT_EQ(report.sources, 0u);
}

TEST_F(OddStoreTest, OfTwoAgentsOfOneNameTheOneThatBackedUpLastIsEnrolled) {
  Commit(store_, content_);
  AgentIdentity other = store_.identity();
  other.agent_id = store_.rng().DrawFixed<AgentId>();
  other.signing_key = Ed25519Generate(store_.rng()).public_key;
  const KeyPair grant_key = Ed25519Generate(store_.rng());
  std::ofstream(store_.Path(layout::IdentityPath(other.domain, other.agent_id)), std::ios::binary)
      << SignAgentIdentity(other,
                           MakeEnrolmentGrant(store_.owner(), grant_key.public_key, "web-1", 1),
                           grant_key);
  const RebuildReport report = Run();
  EXPECT_EQ(TextOf(report), "");
  EXPECT_THAT(report.notes, Contains(HasSubstr("two agents are named 'web-1'")));
  EXPECT_EQ(report.agents, 1u);
  EXPECT_EQ(catalog_->FindAgent("web-1")->id, store_.identity().agent_id);
  EXPECT_TRUE(catalog_->GetAgent(other.agent_id)->removed);
}

TEST_F(OddStoreTest, PacksAreCountedWhileTheyAreRead) {
  Commit(store_, content_);
  Run();
  EXPECT_THAT(progress_, Contains("read 0 of 1 packs"));
}

TEST_F(OddStoreTest, APackThatDoesNotReadIsNamedAndTheOthersAreRead) {
  const auto first = Commit(store_, content_);
  const auto second = Commit(store_, content_ + "more");
  test::FaultyFileSystem fs;
  fs.FailReadsAt(second.pack_path, stdfs::file_size(second.pack_path) - 1);
  const RebuildReport report = Run(fs);
  EXPECT_THAT(TextOf(report), HasSubstr(stdfs::path(second.pack_path).filename().string()));
  EXPECT_EQ(report.snapshots, 2u);
  const auto found = catalog_->FindChunks(store_.secrets().domain, first.content).value();
  for (const auto& chunk : found) EXPECT_TRUE(chunk.live);
}

TEST_F(OddStoreTest, APackOfADomainWithoutAnAgentIsKept) {
  Commit(store_, content_);
  test::SealedStore foreign(directory_ / "foreign", 8);
  const auto theirs = Commit(foreign, content_);
  const std::string here = store_.root() + theirs.pack_path.substr(foreign.root().size());
  stdfs::create_directories(stdfs::path(here).parent_path());
  stdfs::copy_file(theirs.pack_path, here);
  const RebuildReport report = Run();
  EXPECT_EQ(TextOf(report), "");
  EXPECT_THAT(report.notes, Contains(HasSubstr("of a domain without an agent; kept as it is")));
  EXPECT_TRUE(stdfs::exists(here));
}

// The record of another history of the same source: each is signed, together they are no chain.
TEST_F(OddStoreTest, ARecordThatDoesNotFollowTheOneBeforeIsNamed) {
  const auto first = Commit(store_, content_);
  Commit(store_, content_ + "more");
  test::SealedStore twin(directory_ / "twin", 7);
  ASSERT_EQ(Commit(twin, content_ + "other").source, first.source);
  stdfs::copy_file(twin.Path(layout::RecordPath(first.source, 1)),
                   store_.Path(layout::RecordPath(first.source, 1)),
                   stdfs::copy_options::overwrite_existing);
  EXPECT_THAT(TextOf(Run()), HasSubstr("it does not follow the one before"));
}

// Its headers are read one by one.
TEST(PackScanTest, LargeObjectsAreFoundByTheIndex) {
  const test::TempDir directory;
  test::SealedStore store(directory / "data", 7);
  test::CommitOptions options;
  options.chunk_bytes = 200'000;
  const auto snapshot =
      store.Commit("uploads", {test::FileNamed("a", test::SeededRng(3).Draw(2'000'000))}, options);
  const auto scanned = ScanPack(
      RealFileSystem(), snapshot.pack_path,
      *PackName::From(Sha256(RealFileSystem().ReadFile(snapshot.pack_path).value()).view()));
  ASSERT_TRUE(scanned.ok()) << scanned.status();
  EXPECT_THAT(scanned->damage, testing::IsEmpty());
  EXPECT_EQ(scanned->pack.domain, store.secrets().domain);
  ASSERT_EQ(scanned->chunks.size(), snapshot.pack.size());
  for (std::size_t i = 0; i < snapshot.pack.size(); ++i) {
    EXPECT_EQ(scanned->chunks[i].id, snapshot.pack[i].id);
    EXPECT_EQ(scanned->chunks[i].offset_bytes, snapshot.pack[i].offset_bytes);
  }
}

TEST(PackScanTest, AnObjectOfAnotherDomainIsDamage) {
  const test::TempDir directory;
  test::SealingDomain ours(1);
  test::SealingDomain theirs(2);
  Bytes pack(kPackHeader);
  std::vector<PackEntry> entries;
  for (test::SealingDomain* domain : {&ours, &theirs, &ours}) {
    const Bytes plain = "chunk " + std::to_string(entries.size());
    const Bytes object = domain->Seal(plain);
    entries.push_back({domain->IdOf(plain), pack.size(), static_cast<std::uint32_t>(object.size()),
                       Crc32(object)});
    pack += object;
  }
  pack += EncodePackFooter(entries);
  const std::string path = directory / "a.pack";
  ASSERT_TRUE(RealFileSystem().WriteAtomically(path, pack).ok());
  const auto scanned = ScanPack(RealFileSystem(), path, *PackName::From(Sha256(pack).view()));
  ASSERT_TRUE(scanned.ok()) << scanned.status();
  EXPECT_THAT(scanned->damage, ElementsAre(HasSubstr("is of another domain")));
  EXPECT_EQ(scanned->pack.domain, ours.domain());
  EXPECT_EQ(scanned->chunks.size(), 2u);
}

}  // namespace
}  // namespace holdfast::rebuild
