// What repairs a pack: a second file with two parities of it, P and Q, and a sum of every block.
//
// The pack is laid out in rows of `stripe_bytes`, the last one filled with zeros. P is the sum
// (xor) of the rows, Q their sum with the weights 2^(rows-1-row) in GF(256) modulo
// x^8+x^4+x^3+x^2+1: the Reed-Solomon code with two check symbols that RAID 6 uses (H. P. Anvin,
// "The mathematics of RAID-6"; J. S. Plank, "A tutorial on Reed-Solomon coding for fault-tolerance
// in RAID-like systems", 1997). The sums say which blocks are bad; in each column of blocks any two
// of rows, P and Q can be bad. So a run of bad bytes as long as P and Q together is repaired,
// wherever it lies.
//
// Hides:      the field, which blocks are bad, the layout of the file.
// Invariants: I1  Repair returns bytes whose SHA-256 is the pack's name, or nothing.
//             I2  Nothing is allocated beyond a pack's limit, whatever the file says.
// Threading:  values and pure functions.
// Errors:     kIntegrity 4032 (damaged parity file), 4033 (more is bad than it repairs).
// Layout:     "HFPARI1\n" ‖ pack name 32 ‖ pack_bytes u64 ‖ block_bytes u32 ‖ stripe_bytes u32 ‖
//             sum u64 of each block of the pack, then of P, then of Q ‖ SHA-256 of all before 32 ‖
//             P ‖ Q.  A sum is XXH3-64 of the block; the pack's last block may be short.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/bytes.h"

namespace holdfast {

inline constexpr std::uint64_t kMaxParityPackBytes = 256ull << 20;
inline constexpr unsigned kDefaultParityPercent = 2;
inline constexpr unsigned kMaxParityPercent = 50;

struct ParityShape {
  std::uint64_t pack_bytes = 0;
  std::uint32_t block_bytes = 0;
  std::uint32_t stripe_bytes = 0;  // a multiple of block_bytes; P and Q have this size each
  std::uint64_t rows() const { return (pack_bytes + stripe_bytes - 1) / stripe_bytes; }
  std::uint64_t blocks() const { return (pack_bytes + block_bytes - 1) / block_bytes; }
  std::uint64_t columns() const { return stripe_bytes / block_bytes; }
};
// P and Q are `percent` (1 to 50) of the pack, a little more for a small one.
ParityShape ShapeOf(std::uint64_t pack_bytes, unsigned percent);

class ParityBuilder {
 public:
  explicit ParityBuilder(const ParityShape& shape);
  // The pack's bytes in order: `stripe_bytes` each time, the last time what is left.
  void AddRow(ByteView row);
  Bytes Finish(const PackName& name);

 private:
  const ParityShape shape_;
  Bytes p_;
  Bytes q_;
  std::vector<std::uint64_t> sums_;
};

class Parity {
 public:
  // The head is whole; P and Q may be damaged in part.
  static absl::StatusOr<Parity> Decode(Bytes file);

  const ParityShape& shape() const { return shape_; }
  const PackName& pack() const { return pack_; }
  bool IsWhole() const;
  // `pack` as it was read, of any length. What cannot be read is zeros.
  absl::StatusOr<Bytes> Repair(Bytes pack) const;  // I1

 private:
  bool BlockIsGood(std::uint64_t index, ByteView block) const;
  absl::Status RepairColumn(std::uint64_t column, Bytes* pack) const;

  ParityShape shape_;
  PackName pack_;
  std::vector<std::uint64_t> sums_;
  Bytes p_;
  Bytes q_;
};

}  // namespace holdfast
