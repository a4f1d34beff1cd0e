#include "agent/restore/files/target_policy.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/base/error.h"
#include "common/env/file_system.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

absl::Status Refuse(const std::string& target, std::string_view why) {
  return Error(ErrorKind::kRefused, 3301,
               fmt::format("unable to restore into '{}': {}", Escaped(target), why),
               "Name another directory; restored files can be moved afterwards.");
}

// The canonical form of a path of which the last parts may not exist yet.
absl::StatusOr<std::string> Canonical(const std::string& path) {
  std::string existing = path;
  std::string rest;
  for (;;) {
    const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(existing.c_str(), nullptr),
                                                          &std::free);
    if (resolved) {
      const std::string base = resolved.get();
      if (rest.empty()) return base;
      return (base == "/" ? "" : base) + rest;
    }
    if (errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP) {
      return Refuse(path, std::strerror(errno));
    }
    if (errno != ENOENT || existing == "/" || existing == ".") {
      return ErrnoError(errno, 3305, fmt::format("unable to resolve '{}'", Escaped(path)));
    }
    while (existing.size() > 1 && existing.back() == '/') existing.pop_back();
    const std::string name = existing.substr(existing.rfind('/') + 1);
    if (name == ".." || name == ".") return Refuse(path, "it has '..' below a missing directory");
    rest = "/" + name + rest;
    existing = ParentPath(existing);
  }
}

bool IsWithin(std::string_view path, std::string_view root) {
  if (root == "/" || path == root) return true;
  return path.size() > root.size() && path[root.size()] == '/' &&
         path.compare(0, root.size(), root) == 0;
}

absl::Status CheckForbidden(const FilesRestoreOptions& options, const std::string& path) {
  if (path == "/") return Refuse(options.target, "it is the root of the file system");
  for (const std::string& forbidden : options.forbidden_roots) {
    auto canonical = Canonical(forbidden);
    const std::string root = canonical.ok() ? *canonical : forbidden;
    if (IsWithin(path, root) || IsWithin(root, path)) {
      return Refuse(options.target,
                    fmt::format("Holdfast keeps its own data in '{}'", Escaped(root)));
    }
  }
  return absl::OkStatus();
}

bool IsEmpty(int fd) {
  char buffer[4096];
  for (;;) {
    const ssize_t size = ::getdents64(fd, buffer, sizeof buffer);
    if (size <= 0) return size == 0;
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer + at);
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return false;
      at += entry->d_reclen;
    }
  }
}

}  // namespace

absl::StatusOr<Target> OpenTarget(const FilesRestoreOptions& options) {
  if (options.target.empty()) return Refuse(options.target, "no target is named");
  Target target;
  ASSIGN_OR_RETURN(target.path, Canonical(options.target));
  RETURN_IF_ERROR(CheckForbidden(options, target.path));
  RETURN_IF_ERROR(RealFileSystem().MakeDirectories(target.path));
  target.fd =
      UniqueFd(::open(target.path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target.fd.valid()) {
    if (errno == ENOTDIR) return Refuse(target.path, std::strerror(errno));
    return ErrnoError(errno, 3305, fmt::format("unable to open target '{}'", Escaped(target.path)));
  }
  if (options.overwrite == FilesRestoreOptions::Overwrite::kRefuse && !IsEmpty(target.fd.get())) {
    return Error(ErrorKind::kRefused, 3007,
                 fmt::format("unable to restore into '{}': it is not empty", Escaped(target.path)),
                 "Name an empty directory, or say --overwrite changed or --overwrite all.");
  }
  return target;
}

}  // namespace holdfast::restore
