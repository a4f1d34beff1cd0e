#include "tests/support/faulty_file_system.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "common/base/error.h"

namespace holdfast::test {

class FaultyFile final : public File {
 public:
  FaultyFile(FaultyFileSystem& fs, std::unique_ptr<File> real, std::string path)
      : fs_(fs), real_(std::move(real)), path_(std::move(path)) {}

  absl::Status Append(ByteView bytes) override {
    using Decision = FaultyFileSystem::Decision;
    const Decision decision = fs_.Step();
    if (decision == Decision::kFail) return fs_.Failure();
    if (decision == Decision::kHalf) bytes = bytes.substr(0, bytes.size() / 2);
    RETURN_IF_ERROR(real_->Append(bytes));
    return decision == Decision::kDo ? absl::OkStatus() : fs_.Failure();
  }
  absl::StatusOr<Bytes> ReadAt(std::uint64_t offset, std::size_t size) const override {
    if (path_ == fs_.bad_path_ && offset <= fs_.bad_offset_ && fs_.bad_offset_ < offset + size) {
      return ErrnoError(EIO, 1001, "unable to read (made up)");
    }
    return real_->ReadAt(offset, size);
  }
  absl::StatusOr<std::uint64_t> Size() const override { return real_->Size(); }
  absl::Status Truncate(std::uint64_t size) override {
    return fs_.Run([&] { return real_->Truncate(size); });
  }
  absl::Status Sync() override {
    return fs_.Run([&]() -> absl::Status {
      ASSIGN_OR_RETURN(fs_.synced_bytes_[path_], real_->Size());
      return absl::OkStatus();
    });
  }

 private:
  FaultyFileSystem& fs_;
  std::unique_ptr<File> real_;
  const std::string path_;
};

template <typename Action>
absl::Status FaultyFileSystem::Run(Action action) {
  const Decision decision = Step();
  if (decision == Decision::kFail || decision == Decision::kHalf) return Failure();
  RETURN_IF_ERROR(action());
  return decision == Decision::kDo ? absl::OkStatus() : Failure();
}

void FaultyFileSystem::FailAt(int step, Fault fault) {
  steps_left_ = step;
  fault_ = fault;
  fired_ = false;
}

FaultyFileSystem::Decision FaultyFileSystem::Step() {
  if (dead_) return Decision::kFail;
  if (fault_ == Fault::kNone || fired_) return Decision::kDo;
  if (steps_left_-- > 0) return Decision::kDo;
  fired_ = true;
  switch (fault_) {
    case Fault::kNone:
      return Decision::kDo;
    case Fault::kError:
      return Decision::kFail;
    case Fault::kLateError:
      return Decision::kDoAndFail;
    case Fault::kNoSpace:
      return Decision::kHalf;
    case Fault::kCrash:
      dead_ = true;
      return Decision::kFail;
  }
  return Decision::kDo;
}

absl::Status FaultyFileSystem::Failure() const {
  return ErrnoError(fault_ == Fault::kNoSpace ? ENOSPC : EIO, 1001, "unable to write (made up)");
}

void FaultyFileSystem::LosePower(bool keep_half) {
  for (const auto& [path, synced] : synced_bytes_) {
    auto file = real_.OpenAppend(path);
    if (!file.ok()) continue;  // renamed, and so synced before
    const std::uint64_t size = (*file)->Size().value();
    if (size <= synced) continue;
    HOLDFAST_CHECK((*file)->Truncate(keep_half ? synced + (size - synced) / 2 : synced).ok());
  }
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::OpenRead(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, real_.OpenRead(path));
  return std::make_unique<FaultyFile>(*this, std::move(file), path);
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::Create(const std::string& path) {
  std::unique_ptr<File> file;
  RETURN_IF_ERROR(Run([&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, real_.Create(path));
    return absl::OkStatus();
  }));
  synced_bytes_[path] = 0;
  return std::make_unique<FaultyFile>(*this, std::move(file), path);
}

absl::StatusOr<std::unique_ptr<File>> FaultyFileSystem::OpenAppend(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, real_.OpenAppend(path));
  ASSIGN_OR_RETURN(synced_bytes_[path], file->Size());
  return std::make_unique<FaultyFile>(*this, std::move(file), path);
}

absl::Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  return Run([&] { return real_.Rename(from, to); });
}
absl::Status FaultyFileSystem::Remove(const std::string& path) {
  return Run([&] { return real_.Remove(path); });
}
absl::Status FaultyFileSystem::MakeDirectories(const std::string& path) {
  return Run([&] {
    std::error_code failed;
    std::filesystem::create_directories(path, failed);
    return failed ? Failure() : absl::OkStatus();
  });
}
absl::Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  return Run([&] { return Exists(path) ? absl::OkStatus() : Failure(); });
}
absl::StatusOr<std::vector<DirectoryEntry>> FaultyFileSystem::List(const std::string& path) {
  return real_.List(path);
}
bool FaultyFileSystem::Exists(const std::string& path) { return real_.Exists(path); }
absl::StatusOr<std::uint64_t> FaultyFileSystem::FreeBytes(const std::string&) {
  return free_bytes_;
}
absl::StatusOr<Bytes> FaultyFileSystem::ReadFile(const std::string& path,
                                                 std::uint64_t limit_bytes) {
  return real_.ReadFile(path, limit_bytes);
}
absl::Status FaultyFileSystem::WriteAtomically(const std::string& path, ByteView bytes, unsigned) {
  return Run([&] {
    std::error_code failed;
    std::ofstream(path + ".tmp", std::ios::binary) << bytes;
    std::filesystem::rename(path + ".tmp", path, failed);
    return failed ? Failure() : absl::OkStatus();
  });
}
absl::StatusOr<Bytes> FaultyFileSystem::ReadSecret(const std::string& path) {
  return real_.ReadSecret(path);
}

}  // namespace holdfast::test
