#include <algorithm>
#include <filesystem>
#include <set>

#include "agent/restore/files/files_sink.h"
#include "common/base/error.h"
#include "tests/fuzz/targets.h"
#include "tests/support/forged_view.h"
#include "tests/support/temp_dir.h"

namespace holdfast::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostEntries = 64;

EntryType TypeOf(char type) {
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

// Entries as lines, in any order: the type, then the path, and after a NUL a link's target. All
// files are empty.
test::ForgedView ViewOf(ByteView input) {
  test::ForgedView view;
  while (!input.empty() && view.entries().size() < kMostEntries) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const ByteView line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (line.empty()) continue;
    const std::size_t link = std::min(line.find('\0', 1), line.size());
    const ByteView target = line.substr(std::min(link + 1, line.size()));
    view.AddLink(std::string(line.substr(1, link - 1)), TypeOf(line[0]), std::string(target));
  }
  return view;
}

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
  const test::ForgedView view = ViewOf(input);
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
      // An entry may be called so itself.
      const std::string name = entry.path().filename();
      HOLDFAST_CHECK(!name.starts_with(".holdfast-restore-") || input.find(name) != ByteView::npos);
    }
  }
}

}  // namespace holdfast::fuzz
