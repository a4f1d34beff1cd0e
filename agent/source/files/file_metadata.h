// From what the kernel says about a file to an entry's metadata.
//
// Hides:      owner name lookups (cached), the buffers for extended attributes.
// Invariants: an entry made here has everything but content, extents and link target.
// Threading:  one thread at a time.
// Errors:     an errno where one call failed; an attribute that vanished meanwhile is left out.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/format/entry.h"

namespace holdfast::source {

using Xattrs = std::map<std::string, std::string>;

class FileMetadata {
 public:
  FileMetadata();

  Entry EntryOf(std::string_view path, const struct stat& info);

  // 0 or an errno. A file system without extended attributes gives none.
  int ReadXattrs(int fd, Xattrs* xattrs);
  // For what must not be opened (symlinks, FIFOs, sockets, devices).
  int ReadXattrsOf(int directory_fd, const char* name, Xattrs* xattrs);

 private:
  const std::string& UserName(std::uint32_t id);
  const std::string& GroupName(std::uint32_t id);

  absl::flat_hash_map<std::uint32_t, std::string> users_;
  absl::flat_hash_map<std::uint32_t, std::string> groups_;
  std::vector<char> names_;
  std::vector<char> value_;
};

std::int64_t Nanoseconds(const struct timespec& time);
EntryType TypeOf(const struct stat& info);

// Same file, same content as far as the kernel tells.
bool SameState(const struct stat& a, const struct stat& b);

}  // namespace holdfast::source
