// A pack: many sealed objects in one file, named by its SHA-256.
//
// Hides:      header, index footer, rescan of an open pack after a crash.
// Invariants: I1  The footer's entries lie in the file in order, do not overlap and end before the
//                 footer.
//             I2  The name of a finished pack is the SHA-256 of all its bytes: scrub needs no key.
// Threading:  pure functions on bytes.
// Errors:     kIntegrity 4030…
// Layout (docs/FORMAT.md): header "HFPACK1\n" ‖ objects ‖ footer: "HFINDEX1" ‖ count u32 ‖ count ×
// (id 32, offset u64, length u32, crc u32) ‖ crc32 of the footer so far u32 ‖ footer length u32 ‖
// "HFEND1\n\0". Numbers are little-endian.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast {

inline constexpr ByteView kPackHeader{"HFPACK1\n", 8};

struct PackEntry {
  ChunkId id;
  std::uint64_t offset_bytes = 0;  // of the sealed object in the file
  std::uint32_t length_bytes = 0;
  std::uint32_t crc = 0;  // CRC-32 (zlib polynomial) of the sealed object
  friend bool operator==(const PackEntry&, const PackEntry&) = default;
};

std::uint32_t Crc32(ByteView bytes);

Bytes EncodePackFooter(const std::vector<PackEntry>& entries);

constexpr std::size_t kPackTrailerBytes = 12;  // footer length and end mark
// Footer length in bytes, from the last kPackTrailerBytes of a pack.
absl::StatusOr<std::uint32_t> DecodePackTrailer(ByteView trailer);
// `footer` is the whole footer; `footer_offset` its place in the file.
absl::StatusOr<std::vector<PackEntry>> DecodePackFooter(ByteView footer,
                                                        std::uint64_t footer_offset);

// Entries of an open pack without footer: walks whole objects from the header; stops at the first
// torn one. `valid_bytes` is where it stopped. Never fails on a torn end; kIntegrity when the
// header is not a pack's.
struct PackScan {
  std::vector<PackEntry> entries;
  std::uint64_t valid_bytes = 0;
};
absl::StatusOr<PackScan> ScanOpenPack(ByteView file);

}  // namespace holdfast
