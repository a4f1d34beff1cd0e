#include "agent/source/files/files_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "agent/source/files/files_run.h"
#include "agent/source/files/path_filter.h"
#include "common/base/error.h"
#include "common/env/file_system.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

struct Root {
  UniqueFd directory;  // the root itself, or the directory of a root that is one file
  std::string name;    // of the file; empty for a directory
  struct stat info {};
};

absl::Status RootError(const std::string& root, std::string_view cause) {
  return Error(ErrorKind::kSource, 2301,
               fmt::format("unable to read root '{}': {}", Escaped(root), cause),
               "Check the path, its permissions, and that its volume is mounted.");
}

absl::StatusOr<Root> OpenRoot(const FilesOptions& options) {
  // The root as the operator named it may be a symlink; below it none is followed.
  std::unique_ptr<char, void (*)(void*)> resolved(::realpath(options.root.c_str(), nullptr),
                                                  &std::free);
  if (!resolved) return RootError(options.root, std::strerror(errno));
  const std::string path = resolved.get();
  Root root;
  if (::lstat(path.c_str(), &root.info) != 0) return RootError(options.root, std::strerror(errno));
  std::string directory = path;
  if (S_ISREG(root.info.st_mode)) {
    directory = ParentPath(path);
    root.name = path.substr(path.rfind('/') + 1);
  } else if (!S_ISDIR(root.info.st_mode)) {
    return RootError(options.root, "it is neither a directory nor a regular file");
  }
  root.directory = UniqueFd(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!root.directory.valid()) return RootError(options.root, std::strerror(errno));
  if (root.name.empty() && ::fstat(root.directory.get(), &root.info) != 0) {
    return RootError(options.root, std::strerror(errno));
  }
  if (options.expected_device && *options.expected_device != root.info.st_dev) {
    return Error(
        ErrorKind::kSource, 2302,
        fmt::format("unable to read root '{}': it is on device {} and was on device {} last time",
                    Escaped(options.root), root.info.st_dev, *options.expected_device),
        "Is it unmounted? If the volume was replaced on purpose, set device_check: false once.");
  }
  return root;
}

}  // namespace

absl::Status FilesSource::Check(std::stop_token) {
  RETURN_IF_ERROR(PathFilter::Make(options_.include, options_.exclude).status());
  ASSIGN_OR_RETURN(const Root root, OpenRoot(options_));
  if (!root.name.empty() &&
      ::faccessat(root.directory.get(), root.name.c_str(), R_OK, AT_EACCESS) != 0) {
    return RootError(options_.root, std::strerror(errno));
  }
  return absl::OkStatus();
}

absl::StatusOr<SourceResult> FilesSource::Read(SnapshotBuilder& builder, std::stop_token stop) {
  ASSIGN_OR_RETURN(const PathFilter filter, PathFilter::Make(options_.include, options_.exclude));
  ASSIGN_OR_RETURN(Root root, OpenRoot(options_));
  FilesRun run(options_, filter, clock_, builder, stop);
  if (!root.name.empty()) return run.ReadOne(root.directory.get(), root.name);
  return run.ReadTree(std::move(root.directory), root.info);
}

}  // namespace holdfast::source
