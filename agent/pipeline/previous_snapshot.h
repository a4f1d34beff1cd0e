// The snapshot before this one, as the agent remembers it: head, reference set, entries by path.
//
// Hides:      the state file, which is also the form in memory (beside it 16 bytes per entry).
// Invariants: I1  A state file is used only when its SHA-256 holds; a damaged one counts as absent.
//             I2  Entries are in path order; Find is O(1) for a walk in path order and O(log n)
//                 otherwise.
//             I3  What is remembered is a hint for speed, except `head`: it is what rollback
//                 detection compares with.
// Threading:  Add and Load before use; Find from any thread.
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/env/file_system.h"
#include "common/format/entry.h"

namespace holdfast::pipeline {

struct Head {
  std::uint64_t seq = 0;  // 0: none
  Hash256 record_hash;
};

struct EncodedEntry {
  std::string path;
  Bytes bytes;
};

// Writes the state file of a snapshot: `references` sorted and unique, `entries` in path order.
// Holds no more than one copy of them, the file's.
absl::Status SaveSnapshotState(FileSystem& fs, const std::string& path, const Head& head,
                               const std::vector<ChunkId>& references,
                               const std::vector<EncodedEntry>& entries);

class PreviousSnapshot {
 public:
  PreviousSnapshot() = default;
  PreviousSnapshot(const PreviousSnapshot&) = delete;

  // False, and empty, when there is no usable file.
  bool Load(FileSystem& fs, const std::string& path);
  void Add(std::string_view path, ByteView encoded);  // in path order
  std::optional<Entry> Find(std::string_view path) const;
  void Clear();

  Head head;
  std::vector<ChunkId> references;  // sorted, unique: content, manifest
  std::size_t entry_count() const { return index_.size(); }
  // Every encoded entry, in path order.
  template <typename Visit>
  absl::Status ForEachEncoded(Visit visit) const {
    for (const Place& place : index_) {
      if (absl::Status status = visit(EncodedOf(place)); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  struct Place {  // in body_
    std::uint64_t path_at = 0;
    std::uint32_t path_bytes = 0;
    std::uint32_t encoded_bytes = 0;  // after the path and its own length
  };
  bool Decode();
  ByteView PathOf(const Place& place) const {
    return ByteView(body_).substr(place.path_at, place.path_bytes);
  }
  ByteView EncodedOf(const Place& place) const {
    return ByteView(body_).substr(place.path_at + place.path_bytes + sizeof(std::uint32_t),
                                  place.encoded_bytes);
  }

  Bytes body_;  // of the file, or what Add appended in its form
  std::vector<Place> index_;
  mutable std::atomic<std::size_t> cursor_{0};
};

}  // namespace holdfast::pipeline
