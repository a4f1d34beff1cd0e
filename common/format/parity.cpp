#include "common/format/parity.h"

#include <xxhash.h>

#include <array>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFPARI1\n", 8};
constexpr std::uint32_t kLargeBlock = 4096;
constexpr std::uint32_t kSmallBlock = 512;
constexpr std::uint64_t kSmallPack = 1 << 20;
constexpr std::uint32_t kLeastColumns = 4;  // a bad sector of 4 KiB is then at most two a column
constexpr std::uint64_t kMostRows = 255;    // as many different weights as there are
constexpr std::size_t kHeadBytes = 8 + 32 + 8 + 4 + 4;

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4032, fmt::format("unable to read parity: {}", what));
}

// GF(256) by logarithms to the base 2.
struct Field {
  std::array<std::uint8_t, 255> power{};
  std::array<std::uint8_t, 256> log{};
  constexpr Field() {
    unsigned value = 1;
    for (unsigned i = 0; i < 255; ++i) {
      power[i] = static_cast<std::uint8_t>(value);
      log[value] = static_cast<std::uint8_t>(i);
      value <<= 1;
      if (value > 255) value ^= 0x11d;
    }
  }
  constexpr std::uint8_t Times(std::uint8_t a, std::uint8_t b) const {
    return a == 0 || b == 0 ? 0 : power[(log[a] + log[b]) % 255];
  }
  constexpr std::uint8_t Inverse(std::uint8_t a) const { return power[(255 - log[a]) % 255]; }
};
constexpr Field kField;

// Eight bytes at once.
void Xor(ByteView from, char* to) {
  std::size_t i = 0;
  for (; i + 8 <= from.size(); i += 8) {
    std::uint64_t value, add;
    std::memcpy(&value, to + i, 8);
    std::memcpy(&add, from.data() + i, 8);
    value ^= add;
    std::memcpy(to + i, &value, 8);
  }
  for (; i < from.size(); ++i) to[i] = static_cast<char>(to[i] ^ from[i]);
}

// q = 2q ^ from, eight bytes at once: the shifted-out bits come back as 0x1d.
void DoubleAndXor(ByteView from, char* q) {
  std::size_t i = 0;
  for (; i + 8 <= from.size(); i += 8) {
    std::uint64_t value, add;
    std::memcpy(&value, q + i, 8);
    std::memcpy(&add, from.data() + i, 8);
    const std::uint64_t high = (value >> 7) & 0x0101010101010101ull;
    value = ((value & 0x7f7f7f7f7f7f7f7full) << 1) ^ (high * 0x1d) ^ add;
    std::memcpy(q + i, &value, 8);
  }
  for (; i < from.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(q[i]);
    q[i] = static_cast<char>(kField.Times(byte, 2) ^ static_cast<std::uint8_t>(from[i]));
  }
}

void Scale(std::uint8_t factor, Bytes* bytes) {
  std::array<char, 256> table;
  for (unsigned i = 0; i < 256; ++i) {
    table[i] = static_cast<char>(kField.Times(static_cast<std::uint8_t>(i), factor));
  }
  for (char& byte : *bytes) byte = table[static_cast<std::uint8_t>(byte)];
}

std::uint64_t SumOf(ByteView block) { return XXH3_64bits(block.data(), block.size()); }

void AppendSums(ByteView bytes, std::uint32_t block_bytes, std::vector<std::uint64_t>* sums) {
  for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
    sums->push_back(SumOf(bytes.substr(at, block_bytes)));
  }
}

bool IsSensible(const ParityShape& shape) {
  return shape.pack_bytes > 0 && shape.pack_bytes <= kMaxParityPackBytes &&
         (shape.block_bytes == kSmallBlock || shape.block_bytes == kLargeBlock) &&
         shape.stripe_bytes > 0 && shape.stripe_bytes % shape.block_bytes == 0 &&
         shape.stripe_bytes <= kMaxParityPackBytes && shape.rows() <= kMostRows;
}

std::uint8_t WeightOf(const ParityShape& shape, std::uint64_t row) {
  return kField.power[shape.rows() - 1 - row];
}

}  // namespace

ParityShape ShapeOf(std::uint64_t pack_bytes, unsigned percent) {
  HOLDFAST_CHECK(pack_bytes > 0 && pack_bytes <= kMaxParityPackBytes);
  HOLDFAST_CHECK(percent >= 1 && percent <= kMaxParityPercent);
  ParityShape shape;
  shape.pack_bytes = pack_bytes;
  shape.block_bytes = pack_bytes < kSmallPack ? kSmallBlock : kLargeBlock;
  const std::uint64_t wanted = std::max({pack_bytes * percent / 200, pack_bytes / kMostRows + 1,
                                         std::uint64_t{kLeastColumns} * shape.block_bytes});
  const std::uint64_t bytes = std::min(wanted, pack_bytes);
  shape.stripe_bytes = static_cast<std::uint32_t>((bytes + shape.block_bytes - 1) /
                                                  shape.block_bytes * shape.block_bytes);
  return shape;
}

ParityBuilder::ParityBuilder(const ParityShape& shape)
    : shape_(shape), p_(shape.stripe_bytes, '\0'), q_(shape.stripe_bytes, '\0') {
  sums_.reserve(shape.blocks() + 2 * shape.columns());
}

void ParityBuilder::AddRow(ByteView row) {
  HOLDFAST_CHECK(row.size() <= shape_.stripe_bytes);
  AppendSums(row, shape_.block_bytes, &sums_);
  Xor(row, p_.data());
  DoubleAndXor(row, q_.data());
  const Bytes zeros(shape_.stripe_bytes - row.size(), '\0');
  DoubleAndXor(zeros, q_.data() + row.size());
}

Bytes ParityBuilder::Finish(const PackName& name) {
  HOLDFAST_CHECK(sums_.size() == shape_.blocks());
  AppendSums(p_, shape_.block_bytes, &sums_);
  AppendSums(q_, shape_.block_bytes, &sums_);
  Writer writer;
  writer.Raw(kMagic);
  writer.Raw(name.view());
  writer.U64(shape_.pack_bytes);
  writer.U32(shape_.block_bytes);
  writer.U32(shape_.stripe_bytes);
  for (const std::uint64_t sum : sums_) writer.U64(sum);
  writer.Raw(Sha256(writer.bytes()).view());
  writer.Raw(p_);
  writer.Raw(q_);
  return writer.Take();
}

absl::StatusOr<Parity> Parity::Decode(Bytes file) {
  Reader reader(file);
  Parity parity;
  if (!reader.Magic(kMagic)) return Damaged("it does not begin with 'HFPARI1'");
  parity.pack_ = reader.Id<PackName>();
  parity.shape_.pack_bytes = reader.U64();
  parity.shape_.block_bytes = reader.U32();
  parity.shape_.stripe_bytes = reader.U32();
  const ParityShape& shape = parity.shape_;
  if (!reader.ok() || !IsSensible(shape)) return Damaged("its head is cut or damaged");
  const std::uint64_t sums = shape.blocks() + 2 * shape.columns();
  const std::uint64_t head_bytes = kHeadBytes + sums * 8;
  if (file.size() != head_bytes + Hash256::kSize + 2ull * shape.stripe_bytes) {
    return Damaged("its length does not fit its head");
  }
  parity.sums_.reserve(sums);
  for (std::uint64_t i = 0; i < sums; ++i) parity.sums_.push_back(reader.U64());
  if (reader.Id<Hash256>() != Sha256(ByteView(file).substr(0, head_bytes))) {
    return Damaged("the sum of its head differs");
  }
  parity.p_ = Bytes(reader.Raw(shape.stripe_bytes));
  parity.q_ = Bytes(reader.Raw(shape.stripe_bytes));
  return parity;
}

bool Parity::BlockIsGood(std::uint64_t index, ByteView block) const {
  return SumOf(block) == sums_[index];
}

bool Parity::IsWhole() const {
  std::vector<std::uint64_t> sums;
  AppendSums(p_, shape_.block_bytes, &sums);
  AppendSums(q_, shape_.block_bytes, &sums);
  return std::equal(sums.begin(), sums.end(),
                    sums_.begin() + static_cast<std::ptrdiff_t>(shape_.blocks()));
}

// The blocks of one column: at most two bad ones among rows, P and Q. `pack` is padded to rows.
absl::Status Parity::RepairColumn(std::uint64_t column, Bytes* pack) const {
  const std::size_t size = shape_.block_bytes;
  const std::size_t at = column * size;
  const auto block_of = [&](std::uint64_t row) {
    return pack->data() + row * shape_.stripe_bytes + at;
  };
  std::vector<std::uint64_t> bad;
  for (std::uint64_t row = 0; row < shape_.rows(); ++row) {
    const std::uint64_t index = row * shape_.columns() + column;
    if (index >= shape_.blocks()) continue;  // of the padding
    const std::uint64_t length = std::min<std::uint64_t>(size, shape_.pack_bytes - index * size);
    if (!BlockIsGood(index, {block_of(row), length})) bad.push_back(row);
  }
  if (bad.empty()) return absl::OkStatus();
  Bytes p = p_.substr(at, size);
  Bytes q = q_.substr(at, size);
  const bool p_is_good = BlockIsGood(shape_.blocks() + column, p);
  const bool q_is_good = BlockIsGood(shape_.blocks() + shape_.columns() + column, q);
  if (bad.size() + (p_is_good ? 0 : 1) + (q_is_good ? 0 : 1) > 2) {
    return Error(ErrorKind::kIntegrity, 4033,
                 fmt::format("unable to repair pack '{}': more is damaged than its parity repairs",
                             pack_.hex()));
  }
  Bytes rest(size, '\0');  // the weighted sum of the good rows
  for (std::uint64_t row = 0; row < shape_.rows(); ++row) {
    const bool is_bad = std::find(bad.begin(), bad.end(), row) != bad.end();
    if (is_bad) std::memset(block_of(row), 0, size);
    Xor({block_of(row), size}, p.data());
    DoubleAndXor({block_of(row), size}, rest.data());
  }
  Xor(rest, q.data());
  const std::uint8_t x = WeightOf(shape_, bad[0]);
  if (bad.size() == 2) {
    // p = a + b, q = x a + y b.
    const std::uint8_t y = WeightOf(shape_, bad[1]);
    Bytes scaled = p;
    Scale(y, &scaled);
    Xor(q, scaled.data());
    Scale(kField.Inverse(static_cast<std::uint8_t>(x ^ y)), &scaled);
    std::memcpy(block_of(bad[0]), scaled.data(), size);
    Xor(scaled, p.data());
    std::memcpy(block_of(bad[1]), p.data(), size);
  } else if (p_is_good) {
    std::memcpy(block_of(bad[0]), p.data(), size);
  } else {
    Scale(kField.Inverse(x), &q);
    std::memcpy(block_of(bad[0]), q.data(), size);
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> Parity::Repair(Bytes pack) const {
  pack.resize(shape_.pack_bytes, '\0');
  pack.resize(shape_.rows() * shape_.stripe_bytes, '\0');
  for (std::uint64_t column = 0; column < shape_.columns(); ++column) {
    RETURN_IF_ERROR(RepairColumn(column, &pack));
  }
  pack.resize(shape_.pack_bytes);
  if (Sha256(pack).view() == pack_.view()) return pack;
  return Error(
      ErrorKind::kIntegrity, 4033,
      fmt::format("unable to repair pack '{}': its bytes do not give its name", pack_.hex()));
}

}  // namespace holdfast
