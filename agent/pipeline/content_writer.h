// The engine's ContentLane: cuts what a source writes into chunks and gives every entry its slices.
//
// Hides:      the buffer, chunk boundaries that fall inside or across entries, content hashes.
// Invariants: I1  An entry is handed on only when all its slices are known; then they cover its
//                 content exactly.
//             I2  The buffer never exceeds twice the largest chunk.
// Threading:  one thread at a time; `offer` and `add` are called on it.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "agent/chunker/chunker.h"
#include "agent/source/source.h"
#include "common/format/object.h"

namespace holdfast::pipeline {

class ContentWriter final : public source::ContentLane {
 public:
  using Offer = std::function<absl::Status(ObjectType, const ChunkId&, ByteView)>;
  using AddEntry = std::function<absl::Status(Entry)>;

  struct Options {
    const chunker::Chunker* chunker;  // outlives the writer
    const HmacKey* id_key;            // outlives the writer
    ObjectType type = ObjectType::kContent;
    std::function<void(std::uint64_t)> on_bytes;  // progress
  };
  ContentWriter(Options options, Offer offer, AddEntry add);
  ~ContentWriter() override;

  absl::Status Begin() override;
  absl::Status Write(ByteView bytes) override;
  absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) override;
  absl::Status Commit(std::size_t written) override;
  absl::Status End(Entry entry) override;
  absl::Status Abandon() override;
  absl::Status Cut() override;

  // Cuts what is left and hands on the last entries.
  absl::Status Finish();

 private:
  struct Pending {
    Entry entry;
    std::uint64_t end = 0;  // stream position; the entry is complete when chunks reach it
  };

  absl::Status CutChunk(std::size_t length);
  // Cuts every chunk whose end is in the buffer.
  absl::Status CutFound();
  void AssignSlices(const ChunkId& id, std::uint64_t begin, std::uint64_t end);
  absl::Status HandOnComplete();

  const Options options_;
  const Offer offer_;
  const AddEntry add_;

  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_;
  std::size_t begin_ = 0;  // of the uncut bytes in the buffer
  std::size_t end_ = 0;
  chunker::Chunker::Progress progress_;  // in the uncut bytes
  std::uint64_t cut_position_ = 0;       // stream position of buffer_[begin_]

  bool open_ = false;
  std::uint64_t open_begin_ = 0;    // stream position
  std::vector<Slice> open_slices_;  // of the entry being written, from chunks cut while it is open
  std::deque<Pending> pending_;
  struct HashState;
  std::unique_ptr<HashState> hash_;
};

}  // namespace holdfast::pipeline
