#include "common/format/checked_file.h"

#include "common/crypto/crypto.h"

namespace holdfast {

absl::Status WriteCheckedFile(FileSystem& fs, const std::string& path, Bytes body) {
  body.append(Sha256(body).view());
  return fs.WriteAtomically(path, body);
}

std::optional<Bytes> ReadCheckedFile(FileSystem& fs, const std::string& path,
                                     std::size_t limit_bytes) {
  if (!fs.Exists(path)) return std::nullopt;
  auto file = fs.ReadFile(path, limit_bytes);
  if (!file.ok() || file->size() < Hash256::kSize) return std::nullopt;
  const std::size_t body_bytes = file->size() - Hash256::kSize;
  if (Sha256(ByteView(*file).substr(0, body_bytes)).view() != ByteView(*file).substr(body_bytes)) {
    return std::nullopt;
  }
  file->resize(body_bytes);
  return *std::move(file);
}

}  // namespace holdfast
