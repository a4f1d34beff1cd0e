#include "controller/store/staging.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/layout.h"
#include "common/format/object.h"
#include "common/format/pack_file.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

constexpr std::uint64_t kNumbersReserved = 1024;  // one durable write per so many packs
// An open pack ends at most one object after its target; the rest is room for a footer.
constexpr std::uint64_t kMaxOpenPackBytes = kPackTargetBytes + 4ull * kMaxObjectBytes;

std::string NextPath(const std::string& staging) { return JoinPath(staging, "next"); }

// "17.open" → 17, when the name has this ending.
std::optional<std::uint64_t> NumberOf(std::string_view name, std::string_view ending) {
  if (name.size() <= ending.size() || !name.ends_with(ending)) return std::nullopt;
  std::uint64_t number = 0;
  name.remove_suffix(ending.size());
  if (!absl::SimpleAtoi(std::string(name), &number)) return std::nullopt;
  return number;
}

absl::Status RemoveIfThere(FileSystem& fs, const std::string& path) {
  return fs.Exists(path) ? fs.Remove(path) : absl::OkStatus();
}

class Recovery {
 public:
  Recovery(FileSystem& fs, const std::string& staging, const std::string& root)
      : fs_(fs), staging_(staging), root_(root) {}

  absl::StatusOr<std::vector<RecoveredPack>> Run() {
    ASSIGN_OR_RETURN(const auto files, fs_.List(staging_));
    for (const DirectoryEntry& file : files) {
      const std::string path = JoinPath(staging_, file.name);
      if (file.name.ends_with(".tmp")) {
        RETURN_IF_ERROR(fs_.Remove(path));
      } else if (const auto number = NumberOf(file.name, ".open")) {
        RETURN_IF_ERROR(FinishOpen(*number));
      }
    }
    // Marks last: those of packs that were finished just now are reported already.
    for (const DirectoryEntry& file : files) {
      const auto number = NumberOf(file.name, ".finished");
      if (number && !Reported(*number)) RETURN_IF_ERROR(ReportFinished(*number));
    }
    RETURN_IF_ERROR(fs_.SyncDirectory(staging_));
    std::sort(result_.begin(), result_.end(),
              [](const auto& a, const auto& b) { return a.number < b.number; });
    return std::move(result_);
  }

  // Without its file it was moved by an attempt that failed behind that: its mark tells.
  absl::StatusOr<RecoveredPack> RunOne(std::uint64_t number) {
    if (fs_.Exists(OpenPackPath(staging_, number))) {
      RETURN_IF_ERROR(FinishOpen(number));
    } else {
      RETURN_IF_ERROR(ReportFinished(number));
    }
    RETURN_IF_ERROR(fs_.SyncDirectory(staging_));
    if (result_.empty()) result_.push_back({number, {}, {}, 0});
    return std::move(result_.front());
  }

 private:
  bool Reported(std::uint64_t number) const {
    return std::any_of(result_.begin(), result_.end(),
                       [&](const RecoveredPack& pack) { return pack.number == number; });
  }

  absl::Status FinishOpen(std::uint64_t number) {
    const std::string path = OpenPackPath(staging_, number);
    ASSIGN_OR_RETURN(const Bytes file, fs_.ReadFile(path, kMaxOpenPackBytes));
    RecoveredPack pack;
    pack.number = number;
    if (ByteView(file).substr(0, kPackHeader.size()) == kPackHeader) {
      PackScan scan = ScanAcrossDamage(file);
      std::uint64_t kept = kPackHeader.size();
      for (const PackEntry& entry : scan.entries) kept += entry.length_bytes;
      pack.dropped_bytes = file.size() - kept;
      if (scan.entries.empty()) {
        RETURN_IF_ERROR(fs_.Remove(path));
      } else {
        pack.entries = std::move(scan.entries);
        RETURN_IF_ERROR(Seal(path, ByteView(file).substr(0, scan.valid_bytes), &pack));
      }
    } else {
      pack.dropped_bytes = file.size();
      RETURN_IF_ERROR(SetAside(path, number, file));
    }
    result_.push_back(std::move(pack));
    return absl::OkStatus();
  }

  // A file cut inside its header, or never written (zeros after power loss), held nothing.
  absl::Status SetAside(const std::string& path, std::uint64_t number, ByteView file) {
    if (file.size() < kPackHeader.size() || file.find_first_not_of('\0') == ByteView::npos) {
      return fs_.Remove(path);
    }
    return fs_.Rename(path, DamagedPackPath(staging_, number));
  }

  absl::Status Seal(const std::string& path, ByteView kept, RecoveredPack* pack) {
    const Bytes footer = EncodePackFooter(pack->entries);
    ASSIGN_OR_RETURN(const auto file, fs_.OpenAppend(path));
    RETURN_IF_ERROR(file->Truncate(kept.size()));
    RETURN_IF_ERROR(file->Append(footer));
    RETURN_IF_ERROR(file->Sync());
    Sha256Hasher hasher;
    hasher.Update(kept);
    hasher.Update(footer);
    pack->name = *PackName::From(hasher.Finish().view());
    return MoveToPacks(fs_, staging_, root_, pack->number, pack->name);
  }

  // A pack finished by a predecessor that may have died before the catalog heard of it.
  absl::Status ReportFinished(std::uint64_t number) {
    const std::string path = FinishedMarkPath(staging_, number);
    ASSIGN_OR_RETURN(const Bytes text, fs_.ReadFile(path, 4096));
    const auto name = PackName::FromHexText(text);
    const std::string pack_path = name ? JoinPath(root_, layout::PackPath(*name)) : "";
    if (!name) return fs_.Remove(path);
    const absl::Status there = fs_.OpenRead(pack_path).status();
    if (absl::IsNotFound(there)) return fs_.Remove(path);
    if (fs_.IsObjectStore(pack_path)) RETURN_IF_ERROR(there);
    // The predecessor may have been killed before the new name was durable, and the old one is
    // gone.
    RETURN_IF_ERROR(fs_.SyncDirectory(ParentPath(pack_path)));
    RETURN_IF_ERROR(fs_.SyncDirectory(ParentPath(ParentPath(pack_path))));
    RecoveredPack pack;
    pack.number = number;
    pack.name = *name;
    auto index = ReadPackIndex(fs_, pack_path);
    // A damaged pack is still reported: the scrub names what is lost, the start goes on.
    if (index.ok()) pack.entries = std::move(index->entries);
    result_.push_back(std::move(pack));
    return absl::OkStatus();
  }

  FileSystem& fs_;
  const std::string& staging_;
  const std::string& root_;
  std::vector<RecoveredPack> result_;
};

}  // namespace

std::string OpenPackPath(const std::string& staging, std::uint64_t number) {
  return JoinPath(staging, fmt::format("{}.open", number));
}

std::string FinishedMarkPath(const std::string& staging, std::uint64_t number) {
  return JoinPath(staging, fmt::format("{}.finished", number));
}

std::string DamagedPackPath(const std::string& staging, std::uint64_t number) {
  return JoinPath(staging, fmt::format("{}.damaged", number));
}

absl::StatusOr<std::vector<std::uint64_t>> ListDamagedPacks(FileSystem& fs,
                                                            const std::string& staging) {
  ASSIGN_OR_RETURN(const auto files, fs.List(staging));
  std::vector<std::uint64_t> numbers;
  for (const DirectoryEntry& file : files) {
    if (const auto number = NumberOf(file.name, ".damaged")) numbers.push_back(*number);
  }
  return numbers;
}

absl::StatusOr<std::unique_ptr<NumberSource>> NumberSource::Open(FileSystem& fs,
                                                                 std::string staging) {
  std::uint64_t next = 1;
  const std::string path = NextPath(staging);
  if (fs.Exists(path)) {
    ASSIGN_OR_RETURN(const Bytes text, fs.ReadFile(path, 4096));
    if (!absl::SimpleAtoi(text, &next) || next == 0) {
      return Error(ErrorKind::kIntegrity, 5013,
                   fmt::format("unable to read '{}': it does not hold a number", Escaped(path)),
                   "Write a number larger than every pack number of the catalog into it.");
    }
  }
  ASSIGN_OR_RETURN(const auto files, fs.List(staging));
  for (const DirectoryEntry& file : files) {
    for (const char* ending : {".open", ".finished", ".damaged"}) {
      if (const auto number = NumberOf(file.name, ending)) next = std::max(next, *number + 1);
    }
  }
  return std::unique_ptr<NumberSource>(new NumberSource(fs, std::move(staging), next));
}

absl::StatusOr<std::uint64_t> NumberSource::Next() {
  std::lock_guard lock(mutex_);
  if (next_ == reserved_end_) {
    const std::uint64_t end = next_ + kNumbersReserved;
    RETURN_IF_ERROR(fs_.WriteAtomically(NextPath(staging_), std::to_string(end)));
    reserved_end_ = end;
  }
  return next_++;
}

absl::Status MoveToPacks(FileSystem& fs, const std::string& staging, const std::string& root,
                         std::uint64_t number, const PackName& name) {
  const std::string open_path = OpenPackPath(staging, number);
  const std::string path = JoinPath(root, layout::PackPath(name));
  const std::string directory = ParentPath(path);
  RETURN_IF_ERROR(fs.WriteAtomically(FinishedMarkPath(staging, number), name.hex()));
  RETURN_IF_ERROR(fs.MakeDirectories(directory));
  // It may have been made by an attempt that was killed, or whose sync failed: without a durable
  // name of its own it would take the pack with it, whose old name is gone by then.
  RETURN_IF_ERROR(fs.SyncDirectory(ParentPath(directory)));
  absl::Status renamed = fs.Rename(open_path, path);
  if (KindOf(renamed) == ErrorKind::kConflict && !renamed.ok()) {
    // The same bytes under the same name: an earlier attempt got this far.
    RETURN_IF_ERROR(RemoveIfThere(fs, open_path));
  } else if (!renamed.ok()) {
    // It may have happened all the same. Then the next sync of staging (a probe's) would make the
    // end of the old name durable before the new one is: back with it.
    if (!fs.Exists(open_path)) fs.Rename(path, open_path).IgnoreError();
    return renamed;
  }
  if (absl::Status synced = fs.SyncDirectory(directory); !synced.ok()) {
    // The new name may never be durable, and the next sync of staging would make the end of the old
    // one so: back with it. The next start finishes the pack again.
    if (renamed.ok()) fs.Rename(path, open_path).IgnoreError();
    return synced;
  }
  return fs.SyncDirectory(staging);
}

absl::StatusOr<RecoveredPack> FinishLeftPack(FileSystem& fs, const std::string& staging,
                                             const std::string& root, std::uint64_t number) {
  return Recovery(fs, staging, root).RunOne(number);
}

absl::StatusOr<std::vector<RecoveredPack>> RecoverStaging(FileSystem& fs,
                                                          const std::string& staging,
                                                          const std::string& root) {
  return Recovery(fs, staging, root).Run();
}

}  // namespace holdfast::store
