#include <filesystem>
#include <set>

#include "agent/restore/files/files_sink.h"
#include "common/base/error.h"
#include "tests/fuzz/targets.h"
#include "tests/support/temp_dir.h"

namespace holdfast::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostEntries = 64;

// A snapshot whose writer was hostile: entries in any order, with any path and link.
class HostileView final : public SnapshotView {
 public:
  // Entries as lines: the type, then the path, and after a NUL a link's target.
  explicit HostileView(ByteView input) {
    while (!input.empty() && entries_.size() < kMostEntries) {
      const std::size_t end = std::min(input.find('\n'), input.size());
      ByteView line = input.substr(0, end);
      input.remove_prefix(std::min(end + 1, input.size()));
      if (line.empty()) continue;
      Entry entry;
      entry.type = TypeOf(line[0]);
      entry.mode = entry.type == EntryType::kDirectory ? 0700 : 0600;
      line.remove_prefix(1);
      const std::size_t link = std::min(line.find('\0'), line.size());
      entry.path = std::string(line.substr(0, link));
      if (link < line.size()) entry.link_target = std::string(line.substr(link + 1));
      entries_.push_back(std::move(entry));
    }
    info_.kind = "files";
  }

  const SnapshotInfo& info() const override { return info_; }
  absl::Status ForEachEntry(absl::FunctionRef<absl::Status(const Entry&)> visit) const override {
    for (const Entry& entry : entries_) RETURN_IF_ERROR(visit(entry));
    return absl::OkStatus();
  }
  absl::StatusOr<Entry> Find(std::string_view path) const override {
    for (const Entry& entry : entries_) {
      if (entry.path == path) return entry;
    }
    return Error(ErrorKind::kNotFound, 1, "made up");
  }
  absl::Status Read(const Entry&, absl::FunctionRef<absl::Status(ByteView)>) const override {
    return absl::OkStatus();  // all files are empty
  }

 private:
  static EntryType TypeOf(char type) {
    switch (type) {
      case 'd':
        return EntryType::kDirectory;
      case 'l':
        return EntryType::kSymlink;
      case 'h':
        return EntryType::kHardlink;
      case 'p':
        return EntryType::kFifo;
      default:
        return EntryType::kFile;
    }
  }

  SnapshotInfo info_;
  std::vector<Entry> entries_;
};

struct NoProgress final : restore::RestoreProgress {
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

// In memory where there is such a place: a restore syncs its file system.
const std::string& Place() {
  static const std::string place = fs::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
  return place;
}

std::set<std::string> Names(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
  return names;
}

}  // namespace

// Whatever the entries say, nothing beside the target is made, changed or removed, and no
// temporary name stays.
void Restore(ByteView input) {
  const HostileView view(input);
  for (const bool skip_bad : {false, true}) {
    const test::TempDir directory(Place());
    fs::create_directories(directory / "beside/below");
    const auto before = fs::last_write_time(directory / "beside");
    restore::FilesRestoreOptions options;
    options.target = directory / "target";
    options.skip_bad = skip_bad;
    NoProgress progress;
    restore::RestoreFiles(view, options, progress, {}).IgnoreError();
    std::set<std::string> names = Names(directory.path());
    names.erase("target");
    HOLDFAST_CHECK(names == std::set<std::string>{"beside"});
    HOLDFAST_CHECK(Names(directory / "beside") == std::set<std::string>{"below"});
    HOLDFAST_CHECK(Names(directory / "beside/below").empty());
    HOLDFAST_CHECK(fs::last_write_time(directory / "beside") == before);
    if (!fs::exists(options.target)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(options.target)) {
      HOLDFAST_CHECK(!entry.path().filename().string().starts_with(".holdfast-"));
    }
  }
}

}  // namespace holdfast::fuzz
