// A source made of values: files by path, with the failures a real store can have.
//
// Every file goes through one lane; one that did not change since the previous snapshot (same
// size, same mtime, which stands for the content here) is reused, as the files source does.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "agent/source/source.h"
#include "common/crypto/crypto.h"

namespace holdfast::test {

class FakeSource final : public source::Source {
 public:
  std::map<std::string, Bytes, PathLess> files;
  std::vector<std::pair<std::string, std::string>> skipped;  // path, reason
  absl::Status check;                                        // returned by Check
  absl::Status fail;                // returned by Read after everything was written
  std::set<std::string> abandoned;  // begun, given up, and written again
  source::SourceResult result{"0/16B3748", {{"version", "1"}}, {"a note"}, "some files"};
  std::function<void()> before_read = [] {};

  std::uint64_t read_count = 0;  // files opened by all runs
  std::uint64_t reused_count = 0;

  std::string kind() const override { return "files"; }
  absl::Status Check(std::stop_token) override { return check; }

  absl::StatusOr<source::SourceResult> Read(source::SnapshotBuilder& builder,
                                            std::stop_token) override {
    before_read();
    const absl::Status written = WriteFiles(builder);
    if (!written.ok()) return written;
    for (const auto& [path, reason] : skipped) builder.Skip(path, reason);
    if (!fail.ok()) return fail;
    return result;
  }

  static std::int64_t MtimeOf(ByteView content) {
    std::int64_t mtime = 0;
    std::memcpy(&mtime, Sha256(content).data(), 7);
    return mtime;
  }

 private:
  absl::Status WriteFiles(source::SnapshotBuilder& builder) {
    Entry root;
    root.type = EntryType::kDirectory;
    root.mode = 0755;
    if (absl::Status status = builder.Add(root); !status.ok()) return status;
    const auto lane = builder.OpenLane();
    for (const auto& [path, content] : files) {
      if (absl::Status status = WriteFile(builder, *lane, path, content); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }

  absl::Status WriteFile(source::SnapshotBuilder& builder, source::ContentLane& lane,
                         const std::string& path, const Bytes& content) {
    Entry entry;
    entry.path = path;
    entry.mode = 0640;
    entry.mtime_ns = MtimeOf(content);
    entry.size_bytes = content.size();
    const auto before = builder.Previous(path);
    if (before && before->mtime_ns == entry.mtime_ns && before->size_bytes == entry.size_bytes) {
      ++reused_count;
      return builder.Reuse(std::move(entry), *before);
    }
    ++read_count;
    if (abandoned.contains(path)) {
      if (absl::Status status = lane.Begin(); !status.ok()) return status;
      if (absl::Status status = lane.Write("half of a file that vanished"); !status.ok())
        return status;
      if (absl::Status status = lane.Abandon(); !status.ok()) return status;
    }
    if (absl::Status status = lane.Begin(); !status.ok()) return status;
    if (absl::Status status = lane.Write(content); !status.ok()) return status;
    return lane.End(std::move(entry));
  }
};

}  // namespace holdfast::test
