// A catalog in a temporary directory with one agent, its domain and a source, for the catalog's
// tests. Ids are made from numbers, so that a failure names the same chunk every time.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "controller/catalog/catalog.h"
#include "tests/support/temp_dir.h"

namespace holdfast::catalog {

template <typename Fixed>
Fixed IdOf(std::uint64_t number) {
  return *Fixed::From(Sha256("id " + std::to_string(number)).view().substr(0, Fixed::kSize));
}
inline ChunkId Chunk(std::uint64_t number) { return IdOf<ChunkId>(number); }

inline std::vector<ChunkId> Chunks(std::uint64_t begin, std::uint64_t end) {
  std::vector<ChunkId> ids;
  for (std::uint64_t i = begin; i < end; ++i) ids.push_back(Chunk(i));
  std::sort(ids.begin(), ids.end());
  return ids;
}

class CatalogTest : public testing::Test {
 protected:
  // Hundreds of durable commits: on a file system in memory where there is one.
  CatalogTest() { Reopen(); }

  void Reopen() {
    catalog_.reset();
    auto opened = Catalog::Open(RealEnv(), path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    catalog_ = *std::move(opened);
  }
  std::string path() const { return directory_ / "catalog.db"; }

  // An agent with a domain and one source, all made from `number`.
  void AddAgent(std::uint64_t number) {
    const Bytes token = IdOf<AgentId>(1000 + number).bytes();
    const std::string name = "agent" + std::to_string(number);
    ASSERT_TRUE(catalog_->AddToken({token, Sha256("secret"), name, 1000}).ok());
    AgentRow agent;
    agent.id = IdOf<AgentId>(number);
    agent.name = name;
    ASSERT_TRUE(catalog_->Enrol(token, "secret", agent, 1).ok());
    ASSERT_TRUE(catalog_->SetAgentDomain(agent.id, IdOf<DomainId>(number)).ok());
    ASSERT_TRUE(AddSource(number, number).ok());
  }
  absl::Status AddSource(std::uint64_t agent, std::uint64_t number) {
    SourceRow source;
    source.id = IdOf<SourceId>(number);
    source.name = "source" + std::to_string(number);
    source.kind = "files";
    return catalog_->SetSources(IdOf<AgentId>(agent), {source});
  }

  // A finished pack of `ids`, each 100 bytes long.
  std::int64_t AddPack(std::uint64_t domain, const std::vector<ChunkId>& ids) {
    const std::uint64_t number = ++pack_number_;
    const std::int64_t row = catalog_->AddOpenPack(IdOf<DomainId>(domain), number).value();
    EXPECT_TRUE(catalog_->AddChunks(row, Entries(ids), {}).ok());
    EXPECT_TRUE(catalog_->FinishPack(row, IdOf<PackName>(number), 5000).ok());
    return row;
  }
  std::vector<bool> HasChunks(const DomainId& domain, const std::vector<ChunkId>& ids) {
    std::vector<bool> has;
    const auto found = catalog_->FindChunks(domain, ids).value();
    for (const ChunkPresence& chunk : found) has.push_back(chunk.live);
    return has;
  }
  static std::vector<PackEntry> Entries(const std::vector<ChunkId>& ids) {
    std::vector<PackEntry> entries;
    for (const ChunkId& id : ids) entries.push_back({id, 8 + entries.size() * 100, 100, 0});
    return entries;
  }

  static SnapshotCommit FullCommit(std::uint64_t source, std::uint64_t seq,
                                   std::vector<ChunkId> ids) {
    SnapshotCommit commit;
    commit.source = IdOf<SourceId>(source);
    commit.run_id = IdOf<KeyId>(source * 1'000'000 + seq).bytes();
    commit.seq = seq;
    commit.snapshot_id = IdOf<Hash256>(seq);
    commit.added = std::move(ids);
    return commit;
  }
  static SnapshotCommit Difference(std::uint64_t source, std::uint64_t seq,
                                   std::vector<ChunkId> added, std::vector<ChunkId> removed) {
    SnapshotCommit commit = FullCommit(source, seq, std::move(added));
    commit.full = false;
    commit.removed = std::move(removed);
    return commit;
  }
  void ExpectCommitted(const SnapshotCommit& commit) {
    const auto result = catalog_->CommitSnapshot(commit, 77);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE(result->missing.empty()) << result->missing.size();
    EXPECT_EQ(result->snapshot.seq, commit.seq);
  }
  void ExpectReferences(std::uint64_t source, std::uint64_t seq, const std::vector<ChunkId>& ids) {
    const auto references = catalog_->References(IdOf<SourceId>(source), seq);
    ASSERT_TRUE(references.ok()) << references.status();
    EXPECT_EQ(*references, ids) << "source " << source << " seq " << seq;
  }

  struct InMemory {
    InMemory() {
      struct stat info {};
      if (::stat("/dev/shm", &info) == 0) ::setenv("TMPDIR", "/dev/shm", 0);
    }
  };
  InMemory in_memory_;
  test::TempDir directory_;
  std::unique_ptr<Catalog> catalog_;
  std::uint64_t pack_number_ = 0;
};

}  // namespace holdfast::catalog
