// SQLite's files on a SimDisk: a VFS with locks and shared memory for the connections of one
// process.
//
// The name of a new write-ahead log is durable with its first sync, as with SQLite's own VFS.
// Registered as the default of this process while the object lives.
// Threading:  one thread at a time.
#pragma once

#include <memory>

#include "tests/fault/disk/sim_disk.h"

struct sqlite3_vfs;

namespace holdfast::test {

class SimVfs {
 public:
  SimVfs();
  ~SimVfs();
  SimVfs(const SimVfs&) = delete;
  SimVfs& operator=(const SimVfs&) = delete;
  void Use(SimDisk* disk);  // of all files opened from now on

 private:
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace holdfast::test
