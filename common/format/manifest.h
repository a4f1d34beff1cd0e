// The manifest stream: length-delimited entries in path order, the plaintext that manifest chunks
// are cut from.
//
// Layout:     "HFMANI1\n" ‖ (length u32 ‖ Entry)*. Entries are at most 64 MiB (a file of many
//             terabytes has many slices).
// Invariants: entries come strictly ascending by ComparePaths; a decoder refuses anything else, so
//             a duplicate or reordered path cannot be smuggled in.
// Threading:  a decoder belongs to one thread.
// Errors:     kIntegrity 4070….
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/format/entry.h"

namespace holdfast {

inline constexpr ByteView kManifestHeader{"HFMANI1\n", 8};

void AppendManifestEntry(ByteView encoded_entry, Bytes* out);

class ManifestDecoder {
 public:
  explicit ManifestDecoder(PathCheck paths = PathCheck::kDecoders) : paths_(paths) {}

  using Visit = absl::FunctionRef<absl::Status(Entry&&)>;
  // Feeds the next piece of the stream; visits every entry it completes.
  absl::Status Feed(ByteView piece, Visit visit);
  // kIntegrity when the stream ended inside an entry or before the header.
  absl::Status Finish() const;

 private:
  PathCheck paths_;
  Bytes pending_;
  bool header_seen_ = false;
  bool any_ = false;
  std::string last_path_;
};

}  // namespace holdfast
