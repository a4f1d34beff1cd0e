// A snapshot kept in memory: what a source wrote, read back by a sink, without engine, keys or
// network.
//
// MemorySnapshot is a SnapshotBuilder to the source under test and a SnapshotView to the sink under
// test. Content is kept per entry; slices carry a made-up chunk id. Faults: FailReadOf(path) makes
// Read fail with kIntegrity half-way. Previous() serves from another MemorySnapshot.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "agent/source/source.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::test {

class MemorySnapshot final : public source::SnapshotBuilder, public SnapshotView {
 public:
  explicit MemorySnapshot(const MemorySnapshot* previous = nullptr) : previous_(previous) {}

  // Builder
  std::unique_ptr<source::ContentLane> OpenLane() override;
  absl::Status Add(Entry entry) override;
  std::optional<Entry> Previous(std::string_view path) override;
  absl::Status Reuse(Entry entry, const Entry& previous) override;
  void Skip(std::string path, std::string reason) override;
  void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) override;
  void Progressed(std::uint64_t bytes, std::uint64_t items) override;

  // View
  const SnapshotInfo& info() const override { return info_; }
  absl::Status ForEachEntry(absl::FunctionRef<absl::Status(const Entry&)> visit) const override;
  absl::StatusOr<Entry> Find(std::string_view path) const override;
  absl::Status Read(const Entry& entry,
                    absl::FunctionRef<absl::Status(ByteView)> consume) const override;

  // Test side
  void Finish(const source::SourceResult& result, std::string kind);  // fills info()
  Bytes ContentOf(const std::string& path) const;                     // empty when absent
  void SetContent(const std::string& path, Bytes content);            // damage or make up an entry
  void FailReadOf(const std::string& path) { failing_.insert(path); }
  const std::map<std::string, Entry, PathLess>& entries() const { return entries_; }
  std::map<std::string, Entry, PathLess>& mutable_entries() { return entries_; }
  const std::vector<Problem>& skipped() const { return info_.problems; }
  std::uint64_t reused_count() const { return reused_count_; }
  std::uint64_t read_bytes() const { return read_bytes_; }

 private:
  class Lane;
  absl::Status AddWithContent(Entry entry, Bytes content);

  const MemorySnapshot* previous_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry, PathLess> entries_;
  std::map<std::string, Bytes, PathLess> contents_;
  std::set<std::string> failing_;
  SnapshotInfo info_;
  std::uint64_t reused_count_ = 0;
  std::uint64_t read_bytes_ = 0;
};

}  // namespace holdfast::test
