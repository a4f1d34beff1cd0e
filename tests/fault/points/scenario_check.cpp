// What must hold after the scenario ended, wherever that was.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/error.h"
#include "tests/fault/points/scenario.h"

namespace holdfast::test {
namespace {

namespace stdfs = std::filesystem;

constexpr int kLastVersion = Scenario::kVersions + 2;

class Check {
 public:
  explicit Check(const std::string& directory)
      : directory_(directory),
        journal_(JournalPath(directory)),
        home_(directory, kInstallationSeed) {
    home_.clock().now += absl::Hours(24 * 60);
  }

  std::string Run() {
    ExpectNoHalfRestore();
    if (!Expect(home_.Open(), "open")) return failure_;
    // Its death may have come before the agent was there.
    if (!Expect(home_.Enrol(), "enrol")) return failure_;
    if (!Expect(home_.collector().AcceptClock("root"), "accept the clock")) return failure_;
    ExpectStored();
    ExpectSnapshots();
    GoOn();
    LetGo();
    return failure_;
  }

 private:
  bool Expect(const absl::Status& status, const std::string& what) {
    if (!status.ok()) Fail("unable to " + what + ": " + MessageOf(status));
    return status.ok();
  }
  void Fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
  }

  // Files appear under their names whole, and success is said of whole trees only.
  void ExpectNoHalfRestore() {
    const Files expected = FilesOfVersion(Scenario::kVersions);
    for (const std::string& target : {TargetPath(directory_), TargetPath(directory_) + "-again"}) {
      std::size_t whole = 0;
      if (!stdfs::exists(target)) continue;
      for (const auto& entry : stdfs::recursive_directory_iterator(target)) {
        const std::string name = stdfs::relative(entry.path(), target).string();
        if (!entry.is_regular_file() || entry.path().filename().string().starts_with(".holdfast-"))
          continue;
        std::stringstream content;
        content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
        const auto file = expected.find(name);
        if (file == expected.end() || file->second != content.str()) {
          Fail("'" + name + "' was restored in part");
        }
        ++whole;
      }
      whole_targets_ += whole == expected.size() ? 1 : 0;
    }
    if (journal_.Has("done restore") && whole_targets_ == 0) {
      Fail("a restore was called done and is not whole");
    }
  }

  // STORED was said: the chunk is there until a collection that may take it began.
  void ExpectStored() {
    std::vector<ChunkId> stored;
    for (const std::string& line : journal_.Lines()) {
      if (line == "begin collect") stored.clear();
      if (line.starts_with("stored ")) stored.push_back(*ChunkId::FromHexText(line.substr(7)));
    }
    const auto found = home_.catalog().FindChunks(home_.domain(), stored);
    if (!Expect(found.status(), "ask for chunks")) return;
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (!(*found)[i].live) return Fail("LOST: stored chunk " + stored[i].hex());
      const auto place = home_.catalog().Locate(home_.domain(), {stored[i]});
      if (!Expect(place.status(), "find a stored chunk")) return;
      const auto& at = place->front();
      Expect(home_.store()
                 .ReadObject(at.pack.name, at.pack.open_number, at.offset_bytes, at.length_bytes)
                 .status(),
             "read a stored chunk");
    }
  }

  void ExpectSnapshots() {
    const auto rows = home_.catalog().ListSnapshots(home_.source(), 100);
    if (!Expect(rows.status(), "list snapshots")) return;
    std::set<std::uint64_t> there;
    for (const auto& row : *rows) there.insert(row.seq);
    for (int version = 1; version <= Scenario::kVersions; ++version) {
      const std::string number = std::to_string(version);
      const bool promised =
          journal_.Has("done backup " + number) &&
          (!journal_.Has("begin forget " + number) || journal_.Has("done undelete " + number));
      if (promised && !there.contains(static_cast<std::uint64_t>(version))) {
        return Fail("LOST: snapshot " + number);
      }
      if (journal_.Has("done forget " + number) && !journal_.Has("begin undelete " + number) &&
          there.contains(static_cast<std::uint64_t>(version))) {
        return Fail("snapshot " + number + " was forgotten and is there");
      }
    }
    // Also those that nobody was told of: what is listed is whole.
    for (const std::uint64_t seq : there) ExpectRestores(seq, static_cast<int>(seq));
  }

  void ExpectRestores(std::uint64_t seq, int version) {
    const auto files = home_.Read(seq);
    if (!Expect(files.status(), "read snapshot " + std::to_string(seq))) return;
    if (*files != FilesOfVersion(version)) {
      Fail("MISMATCH: snapshot " + std::to_string(seq) + " is not what was backed up");
    }
  }

  // The agent's next runs, and a restore.
  void GoOn() {
    Installation::Run run;
    run.id = RunIdOf(100);
    const auto report = home_.Backup(FilesOfVersion(Scenario::kVersions + 1), run);
    if (!Expect(report.status(), "back up afterwards")) return;
    ExpectRestores(report->seq, Scenario::kVersions + 1);
    run.id = RunIdOf(101);
    const auto next = home_.Backup(FilesOfVersion(kLastVersion), run);
    if (!Expect(next.status(), "back up once more")) return;
    newest_ = next->seq;
    Expect(home_.Restore(newest_, directory_ + "/after"), "restore afterwards");
  }

  void LetGo() {
    if (!failure_.empty()) return;
    std::vector<std::uint64_t> seqs;
    const auto rows = home_.catalog().ListSnapshots(home_.source(), 100);
    if (!Expect(rows.status(), "list snapshots")) return;
    for (const auto& row : *rows) {
      if (row.seq != newest_) seqs.push_back(row.seq);
    }
    Expect(home_.collector().Forget(home_.source(), seqs, "root"), "forget");
    for (int day = 0; day < 6; ++day) {
      Expect(home_.Collect().status(), "collect");
      home_.clock().now += absl::Hours(24);
    }
    Expect(home_.Scrub().status(), "scrub");
    ExpectRestores(newest_, kLastVersion);
    home_.Close();
    if (Expect(home_.Open(), "open once more")) {
      ExpectRestores(newest_, kLastVersion);
      ExpectNoLeak();
    }
  }

  void ExpectNoLeak() {
    std::map<std::string, std::size_t> count;  // by extension
    for (const auto& entry : stdfs::recursive_directory_iterator(directory_)) {
      if (!entry.is_regular_file() || entry.path().string().starts_with(TargetPath(directory_)))
        continue;
      ++count[entry.path().extension().string()];
    }
    const auto totals = home_.catalog().GetTotals();
    const auto references = home_.catalog().References(home_.source(), newest_);
    if (!Expect(totals.status(), "count") || !Expect(references.status(), "list references"))
      return;
    const auto equal = [&](std::uint64_t is, std::uint64_t should, const std::string& what) {
      if (is != should) {
        Fail("LEAK: " + std::to_string(is) + " " + what + ", not " + std::to_string(should));
      }
    };
    equal(totals->chunk_count, references->size(), "chunks in the catalog");
    equal(count[".pack"], totals->pack_count, "packs on the disk");
    equal(count[".parity"], count[".pack"], "parity files");
    equal(count[".record"], 1, "records");
    equal(count[".commit"], 1, "commit facts");
    for (const char* left : {".tmp", ".open", ".finished", ".damaged"}) {
      equal(count[left], 0, std::string(left) + " files");
    }
  }

  const std::string directory_;
  const Journal journal_;
  Installation home_;
  std::string failure_;
  int whole_targets_ = 0;
  std::uint64_t newest_ = 0;
};

}  // namespace

std::string CheckAfter(const std::string& directory) { return Check(directory).Run(); }

}  // namespace holdfast::test
