// An installation with one source whose backups are made of numbered chunks, over a real store and
// a real catalog, for the collector's tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/format/record.h"
#include "controller/retention/collector.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/set_clock.h"
#include "tests/support/staged_bytes.h"
#include "tests/support/temp_dir.h"

namespace holdfast::retention {

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() {
    options_.trash_time = absl::Hours(48);
    options_.sweep_delay = absl::Hours(1);
    Open();
    agent_.id = sealing_.rng().DrawFixed<AgentId>();
    agent_.name = "agent";
    source_ = sealing_.rng().DrawFixed<SourceId>();
    Check(catalog_->AddToken({Bytes(16, 't'), Sha256("secret"), "agent", ~0ull >> 1}));
    Check(catalog_->Enrol(Bytes(16, 't'), "secret", agent_, 1).status());
    Check(catalog_->SetAgentDomain(agent_.id, sealing_.domain()));
    SetSources(true);
    Check(collector_->SetPolicy(source_, ParsePolicy("last=1000").value(), "root"));
  }

  static void Check(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

  void Open() {
    collector_.reset();
    catalog_.reset();
    store_.reset();
    fs_ = std::make_unique<test::FaultyFileSystem>();
    std::vector<store::RecoveredPack> recovered;
    auto store = store::Store::Open(Surroundings(), directory_ / "data", &recovered,
                                    /*parity_percent=*/0);  // damage that tests make stays
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    auto catalog =
        catalog::Catalog::Open({clock_, RealRng(), RealFileSystem()}, directory_ / "catalog.db");
    ASSERT_TRUE(catalog.ok()) << catalog.status();
    catalog_ = *std::move(catalog);
    for (const store::RecoveredPack& pack : recovered) {
      const auto row = catalog_->FindOpenPack(pack.number).value();
      if (row && pack.name.IsZero()) Check(catalog_->ForgetPack(*row));
      if (row && !pack.name.IsZero()) {
        const PackEntry& last = pack.entries.back();
        Check(catalog_->FinishPack(*row, pack.name, last.offset_bytes + last.length_bytes));
      }
      Check(store_->Settle(pack.number));
    }
    collector_ = std::make_unique<Collector>(Surroundings(), *catalog_, *store_, options_,
                                             [this](const SourceId&) { return being_read_; });
  }
  Env Surroundings() { return {clock_, RealRng(), *fs_}; }

  void SetSources(bool configured) {
    std::vector<catalog::SourceRow> rows;
    catalog::SourceRow row;
    row.id = source_;
    row.name = "db";
    row.kind = "postgres";
    if (configured) rows.push_back(row);
    Check(catalog_->SetSources(agent_.id, rows));
  }

  Bytes Plain(int chunk) { return test::Compressible(4000) + std::to_string(chunk); }
  ChunkId Id(int chunk) { return sealing_.IdOf(Plain(chunk)); }

  // A backup under a run key of its own: stores what is not there, commits `chunks`.
  void Backup(const std::set<int>& chunks) {
    const KeyId key = sealing_.rng().DrawFixed<KeyId>();
    const SecretBytes run_key(sealing_.rng().Draw(32));
    ObjectSealer sealer({sealing_.domain(), key, run_key, 1}, sealing_.rng());
    Check(store_->PutEnvelope(sealing_.domain(), key, "envelope of " + key.hex()));
    keys_[seq_ + 1] = key;
    std::vector<PackEntry> entries;
    std::unique_ptr<store::OpenPack> pack;
    std::int64_t row = 0;
    for (const int chunk : chunks) {
      if (catalog_->FindChunks(sealing_.domain(), {Id(chunk)}).value()[0].live) continue;
      if (!pack) {
        pack = store_->CreatePack().value();
        row = catalog_->AddOpenPack(sealing_.domain(), pack->number()).value();
      }
      Bytes object;
      sealer.Seal(ObjectType::kContent, Id(chunk), Plain(chunk), &object);
      entries.push_back(pack->Append(Id(chunk), object).value());
    }
    if (pack) {
      Check(pack->Sync());
      Check(catalog_->AddChunks(row, entries, {}));
      const std::uint64_t size = pack->size_bytes();
      Check(catalog_->FinishPack(row, pack->Finish().value(), size));
      Check(store_->Settle(pack->number()));
    }
    Commit(chunks, key, run_key);
  }

  void Commit(const std::set<int>& chunks, const KeyId& key, const SecretBytes& run_key) {
    catalog::SnapshotCommit commit;
    commit.source = source_;
    commit.seq = ++seq_;
    commit.run_id = sealing_.rng().Draw(16);
    commit.content_bytes = 1'000'000;
    commit.taken_at_ms = taken_at_ms_.value_or(Millis());
    std::set<ChunkId> now;
    std::set<ChunkId> before;
    for (const int chunk : chunks) now.insert(Id(chunk));
    for (const int chunk : sets_[seq_ - 1]) before.insert(Id(chunk));
    commit.full = seq_ % 4 == 1;
    std::vector<ChunkId> added;
    std::vector<ChunkId> removed;
    for (const ChunkId& id : now) {
      if (commit.full || !before.contains(id)) added.push_back(id);
    }
    for (const ChunkId& id : before) {
      if (!commit.full && !now.contains(id)) removed.push_back(id);
    }
    commit.added = std::move(added);
    commit.removed = std::move(removed);
    RecordClear clear;
    clear.domain = sealing_.domain();
    clear.source = source_;
    clear.seq = seq_;
    clear.key_ids = {key};
    const Bytes record = SealRecord(clear, "facts", run_key, signer_, sealing_.rng());
    Check(PutRecord(*store_, source_, seq_, record, "list " + std::to_string(seq_)));
    commit.snapshot_id = RecordHash(record);
    const auto result = catalog_->CommitSnapshot(commit, Millis());
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE(result->missing.empty());
    sets_[seq_] = chunks;
    clock_.now += absl::Minutes(1);
  }
  std::uint64_t Millis() { return static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.now)); }

  absl::StatusOr<CollectionReport> Run() { return collector_->Run(Collector::Pace::kFast, {}); }
  // Until trash and delay are over, a day at a time: the clock may not leap.
  void RunToTheEnd() {
    for (int day = 0; day < 5; ++day) {
      const auto report = Run();
      ASSERT_TRUE(report.ok()) << report.status();
      clock_.now += absl::Hours(24);
    }
  }

  // Every kept snapshot reads whole, chunk by chunk.
  void ExpectReadable(const std::set<std::uint64_t>& seqs) {
    for (const std::uint64_t seq : seqs) {
      const auto references = catalog_->References(source_, seq);
      ASSERT_TRUE(references.ok()) << references.status();
      EXPECT_EQ(references->size(), sets_[seq].size());
      for (const int chunk : sets_[seq]) {
        const auto place = catalog_->Locate(sealing_.domain(), {Id(chunk)});
        ASSERT_TRUE(place.ok()) << place.status();
        const auto object = store_->ReadObject((*place)[0].pack.name, (*place)[0].pack.open_number,
                                               (*place)[0].offset_bytes, (*place)[0].length_bytes);
        ASSERT_TRUE(object.ok()) << object.status();
        const ObjectHeader header = ParseObjectHeader(*object).value();
        EXPECT_EQ(header.chunk_id, Id(chunk));
        EXPECT_TRUE(store_->GetEnvelope(sealing_.domain(), header.key_id).ok())
            << "the key of a kept chunk went";
      }
      EXPECT_TRUE(store_->GetRecord(source_, seq).ok());
    }
  }

  std::size_t FilesIn(const std::string& area) const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(directory_ / ("data/store/" + area))) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  test::TempDir directory_;
  test::SetClock clock_;
  std::unique_ptr<test::FaultyFileSystem> fs_;
  CollectorOptions options_;
  test::SealingDomain sealing_{77};
  const KeyPair signer_ = Ed25519FromSeed(SecretBytes(Bytes(32, 's')));
  catalog::AgentRow agent_;
  SourceId source_;
  std::uint64_t seq_ = 0;
  bool being_read_ = false;
  std::optional<std::uint64_t> taken_at_ms_;  // what the agent says; else the truth
  std::map<std::uint64_t, std::set<int>> sets_;
  std::map<std::uint64_t, KeyId> keys_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Collector> collector_;
};

}  // namespace holdfast::retention
