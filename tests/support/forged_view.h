// A snapshot whose writer was hostile: a restore has to bear whatever the entries say.
#pragma once

#include <unistd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/snapshot/snapshot_view.h"

namespace holdfast::test {

// A view whose entries come as listed: a forged manifest.
class ForgedView final : public SnapshotView {
 public:
  void Add(Entry entry, Bytes content = "") {
    entry.mode = entry.type == EntryType::kDirectory ? 0755 : 0644;
    entry.user_id = ::geteuid();
    entry.group_id = ::getegid();
    entry.content_bytes = content.size();
    if (!entry.extents) entry.size_bytes = content.size();
    entries_.push_back(std::move(entry));
    contents_.push_back(std::move(content));
  }
  void AddFile(std::string path, Bytes content) {
    Entry entry;
    entry.path = std::move(path);
    Add(entry, std::move(content));
  }
  void AddLink(std::string path, EntryType type, std::string target) {
    Entry entry;
    entry.path = std::move(path);
    entry.type = type;
    entry.link_target = std::move(target);
    Add(entry);
  }
  std::vector<Entry>& entries() { return entries_; }

  const SnapshotInfo& info() const override { return info_; }
  absl::Status ForEachEntry(absl::FunctionRef<absl::Status(const Entry&)> visit) const override {
    for (const Entry& entry : entries_) RETURN_IF_ERROR(visit(entry));
    return absl::OkStatus();
  }
  absl::StatusOr<Entry> Find(std::string_view path) const override {
    for (const Entry& entry : entries_) {
      if (entry.path == path) return entry;
    }
    return Error(ErrorKind::kNotFound, 3004, "no such entry");
  }
  absl::Status Read(const Entry& entry,
                    absl::FunctionRef<absl::Status(ByteView)> consume) const override {
    if (on_read_) on_read_();
    RETURN_IF_ERROR(read_failure_);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      // Duplicates are told apart by their size.
      if (entries_[i].path == entry.path && entries_[i].content_bytes == entry.content_bytes) {
        return endless_ ? ReadEndlessly(consume) : consume(contents_[i]);
      }
    }
    return Error(ErrorKind::kNotFound, 3004, "no such entry");
  }
  void MakeEndless() { endless_ = true; }
  void FailReads(absl::Status failure) { read_failure_ = std::move(failure); }
  void OnRead(std::function<void()> hook) { on_read_ = std::move(hook); }

 private:
  static absl::Status ReadEndlessly(absl::FunctionRef<absl::Status(ByteView)> consume) {
    const Bytes piece(1 << 20, 'e');
    for (;;) RETURN_IF_ERROR(consume(piece));
  }

  SnapshotInfo info_;
  std::vector<Entry> entries_;
  std::vector<Bytes> contents_;
  bool endless_ = false;
  absl::Status read_failure_;
  std::function<void()> on_read_;
};

}  // namespace holdfast::test
