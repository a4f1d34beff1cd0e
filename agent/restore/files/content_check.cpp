#include "agent/restore/files/content_check.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

std::vector<char>& ReadBuffer() {
  thread_local std::vector<char> buffer(kReadBytes);
  return buffer;
}

// Empty, or why the range could not be read as a whole.
std::string ReadRange(int fd, Extent range, absl::FunctionRef<bool(ByteView)> take) {
  std::vector<char>& buffer = ReadBuffer();
  while (range.length_bytes > 0) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), range.length_bytes);
    const ssize_t got = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(range.offset_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fmt::format("unable to read it back: {}", std::strerror(errno));
    if (got == 0) return fmt::format("it ends at {}", range.offset_bytes);
    if (!take(ByteView(buffer.data(), static_cast<std::size_t>(got)))) return "differs";
    range.offset_bytes += static_cast<std::uint64_t>(got);
    range.length_bytes -= static_cast<std::uint64_t>(got);
  }
  return "";
}

// The range must read as zeros; holes on disk need not be read.
std::string CheckHole(int fd, Extent range) {
  const auto all_zero = [](ByteView bytes) {
    return bytes.front() == '\0' &&
           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
  };
  const std::uint64_t end = range.offset_bytes + range.length_bytes;
  for (std::uint64_t at = range.offset_bytes; at < end;) {
    const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return "";
    const std::uint64_t begin = data < 0 ? at : static_cast<std::uint64_t>(data);
    if (begin >= end) return "";
    const off_t hole = data < 0 ? -1 : ::lseek(fd, data, SEEK_HOLE);
    const std::uint64_t until = hole < 0 ? end : std::min<std::uint64_t>(end, hole);
    if (!ReadRange(fd, {begin, until - begin}, all_zero).empty()) {
      return fmt::format("a hole at {} has content", begin);
    }
    at = until;
  }
  return "";
}

class Hasher {
 public:
  Hasher() : state_(XXH3_createState(), &XXH3_freeState) {}
  void Reset() { XXH3_128bits_reset(state_.get()); }
  bool Add(ByteView bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
    return true;
  }
  Bytes Digest() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    return Bytes(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
  }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

}  // namespace

bool HasTime(const struct stat& info, std::int64_t mtime_ns) {
  return static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec ==
         mtime_ns;
}

std::string ContentProblem(int fd, const struct stat& info, const Entry& entry) {
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size != entry.size_bytes) {
    return fmt::format("size is {} instead of {}", size, entry.size_bytes);
  }
  thread_local Hasher hasher;  // its state costs more to make than a small file to hash
  hasher.Reset();
  const auto hash = [&](ByteView bytes) { return hasher.Add(bytes); };
  std::uint64_t at = 0;
  const std::vector<Extent> whole{{0, size}};
  for (const Extent& extent : entry.extents ? *entry.extents : whole) {
    if (std::string problem = CheckHole(fd, {at, extent.offset_bytes - at}); !problem.empty()) {
      return problem;
    }
    if (std::string problem = ReadRange(fd, extent, hash); !problem.empty()) return problem;
    at = extent.offset_bytes + extent.length_bytes;
  }
  if (at < size) {
    if (std::string problem = CheckHole(fd, {at, size - at}); !problem.empty()) return problem;
  }
  if (!entry.content_hash.empty() && hasher.Digest() != entry.content_hash) {
    return "its content differs";
  }
  return "";
}

}  // namespace holdfast::restore
