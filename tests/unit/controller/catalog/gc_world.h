// A small installation for the collection's model test: the real catalog in memory, a disk made of
// maps, agents that ask, upload and commit, and beside them what must be true.
//
// Every step is drawn from a seed. A crash ends any call between two of its transactions and opens
// the catalog anew over what was committed. Check() reads the tables themselves, not through the
// code under test, and says what is broken.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {

using ChunkSet = std::set<int>;  // numbers of the model's chunks

struct WorldOptions {
  Switches switches;                  // rules left out
  bool unlink_before_commit = false;  // the file goes before the transaction that allows it
  int steps = 24;
};

class World {
 public:
  static constexpr int kSources = 3;  // the first two share an agent and a domain
  static constexpr int kChunks = 12;  // the last two are deltas where their bases are there

  explicit World(WorldOptions options);
  // One schedule from an empty store; what went wrong, or "".
  std::string Run(std::uint64_t seed);

  std::uint64_t commits = 0, sweeps = 0, purges = 0, repacks = 0, crashes = 0, refused = 0;

 private:
  enum class Fate { kKept, kTrashed, kPurging };
  struct Snapshot {
    ChunkSet chunks;
    Fate fate = Fate::kKept;
  };
  struct Session {
    std::uint64_t id = 0;
    int source = 0;
    ChunkSet promised;  // told that they are there, or STORED
    std::int64_t pack_row = 0;
    std::uint64_t open_number = 0;
    std::vector<PackEntry> entries;
  };
  struct DiskPack {
    std::map<std::uint64_t, ChunkId> objects;  // by offset
  };

  int Draw(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  bool OneIn(int n) { return Draw(n) == 0; }
  void Fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }
  void Expect(const absl::Status& status, const char* what);
  static int DomainOf(int source) { return source < 2 ? 1 : 2; }
  static ChunkSet BasesOf(int chunk);
  // Ids are hashes; made once.
  const ChunkId& IdOfChunk(int chunk) const { return chunk_ids_[static_cast<std::size_t>(chunk)]; }
  const SourceId& IdOfSource(int source) const {
    return source_ids_[static_cast<std::size_t>(source)];
  }
  const DomainId& IdOfDomain(int source) const {
    return domain_ids_[static_cast<std::size_t>(DomainOf(source))];
  }
  int NumberOf(const ChunkId& id) const;
  Session* AnySession();
  std::optional<std::uint64_t> AnySnapshot(int source, Fate fate);
  bool Dead() const { return catalog_->switches().writes_left == 0; }

  void Step();
  void Open(int source);
  void Ask(Session& session);
  void Upload(Session& session);
  void FinishPack(Session& session);
  void Commit(Session& session);
  ChunkSet Choose(const Session& session, bool* sure);
  void Close(Session& session);
  void ForgetOne(int source);
  void UndeleteOne(int source);
  void Purge(int source);
  void CollectStep();
  void Condemn();
  void Sweep(std::uint64_t age);
  void RetireAny();
  void Unlink();
  void Repack();
  void ToggleSource(int source);
  void Crash();

  void Reset();
  void Check();
  void CheckSnapshots();
  void CheckChunks();
  void CheckPromises();
  void CheckNothingLeaks();

  const WorldOptions options_;
  std::unique_ptr<SqliteCatalog> catalog_;
  std::mt19937_64 random_;
  std::string failure_;
  std::uint64_t now_ = 1000;
  std::uint64_t numbers_ = 0;  // of packs and runs, never used twice
  std::vector<ChunkId> chunk_ids_;
  std::vector<SourceId> source_ids_;
  std::vector<DomainId> domain_ids_;  // the first is not used
  std::map<ChunkId, int> by_id_;
  std::vector<bool> configured_ = std::vector<bool>(kSources, true);
  std::vector<std::map<std::uint64_t, Snapshot>> snapshots_{kSources};
  std::vector<std::uint64_t> heads_ = std::vector<std::uint64_t>(kSources, 0);
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<Bytes, DiskPack> disk_;                           // finished packs by name
  std::map<std::uint64_t, std::vector<PackEntry>> staging_;  // open packs by number

  // The tables as they are, read by Check.
  struct Span {
    std::int64_t chunk;
    int source;
    std::uint64_t first, last;
  };
  struct Row {
    int number;  // of the model's chunks
    int domain;  // DomainOf
    std::int64_t pack;
    std::uint64_t offset;
    int state;
    int pack_state;
    Bytes pack_name;
    std::uint64_t open_number;
    bool waiting;  // a candidate, or condemned
  };
  void ReadTables();
  std::vector<Span> spans_;
  std::map<std::int64_t, Row> rows_;
  std::map<std::int64_t, int> source_rows_;
  std::map<std::int64_t, int> domains_;  // row to DomainOf
  std::int64_t changes_read_ = -1;       // what the connection had changed when they were read
};

}  // namespace holdfast::catalog
