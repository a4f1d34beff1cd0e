// The life that the fail point test cuts off anywhere: backups with changes, a cut connection, a
// restart with an open pack, forgetting, collection with copying, damage and repair, a restore.
//
// What was done and what was answered is written to a journal beside the installation, line by
// line, so that whoever looks after the death knows what was promised.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/fault/points/installation.h"

namespace holdfast::test {

inline constexpr std::uint64_t kInstallationSeed = 77;

Files FilesOfVersion(int version);  // from 1
Bytes RunIdOf(int version);

// "begin backup 3", "done backup 3", "stored <chunk>", "failed collect: why"
class Journal {
 public:
  explicit Journal(std::string path) : path_(std::move(path)) {}
  void Add(const std::string& line);
  std::vector<std::string> Lines() const;
  bool Has(const std::string& line) const;
  // The rest of every line that begins so.
  std::vector<std::string> After(const std::string& beginning) const;

 private:
  const std::string path_;
};

class Scenario {
 public:
  static constexpr int kVersions = 6;
  explicit Scenario(const std::string& directory);
  // To its end, unless it is killed. A step that fails is done once more, as an agent or a person
  // would.
  void Run();

 private:
  using Action = std::function<absl::Status()>;
  void Do(const std::string& step, const Action& action);
  void Backup(int version, int objects_before_cut = -1);
  void Forget(std::uint64_t seq);
  void Restart();
  void Collect(absl::Duration later);

  Journal journal_;
  const std::string target_;
  Installation home_;
};

inline std::string JournalPath(const std::string& directory) { return directory + "/journal"; }
inline std::string TargetPath(const std::string& directory) { return directory + "/restored"; }

// Opens what is left, compares it with the journal, goes on with the installation's life and lets
// go of everything but the newest snapshot. What is wrong, or "".
std::string CheckAfter(const std::string& directory);

}  // namespace holdfast::test
