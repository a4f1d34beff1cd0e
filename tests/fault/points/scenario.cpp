#include "tests/fault/points/scenario.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "common/env/unique_fd.h"

namespace holdfast::test {
namespace {

constexpr std::size_t kFileBytes = 600'000;

Bytes RandomBytes(std::uint64_t seed, std::size_t size) {
  Bytes bytes(size, '\0');
  std::mt19937_64 generator(seed);
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    const std::uint64_t word = generator();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  return bytes;
}

}  // namespace

Files FilesOfVersion(int version) {
  Files files;
  for (int i = 0; i < 5; ++i) {
    files["file-" + std::to_string(i)] = RandomBytes(static_cast<std::uint64_t>(i + 1), kFileBytes);
  }
  files["dir/empty"] = "";
  // A few rows of a table: its chunk becomes a delta.
  if (version >= 2) files["file-1"].replace(kFileBytes / 2, 500, RandomBytes(50, 500));
  if (version >= 3) {
    files["file-2"] = RandomBytes(60, kFileBytes);
    files["dir/new"] = "a small file that came later";
  }
  // Little of the first run is left.
  if (version >= 4) {
    files.erase("file-3");
    files["file-1"] = RandomBytes(69, kFileBytes);
    files["file-4"] = RandomBytes(70, kFileBytes);
  }
  // From here on little changes: a run's pack holds nothing that the next needs.
  if (version >= 5) files["dir/new"] = "version " + std::to_string(version);
  return files;
}

Bytes RunIdOf(int version) { return Bytes(15, 'r') + static_cast<char>(version); }

void Journal::Add(const std::string& line) {
  const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const std::string text = line + "\n";
  HOLDFAST_CHECK(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

std::vector<std::string> Journal::Lines() const {
  if (!RealFileSystem().Exists(path_)) return {};
  return absl::StrSplit(*RealFileSystem().ReadFile(path_), '\n', absl::SkipEmpty());
}

bool Journal::Has(const std::string& line) const {
  const auto lines = Lines();
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

std::vector<std::string> Journal::After(const std::string& beginning) const {
  std::vector<std::string> rests;
  for (const std::string& line : Lines()) {
    if (line.starts_with(beginning)) rests.push_back(line.substr(beginning.size()));
  }
  return rests;
}

Scenario::Scenario(const std::string& directory)
    : journal_(JournalPath(directory)),
      target_(TargetPath(directory)),
      home_(directory, kInstallationSeed) {}

void Scenario::Do(const std::string& step, const Action& action) {
  journal_.Add("begin " + step);
  absl::Status status = action();
  if (!status.ok()) {
    journal_.Add("again " + step + ": " + MessageOf(status));
    status = action();
  }
  journal_.Add(status.ok() ? "done " + step : "failed " + step + ": " + MessageOf(status));
}

void Scenario::Backup(int version, int objects_before_cut) {
  Installation::Run run;
  run.id = RunIdOf(version);
  run.objects_before_cut = objects_before_cut;
  run.on_stored = [this](const ChunkId& id) { journal_.Add("stored " + id.hex()); };
  if (objects_before_cut >= 0) {
    home_.Backup(FilesOfVersion(version), run).status().IgnoreError();
    return;
  }
  Do("backup " + std::to_string(version), [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const auto report, home_.Backup(FilesOfVersion(version), run));
    return report.seq == static_cast<std::uint64_t>(version)
               ? absl::OkStatus()
               : absl::InternalError("it has number " + std::to_string(report.seq));
  });
}

void Scenario::Forget(std::uint64_t seq) {
  Do("forget " + std::to_string(seq), [&, tried = false]() mutable {
    const absl::Status status = home_.collector().Forget(home_.source(), {seq}, "root");
    // An answer that was lost: it is not there any more.
    const bool done_before = std::exchange(tried, true) && absl::IsNotFound(status);
    return done_before ? absl::OkStatus() : status;
  });
}

void Scenario::Restart() {
  Do("open", [&] {
    home_.Close();
    return home_.Open();
  });
}

void Scenario::Collect(absl::Duration later) {
  home_.clock().now += later;
  // From here on what no snapshot needs may go.
  Do("collect", [&] { return home_.Collect().status(); });
}

void Scenario::Run() {
  Restart();
  Do("enrol", [&] { return home_.Enrol(); });
  Backup(1);
  Backup(2);
  Backup(3, /*objects_before_cut=*/2);
  Backup(3);
  Do("leave", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const ChunkId id, home_.LeaveOpenPack());
    journal_.Add("stored " + id.hex());
    return absl::OkStatus();
  });
  Restart();
  for (int version = 4; version <= kVersions; ++version) Backup(version);
  Forget(1);
  Forget(2);
  Forget(4);
  Do("undelete 4", [&, tried = false]() mutable {
    const absl::Status status = home_.catalog().collection().Undelete(home_.source(), 4);
    // An answer that was lost: it is not in the trash any more.
    const bool done_before = std::exchange(tried, true) && KindOf(status) == ErrorKind::kConflict;
    return done_before ? absl::OkStatus() : status;
  });
  Forget(3);
  Forget(5);
  Collect(absl::Hours(1));
  Collect(absl::Hours(49));
  Collect(absl::Hours(2));
  // A write that failed may have left out parity.
  Do("complete", [&] { return home_.Scrub().status(); });
  Do("damage", [&] { return home_.FlipABit(kVersions); });
  Do("scrub", [&] { return home_.Scrub().status(); });
  Do("restore", [&]() -> absl::Status {
    // A target that is not empty is refused.
    RETURN_IF_ERROR(RealFileSystem().MakeDirectories(target_));
    const bool again = !RealFileSystem().List(target_)->empty();
    return home_.Restore(kVersions, again ? target_ + "-again" : target_);
  });
  Collect(absl::Hours(24));
  home_.Close();
}

}  // namespace holdfast::test
