// What a store looks like to the backup engine: something that writes a tree of entries once per
// run.
//
// A Source reads its store at one moment and writes entries into a SnapshotBuilder. Entries with
// content go through lanes: a lane is one sequential stream of bytes, chunked together, so that
// small files written one after another share chunks. A source that reads in parallel (tables)
// opens one lane per worker and calls Cut() between unrelated contents.
//
// Invariants: I1  Read returns OK only when everything the source promises was written; a missing
//                 root, a lost connection, a truncated stream is an error, never a shorter
//                 snapshot.
//             I2  Entries may be added in any order; each path once.
//             I3  What was deliberately left out or changed while read is reported by Skip, which
//                 makes the snapshot partial; what a managed server refuses to tell is a note.
// Threading:  Source::Read runs on one thread of the engine and may start its own. SnapshotBuilder
//             from any thread; a ContentLane belongs to one thread at a time.
// Errors:     kSource (exit 10) for the store's own failures, kPermission for rights, kUnreachable
//             for the network; an error returned by builder or lane is passed on unchanged.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/format/entry.h"

namespace holdfast::source {

class ContentLane {
 public:
  virtual ~ContentLane() = default;

  // Starts the content of one entry. Content is appended by Write, or without a copy by Prepare +
  // Commit.
  virtual absl::Status Begin() = 0;
  virtual absl::Status Write(ByteView bytes) = 0;
  // A writable window of at least 1 and at most `wanted` bytes; valid until the next call.
  virtual absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) = 0;
  virtual absl::Status Commit(std::size_t written) = 0;
  // Ends the content and adds `entry`; its slices, content_bytes and content_hash are set by the
  // lane.
  virtual absl::Status End(Entry entry) = 0;
  // Forgets the content begun, for a file that vanished or is to be read again.
  virtual absl::Status Abandon() = 0;
  // Ends the current chunk, so that the next content does not share one with what came before.
  virtual absl::Status Cut() = 0;
};

class SnapshotBuilder {
 public:
  virtual ~SnapshotBuilder() = default;

  virtual std::unique_ptr<ContentLane> OpenLane() = 0;
  virtual absl::Status Add(Entry entry) = 0;  // no content
  // The entry of this path in the previous snapshot of this source, if there is one.
  virtual std::optional<Entry> Previous(std::string_view path) = 0;
  // Adds `entry` with slices, content_bytes, extents and content_hash of `previous`.
  virtual absl::Status Reuse(Entry entry, const Entry& previous) = 0;
  virtual void Skip(std::string path, std::string reason) = 0;  // I3
  // For progress and time left: what is known of the total before reading.
  virtual void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) = 0;
  // Counts content read without a lane (e.g. reused) and rows or keys, for progress.
  virtual void Progressed(std::uint64_t bytes, std::uint64_t items) = 0;
};

struct SourceResult {
  std::string position;                           // LSN, replication offset; empty for files
  std::map<std::string, std::string> attributes;  // facts that restore or `status` need
  std::vector<std::string> notes;                 // what could not be taken
  std::string summary;                            // for the operator: "12 tables, 4,210,331 rows"
};

class Source {
 public:
  virtual ~Source() = default;
  virtual std::string kind() const = 0;
  // Cheap check that a backup could start: reachable, rights, versions. Also used by `source list`.
  virtual absl::Status Check(std::stop_token stop) = 0;
  virtual absl::StatusOr<SourceResult> Read(SnapshotBuilder& builder, std::stop_token stop) = 0;
};

}  // namespace holdfast::source
