// An entry of a snapshot's tree: metadata and where its bytes are.
//
// Layout:     holdfast.stored.Entry in proto/snapshot.proto, see docs/FORMAT.md.
// Invariants: I1  `path` is relative, byte-exact, '/'-separated, without empty, "." or ".."
//                 components; ValidatePath says so and every decoder calls it. The root directory
//                 itself is "".
//             I2  An entry's content is the concatenation of its slices; content_bytes is their
//                 sum. For a sparse file the content is its data extents only, and size_bytes the
//                 logical size.
//             I3  Manifests are sorted by ComparePaths: component by component, bytes unsigned, so
//                 that a directory comes right before what is in it and a depth-first walk emits
//                 sorted entries.
// Threading:  values.
// Errors:     decoders return kIntegrity (code 4010…) and never throw or allocate beyond their
//             input.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast {

enum class EntryType : std::uint8_t {
  kFile = 1,  // also a table's rows, an RDB, a JSON document
  kDirectory = 2,
  kSymlink = 3,   // link_target
  kHardlink = 4,  // link_target is the path of the entry (kFile) that holds content and metadata
  kFifo = 5,
  kSocket = 6,
  kCharacterDevice = 7,  // device
  kBlockDevice = 8,      // device
};

struct Slice {
  ChunkId chunk;
  std::uint32_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
  friend bool operator==(const Slice&, const Slice&) = default;
};

struct Extent {
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

struct Entry {
  std::string path;
  EntryType type = EntryType::kFile;

  std::uint32_t mode = 0600;  // permission bits incl. setuid/setgid/sticky
  std::uint32_t user_id = 0;
  std::uint32_t group_id = 0;
  std::string user_name;
  std::string group_name;
  std::int64_t mtime_ns = 0;  // since 1970-01-01 UTC, may be negative
  std::int64_t ctime_ns = 0;  // with device_id and inode only to recognise an unchanged file
  std::uint64_t device_id = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;  // st_rdev of device nodes
  std::string link_target;
  std::map<std::string, std::string> xattrs;  // ACLs are system.posix_acl_access / _default

  std::uint64_t size_bytes = 0;                // logical size
  std::uint64_t content_bytes = 0;             // sum of slices
  std::optional<std::vector<Extent>> extents;  // set for sparse files only
  Bytes content_hash;  // XXH3-128 (16 bytes, big-endian canonical form) of the content; set by the
                       // lane
  bool inconsistent = false;  // changed while it was read

  std::optional<std::uint64_t> rows;  // tables
  Bytes row_checksum;                 // tables: 16 bytes, see agent/source/postgres/row_checksum.h
  std::map<std::string, std::string> attributes;  // what a kind adds, e.g. {"columns": "…"}

  std::vector<Slice> slices;
};

// Byte-wise order of components ('/' sorts below every other byte).
int ComparePaths(std::string_view a, std::string_view b);
struct PathLess {
  bool operator()(std::string_view a, std::string_view b) const { return ComparePaths(a, b) < 0; }
};

absl::Status ValidatePath(std::string_view path);

Bytes EncodeEntry(const Entry& entry);
// kCallers: paths come as they are stored, and whoever uses one calls ValidatePath first.
enum class PathCheck { kDecoders, kCallers };
absl::StatusOr<Entry> DecodeEntry(ByteView bytes, PathCheck paths = PathCheck::kDecoders);

}  // namespace holdfast
