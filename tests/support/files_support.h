// What the tests of files source and sink share: runs against memory, and a builder that meddles.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/restore/files/files_sink.h"
#include "agent/source/files/files_source.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::test {

// Forwards to another builder and calls `meddle` at moments a test wants to disturb.
class MeddlingBuilder final : public source::SnapshotBuilder {
 public:
  enum class Moment {
    kLookedUp,  // measured, not opened yet
    kBegun,     // opened and measured, nothing read yet
    kRead,      // a piece was read
    kCut,
  };
  using Meddle = std::function<void(Moment, const std::string& path)>;  // path of kLookedUp only

  MeddlingBuilder(source::SnapshotBuilder& builder, Meddle meddle)
      : builder_(builder), meddle_(std::move(meddle)) {}

  std::unique_ptr<source::ContentLane> OpenLane() override {
    return std::make_unique<Lane>(builder_.OpenLane(), meddle_);
  }
  absl::Status Add(Entry entry) override { return builder_.Add(std::move(entry)); }
  std::optional<Entry> Previous(std::string_view path) override {
    meddle_(Moment::kLookedUp, std::string(path));
    return builder_.Previous(path);
  }
  absl::Status Reuse(Entry entry, const Entry& previous) override {
    return builder_.Reuse(std::move(entry), previous);
  }
  void Skip(std::string path, std::string reason) override {
    builder_.Skip(std::move(path), std::move(reason));
  }
  void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) override {
    builder_.ExpectTotal(bytes, entries);
  }
  void Progressed(std::uint64_t bytes, std::uint64_t items) override {
    builder_.Progressed(bytes, items);
  }

 private:
  class Lane final : public source::ContentLane {
   public:
    Lane(std::unique_ptr<source::ContentLane> lane, const Meddle& meddle)
        : lane_(std::move(lane)), meddle_(meddle) {}
    absl::Status Begin() override {
      meddle_(Moment::kBegun, "");
      return lane_->Begin();
    }
    absl::Status Write(ByteView bytes) override { return lane_->Write(bytes); }
    absl::StatusOr<std::span<char>> Prepare(std::size_t wanted) override {
      return lane_->Prepare(wanted);
    }
    absl::Status Commit(std::size_t written) override {
      meddle_(Moment::kRead, "");
      return lane_->Commit(written);
    }
    absl::Status End(Entry entry) override { return lane_->End(std::move(entry)); }
    absl::Status Abandon() override { return lane_->Abandon(); }
    absl::Status Cut() override {
      meddle_(Moment::kCut, "");
      return lane_->Cut();
    }

   private:
    std::unique_ptr<source::ContentLane> lane_;
    const Meddle& meddle_;
  };

  source::SnapshotBuilder& builder_;
  const Meddle meddle_;
};

class QuietProgress final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

inline absl::Status BackUp(
    const source::FilesOptions& options, MemorySnapshot* snapshot,
    MeddlingBuilder::Meddle meddle = [](auto, const auto&) {}) {
  MeddlingBuilder builder(*snapshot, std::move(meddle));
  source::FilesSource files(options, RealClock());
  auto result = files.Read(builder, {});
  if (result.ok()) snapshot->Finish(*result, files.kind());
  return result.status();
}

inline absl::Status BackUp(const std::string& root, MemorySnapshot* snapshot) {
  source::FilesOptions options;
  options.root = root;
  return BackUp(options, snapshot);
}

inline absl::StatusOr<restore::RestoreReport> Restore(const SnapshotView& view,
                                                      const restore::FilesRestoreOptions& options) {
  QuietProgress progress;
  return restore::RestoreFiles(view, options, progress, {});
}

}  // namespace holdfast::test
