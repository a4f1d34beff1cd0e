// From plaintext chunks to STORED objects: dedup question, compression and sealing, sending.
//
// Hides:      the stages' threads and queues. read+cut+id (the lanes) ▶ ask ▶ compress+seal ▶ send.
// Invariants: I1  After Finish returned OK every chunk offered is either known to the controller or
//                 was handed to Send.
//             I2  A chunk offered twice is asked and sent once.
//             I3  Memory is bounded by kQueueBytes per queue plus one batch.
// Threading:  Offer from any thread; Finish once, after the last Offer.
// Errors:     the first failure of any stage stops all and is returned by Offer and Finish.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "agent/delta/delta_run.h"
#include "agent/pipeline/ingest_session.h"
#include "common/concurrency/byte_queue.h"
#include "common/concurrency/first_error.h"
#include "common/format/object.h"

namespace holdfast::pipeline {

struct PipelineCounters {
  std::atomic<std::uint64_t> offered_chunks{0};
  std::atomic<std::uint64_t> new_chunks{0};
  std::atomic<std::uint64_t> new_bytes{0};     // plaintext the controller lacked
  std::atomic<std::uint64_t> sealed_bytes{0};  // what was sent for it
};

// One question; what it says of deltas goes to `delta`, when there is one.
absl::StatusOr<std::vector<bool>> AskAll(IngestSession& session, const std::vector<ChunkId>& ids,
                                         delta::DeltaRun* delta);

class ChunkPipeline {
 public:
  struct Options {
    ObjectSealer::Options sealer;
    int seal_threads = 2;
    delta::DeltaRun* delta = nullptr;  // outlives the pipeline; null: no deltas
  };
  // `known` ids count as present without a question; Commit checks them.
  ChunkPipeline(IngestSession& session, Options options, absl::flat_hash_set<ChunkId> known,
                Rng& rng, std::stop_token stop);
  ~ChunkPipeline();

  absl::Status Offer(ObjectType type, const ChunkId& id, ByteView plaintext,
                     delta::BaseChoice bases = {});
  absl::Status Finish();
  const PipelineCounters& counters() const { return counters_; }

 private:
  static constexpr std::size_t kQueueBytes = 16u << 20;
  static constexpr std::size_t kAskBatch = 128;

  struct Chunk {
    ObjectType type;
    ChunkId id;
    Bytes plaintext;
    delta::BaseChoice bases;
  };

  void StartStage(std::function<void()> stage);
  void AskStage();
  void SealStage(ObjectSealer::Options options);
  void SendStage();
  absl::Status AskBatch(std::vector<Chunk> batch);

  IngestSession& session_;
  delta::DeltaRun* const delta_;
  Rng& rng_;
  PipelineCounters counters_;
  FirstError error_;
  std::stop_callback<std::function<void()>> outer_stop_;

  std::mutex seen_mutex_;
  absl::flat_hash_set<ChunkId>
      seen_;  // guarded by seen_mutex_: known before, or offered in this run

  ByteQueue<Chunk> to_ask_{kQueueBytes};
  ByteQueue<Chunk> to_seal_{kQueueBytes};
  ByteQueue<Bytes> to_send_{kQueueBytes};
  std::atomic<int> sealing_{0};
  std::vector<std::jthread> threads_;
};

}  // namespace holdfast::pipeline
