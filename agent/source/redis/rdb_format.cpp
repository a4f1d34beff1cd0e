#include "agent/source/redis/rdb_format.h"

#include "agent/source/redis/crc64.h"
#include "common/format/wire.h"

namespace holdfast::redis {
namespace {

constexpr std::size_t kFooterBytes = 10;
constexpr std::uint64_t kLargestString = 512ull << 20;  // proto-max-bulk-len of a stock server

std::uint64_t BigEndian(ByteView bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

// A length at the start of `rest`, which is moved behind it; nullopt for a special encoding.
std::optional<std::uint64_t> TakeLength(ByteView* rest) {
  if (rest->empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(rest->front());
  std::size_t size = 1;
  if (first >> 6 == 1) size = 2;
  if (first == 0x80) size = 5;
  if (first == 0x81) size = 9;
  if (first > 0x81 || rest->size() < size) return std::nullopt;
  const ByteView raw = rest->substr(0, size);
  rest->remove_prefix(size);
  if (size == 1) return first;
  if (size == 2) return BigEndian(raw) & 0x3fff;
  return BigEndian(raw.substr(1));
}

// LZF, as in liblzf: a control byte below 32 announces literals, else a copy from before.
std::optional<Bytes> ExpandLzf(ByteView in, std::uint64_t size) {
  if (size > kLargestString || size / 300 > in.size()) return std::nullopt;
  Bytes out;
  out.reserve(size);
  std::size_t at = 0;
  const auto next = [&] { return static_cast<std::size_t>(static_cast<unsigned char>(in[at++])); };
  while (at < in.size()) {
    const std::size_t control = next();
    if (control < 32) {
      if (in.size() - at < control + 1) return std::nullopt;
      out.append(in.substr(at, control + 1));
      at += control + 1;
      continue;
    }
    std::size_t length = control >> 5;
    if (in.size() - at < (length == 7 ? 2u : 1u)) return std::nullopt;
    if (length == 7) length += next();
    const std::size_t distance = ((control & 0x1f) << 8 | next()) + 1;
    if (distance > out.size() || out.size() + length + 2 > size) return std::nullopt;
    for (std::size_t i = 0; i < length + 2; ++i) out.push_back(out[out.size() - distance]);
  }
  if (out.size() != size) return std::nullopt;
  return out;
}

std::optional<Bytes> DecodeInteger(ByteView raw) {
  std::uint64_t value = 0;
  for (std::size_t i = raw.size(); i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(raw[i - 1]);
  if (raw.size() == 1) return std::to_string(static_cast<std::int8_t>(value));
  if (raw.size() == 2) return std::to_string(static_cast<std::int16_t>(value));
  if (raw.size() == 4) return std::to_string(static_cast<std::int32_t>(value));
  return std::nullopt;
}

}  // namespace

std::optional<Bytes> DecodeRdbString(ByteView encoded) {
  if (encoded.empty()) return std::nullopt;
  const auto first = static_cast<unsigned char>(encoded.front());
  ByteView rest = encoded;
  if (first >> 6 != 3) {
    const auto length = TakeLength(&rest);
    if (!length || *length != rest.size()) return std::nullopt;
    return Bytes(rest);
  }
  rest.remove_prefix(1);
  if (first >= 0xc0 && first <= 0xc2) {
    if (rest.size() != std::size_t{1} << (first - 0xc0)) return std::nullopt;
    return DecodeInteger(rest);
  }
  if (first != 0xc3) return std::nullopt;
  const auto compressed = TakeLength(&rest);
  const auto plain = TakeLength(&rest);
  if (!compressed || !plain || *compressed != rest.size()) return std::nullopt;
  return ExpandLzf(rest, *plain);
}

void AppendRdbLength(std::uint64_t length, Bytes* out) {
  int size = 0;
  if (length < 64) {
    out->push_back(static_cast<char>(length));
  } else if (length < 16384) {
    out->push_back(static_cast<char>(0x40 | length >> 8));
    size = 1;
  } else if (length <= 0xffffffff) {
    out->push_back(static_cast<char>(0x80));
    size = 4;
  } else {
    out->push_back(static_cast<char>(0x81));
    size = 8;
  }
  for (int i = size - 1; i >= 0; --i) out->push_back(static_cast<char>(length >> (8 * i)));
}

void AppendRdbString(ByteView text, Bytes* out) {
  AppendRdbLength(text.size(), out);
  out->append(text);
}

Bytes DumpFooter(ByteView body, int rdb_version) {
  Writer version;
  version.U16(static_cast<std::uint16_t>(rdb_version));
  Writer footer;
  footer.Raw(version.bytes());
  footer.U64(Crc64(Crc64(0, body), version.bytes()));
  return footer.Take();
}

std::optional<DumpPayload> ParseDumpPayload(ByteView payload) {
  if (payload.size() < kFooterBytes) return std::nullopt;
  const ByteView body = payload.substr(0, payload.size() - kFooterBytes);
  Reader footer(payload.substr(body.size()));
  const int version = footer.U16();
  const std::uint64_t checksum = footer.U64();
  if (checksum != Crc64(0, payload.substr(0, payload.size() - 8))) return std::nullopt;
  return DumpPayload{body, version};
}

}  // namespace holdfast::redis
