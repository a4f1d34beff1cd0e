// A whole installation inside one process: a controller (store, catalog, collector, scrub), an
// agent with one source, and no network between them.
//
// Everything durable lies below one directory, so that another process can open what a dead one
// left. What the agent is told, and in which order, is what the ingest service tells.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/pipeline/backup_run.h"
#include "controller/catalog/catalog.h"
#include "controller/retention/collector.h"
#include "controller/scrub/scrubber.h"
#include "controller/store/store.h"
#include "tests/support/agent_domain.h"
#include "tests/support/set_clock.h"

namespace holdfast::test {

using Files = std::map<std::string, Bytes, PathLess>;

class Installation {
 public:
  // `directory` exists. The same seed gives the same keys, in whatever process.
  Installation(std::string directory, std::uint64_t seed);
  ~Installation();

  absl::Status Open();  // recovers what a crash left
  void Close();
  absl::Status Enrol();  // may be repeated

  struct Run {
    Bytes id;                     // 16
    int objects_before_cut = -1;  // the connection is cut after so many; -1: never
    std::function<void(const ChunkId&)> on_stored = [](const ChunkId&) {};
  };
  absl::StatusOr<pipeline::BackupReport> Backup(const Files& files, const Run& run);
  // A controller that dies with an open pack: what it acknowledged of one made-up object.
  absl::StatusOr<ChunkId> LeaveOpenPack();
  absl::StatusOr<OpenedSnapshot> OpenSnapshotOf(std::uint64_t seq, const KeyPair& key);
  absl::Status Restore(std::uint64_t seq, const std::string& target);
  absl::StatusOr<Files> Read(std::uint64_t seq);  // with the recovery key
  absl::StatusOr<retention::CollectionReport> Collect();
  absl::StatusOr<scrub::ScrubReport> Scrub();
  absl::Status FlipABit(std::uint64_t seq);  // in a pack that this snapshot needs

  const SourceId& source() const { return source_id_; }
  const DomainId& domain() const { return agent_.secrets.domain; }
  catalog::Catalog& catalog() { return *catalog_; }
  store::Store& store() { return *store_; }
  retention::Collector& collector() { return *collector_; }
  SetClock& clock() { return clock_; }
  std::string controller_directory() const { return directory_ + "/controller"; }
  std::string agent_directory() const { return directory_ + "/agent"; }

 private:
  class Session;
  class Fetcher;
  Env env() { return {clock_, agent_.rng, RealFileSystem()}; }

  const std::string directory_;
  SetClock clock_;
  AgentDomain agent_;
  const pipeline::AgentKeys keys_;
  const SourceId source_id_ = agent_.Source("uploads");
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<retention::Collector> collector_;
  std::unique_ptr<scrub::Scrubber> scrubber_;
};

}  // namespace holdfast::test
