// An incremental reader of the RDB format that knows where every key begins and ends.
//
// Hides:      opcodes and value encodings of RDB 1 to 12, the checksum, pieces cut anywhere.
// Invariants: I1  Finish is OK only after a whole RDB: header, end mark, checksum equal to the
//                 computed one (or zero: not checked), and nothing behind it.
//             I2  Memory is bounded by one key name plus, with a visitor, one encoded value.
//             I3  A value type it does not know does not stop it: counting ends (counted() is
//                 false), the checksum is still verified over the last eight bytes.
// Threading:  one thread. Errors: kIntegrity 2204 for bytes that are no RDB; the visitor's errors.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"

namespace holdfast::redis {

struct RdbDatabase {
  std::uint64_t keys = 0;
  std::uint64_t expires = 0;  // of them, keys with a time to live
};

struct RdbRecord {
  std::uint64_t database = 0;
  ByteView key;                    // decoded
  std::int64_t expire_at_ms = -1;  // since 1970, -1: never
  ByteView body;                   // type byte and value, as in a DUMP payload
};

class RdbVisitor {
 public:
  virtual ~RdbVisitor() = default;
  virtual absl::Status Visit(const RdbRecord& record) = 0;
  virtual absl::Status VisitFunction(ByteView encoded_library) = 0;  // opcode and encoded string
};

class RdbWalker {
 public:
  // `visitor`, which may be null, must outlive the walker.
  explicit RdbWalker(RdbVisitor* visitor = nullptr) : visitor_(visitor) {}

  absl::Status Feed(ByteView piece);
  absl::Status Finish() const;  // I1

  bool done() const { return phase_ == Phase::kDone; }  // the end mark and the checksum were seen
  bool counted() const { return phase_ != Phase::kOpaque; }
  bool checksum_present() const;            // false: the server runs with rdbchecksum no
  int version() const { return version_; }  // 0 before the header was seen
  const std::map<std::uint64_t, RdbDatabase>& databases() const { return databases_; }
  std::uint64_t function_count() const { return function_count_; }
  std::uint64_t key_count() const;
  int unknown_type() const { return unknown_type_; }  // when !counted()

 private:
  enum class Phase { kHeader, kRecords, kTrailer, kDone, kOpaque };
  struct Loop {
    std::size_t begin;  // program position of the body
    std::uint64_t left;
  };

  enum class Take { kDone, kMore, kBad };

  void Checksum(ByteView piece);
  absl::Status Walk(ByteView rest);
  absl::Status CheckHeader(ByteView header);
  absl::Status BeginRecord(unsigned char type);
  absl::Status EndProgram();
  absl::Status EndKeyName();
  absl::Status EndValue();
  Take Step(ByteView* rest);
  Take StepString(ByteView* rest);
  Take StepModule(ByteView* rest);
  Take StepLoop(ByteView* rest);
  void CloseLoops();
  Take TakeLength(ByteView* rest, std::uint64_t* value);
  Take TakeNumber(ByteView* rest, std::size_t size);  // little-endian, into number_
  bool TakeRaw(ByteView* rest, std::size_t size, ByteView* raw);
  void Pass(ByteView* rest);  // bytes of skip_

  RdbVisitor* visitor_;
  Phase phase_ = Phase::kHeader;
  int version_ = 0;
  int unknown_type_ = -1;

  // The record being read: a small program says what follows (rdb_walker.cpp).
  std::string_view program_;
  std::size_t at_ = 0;
  std::vector<Loop> loops_;
  unsigned char type_ = 0;
  bool in_key_name_ = false;
  char module_step_ = 0;      // what the module opcode read last announces
  int lzf_lengths_ = 0;       // of a compressed string, lengths still to read
  std::uint64_t skip_ = 0;    // bytes of a string still to pass over
  std::uint64_t number_ = 0;  // the last length or fixed number read
  Bytes partial_;             // bytes of a number cut by the end of a piece
  Bytes whole_;               // what `raw` of TakeRaw points to after such a cut
  bool capturing_ = false;
  Bytes captured_;
  Bytes key_;

  std::uint64_t database_ = 0;
  std::int64_t expire_at_ms_ = -1;
  std::map<std::uint64_t, RdbDatabase> databases_;
  RdbDatabase* current_ = nullptr;
  std::uint64_t function_count_ = 0;

  std::uint64_t crc_ = 0;
  Bytes tail_;  // the last eight bytes seen, not in crc_ yet
};

}  // namespace holdfast::redis
