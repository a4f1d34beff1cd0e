// Goal: a snapshot is committed once, only with chunks that are there, and references exactly its
// set for ever, whatever was committed, refused, cut off or lost in between.
// Method: hand-made cases, then a model: random commits against sets kept in memory.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>

#include "controller/catalog/sqlite_catalog.h"
#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class CommitTest : public CatalogTest {
 protected:
  CommitTest() {
    AddAgent(1);
    AddAgent(2);
  }
};

TEST_F(CommitTest, FullAndDifferenceListsGiveTheirSets) {
  AddPack(1, Chunks(0, 10));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 5)));
  ExpectCommitted(Difference(1, 2, Chunks(5, 8), Chunks(0, 2)));
  ExpectCommitted(FullCommit(1, 3, Chunks(0, 10)));
  ExpectCommitted(Difference(1, 4, {}, {}));
  for (int round = 0; round < 2; ++round) {
    ExpectReferences(1, 1, Chunks(0, 5));
    ExpectReferences(1, 2, Chunks(2, 8));
    ExpectReferences(1, 3, Chunks(0, 10));
    ExpectReferences(1, 4, Chunks(0, 10));
    EXPECT_EQ(catalog_->GetSnapshot(IdOf<SourceId>(1), 2)->chunk_count, 6u);
    Reopen();
  }
  EXPECT_EQ(KindOf(catalog_->References(IdOf<SourceId>(1), 5).status()), ErrorKind::kNotFound);
  EXPECT_EQ(KindOf(catalog_->References(IdOf<SourceId>(2), 1).status()), ErrorKind::kNotFound);
}

TEST_F(CommitTest, FactsComeBack) {
  AddPack(1, Chunks(0, 3));
  SnapshotCommit commit = FullCommit(1, 1, Chunks(0, 3));
  commit.taken_at_ms = 11;
  commit.partial = true;
  commit.content_bytes = 12;
  commit.entry_count = 13;
  commit.stored_bytes = 14;
  commit.duration_ms = 15;
  ExpectCommitted(commit);
  ASSERT_TRUE(catalog_->SetVerified(commit.source, 1, 99).ok());
  Reopen();
  const SnapshotRow row = catalog_->GetSnapshot(commit.source, 0).value();
  EXPECT_EQ(row.source, commit.source);
  EXPECT_EQ(row.agent, IdOf<AgentId>(1));
  EXPECT_EQ(row.domain, IdOf<DomainId>(1));
  EXPECT_EQ(row.snapshot_id, commit.snapshot_id);
  EXPECT_EQ(row.taken_at_ms, 11u);
  EXPECT_EQ(row.committed_at_ms, 77u);
  EXPECT_TRUE(row.partial);
  EXPECT_EQ(row.content_bytes, 12u);
  EXPECT_EQ(row.entry_count, 13u);
  EXPECT_EQ(row.stored_bytes, 14u);
  EXPECT_EQ(row.duration_ms, 15u);
  EXPECT_EQ(row.chunk_count, 3u);
  EXPECT_EQ(row.verified_at_ms, 99u);
  EXPECT_EQ(catalog_->GetSource(commit.source)->head_seq, 1u);
  EXPECT_EQ(KindOf(catalog_->SetVerified(commit.source, 2, 1)), ErrorKind::kNotFound);
}

TEST_F(CommitTest, TheNewestComesFirst) {
  AddPack(1, Chunks(0, 1));
  for (int seq = 1; seq <= 5; ++seq) ExpectCommitted(FullCommit(1, seq, Chunks(0, 1)));
  const auto rows = catalog_->ListSnapshots(IdOf<SourceId>(1), 3).value();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].seq, 5u);
  EXPECT_EQ(rows[2].seq, 3u);
}

TEST_F(CommitTest, ARunIsCommittedOnce) {
  AddPack(1, Chunks(0, 5));
  const SnapshotCommit commit = FullCommit(1, 1, Chunks(0, 5));
  EXPECT_FALSE(catalog_->FindRun(commit.source, commit.run_id)->has_value());
  ExpectCommitted(commit);
  for (int round = 0; round < 2; ++round) {
    ExpectCommitted(commit);
    EXPECT_EQ(catalog_->ListSnapshots(commit.source, 10)->size(), 1u);
    EXPECT_EQ((*catalog_->FindRun(commit.source, commit.run_id))->seq, 1u);
    Reopen();
  }
  SnapshotCommit other = commit;
  other.run_id = Bytes(16, 'x');
  const auto refused = catalog_->CommitSnapshot(other, 1);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConflict) << "another run with the same number";
  EXPECT_EQ(CodeOf(refused.status()), 5023);
}

TEST_F(CommitTest, OnlyTheNextNumberIsTaken) {
  AddPack(1, Chunks(0, 1));
  for (const std::uint64_t seq : {0, 2, 3}) {
    EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(FullCommit(1, seq, Chunks(0, 1)), 1).status()), 5023);
  }
  EXPECT_EQ(KindOf(catalog_->CommitSnapshot(FullCommit(9, 1, Chunks(0, 1)), 1).status()),
            ErrorKind::kNotFound);
}

TEST_F(CommitTest, MissingChunksAreListedAndNothingIsCommitted) {
  AddPack(1, Chunks(0, 5));
  AddPack(2, Chunks(5, 8));  // there, but in another domain
  const auto full = catalog_->CommitSnapshot(FullCommit(1, 1, Chunks(0, 10)), 1).value();
  EXPECT_EQ(full.missing, Chunks(5, 10));
  EXPECT_EQ(KindOf(catalog_->GetSnapshot(IdOf<SourceId>(1), 0).status()), ErrorKind::kNotFound);
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 5)));
  const auto more = catalog_->CommitSnapshot(Difference(1, 2, Chunks(5, 8), {}), 1).value();
  EXPECT_EQ(more.missing, Chunks(5, 8));
  ExpectReferences(1, 1, Chunks(0, 5));
  AddPack(1, Chunks(5, 8));
  ExpectCommitted(Difference(1, 2, Chunks(5, 8), {}));
}

TEST_F(CommitTest, AnAgentWithoutStoredChunksOrDomainCannotCommit) {
  EXPECT_EQ(catalog_->CommitSnapshot(FullCommit(1, 1, Chunks(0, 2)), 1)->missing, Chunks(0, 2));
  ASSERT_TRUE(catalog_->AddToken({"t", Sha256("s"), "fresh", 10}).ok());
  AgentRow fresh;
  fresh.id = IdOf<AgentId>(50);
  fresh.name = "fresh";
  ASSERT_TRUE(catalog_->Enrol("t", "s", fresh, 1).ok());
  ASSERT_TRUE(AddSource(50, 50).ok());
  EXPECT_EQ(KindOf(catalog_->CommitSnapshot(FullCommit(50, 1, {}), 1).status()),
            ErrorKind::kConflict);
}

TEST_F(CommitTest, ADamagedChunkIsMissingAlsoWhenItWasKept) {
  AddPack(1, Chunks(0, 5));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 5)));
  ASSERT_TRUE(catalog_->MarkBad(IdOf<DomainId>(1), Chunk(3)).ok());
  EXPECT_EQ(catalog_->CommitSnapshot(FullCommit(1, 2, Chunks(0, 5)), 1)->missing, Chunks(3, 4));
  EXPECT_EQ(catalog_->CommitSnapshot(Difference(1, 2, {}, {}), 1)->missing, Chunks(3, 4));
  ExpectReferences(1, 1, Chunks(0, 5));
  // Without it the snapshot may be committed; sent again it is whole for the old one too.
  ExpectCommitted(Difference(1, 2, {}, Chunks(3, 4)));
  AddPack(1, Chunks(3, 4));
  ExpectCommitted(Difference(1, 3, Chunks(3, 4), {}));
  ExpectReferences(1, 1, Chunks(0, 5));
  EXPECT_TRUE(catalog_->Locate(IdOf<DomainId>(1), Chunks(0, 5)).ok());
}

TEST_F(CommitTest, ADifferenceThatDoesNotFitIsRefused) {
  AddPack(1, Chunks(0, 9));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 5)));
  for (const SnapshotCommit& commit :
       {Difference(1, 2, Chunks(4, 6), {}), Difference(1, 2, {}, Chunks(6, 7)),
        Difference(1, 2, Chunks(7, 8), Chunks(100, 101))}) {
    const auto result = catalog_->CommitSnapshot(commit, 1);
    EXPECT_EQ(CodeOf(result.status()), 5024) << result.status();
    ExpectReferences(1, 1, Chunks(0, 5));
  }
  ExpectCommitted(Difference(1, 2, Chunks(5, 6), Chunks(0, 1)));
  ExpectReferences(1, 2, Chunks(1, 6));
}

TEST_F(CommitTest, OfManyMissingChunksTheFirstAreNamed) {
  AddPack(1, Chunks(0, 1));
  std::vector<ChunkId> ids;
  for (std::uint32_t i = 0; i < kMaxMissingNamed + 10; ++i) {
    Bytes bytes(ChunkId::kSize, 'm');
    for (std::size_t at = 0; at < 4; ++at) bytes[at] = static_cast<char>(i >> (24 - 8 * at));
    ids.push_back(*ChunkId::From(bytes));
  }
  const auto result = catalog_->CommitSnapshot(FullCommit(1, 1, ids), 1);
  ASSERT_TRUE(result.ok()) << result.status();
  ids.resize(kMaxMissingNamed);
  EXPECT_EQ(result->missing, ids);
}

TEST_F(CommitTest, APlanIsMadeInManyReads) {
  AddPack(1, Chunks(0, 60));
  Switches& switches = static_cast<SqliteCatalog&>(*catalog_).switches();
  int reads = 0;
  switches.between_reads = [&] { ++reads; };
  std::uint64_t seq = 0;
  for (const std::uint64_t rows : {1, 7, 20, 1000}) {
    SCOPED_TRACE(rows);
    switches.read_rows = rows;
    reads = 0;
    ExpectCommitted(FullCommit(1, seq + 1, Chunks(0, 40)));
    EXPECT_GE(static_cast<std::uint64_t>(reads), 1 + 40 / rows);
    ExpectCommitted(Difference(1, seq + 2, Chunks(40, 60), Chunks(10, 30)));
    ExpectCommitted(FullCommit(1, seq + 3, Chunks(5, 45)));
    ExpectReferences(1, seq + 1, Chunks(0, 40));
    ExpectReferences(1, seq + 3, Chunks(5, 45));
    EXPECT_EQ(catalog_->GetSnapshot(IdOf<SourceId>(1), seq + 2)->chunk_count, 40u);
    seq += 3;
    // What is wrong stands at the end.
    std::vector<ChunkId> twice = Chunks(5, 45);
    twice.push_back(twice.back());
    for (const SnapshotCommit& bad :
         {Difference(1, seq + 1, Chunks(45, 60), twice),
          Difference(1, seq + 1, Chunks(45, 60), Chunks(5, 46)),
          Difference(1, seq + 1, Chunks(44, 60), {}), FullCommit(1, seq + 1, twice)}) {
      EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(bad, 1).status()), 5024);
    }
    EXPECT_EQ(catalog_->CommitSnapshot(FullCommit(1, seq + 1, Chunks(20, 63)), 1)->missing,
              Chunks(60, 63));
  }
}

TEST_F(CommitTest, ChunksThatComeWhileThePlanIsMadeCount) {
  AddPack(1, Chunks(0, 30));
  Switches& switches = static_cast<SqliteCatalog&>(*catalog_).switches();
  switches.read_rows = 10;
  int reads = 0;
  switches.between_reads = [&] {
    if (++reads == 2) AddPack(1, Chunks(30, 500));
  };
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 500)));
  ExpectReferences(1, 1, Chunks(0, 500));
}

TEST_F(CommitTest, ALargeCommitInSeveralTransactions) {
  AddPack(1, Chunks(0, 12'001));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 10'000)));
  ExpectCommitted(Difference(1, 2, Chunks(10'000, 12'000), Chunks(0, 9'000)));
  ExpectCommitted(FullCommit(1, 3, Chunks(0, 12'000)));
  // Refused after its first transactions were written: the last removed chunk is not there.
  const std::vector<ChunkId> known = Chunks(0, 12'000);
  SnapshotCommit bad = Difference(1, 4, known, Chunks(0, 12'001));
  EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(bad, 1).status()), 5024);
  std::vector<ChunkId> twice = known;
  twice.push_back(known.back());
  bad = Difference(1, 4, known, twice);
  EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(bad, 1).status()), 5024);
  bad = Difference(1, 4, twice, known);
  EXPECT_EQ(CodeOf(catalog_->CommitSnapshot(bad, 1).status()), 5024);
  for (int round = 0; round < 2; ++round) {
    ExpectReferences(1, 1, Chunks(0, 10'000));
    ExpectReferences(1, 2, Chunks(9'000, 12'000));
    ExpectReferences(1, 3, Chunks(0, 12'000));
    Reopen();
  }
  ExpectCommitted(FullCommit(1, 4, Chunks(0, 100)));
  ExpectReferences(1, 4, Chunks(0, 100));
  ExpectReferences(1, 3, Chunks(0, 12'000));
}

// Every look at it takes 15 ms.
class SlowClock final : public Clock {
 public:
  absl::Time Now() override { return RealClock().Now(); }
  absl::Duration Monotonic() override { return now_ += absl::Milliseconds(15); }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    return RealClock().SleepFor(duration, std::move(stop));
  }

 private:
  absl::Duration now_;
};

TEST_F(CommitTest, WhereChangesTakeLongTransactionsHaveFewerOfThem) {
  AddPack(1, Chunks(0, 5'000));
  int pauses = 0;
  const auto commit = [&](Clock& clock, const SnapshotCommit& one) {
    catalog_.reset();
    auto opened = SqliteCatalog::Open({clock, RealEnv().rng, RealEnv().fs}, path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    catalog_ = *std::move(opened);
    static_cast<SqliteCatalog&>(*catalog_).switches().between_transactions = [&] { ++pauses; };
    ExpectCommitted(one);
  };
  SlowClock slow;
  commit(slow, FullCommit(1, 1, Chunks(0, 5'000)));
  EXPECT_GT(std::exchange(pauses, 0), 50) << "about 64 changes each";
  commit(RealClock(), Difference(1, 2, {}, Chunks(100, 200)));
  EXPECT_LT(std::exchange(pauses, 0), 5);
  commit(slow, Difference(1, 3, Chunks(100, 200), Chunks(1'000, 5'000)));
  EXPECT_GT(pauses, 30);
  ExpectReferences(1, 1, Chunks(0, 5'000));
  ExpectReferences(1, 3, Chunks(0, 1'000));
}

TEST_F(CommitTest, KilledAtAnyMomentItHappenedOrNot) {
  AddPack(1, Chunks(0, 30'000));
  ExpectCommitted(FullCommit(1, 1, Chunks(0, 15'000)));
  std::vector<std::vector<ChunkId>> sets = {{}, Chunks(0, 15'000)};
  int cut = 0;
  for (int round = 0; round < 12; ++round) {
    const std::uint64_t seq = sets.size();
    const auto next = round % 2 == 0 ? Chunks(14'000, 30'000) : Chunks(0, 15'000);
    const SnapshotCommit commit = FullCommit(1, seq, next);
    catalog_.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      auto opened = Catalog::Open(RealEnv(), path());
      ::_exit(opened.ok() && (*opened)->CommitSnapshot(commit, 1).ok() ? 0 : 1);
    }
    // From before the child has opened the catalog until after it is done.
    RealClock().SleepFor(absl::Milliseconds(30 * round), {});
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    Reopen();
    const std::uint64_t head = catalog_->GetSource(commit.source)->head_seq;
    ASSERT_TRUE(head == seq || head + 1 == seq);
    if (head == seq) sets.push_back(next);
    cut += head + 1 == seq;
    for (std::uint64_t i = head >= 2 ? head - 1 : 1; i <= head; ++i)
      ExpectReferences(1, i, sets[i]);
  }
  EXPECT_GT(cut, 0) << "no commit was cut off";
}

std::set<ChunkId> Minus(const std::set<ChunkId>& a, const std::set<ChunkId>& b) {
  std::set<ChunkId> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(result, result.end()));
  return result;
}

// Two sources of one agent and one of another; chunks come, go bad and come again.
class SpanModel : public CommitTest, public testing::WithParamInterface<int> {};

TEST_P(SpanModel, EverySnapshotReferencesItsSet) {
  const int seed = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  constexpr int kChunks = 60;
  ASSERT_TRUE(AddSource(1, 3).ok());
  const std::map<std::uint64_t, std::uint64_t> domain_of = {{1, 1}, {2, 2}, {3, 1}};
  std::map<std::uint64_t, std::set<ChunkId>> live;               // by domain
  std::map<std::uint64_t, std::vector<std::set<ChunkId>>> sets;  // by source and seq
  for (const auto& [source, domain] : domain_of) sets[source].push_back({});
  const auto as_vector = [](const std::set<ChunkId>& set) {
    return std::vector<ChunkId>(set.begin(), set.end());
  };

  int refused = 0;
  for (int step = 0; step < 250; ++step) {
    const std::uint64_t source = 1 + below(3);
    const std::uint64_t domain = domain_of.at(source);
    auto& history = sets[source];
    if (below(4) == 0) {
      const std::uint64_t from = below(kChunks);
      const auto ids = Chunks(from, from + 1 + below(8));
      AddPack(domain, ids);
      live[domain].insert(ids.begin(), ids.end());
      continue;
    }
    if (below(25) == 0 && !live[domain].empty()) {
      const ChunkId id = *live[domain].begin();
      ASSERT_TRUE(catalog_->MarkBad(IdOf<DomainId>(domain), id).ok());
      live[domain].erase(id);
      continue;
    }
    if (below(40) == 0) Reopen();

    std::set<ChunkId> next = history.back();
    for (std::uint32_t i = below(12); i > 0; --i) {
      const ChunkId id = Chunk(below(kChunks + 8));
      if (below(2) == 0) {
        next.insert(id);
      } else {
        next.erase(id);
      }
    }
    const std::set<ChunkId> missing = Minus(next, live[domain]);
    const SnapshotCommit commit =
        below(2) == 0 ? FullCommit(source, history.size(), as_vector(next))
                      : Difference(source, history.size(), as_vector(Minus(next, history.back())),
                                   as_vector(Minus(history.back(), next)));
    const auto result = catalog_->CommitSnapshot(commit, 1);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->missing.empty(), missing.empty());
    for (const ChunkId& id : result->missing) EXPECT_TRUE(missing.contains(id));
    if (missing.empty()) {
      history.push_back(next);
      EXPECT_EQ(result->snapshot.chunk_count, next.size());
    } else {
      ++refused;
    }
  }
  for (const auto& [source, history] : sets) {
    EXPECT_EQ(catalog_->GetSource(IdOf<SourceId>(source))->head_seq, history.size() - 1);
    for (std::uint64_t seq = 1; seq < history.size(); ++seq) {
      ExpectReferences(source, seq, as_vector(history[seq]));
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(sets[1].size() + sets[2].size() + sets[3].size(), 20u)
      << "too few commits to prove much";
}

INSTANTIATE_TEST_SUITE_P(Seeds, SpanModel, testing::Range(1, 9));

}  // namespace
}  // namespace holdfast::catalog
