#include "agent/pipeline/content_writer.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "common/base/error.h"

namespace holdfast::pipeline {
namespace {

// A window smaller than this is not worth a call: what is uncut is moved to the front before.
constexpr std::size_t kWindowBytes = 256 * 1024;

}  // namespace

struct ContentWriter::HashState {
  XXH3_state_t* state = XXH3_createState();
  ~HashState() { XXH3_freeState(state); }
};

ContentWriter::ContentWriter(Options options, Offer offer, AddEntry add)
    : options_(std::move(options)),
      offer_(std::move(offer)),
      add_(std::move(add)),
      capacity_(std::size_t{2} * options_.chunker->sizes().max_bytes),
      hash_(std::make_unique<HashState>()) {
  buffer_ = std::unique_ptr<char[]>(new char[capacity_]);
}
ContentWriter::~ContentWriter() = default;

absl::Status ContentWriter::Begin() {
  HOLDFAST_CHECK(!open_);
  open_ = true;
  open_begin_ = cut_position_ + (end_ - begin_);
  open_slices_.clear();
  XXH3_128bits_reset(hash_->state);
  return absl::OkStatus();
}

absl::StatusOr<std::span<char>> ContentWriter::Prepare(std::size_t wanted) {
  HOLDFAST_CHECK(open_);
  if (capacity_ - end_ < std::min(wanted, kWindowBytes)) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span<char>(buffer_.get() + end_,
                         std::min(std::max<std::size_t>(wanted, 1), capacity_ - end_));
}

absl::Status ContentWriter::Commit(std::size_t written) {
  HOLDFAST_CHECK(open_ && written <= capacity_ - end_);
  XXH3_128bits_update(hash_->state, buffer_.get() + end_, written);
  end_ += written;
  if (options_.on_bytes) options_.on_bytes(written);
  return CutFound();
}

absl::Status ContentWriter::Write(ByteView bytes) {
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const std::span<char> window, Prepare(bytes.size()));
    const std::size_t size = std::min(window.size(), bytes.size());
    std::memcpy(window.data(), bytes.data(), size);
    RETURN_IF_ERROR(Commit(size));
    bytes.remove_prefix(size);
  }
  return absl::OkStatus();
}

absl::Status ContentWriter::End(Entry entry) {
  HOLDFAST_CHECK(open_);
  open_ = false;
  const std::uint64_t end = cut_position_ + (end_ - begin_);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash_->state));
  entry.content_hash.assign(reinterpret_cast<const char*>(canonical.digest),
                            sizeof canonical.digest);
  entry.content_bytes = end - open_begin_;
  if (!entry.extents) entry.size_bytes = entry.content_bytes;
  entry.slices = std::move(open_slices_);
  open_slices_.clear();
  pending_.push_back({std::move(entry), end});
  return HandOnComplete();
}

absl::Status ContentWriter::Abandon() {
  HOLDFAST_CHECK(open_);
  open_ = false;
  open_slices_.clear();
  // Bytes still in the buffer go away; those cut already are in a chunk that may serve nobody.
  const std::uint64_t end = cut_position_ + (end_ - begin_);
  end_ -= static_cast<std::size_t>(std::min<std::uint64_t>(end - open_begin_, end_ - begin_));
  progress_ = {};  // it has seen what is gone
  return absl::OkStatus();
}

absl::Status ContentWriter::Cut() {
  if (end_ > begin_) RETURN_IF_ERROR(CutChunk(end_ - begin_));
  return HandOnComplete();
}

absl::Status ContentWriter::Finish() {
  HOLDFAST_CHECK(!open_);
  RETURN_IF_ERROR(Cut());
  HOLDFAST_CHECK(pending_.empty());
  return absl::OkStatus();
}

absl::Status ContentWriter::CutFound() {
  bool any = false;
  while (const auto length =
             options_.chunker->Find(ByteView(buffer_.get() + begin_, end_ - begin_), &progress_)) {
    RETURN_IF_ERROR(CutChunk(*length));
    any = true;
  }
  return any ? HandOnComplete() : absl::OkStatus();
}

absl::Status ContentWriter::CutChunk(std::size_t length) {
  const ByteView plaintext(buffer_.get() + begin_, length);
  const ChunkId id = ComputeChunkId(*options_.id_key, options_.type, plaintext);
  AssignSlices(id, cut_position_, cut_position_ + length);
  RETURN_IF_ERROR(offer_(options_.type, id, plaintext));
  begin_ += length;
  cut_position_ += length;
  progress_ = {};
  if (begin_ == end_) begin_ = end_ = 0;
  return absl::OkStatus();
}

// Gives the stream range [begin, end) of chunk `id` to the entries that lie in it.
void ContentWriter::AssignSlices(const ChunkId& id, std::uint64_t begin, std::uint64_t end) {
  const auto slice_of = [&](std::uint64_t from, std::uint64_t to) {
    return Slice{id, static_cast<std::uint32_t>(from - begin),
                 static_cast<std::uint32_t>(to - from)};
  };
  for (Pending& pending : pending_) {
    const std::uint64_t entry_begin = pending.end - pending.entry.content_bytes;
    const std::uint64_t from = std::max(begin, entry_begin);
    const std::uint64_t to = std::min(end, pending.end);
    if (entry_begin >= end) break;
    if (from < to) pending.entry.slices.push_back(slice_of(from, to));
  }
  if (open_ && end > open_begin_)
    open_slices_.push_back(slice_of(std::max(begin, open_begin_), end));
}

absl::Status ContentWriter::HandOnComplete() {
  while (!pending_.empty() && pending_.front().end <= cut_position_) {
    Entry entry = std::move(pending_.front().entry);
    pending_.pop_front();
    RETURN_IF_ERROR(add_(std::move(entry)));
  }
  return absl::OkStatus();
}

}  // namespace holdfast::pipeline
