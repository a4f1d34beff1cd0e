// What a source writes becomes chunks and a sorted list of entries: the engine's SnapshotBuilder.
//
// Hides:      lanes (one ContentWriter each), the entries kept encoded until they are sorted,
//             counters.
// Invariants: I1  After Finish every entry added is in entries(), in path order, each path once.
//             I2  An entry whose content failed is not there, and Finish returns the failure.
// Threading:  as SnapshotBuilder; Finish after the source's Read returned.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "agent/pipeline/content_writer.h"
#include "agent/pipeline/previous_snapshot.h"
#include "agent/source/source.h"
#include "common/concurrency/first_error.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::pipeline {

struct Progress {
  std::atomic<std::uint64_t> bytes_done{0};
  std::atomic<std::uint64_t> bytes_total{0};
  std::atomic<std::uint64_t> items_done{0};
  std::atomic<std::uint64_t> items_total{0};
};

class SnapshotAssembly final : public source::SnapshotBuilder {
 public:
  // `make_offer` is called for every lane, which then offers its chunks in order.
  using MakeOffer = std::function<ContentWriter::Offer()>;
  SnapshotAssembly(ContentWriter::Options writer, MakeOffer make_offer,
                   const PreviousSnapshot& previous, Progress& progress);
  ~SnapshotAssembly() override;

  std::unique_ptr<source::ContentLane> OpenLane() override;
  absl::Status Add(Entry entry) override;
  std::optional<Entry> Previous(std::string_view path) override;
  absl::Status Reuse(Entry entry, const Entry& previous) override;
  void Skip(std::string path, std::string reason) override;
  void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) override;
  void Progressed(std::uint64_t bytes, std::uint64_t items) override;

  absl::Status Finish();

  const std::vector<EncodedEntry>& entries() const { return entries_; }
  // Chunks that content refers to, not sorted, with repeats removed only between neighbours.
  const std::vector<ChunkId>& chunks() const { return chunks_; }
  std::uint64_t content_bytes() const { return content_bytes_; }
  const std::vector<Problem>& problems() const { return problems_; }
  std::uint64_t problem_count() const { return problem_count_; }

 private:
  class Lane;

  const ContentWriter::Options writer_;
  const MakeOffer make_offer_;
  const PreviousSnapshot& previous_;
  Progress& progress_;
  FirstError error_;

  std::mutex mutex_;  // guards all below
  std::vector<EncodedEntry> entries_;
  std::vector<ChunkId> chunks_;
  std::uint64_t content_bytes_ = 0;
  std::vector<Problem> problems_;
  std::uint64_t problem_count_ = 0;
};

}  // namespace holdfast::pipeline
