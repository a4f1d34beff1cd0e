// A tar archive written as a stream, plain or compressed.
//
// Hides:      libarchive.
// Invariants: I1  Bytes go to the sink as they come: memory does not grow with the content.
//             I2  A file gets exactly the bytes its size promised, or the archive is broken and the
//                 error says so.
//             I3  Names are written byte for byte.
// Threading:  one thread.
// Errors:     of the sink unchanged; kFailed 1220 for the archive's own; kUsage 1221 for what tar
//             cannot hold (a socket).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/format/entry.h"

namespace holdfast::cli {

using ByteSink = std::function<absl::Status(ByteView)>;

class ArchiveWriter {
 public:
  enum class Compression { kNone, kGzip };
  static absl::StatusOr<std::unique_ptr<ArchiveWriter>> Open(Compression compression,
                                                             ByteSink sink);
  ~ArchiveWriter();  // an archive that was not closed is cut

  // A regular file of `size_bytes`; its bytes follow through Write.
  struct File {
    std::string path;
    std::uint64_t size_bytes = 0;
    std::int64_t mtime_ns = 0;
  };
  absl::Status BeginFile(const File& file);
  // An entry with all its metadata under another path; a regular file's bytes follow through Write.
  // `link_prefix` is put before the target of a hard link.
  absl::Status BeginEntry(const std::string& path, const Entry& entry,
                          const std::string& link_prefix);
  absl::Status Write(ByteView bytes);
  absl::Status EndFile();
  absl::Status Close();

 private:
  struct Impl;
  explicit ArchiveWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::cli
