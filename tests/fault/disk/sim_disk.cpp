#include "tests/fault/disk/sim_disk.h"

#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "common/env/file_system.h"

namespace holdfast::test {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

std::string NameIn(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void Apply(const SimInode::Change& change, Bytes* bytes, char fill) {
  if (change.cut_to) {
    bytes->resize(*change.cut_to, fill);
    return;
  }
  const std::uint64_t end = change.offset + change.bytes.size();
  if (bytes->size() < end) bytes->resize(end, fill);
  bytes->replace(change.offset, change.bytes.size(), change.bytes);
}

}  // namespace

SimDisk SimDisk::Copy(std::uint64_t seed) const {
  SimDisk copy(seed);
  for (const auto& [path, slots] : directories_) {
    auto& names = copy.directories_[path];
    for (const auto& [name, slot] : slots) {
      const Target& target = slot.now();
      if (!target.there) continue;
      Slot& made = names[name];
      made.durable.there = true;
      if (!target.inode) continue;
      made.durable.inode = std::make_shared<SimInode>();
      made.durable.inode->now = made.durable.inode->durable = target.inode->now;
    }
  }
  return copy;
}

SimDisk::Decision SimDisk::Step() {
  if (dead_) return Decision::kFail;
  const int step = steps_++;
  const auto either = [this] { return Draw(2) == 0 ? Decision::kDoAndFail : Decision::kFail; };
  if (die_at_ >= 0 && step >= die_at_) {
    dead_ = true;
    return either();
  }
  if (fail_at_ >= 0 && step >= fail_at_) {
    fail_at_ = -1;
    failed_ = true;
    return either();
  }
  return Decision::kDo;
}

template <typename Action>
bool SimDisk::Run(Action action) {
  const Decision decision = Step();
  if (decision != Decision::kFail) action();
  return decision == Decision::kDo;
}

const SimDisk::Slot* SimDisk::FindSlot(const std::string& path) const {
  const auto directory = directories_.find(ParentPath(path));
  if (directory == directories_.end()) return nullptr;
  const auto slot = directory->second.find(NameIn(path));
  return slot == directory->second.end() ? nullptr : &slot->second;
}

SimDisk::Slot& SimDisk::SlotOf(const std::string& path) {
  return directories_[ParentPath(path)][NameIn(path)];
}

bool SimDisk::Exists(const std::string& path) const {
  if (directories_.contains(path)) return true;
  const Slot* slot = FindSlot(path);
  return slot != nullptr && slot->now().there;
}

std::shared_ptr<SimInode> SimDisk::Find(const std::string& path) const {
  const Slot* slot = FindSlot(path);
  return slot == nullptr ? nullptr : slot->now().inode;
}

std::vector<std::string> SimDisk::Names(const std::string& directory) const {
  std::vector<std::string> names;
  const auto found = directories_.find(directory);
  if (found == directories_.end()) return names;
  for (const auto& [name, slot] : found->second) {
    if (slot.now().there) names.push_back(name);
  }
  return names;
}

void SimDisk::Change(const std::string& path, Target target, std::string requires_name) {
  Slot& slot = SlotOf(path);
  slot.pending.push_back(std::move(target));
  slot.requires_.push_back(std::move(requires_name));
}

std::shared_ptr<SimInode> SimDisk::Create(const std::string& path) {
  auto inode = std::make_shared<SimInode>();
  return Run([&] { Change(path, {true, inode}); }) ? inode : nullptr;
}

bool SimDisk::Write(const std::string&, SimInode& inode, std::uint64_t offset, ByteView bytes) {
  return Run([&] {
    SimInode::Change change;
    change.offset = offset;
    change.bytes = Bytes(bytes);
    Apply(change, &inode.now, '\0');
    inode.pending.push_back(std::move(change));
  });
}

bool SimDisk::Truncate(const std::string&, SimInode& inode, std::uint64_t size) {
  return Run([&] {
    SimInode::Change change;
    change.cut_to = size;
    Apply(change, &inode.now, '\0');
    inode.pending.push_back(std::move(change));
  });
}

bool SimDisk::Sync(const std::string& path, SimInode& inode) {
  if (lies.skips_sync != nullptr && lies.skips_sync(path)) return true;
  const Decision decision = Step();
  if (decision == Decision::kDo || (decision == Decision::kDoAndFail && dead_)) {
    for (const SimInode::Change& change : inode.pending) {
      if (!change.lost) Apply(change, &inode.durable, '\0');
    }
    std::erase_if(inode.pending, [](const auto& change) { return !change.lost; });
  } else if (!dead_) {
    for (SimInode::Change& change : inode.pending) change.lost = true;
  }
  return decision == Decision::kDo;
}

bool SimDisk::Rename(const std::string& from, const std::string& to) {
  return Run([&] {
    const Target target = SlotOf(from).now();
    Change(to, target);
    Change(from, {}, to);
  });
}

bool SimDisk::Remove(const std::string& path) {
  return Run([&] { Change(path, {}); });
}

bool SimDisk::MakeDirectory(const std::string& path) {
  return Run([&] {
    Change(path, {true, nullptr});
    directories_[path];
  });
}

bool SimDisk::SyncDirectory(const std::string& path) {
  if (lies.skips_directory_sync != nullptr && lies.skips_directory_sync(path)) return true;
  return Run([&] {
    for (auto& [name, slot] : directories_[path]) {
      if (!slot.pending.empty()) slot.durable = slot.pending.back();
      slot.pending.clear();
      slot.requires_.clear();
    }
  });
}

// Nothing, all, a first part, or any part of what was not synced; the last two by sectors.
void SimDisk::LoseBytes(SimInode& inode) {
  std::erase_if(inode.pending, [](const auto& change) { return change.lost; });
  const std::uint64_t how = Draw(4);
  const char fill = Draw(4) == 0 ? static_cast<char>(Draw(256)) : '\0';
  if (how == 1 || how == 2) {
    const std::uint64_t kept = how == 1 ? inode.pending.size() : Draw(inode.pending.size() + 1);
    for (std::uint64_t i = 0; i < kept; ++i) Apply(inode.pending[i], &inode.durable, fill);
  }
  if (how == 3) {
    for (const SimInode::Change& change : inode.pending) {
      if (change.cut_to) {
        if (Draw(2) == 0) Apply(change, &inode.durable, fill);
        continue;
      }
      for (std::uint64_t at = 0; at < change.bytes.size();) {
        const std::uint64_t to_boundary = kSectorBytes - (change.offset + at) % kSectorBytes;
        const std::uint64_t length = std::min<std::uint64_t>(to_boundary, change.bytes.size() - at);
        SimInode::Change sector;
        sector.offset = change.offset + at;
        sector.bytes = change.bytes.substr(at, length);
        if (Draw(2) == 0) Apply(sector, &inode.durable, fill);
        at += length;
      }
    }
  }
  inode.now = inode.durable;
  inode.pending.clear();
}

void SimDisk::LoseNames() {
  std::map<std::string, std::size_t> kept;  // of each name's changes
  const std::uint64_t how = Draw(3);        // all, none, or each name as it comes
  for (auto& [directory, slots] : directories_) {
    for (auto& [name, slot] : slots) {
      const std::size_t count = slot.pending.size();
      kept[JoinPath(directory, name)] = how == 0 ? count : how == 1 ? 0 : Draw(count + 1);
    }
  }
  // A file is never lost by a rename: without the new name the old one stays.
  for (auto& [directory, slots] : directories_) {
    for (auto& [name, slot] : slots) {
      std::size_t& count = kept[JoinPath(directory, name)];
      for (std::size_t i = 0; i < count; ++i) {
        const std::string& needed = slot.requires_[i];
        if (needed.empty()) continue;
        const Slot* other = FindSlot(needed);
        if (other != nullptr && kept[needed] < other->pending.size()) count = i;
      }
    }
  }
  for (auto& [directory, slots] : directories_) {
    for (auto& [name, slot] : slots) {
      const std::size_t count = kept[JoinPath(directory, name)];
      if (count > 0) slot.durable = slot.pending[count - 1];
      slot.pending.clear();
      slot.requires_.clear();
    }
  }
}

// Directories that no name leads to any more, with all below them.
void SimDisk::DropUnreachable() {
  std::set<std::string> reachable;
  for (const auto& [path, slots] : directories_) {  // parents come before what is in them
    const Slot* slot = FindSlot(path);
    const bool is_root = slot == nullptr && !directories_.contains(ParentPath(path));
    if (is_root || (slot != nullptr && slot->now().there && reachable.contains(ParentPath(path)))) {
      reachable.insert(path);
    }
  }
  std::erase_if(directories_, [&](const auto& item) { return !reachable.contains(item.first); });
  for (auto& [path, slots] : directories_) {
    std::erase_if(slots, [](const auto& item) { return !item.second.now().there; });
  }
}

void SimDisk::Restart(End end) {
  dead_ = failed_ = false;
  steps_ = 0;
  NeverMind();
  std::set<std::shared_ptr<SimInode>> inodes;
  for (const auto& [path, slots] : directories_) {
    for (const auto& [name, slot] : slots) {
      if (slot.durable.inode) inodes.insert(slot.durable.inode);
      for (const Target& target : slot.pending) {
        if (target.inode) inodes.insert(target.inode);
      }
    }
  }
  for (const auto& inode : inodes) inode->shared_memory.clear();
  if (end == End::kKilled) return;
  // Sorted by pointer they would be in another order in each run.
  std::vector<std::shared_ptr<SimInode>> in_order;
  for (const auto& [path, slots] : directories_) {
    for (const auto& [name, slot] : slots) {
      std::vector<Target> targets = slot.pending;
      targets.insert(targets.begin(), slot.durable);
      for (const Target& target : targets) {
        if (target.inode && inodes.erase(target.inode) > 0) in_order.push_back(target.inode);
      }
    }
  }
  for (const auto& inode : in_order) LoseBytes(*inode);
  LoseNames();
  DropUnreachable();
}

}  // namespace holdfast::test
