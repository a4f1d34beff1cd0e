#include "agent/source/redis/rdb_walker.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "agent/source/redis/crc64.h"
#include "agent/source/redis/rdb_format.h"
#include "common/base/error.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr std::size_t kHeaderBytes = 9;
constexpr std::size_t kTrailerBytes = 8;
constexpr int kFirstVersionWithChecksum = 5;

// What follows a type byte, one letter a field:
//   s string   l length   d 8 bytes   4 4 bytes   1 1 byte   R 16 bytes   f number as text (old)
//   m module fields up to their end mark   N(…) a length, then … that many times
// Empty: not known.
std::string_view ProgramOf(unsigned char type) {
  switch (type) {
    case 0:   // string
    case 9:   // hash as zipmap
    case 10:  // list as ziplist
    case 11:  // set as intset
    case 12:  // sorted set as ziplist
    case 13:  // hash as ziplist
    case 16:  // hash as listpack
    case 17:  // sorted set as listpack
    case 20:  // set as listpack
      return "s";
    case 1:   // list
    case 2:   // set
    case 14:  // list of ziplists
      return "N(s)";
    case 3:
      return "N(sf)";  // sorted set, scores as text
    case 4:
      return "N(ss)";  // hash
    case 5:
      return "N(sd)";  // sorted set, binary scores
    case 7:
      return "lm";  // module
    case 15:
      return "N(ss)lllN(sllN(Rdl)N(sdN(R)))";  // stream
    case 18:
      return "N(ls)";  // list of listpacks
    case 19:
      return "N(ss)llllllllN(slllN(Rdl)N(sdN(R)))";  // stream with entries read
    case 21:
      return "N(ss)llllllllN(slllN(Rdl)N(sddN(R)))";  // stream with active time
    case 24:
      return "dN(lss)";  // hash with field expiry
    case 25:
      return "ds";  // the same as listpack
    case kOpcodeSlotInfo:
      return "lll";
    case kOpcodeFunction2:
      return "s";
    case kOpcodeModuleAux:
      return "lllm";
    case kOpcodeIdle:
    case kOpcodeSelectDb:
      return "l";
    case kOpcodeFreq:
      return "1";
    case kOpcodeAux:
      return "ss";
    case kOpcodeResizeDb:
      return "ll";
    case kOpcodeExpireMs:
      return "d";
    case kOpcodeExpireSeconds:
      return "4";
    default:
      return "";
  }
}

bool IsValueType(unsigned char type) { return type < kOpcodeSlotInfo; }

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 2204, fmt::format("unable to read the RDB: {}", what));
}

}  // namespace

absl::Status RdbWalker::Feed(ByteView piece) {
  Checksum(piece);
  return phase_ == Phase::kOpaque ? absl::OkStatus() : Walk(piece);
}

absl::Status RdbWalker::Finish() const {
  if (phase_ != Phase::kDone && phase_ != Phase::kOpaque) return Damaged("it ends too early");
  if (!checksum_present()) return absl::OkStatus();
  if (tail_.size() != kTrailerBytes || Reader(tail_).U64() != crc_) {
    return Damaged("its checksum does not match its bytes");
  }
  return absl::OkStatus();
}

bool RdbWalker::checksum_present() const {
  return version_ >= kFirstVersionWithChecksum && tail_ != Bytes(kTrailerBytes, '\0');
}

std::uint64_t RdbWalker::key_count() const {
  std::uint64_t count = 0;
  for (const auto& [number, database] : databases_) count += database.keys;
  return count;
}

// Everything but the last eight bytes goes into the checksum; which eight are last is known only at
// the end.
void RdbWalker::Checksum(ByteView piece) {
  if (piece.size() >= kTrailerBytes) {
    crc_ = Crc64(crc_, tail_);
    crc_ = Crc64(crc_, piece.substr(0, piece.size() - kTrailerBytes));
    tail_.assign(piece.substr(piece.size() - kTrailerBytes));
    return;
  }
  tail_.append(piece);
  if (tail_.size() <= kTrailerBytes) return;
  const std::size_t excess = tail_.size() - kTrailerBytes;
  crc_ = Crc64(crc_, ByteView(tail_).substr(0, excess));
  tail_.erase(0, excess);
}

absl::Status RdbWalker::Walk(ByteView rest) {
  ByteView raw;
  while (!rest.empty()) {
    switch (phase_) {
      case Phase::kHeader:
        if (TakeRaw(&rest, kHeaderBytes, &raw)) RETURN_IF_ERROR(CheckHeader(raw));
        break;
      case Phase::kRecords: {
        if (program_.empty()) {
          const auto type = static_cast<unsigned char>(rest.front());
          rest.remove_prefix(1);
          RETURN_IF_ERROR(BeginRecord(type));
          break;
        }
        const Take taken = Step(&rest);
        if (taken == Take::kBad) return Damaged(fmt::format("damaged value of type {}", type_));
        if (taken == Take::kDone && at_ == program_.size()) RETURN_IF_ERROR(EndProgram());
        break;
      }
      case Phase::kTrailer:
        if (TakeRaw(&rest, kTrailerBytes, &raw)) phase_ = Phase::kDone;
        break;
      case Phase::kDone:
        return Damaged("bytes follow its end mark");
      case Phase::kOpaque:
        return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status RdbWalker::CheckHeader(ByteView header) {
  int version = 0;
  const bool digits =
      std::all_of(header.begin() + 5, header.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (header.substr(0, 5) != "REDIS" || !digits ||
      !absl::SimpleAtoi(std::string(header.substr(5)), &version) || version < 1) {
    return Damaged("it does not begin with an RDB header");
  }
  version_ = version;
  phase_ = Phase::kRecords;
  return absl::OkStatus();
}

absl::Status RdbWalker::BeginRecord(unsigned char type) {
  type_ = type;
  at_ = 0;
  if (type == kOpcodeEof) {
    phase_ = version_ >= kFirstVersionWithChecksum ? Phase::kTrailer : Phase::kDone;
    return absl::OkStatus();
  }
  program_ = ProgramOf(type);
  if (program_.empty()) {
    phase_ = Phase::kOpaque;
    unknown_type_ = type;
    return absl::OkStatus();
  }
  captured_.clear();
  capturing_ = visitor_ != nullptr && (IsValueType(type) || type == kOpcodeFunction2);
  if (type == kOpcodeFunction2) captured_.push_back(static_cast<char>(type));
  in_key_name_ = IsValueType(type);
  if (in_key_name_) program_ = "s";
  return absl::OkStatus();
}

absl::Status RdbWalker::EndProgram() {
  if (in_key_name_) return EndKeyName();
  program_ = {};
  at_ = 0;
  if (IsValueType(type_)) return EndValue();
  switch (type_) {
    case kOpcodeSelectDb:
      database_ = number_;
      current_ = nullptr;
      break;
    case kOpcodeExpireMs:
      expire_at_ms_ = static_cast<std::int64_t>(number_);
      break;
    case kOpcodeExpireSeconds:
      expire_at_ms_ = static_cast<std::int64_t>(number_) * 1000;
      break;
    case kOpcodeFunction2:
      ++function_count_;
      if (visitor_ != nullptr) return visitor_->VisitFunction(captured_);
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status RdbWalker::EndKeyName() {
  in_key_name_ = false;
  program_ = ProgramOf(type_);
  at_ = 0;
  if (visitor_ == nullptr) return absl::OkStatus();
  auto key = DecodeRdbString(captured_);
  if (!key) return Damaged("damaged key name");
  key_ = *std::move(key);
  captured_.assign(1, static_cast<char>(type_));
  return absl::OkStatus();
}

absl::Status RdbWalker::EndValue() {
  if (current_ == nullptr) current_ = &databases_[database_];
  ++current_->keys;
  if (expire_at_ms_ >= 0) ++current_->expires;
  const std::int64_t expire_at_ms = std::exchange(expire_at_ms_, -1);
  if (visitor_ == nullptr) return absl::OkStatus();
  return visitor_->Visit({database_, key_, expire_at_ms, captured_});
}

// One field, or as much of it as `rest` holds.
RdbWalker::Take RdbWalker::Step(ByteView* rest) {
  if (skip_ == 0) {
    const char step = module_step_ != 0 ? module_step_ : program_[at_];
    Take taken = Take::kBad;
    ByteView raw;
    switch (step) {
      case 'l':
        taken = TakeLength(rest, &number_);
        break;
      case '1':
      case '4':
      case 'd':
        taken = TakeNumber(rest, step == 'd' ? 8 : step - '0');
        break;
      case 'R':
        taken = TakeRaw(rest, 16, &raw) ? Take::kDone : Take::kMore;
        break;
      case 'f':
        taken = TakeNumber(rest, 1);
        // 253 to 255 stand for not-a-number and the infinities, without text.
        if (taken == Take::kDone && number_ < 253) skip_ = number_;
        break;
      case 's':
        taken = StepString(rest);
        break;
      case 'm':
        return StepModule(rest);
      default:
        taken = StepLoop(rest);
        if (taken == Take::kDone) CloseLoops();
        return taken;
    }
    if (taken != Take::kDone) return taken;
  }
  Pass(rest);
  if (skip_ > 0) return Take::kMore;
  if (module_step_ != 0) {
    module_step_ = 0;
  } else {
    ++at_;
  }
  CloseLoops();
  return Take::kDone;
}

void RdbWalker::CloseLoops() {
  // Closing a loop takes no byte, so it must not wait for the next piece.
  while (at_ < program_.size() && program_[at_] == ')') {
    if (--loops_.back().left > 0) {
      at_ = loops_.back().begin;
    } else {
      loops_.pop_back();
      ++at_;
    }
  }
}

RdbWalker::Take RdbWalker::StepString(ByteView* rest) {
  if (lzf_lengths_ == 0) {
    const auto first =
        static_cast<unsigned char>(partial_.empty() ? rest->front() : partial_.front());
    if (first >> 6 != 3) return TakeLength(rest, &skip_);
    ByteView raw;
    if (!TakeRaw(rest, 1, &raw)) return Take::kMore;
    if (first > 0xc3) return Take::kBad;
    if (first < 0xc3) {
      skip_ = std::uint64_t{1} << (first - 0xc0);
      return Take::kDone;
    }
    lzf_lengths_ = 2;
  }
  while (lzf_lengths_ > 0) {
    std::uint64_t length = 0;
    const Take taken = TakeLength(rest, &length);
    if (taken != Take::kDone) return taken;
    if (lzf_lengths_-- == 2) number_ = length;  // the second is the plain length
  }
  skip_ = number_;
  return Take::kDone;
}

RdbWalker::Take RdbWalker::StepModule(ByteView* rest) {
  std::uint64_t opcode = 0;
  const Take taken = TakeLength(rest, &opcode);
  if (taken != Take::kDone) return taken;
  if (opcode > 5) return Take::kBad;
  if (opcode == 0) {
    ++at_;
  } else {
    module_step_ = std::string_view("?ll4ds")[opcode];
  }
  return Take::kDone;
}

RdbWalker::Take RdbWalker::StepLoop(ByteView* rest) {
  std::uint64_t count = 0;
  const Take taken = TakeLength(rest, &count);
  if (taken != Take::kDone) return taken;
  at_ += 2;
  loops_.push_back({at_, count});
  if (count > 0) return Take::kDone;
  for (int depth = 1; depth > 0; ++at_) {
    if (program_[at_] == '(') ++depth;
    if (program_[at_] == ')') --depth;
  }
  --at_;
  loops_.back().left = 1;  // at its end: closing it goes on with what follows
  return Take::kDone;
}

RdbWalker::Take RdbWalker::TakeLength(ByteView* rest, std::uint64_t* value) {
  if (partial_.empty() && rest->empty()) return Take::kMore;
  const auto first =
      static_cast<unsigned char>(partial_.empty() ? rest->front() : partial_.front());
  std::size_t size = 1;
  if (first >> 6 == 1) size = 2;
  if (first == 0x80) size = 5;
  if (first == 0x81) size = 9;
  if (first > 0x81) return Take::kBad;
  ByteView raw;
  if (!TakeRaw(rest, size, &raw)) return Take::kMore;
  std::uint64_t result = size > 2 ? 0 : first & 0x3f;
  for (const char byte : raw.substr(1)) result = result << 8 | static_cast<unsigned char>(byte);
  *value = result;
  return Take::kDone;
}

RdbWalker::Take RdbWalker::TakeNumber(ByteView* rest, std::size_t size) {
  ByteView raw;
  if (!TakeRaw(rest, size, &raw)) return Take::kMore;
  number_ = 0;
  for (std::size_t i = size; i > 0; --i)
    number_ = number_ << 8 | static_cast<unsigned char>(raw[i - 1]);
  return Take::kDone;
}

bool RdbWalker::TakeRaw(ByteView* rest, std::size_t size, ByteView* raw) {
  if (partial_.empty() && rest->size() >= size) {
    *raw = rest->substr(0, size);
    rest->remove_prefix(size);
  } else {
    const std::size_t part = std::min(size - partial_.size(), rest->size());
    partial_.append(rest->substr(0, part));
    rest->remove_prefix(part);
    if (partial_.size() < size) return false;
    whole_.swap(partial_);
    partial_.clear();
    *raw = whole_;
  }
  if (capturing_) captured_.append(*raw);
  return true;
}

void RdbWalker::Pass(ByteView* rest) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, rest->size()));
  if (capturing_) captured_.append(rest->substr(0, size));
  rest->remove_prefix(size);
  skip_ -= size;
}

}  // namespace holdfast::redis
