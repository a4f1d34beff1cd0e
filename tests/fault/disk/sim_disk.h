// A disk in memory that keeps what was synced and, when the power goes, chooses by seed what
// becomes of the rest.
//
// What is promised to its users, and no more:
//   * A file's bytes are durable after its sync. Writes since then may be kept, lost, kept in part
//     (by sectors of 512 bytes) and in any order; a file that grew may hold zeros or garbage where
//     nothing arrived.
//   * A name in a directory is durable after the directory's sync. Of the changes to one name since
//     then a first part is kept. A rename that was not synced never loses the file: the old name
//     goes only when the new one is there. But a sync of the old directory alone makes the going
//     durable and not the coming; and a directory whose own name is not durable takes all below
//     with it.
//   * A sync that failed leaves the bytes in memory, and no later sync brings them to the disk.
//   * A killed process loses nothing: what was not synced stays as it was, and is still not synced.
//
// Files and directories are named by absolute paths.
// Threading:  one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"

namespace holdfast::test {

struct SimInode {
  struct Change {
    std::uint64_t offset = 0;
    Bytes bytes;                          // written there
    std::optional<std::uint64_t> cut_to;  // or: truncated
    bool lost = false;                    // a sync of it failed
  };
  Bytes now;
  Bytes durable;
  std::vector<Change> pending;
  // Of SQLite's connections in this process; empty after its death.
  std::vector<std::shared_ptr<Bytes>> shared_memory;
};

// Rules of the disk or of its users that a mutant leaves out.
struct SimLies {
  bool (*skips_sync)(const std::string& path) = nullptr;  // it says OK and does nothing
  bool (*skips_directory_sync)(const std::string& path) = nullptr;
};

class SimDisk {
 public:
  enum class End { kKilled, kPowerCut };

  // `root` is there from the beginning.
  SimDisk(const std::string& root, std::uint64_t seed) : random_(seed) { directories_[root]; }
  SimDisk Copy(std::uint64_t seed) const;  // as it is, all of it durable

  // The n-th changing step from now (from 0) is the last one: it happens or not, and it and all
  // after it fail.
  void DieAt(int step) { die_at_ = step; }
  void FailAt(int step) { fail_at_ = step; }  // this step alone, with EIO; it happens or not
  void NeverMind() { die_at_ = fail_at_ = -1; }
  bool dead() const { return dead_; }
  bool failed() const { return failed_; }  // since the last Restart
  int steps() const { return steps_; }
  void Restart(End end);  // nobody has anything open
  SimLies lies;

  bool Exists(const std::string& path) const;
  bool IsDirectory(const std::string& path) const { return directories_.contains(path); }
  std::vector<std::string> Names(const std::string& directory) const;
  std::shared_ptr<SimInode> Find(const std::string& path) const;  // null: there is none

  // Changing steps. False: EIO.
  std::shared_ptr<SimInode> Create(const std::string& path);  // null: EIO
  bool Write(const std::string& path, SimInode& inode, std::uint64_t offset, ByteView bytes);
  bool Truncate(const std::string& path, SimInode& inode, std::uint64_t size);
  bool Sync(const std::string& path, SimInode& inode);
  bool Rename(const std::string& from, const std::string& to);  // replaces
  bool Remove(const std::string& path);
  bool MakeDirectory(const std::string& path);
  bool SyncDirectory(const std::string& path);

  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }

 private:
  // What a name stands for: a file, a directory (null inode), or nothing.
  struct Target {
    bool there = false;
    std::shared_ptr<SimInode> inode;
  };
  struct Slot {
    Target durable;
    std::vector<Target> pending;         // one after the other; the last is what is seen
    std::vector<std::string> requires_;  // of each pending one: a name that must be kept too, or ""
    const Target& now() const { return pending.empty() ? durable : pending.back(); }
  };
  enum class Decision { kDo, kDoAndFail, kFail };

  explicit SimDisk(std::uint64_t seed) : random_(seed) {}
  Decision Step();
  template <typename Action>
  bool Run(Action action);
  Slot& SlotOf(const std::string& path);
  const Slot* FindSlot(const std::string& path) const;
  void Change(const std::string& path, Target target, std::string requires_name = "");
  void LoseBytes(SimInode& inode);
  void LoseNames();
  void DropUnreachable();

  std::mt19937_64 random_;
  std::map<std::string, std::map<std::string, Slot>> directories_;
  int steps_ = 0;
  int die_at_ = -1;
  int fail_at_ = -1;
  bool dead_ = false;
  bool failed_ = false;
};

}  // namespace holdfast::test
