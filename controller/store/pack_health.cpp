#include "controller/store/pack_health.h"

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/env/fail_point.h"
#include "common/format/layout.h"
#include "common/format/pack_file.h"
#include "common/format/parity.h"
#include "common/log/log.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kSectorBytes = 4096;
constexpr std::size_t kRemembered = 10'000;
constexpr std::uint64_t kMaxParityFileBytes = kMaxParityPackBytes * 2;

std::string ParityFile(const StoreFiles& files, const PackName& name) {
  return JoinPath(files.root, layout::ParityPath(name));
}

// All that can be read; what cannot is zeros.
absl::StatusOr<Bytes> ReadAround(FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, fs.OpenRead(path));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
  if (size > kMaxParityPackBytes) {
    return Error(ErrorKind::kIntegrity, 5018,
                 fmt::format("unable to repair '{}': it is larger than any pack", Escaped(path)));
  }
  Bytes bytes;
  bytes.reserve(size);
  while (bytes.size() < size) {
    const std::size_t piece = std::min<std::size_t>(kPieceBytes, size - bytes.size());
    const std::size_t begin = bytes.size();
    auto read = file->ReadAt(begin, piece);
    if (read.ok()) {
      bytes += *read;
      continue;
    }
    if (fs.IsObjectStore(path)) return read.status();
    for (std::size_t at = 0; at < piece; at += kSectorBytes) {
      const std::size_t length = std::min(kSectorBytes, piece - at);
      auto sector = file->ReadAt(begin + at, length);
      bytes += sector.ok() ? *sector : Bytes(length, '\0');
    }
  }
  return bytes;
}

// A pack whose objects are whole and whose index alone is damaged: the index follows from them.
std::optional<Bytes> WithIndexMadeAnew(const PackName& name, ByteView file) {
  if (file.substr(0, kPackHeader.size()) != kPackHeader) return std::nullopt;
  const PackScan scan = ScanAcrossDamage(file);
  Bytes pack(file.substr(0, scan.valid_bytes));
  pack += EncodePackFooter(scan.entries);
  if (Sha256(pack).view() != name.view()) return std::nullopt;
  return pack;
}

}  // namespace

bool SaysNothing(const absl::Status& status) {
  if (status.ok()) return false;
  const ErrorKind kind = KindOf(status);
  return kind == ErrorKind::kUnreachable || kind == ErrorKind::kPermission ||
         kind == ErrorKind::kUsage;
}

absl::Status WriteParity(StoreFiles& files, const PackName& name) {
  if (files.parity_percent == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto file,
                   files.fs.OpenRead(JoinPath(files.root, layout::PackPath(name))));
  ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
  if (size == 0 || size > kMaxParityPackBytes) return absl::OkStatus();
  const ParityShape shape = ShapeOf(size, files.parity_percent);
  ParityBuilder builder(shape);
  for (std::uint64_t at = 0; at < size; at += shape.stripe_bytes) {
    ASSIGN_OR_RETURN(const Bytes row,
                     file->ReadAt(at, std::min<std::uint64_t>(shape.stripe_bytes, size - at)));
    builder.AddRow(row);
  }
  const Bytes parity = builder.Finish(name);
  RETURN_IF_ERROR(files.CheckWritable(parity.size()));
  return files.AfterWrite(files.fs.WriteAtomically(ParityFile(files, name), parity));
}

std::string PackHealth::PackFile(const PackName& name) const {
  return JoinPath(files_->root, layout::PackPath(name));
}

// A sector that cannot be read is damage; a service that does not answer says nothing about the
// pack.
absl::StatusOr<PackHealth::Sum> PackHealth::Unreadable(const absl::Status& status) {
  if (SaysNothing(status)) return status;
  return Sum::kUnreadable;
}

absl::StatusOr<PackHealth::Sum> PackHealth::ReadWhole(const PackName& name,
                                                      const ReadPace& pace) const {
  ASSIGN_OR_RETURN(const auto file, files_->fs.OpenRead(PackFile(name)));
  const auto size = file->Size();
  if (!size.ok()) return Unreadable(size.status());
  Sha256Hasher hasher;
  for (std::uint64_t at = 0; at < *size; at += kPieceBytes) {
    const auto piece = file->ReadAt(at, std::min<std::uint64_t>(kPieceBytes, *size - at));
    if (!piece.ok()) return Unreadable(piece.status());
    hasher.Update(*piece);
    if (pace && !pace(piece->size())) return absl::CancelledError("stopped");
  }
  return hasher.Finish().view() == name.view() ? Sum::kRight : Sum::kWrong;
}

// True: it was missing or damaged and is there now. The pack is known to be sound.
absl::StatusOr<bool> PackHealth::CompleteParity(const PackName& name) const {
  if (files_->parity_percent == 0) return false;
  const auto bytes = files_->fs.ReadFile(ParityFile(*files_, name), kMaxParityFileBytes);
  if (bytes.ok()) {
    const auto parity = Parity::Decode(*bytes);
    if (parity.ok() && parity->pack() == name && parity->IsWhole()) return false;
    log::Warn("the parity of pack {} is damaged: made anew", name.hex());
  }
  RETURN_IF_ERROR(WriteParity(*files_, name));
  return true;
}

absl::StatusOr<PackCheck> PackHealth::Check(const PackName& name, const ReadPace& pace) {
  {
    std::lock_guard lock(mutex_);
    beyond_.erase(name);
  }
  const auto sum = ReadWhole(name, pace);
  if (absl::IsCancelled(sum.status())) return PackCheck::kStopped;
  if (absl::IsNotFound(sum.status())) return PackCheck::kMissing;
  if (SaysNothing(sum.status())) {
    log::Error("unable to check pack {}: {}", name.hex(), MessageOf(sum.status()));
    return PackCheck::kNotNow;
  }
  const bool sound = sum.ok() && *sum == Sum::kRight;
  if (!sound) {
    const Outcome outcome = Repair(name);
    if (outcome == Outcome::kBeyond) return PackCheck::kDamaged;
    if (outcome == Outcome::kNotNow) return PackCheck::kNotNow;
  }
  const auto made = CompleteParity(name);
  if (!made.ok()) {
    log::Error("unable to write the parity of pack {}: {}", name.hex(), MessageOf(made.status()));
  }
  if (!sound) return PackCheck::kRepaired;
  if (!made.ok()) return PackCheck::kParityNotNow;
  return *made ? PackCheck::kParityMade : PackCheck::kSound;
}

PackHealth::Outcome PackHealth::Repair(const PackName& name) {
  std::lock_guard lock(mutex_);
  if (beyond_.contains(name)) return Outcome::kBeyond;
  const absl::Status status = RepairLocked(name);
  if (status.ok()) return Outcome::kRepaired;
  log::Error("{}", MessageOf(status));
  // A store that takes no writes may be well later.
  if (KindOf(status) != ErrorKind::kIntegrity) return Outcome::kNotNow;
  if (beyond_.size() >= kRemembered) beyond_.clear();
  beyond_.insert(name);
  return Outcome::kBeyond;
}

absl::StatusOr<Bytes> PackHealth::Recovered(const PackName& name) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Bytes file, ReadAround(files_->fs, PackFile(name)));
  if (Sha256(file).view() == name.view()) return file;  // repaired a moment ago
  return Recover(name, std::move(file));
}

// Out of a damaged `file`, by its index or its parity.
absl::StatusOr<Bytes> PackHealth::Recover(const PackName& name, Bytes file) const {
  if (auto repaired = WithIndexMadeAnew(name, file)) return *std::move(repaired);
  const auto bytes = files_->fs.ReadFile(ParityFile(*files_, name), kMaxParityFileBytes);
  if (!bytes.ok()) {
    return Error(ErrorKind::kIntegrity, 5019,
                 fmt::format("unable to repair pack '{}': it has no parity file", name.hex()));
  }
  ASSIGN_OR_RETURN(const Parity parity, Parity::Decode(*bytes));
  if (parity.pack() != name) {
    return Error(
        ErrorKind::kIntegrity, 5019,
        fmt::format("unable to repair pack '{}': its parity is of another pack", name.hex()));
  }
  return parity.Repair(std::move(file));
}

absl::Status PackHealth::RepairLocked(const PackName& name) {
  ASSIGN_OR_RETURN(Bytes file, ReadAround(files_->fs, PackFile(name)));
  if (Sha256(file).view() == name.view()) return absl::OkStatus();  // repaired a moment ago
  ASSIGN_OR_RETURN(const Bytes repaired, Recover(name, std::move(file)));
  RETURN_IF_ERROR(files_->CheckWritable(repaired.size()));
  HOLDFAST_FAIL_POINT("scrub.repair");
  RETURN_IF_ERROR(files_->AfterWrite(files_->fs.WriteAtomically(PackFile(name), repaired)));
  log::Warn("repaired pack {} ({} bytes)", name.hex(), repaired.size());
  return absl::OkStatus();
}

}  // namespace holdfast::store
