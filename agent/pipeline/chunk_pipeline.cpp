#include "agent/pipeline/chunk_pipeline.h"

#include "common/base/error.h"
#include "common/concurrency/start_thread.h"

namespace holdfast::pipeline {

ChunkPipeline::ChunkPipeline(IngestSession& session, Options options,
                             absl::flat_hash_set<ChunkId> known, Rng& rng, std::stop_token stop)
    : session_(session),
      delta_(options.delta),
      rng_(rng),
      outer_stop_(
          stop, [this] { error_.Report(Error(ErrorKind::kFailed, 2010, "the run was stopped")); }),
      seen_(std::move(known)) {
  sealing_ = options.seal_threads;
  StartStage([this] { AskStage(); });
  for (int i = 0; i < options.seal_threads; ++i) {
    StartStage([this, sealer = options.sealer] { SealStage(sealer); });
  }
  StartStage([this] { SendStage(); });
}

void ChunkPipeline::StartStage(std::function<void()> stage) {
  threads_.emplace_back();
  error_.Report(StartThread(&threads_.back(), [stage = std::move(stage)](auto&&) { stage(); }));
}

ChunkPipeline::~ChunkPipeline() {
  error_.Report(Error(ErrorKind::kFailed, 2010, "the run was given up"));
  threads_.clear();
}

absl::Status ChunkPipeline::Offer(ObjectType type, const ChunkId& id, ByteView plaintext,
                                  delta::BaseChoice bases) {
  ++counters_.offered_chunks;
  {
    std::lock_guard lock(seen_mutex_);
    if (!seen_.insert(id).second) return error_.status();
  }
  if (!to_ask_.Push({type, id, Bytes(plaintext), std::move(bases)}, plaintext.size(),
                    error_.stop_token())) {
    return error_.status();
  }
  return absl::OkStatus();
}

absl::Status ChunkPipeline::Finish() {
  to_ask_.Close();
  threads_.clear();  // joins
  return error_.status();
}

absl::StatusOr<std::vector<bool>> AskAll(IngestSession& session, const std::vector<ChunkId>& ids,
                                         delta::DeltaRun* delta) {
  ASSIGN_OR_RETURN(KnownChunks known, session.Ask(ids));
  if (known.have.size() != ids.size()) {
    return Error(ErrorKind::kFailed, 2011,
                 "the controller answered a dedup question with another count");
  }
  if (delta == nullptr) return std::move(known.have);
  std::vector<std::vector<ChunkId>> bases(ids.size());
  for (auto& [index, of] : known.deltas) {
    if (index >= ids.size() || !known.have[index]) {
      return Error(ErrorKind::kFailed, 2011,
                   "the controller named the bases of a chunk it was not asked about");
    }
    bases[index] = std::move(of);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    delta->NoteAnswer(ids[i], known.have[i], bases[i]);
  }
  return std::move(known.have);
}

void ChunkPipeline::AskStage() {
  for (;;) {
    std::vector<Chunk> batch = to_ask_.PopAll(kAskBatch, error_.stop_token());
    if (batch.empty()) break;
    error_.Report(AskBatch(std::move(batch)));
  }
  to_seal_.Close();
}

absl::Status ChunkPipeline::AskBatch(std::vector<Chunk> batch) {
  std::vector<ChunkId> ids;
  for (const Chunk& chunk : batch) ids.push_back(chunk.id);
  if (delta_ != nullptr) {
    for (const Chunk& chunk : batch) delta_->AddUnconfirmed(chunk.bases, &ids);
  }
  ASSIGN_OR_RETURN(const std::vector<bool> have, AskAll(session_, ids, delta_));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (have[i]) continue;
    ++counters_.new_chunks;
    counters_.new_bytes += batch[i].plaintext.size();
    const std::size_t bytes = batch[i].plaintext.size();
    if (!to_seal_.Push(std::move(batch[i]), bytes, error_.stop_token())) return error_.status();
  }
  return absl::OkStatus();
}

void ChunkPipeline::SealStage(ObjectSealer::Options options) {
  ObjectSealer sealer(std::move(options), rng_);
  while (auto chunk = to_seal_.Pop(error_.stop_token())) {
    Bytes object;
    if (delta_ != nullptr) {
      delta_->Seal(sealer, chunk->type, chunk->id, chunk->plaintext, chunk->bases, &object);
    } else {
      sealer.Seal(chunk->type, chunk->id, chunk->plaintext, &object);
    }
    counters_.sealed_bytes += object.size();
    const std::size_t bytes = object.size();
    if (!to_send_.Push(std::move(object), bytes, error_.stop_token())) break;
  }
  if (--sealing_ == 0) to_send_.Close();
}

void ChunkPipeline::SendStage() {
  while (auto object = to_send_.Pop(error_.stop_token()))
    error_.Report(session_.Send(*std::move(object)));
}

}  // namespace holdfast::pipeline
