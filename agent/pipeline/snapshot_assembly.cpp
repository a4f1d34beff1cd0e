#include "agent/pipeline/snapshot_assembly.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::pipeline {
namespace {

constexpr std::size_t kMaxProblems = 1000;

}  // namespace

// Hands a ContentWriter to the source; what is left in its buffer is cut when the source lets go of
// it.
class SnapshotAssembly::Lane final : public source::ContentLane {
 public:
  explicit Lane(SnapshotAssembly& assembly)
      : assembly_(assembly),
        writer_(assembly.writer_, assembly.make_offer_(),
                [&assembly](Entry entry) { return assembly.Add(std::move(entry)); }) {}
  ~Lane() override {
    if (open_) {
      assembly_.error_.Report(
          Error(ErrorKind::kFailed, 2012, "a content was begun and never ended"));
    } else {
      assembly_.error_.Report(writer_.Finish());
    }
  }

  absl::Status Begin() override {
    open_ = true;
    return writer_.Begin();
  }
  absl::Status Write(ByteView bytes) override { return writer_.Write(bytes); }
  absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) override {
    return writer_.Prepare(wanted);
  }
  absl::Status Commit(std::size_t written) override { return writer_.Commit(written); }
  absl::Status End(Entry entry) override {
    open_ = false;
    return writer_.End(std::move(entry));
  }
  absl::Status Abandon() override {
    open_ = false;
    return writer_.Abandon();
  }
  absl::Status Cut() override { return writer_.Cut(); }

 private:
  SnapshotAssembly& assembly_;
  ContentWriter writer_;
  bool open_ = false;
};

SnapshotAssembly::SnapshotAssembly(ContentWriter::Options writer, MakeOffer make_offer,
                                   const PreviousSnapshot& previous, Progress& progress)
    : writer_(std::move(writer)),
      make_offer_(std::move(make_offer)),
      previous_(previous),
      progress_(progress) {}
SnapshotAssembly::~SnapshotAssembly() = default;

std::unique_ptr<source::ContentLane> SnapshotAssembly::OpenLane() {
  return std::make_unique<Lane>(*this);
}

absl::Status SnapshotAssembly::Add(Entry entry) {
  RETURN_IF_ERROR(ValidatePath(entry.path));
  EncodedEntry encoded{entry.path, EncodeEntry(entry)};
  progress_.items_done += 1;
  std::lock_guard lock(mutex_);
  content_bytes_ += entry.content_bytes;
  for (const Slice& slice : entry.slices) {
    if (chunks_.empty() || chunks_.back() != slice.chunk) chunks_.push_back(slice.chunk);
  }
  entries_.push_back(std::move(encoded));
  return absl::OkStatus();
}

std::optional<Entry> SnapshotAssembly::Previous(std::string_view path) {
  return previous_.Find(path);
}

absl::Status SnapshotAssembly::Reuse(Entry entry, const Entry& previous) {
  entry.slices = previous.slices;
  entry.content_bytes = previous.content_bytes;
  entry.extents = previous.extents;
  entry.content_hash = previous.content_hash;
  progress_.bytes_done += previous.content_bytes;
  return Add(std::move(entry));
}

void SnapshotAssembly::Skip(std::string path, std::string reason) {
  std::lock_guard lock(mutex_);
  ++problem_count_;
  if (problems_.size() < kMaxProblems) problems_.push_back({std::move(path), std::move(reason)});
}

void SnapshotAssembly::ExpectTotal(std::uint64_t bytes, std::uint64_t entries) {
  progress_.bytes_total = bytes;
  progress_.items_total = entries;
}

void SnapshotAssembly::Progressed(std::uint64_t bytes, std::uint64_t items) {
  progress_.bytes_done += bytes;
  progress_.items_done += items;
}

absl::Status SnapshotAssembly::Finish() {
  RETURN_IF_ERROR(error_.status());
  std::lock_guard lock(mutex_);
  const auto before = [](const EncodedEntry& a, const EncodedEntry& b) {
    return ComparePaths(a.path, b.path) < 0;
  };
  if (!std::is_sorted(entries_.begin(), entries_.end(), before)) {
    std::sort(entries_.begin(), entries_.end(), before);
  }
  const auto twice = std::adjacent_find(
      entries_.begin(), entries_.end(),
      [](const EncodedEntry& a, const EncodedEntry& b) { return a.path == b.path; });
  if (twice != entries_.end()) {
    return Error(ErrorKind::kSource, 2013,
                 fmt::format("unable to write the snapshot: the source gave '{}' twice",
                             Escaped(twice->path)));
  }
  return absl::OkStatus();
}

}  // namespace holdfast::pipeline
