// Small pieces of the RDB format: strings, lengths and the footer of a DUMP payload.
//
// A DUMP payload is <type byte><value as in an RDB><RDB version u16 LE><CRC-64 u64 LE>, so a record
// of an RDB becomes an argument of RESTORE, and the other way round, without a server between.
// Threading: pure. Errors: nullopt for bytes that are not what they claim to be.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/bytes.h"

namespace holdfast::redis {

inline constexpr unsigned char kOpcodeSlotInfo = 244;
inline constexpr unsigned char kOpcodeFunction2 = 245;
inline constexpr unsigned char kOpcodeModuleAux = 247;
inline constexpr unsigned char kOpcodeIdle = 248;
inline constexpr unsigned char kOpcodeFreq = 249;
inline constexpr unsigned char kOpcodeAux = 250;
inline constexpr unsigned char kOpcodeResizeDb = 251;
inline constexpr unsigned char kOpcodeExpireMs = 252;
inline constexpr unsigned char kOpcodeExpireSeconds = 253;
inline constexpr unsigned char kOpcodeSelectDb = 254;
inline constexpr unsigned char kOpcodeEof = 255;

// The text of a string as an RDB stores it: plain, integer or LZF, with nothing after it.
std::optional<Bytes> DecodeRdbString(ByteView encoded);

void AppendRdbLength(std::uint64_t length, Bytes* out);
void AppendRdbString(ByteView text, Bytes* out);

struct DumpPayload {
  ByteView body;  // type byte and value
  int rdb_version = 0;
};
// Footer bytes for `body`, to be appended to it.
Bytes DumpFooter(ByteView body, int rdb_version);
// nullopt when it is too short or its checksum is wrong.
std::optional<DumpPayload> ParseDumpPayload(ByteView payload);

}  // namespace holdfast::redis
