#include "tests/fault/disk/sim_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "common/base/error.h"
#include "common/env/file_system.h"

namespace holdfast::test {
namespace {

constexpr int kShmLocks = SQLITE_SHM_NLOCK;

// Who holds which lock on one file of this process.
struct Locks {
  int shared = 0;
  const void* reserved = nullptr;
  const void* pending = nullptr;
  const void* exclusive = nullptr;
  int shm_shared[kShmLocks] = {};
  const void* shm_exclusive[kShmLocks] = {};
};

struct OpenFile {
  sqlite3_file base;  // first: SQLite knows the rest by it
  SimDisk* disk;
  std::string path;
  std::shared_ptr<SimInode> inode;
  std::shared_ptr<Locks> locks;
  int level;
  bool name_not_synced;
  bool shm_shared[kShmLocks];
};

// Locks live as long as a file is open; by inode.
std::map<const SimInode*, std::weak_ptr<Locks>>& AllLocks() {
  static std::map<const SimInode*, std::weak_ptr<Locks>> locks;
  return locks;
}

SimDisk* the_disk = nullptr;

OpenFile& Of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

int Unlock(sqlite3_file* file, int level) {
  OpenFile& self = Of(file);
  Locks& locks = *self.locks;
  if (self.level <= level) return SQLITE_OK;
  if (locks.exclusive == &self) locks.exclusive = nullptr;
  if (locks.pending == &self) locks.pending = nullptr;
  if (locks.reserved == &self) locks.reserved = nullptr;
  if (level == SQLITE_LOCK_NONE) --locks.shared;
  self.level = level;
  return SQLITE_OK;
}

int Lock(sqlite3_file* file, int level) {
  OpenFile& self = Of(file);
  Locks& locks = *self.locks;
  if (self.level >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (locks.pending != nullptr || locks.exclusive != nullptr) return SQLITE_BUSY;
    ++locks.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (locks.reserved != nullptr) return SQLITE_BUSY;
    locks.reserved = &self;
  } else {
    if (locks.reserved != nullptr && locks.reserved != &self) return SQLITE_BUSY;
    if (locks.pending != nullptr && locks.pending != &self) return SQLITE_BUSY;
    locks.pending = &self;
    if (locks.shared > 1) return SQLITE_BUSY;
    locks.exclusive = &self;
  }
  self.level = level;
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* held) {
  *held = Of(file).locks->reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  OpenFile& self = Of(file);
  Locks& locks = *self.locks;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (int i = offset; i < offset + count; ++i) {
      if (locks.shm_exclusive[i] == &self) locks.shm_exclusive[i] = nullptr;
      if (self.shm_shared[i]) {
        self.shm_shared[i] = false;
        --locks.shm_shared[i];
      }
    }
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  for (int i = offset; i < offset + count; ++i) {
    if (locks.shm_exclusive[i] != nullptr && locks.shm_exclusive[i] != &self) return SQLITE_BUSY;
    if (exclusive && locks.shm_shared[i] > (self.shm_shared[i] ? 1 : 0)) return SQLITE_BUSY;
  }
  for (int i = offset; i < offset + count; ++i) {
    if (exclusive) {
      locks.shm_exclusive[i] = &self;
    } else if (!self.shm_shared[i]) {
      self.shm_shared[i] = true;
      ++locks.shm_shared[i];
    }
  }
  return SQLITE_OK;
}

int ShmMap(sqlite3_file* file, int region, int bytes, int extend, void volatile** mapped) {
  auto& memory = Of(file).inode->shared_memory;
  *mapped = nullptr;
  if (memory.size() <= static_cast<std::size_t>(region)) {
    if (extend == 0) return SQLITE_OK;
    while (memory.size() <= static_cast<std::size_t>(region)) {
      memory.push_back(std::make_shared<Bytes>(static_cast<std::size_t>(bytes), '\0'));
    }
  }
  *mapped = memory[static_cast<std::size_t>(region)]->data();
  return SQLITE_OK;
}

void ShmBarrier(sqlite3_file*) {}

int ShmUnmap(sqlite3_file* file, int remove) {
  ShmLock(file, 0, kShmLocks, SQLITE_SHM_UNLOCK);
  if (remove != 0) Of(file).inode->shared_memory.clear();
  return SQLITE_OK;
}

int Close(sqlite3_file* file) {
  ShmLock(file, 0, kShmLocks, SQLITE_SHM_UNLOCK);
  Unlock(file, SQLITE_LOCK_NONE);
  Of(file).~OpenFile();
  return SQLITE_OK;
}

int Read(sqlite3_file* file, void* to, int amount, sqlite3_int64 at) {
  OpenFile& self = Of(file);
  if (self.disk->dead()) return SQLITE_IOERR_READ;
  const Bytes& bytes = self.inode->now;
  const auto offset = static_cast<std::size_t>(at);
  const auto size = static_cast<std::size_t>(amount);
  const std::size_t there = offset >= bytes.size() ? 0 : std::min(size, bytes.size() - offset);
  if (there > 0) std::memcpy(to, bytes.data() + offset, there);
  if (there == size) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + there, 0, size - there);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* file, const void* from, int amount, sqlite3_int64 at) {
  OpenFile& self = Of(file);
  const ByteView bytes(static_cast<const char*>(from), static_cast<std::size_t>(amount));
  return self.disk->Write(self.path, *self.inode, static_cast<std::uint64_t>(at), bytes)
             ? SQLITE_OK
             : SQLITE_IOERR_WRITE;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& self = Of(file);
  return self.disk->Truncate(self.path, *self.inode, static_cast<std::uint64_t>(size))
             ? SQLITE_OK
             : SQLITE_IOERR_TRUNCATE;
}

int Sync(sqlite3_file* file, int) {
  OpenFile& self = Of(file);
  if (!self.disk->Sync(self.path, *self.inode)) return SQLITE_IOERR_FSYNC;
  if (!self.name_not_synced) return SQLITE_OK;
  if (!self.disk->SyncDirectory(ParentPath(self.path))) return SQLITE_IOERR_DIR_FSYNC;
  self.name_not_synced = false;
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(Of(file).inode->now.size());
  return SQLITE_OK;
}

int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 4096; }
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {2,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     Characteristics,
                                     ShmMap,
                                     ShmLock,
                                     ShmBarrier,
                                     ShmUnmap,
                                     nullptr,
                                     nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* given) {
  std::memset(file, 0, sizeof(sqlite3_file));  // no methods: nothing to close
  HOLDFAST_CHECK(name != nullptr);             // temporary tables are in memory
  const std::string path = name;
  auto inode = the_disk->Find(path);
  const bool is_new = !inode;
  if (is_new && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  if (the_disk->dead()) return SQLITE_CANTOPEN;
  if (is_new) inode = the_disk->Create(path);
  if (!inode) return SQLITE_CANTOPEN;
  std::shared_ptr<Locks> locks = AllLocks()[inode.get()].lock();
  if (!locks) AllLocks()[inode.get()] = locks = std::make_shared<Locks>();
  auto* opened = new (file) OpenFile();
  opened->disk = the_disk;
  opened->path = path;
  opened->inode = std::move(inode);
  opened->locks = std::move(locks);
  // As SQLite's own: whether the file was there already does not matter.
  opened->name_not_synced = (flags & SQLITE_OPEN_CREATE) != 0 &&
                            (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  opened->base.pMethods = &kMethods;
  if (given != nullptr) *given = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_directory) {
  if (!the_disk->Find(name)) return SQLITE_IOERR_DELETE_NOENT;
  if (!the_disk->Remove(name)) return SQLITE_IOERR_DELETE;
  if (sync_directory != 0 && !the_disk->SyncDirectory(ParentPath(name))) {
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int Access(sqlite3_vfs*, const char* name, int, int* answer) {
  const auto inode = the_disk->Find(name);
  // As SQLite's own: an empty file does not count.
  *answer = inode && !inode->now.empty() ? 1 : 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
  ::sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

// SQLite asks once in a process: not from the disk's own generator, or a schedule that is replayed
// alone would be another one.
int Randomness(sqlite3_vfs*, int size, char* out) {
  std::memset(out, 7, static_cast<std::size_t>(size));
  return size;
}

int Sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
int CurrentTime(sqlite3_vfs*, sqlite3_int64* now) {
  *now = 210'866'760'000'000;
  return SQLITE_OK;
}
int LastError(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

SimVfs::SimVfs() : vfs_(std::make_unique<sqlite3_vfs>()) {
  std::memset(vfs_.get(), 0, sizeof(sqlite3_vfs));
  vfs_->iVersion = 2;
  vfs_->szOsFile = sizeof(OpenFile);
  vfs_->mxPathname = 512;
  vfs_->zName = "simulated";
  vfs_->xOpen = Open;
  vfs_->xDelete = Delete;
  vfs_->xAccess = Access;
  vfs_->xFullPathname = FullPathname;
  vfs_->xRandomness = Randomness;
  vfs_->xSleep = Sleep;
  vfs_->xGetLastError = LastError;
  vfs_->xCurrentTimeInt64 = CurrentTime;
  HOLDFAST_CHECK(::sqlite3_vfs_register(vfs_.get(), 1) == SQLITE_OK);
}

SimVfs::~SimVfs() { ::sqlite3_vfs_unregister(vfs_.get()); }

void SimVfs::Use(SimDisk* disk) {
  the_disk = disk;
  AllLocks().clear();
}

}  // namespace holdfast::test
