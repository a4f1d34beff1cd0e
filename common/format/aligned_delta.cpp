#include "common/format/aligned_delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace holdfast {
namespace {

// Two places are in step for sure when that much is equal; less may be the likeness of any two
// rows.
constexpr std::size_t kSureBytes = 256;
constexpr std::size_t kLikelyBytes = 64;         // of places that are near
constexpr std::size_t kSmallChangeBytes = 16;    // of a field: a number, a date
constexpr std::size_t kLikelyChangeBytes = 512;  // a row
constexpr std::size_t kNearBytes = 4096;
constexpr int kNearSlotBits = 12;
constexpr std::size_t kRememberedSkips = 4;
constexpr std::size_t kSampledOf = 32;  // places of the whole base
constexpr std::size_t kSampledBytes = 16;
// Equal bytes are passed over in such steps: memcmp uses what the processor has.
constexpr std::size_t kComparedBytes = 128;
// Where nothing is found, the next search is that much further.
constexpr std::size_t kSkipBytes = 256;

// Multiplicative hashing (Knuth, TAOCP 3, 6.4): 2^64 divided by the golden ratio, and a prime of
// xxHash.
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kPrime = 0xC2B2AE3D27D4EB4F;

std::uint64_t Word(ByteView bytes, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof(word));
  return word;
}

std::size_t CommonPrefix(ByteView a, ByteView b) {
  const std::size_t size = std::min(a.size(), b.size());
  std::size_t at = 0;
  while (at + kComparedBytes <= size &&
         std::memcmp(a.data() + at, b.data() + at, kComparedBytes) == 0) {
    at += kComparedBytes;
  }
  while (at + sizeof(std::uint64_t) <= size) {
    const std::uint64_t differs = Word(a, at) ^ Word(b, at);
    if (differs != 0) return at + static_cast<std::size_t>(std::countr_zero(differs)) / 8;
    at += sizeof(std::uint64_t);
  }
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

// A place where both are equal again.
struct Meeting {
  std::size_t data_at = 0;
  std::size_t base_at = 0;
  std::size_t equal_bytes = 0;  // 0: none; looked at up to kSureBytes
  bool to_the_end = false;      // nothing differs any more
};

// From where both parted to where they met, further on in both.
struct Skip {
  std::size_t data = 1;
  std::size_t base = 1;
  friend bool operator==(const Skip&, const Skip&) = default;
};

class Walk {
 public:
  Walk(ByteView base, ByteView data, std::size_t max_literal_bytes)
      : base_(base), data_(data), literals_left_(max_literal_bytes) {}

  std::optional<std::vector<AlignedCopy>> Run() {
    for (;;) {
      const std::size_t equal = CommonPrefix(data_.substr(data_at_), base_.substr(base_at_));
      if (!Copy(equal)) return std::nullopt;
      if (data_at_ == data_.size()) return std::move(copies_);
      if (!Meet()) return std::nullopt;
    }
  }

 private:
  // false when too much before it is literal.
  bool Copy(std::size_t bytes) {
    const std::size_t before = LikeBefore();
    const bool counts = before + bytes >= kMinCopyBytes;
    const std::size_t literal = data_at_ - copied_to_ - (counts ? before : 0);
    if (literal > literals_left_) return false;
    if (counts) {
      literals_left_ -= literal;
      copies_.push_back({static_cast<std::uint32_t>(literal),
                         static_cast<std::uint32_t>(before + bytes),
                         static_cast<std::uint32_t>(base_at_ - before)});
      copied_to_ = data_at_ + bytes;
    }
    in_step_ = before + bytes >= kSureBytes;
    data_at_ += bytes;
    base_at_ += bytes;
    return data_at_ < data_.size() || data_at_ - copied_to_ <= literals_left_;
  }

  // How much before this place, and after the last copy, is equal too.
  std::size_t LikeBefore() const {
    const std::size_t most = std::min(data_at_ - copied_to_, base_at_);
    std::size_t bytes = 0;
    while (bytes + sizeof(std::uint64_t) <= most &&
           Word(data_, data_at_ - bytes - sizeof(std::uint64_t)) ==
               Word(base_, base_at_ - bytes - sizeof(std::uint64_t))) {
      bytes += sizeof(std::uint64_t);
    }
    while (bytes < most && data_[data_at_ - bytes - 1] == base_[base_at_ - bytes - 1]) ++bytes;
    return bytes;
  }

  // Moves on to where both are in step again, or to the end of data; false when that takes too
  // many literals.
  bool Meet() {
    while (data_at_ < data_.size() && steps_ <= base_.size() / 3 + 2 * data_at_) {
      if (data_at_ - copied_to_ > literals_left_) return false;
      Meeting meeting = Near();
      const std::size_t enough = in_step_ ? kLikelyBytes : kSureBytes;
      if (meeting.equal_bytes < enough && !meeting.to_the_end) {
        if (const Meeting far = Far(); far.equal_bytes > meeting.equal_bytes) meeting = far;
        // Nothing near, and nothing of what may still be a literal is anywhere.
        if (meeting.equal_bytes == 0 && far_searched_to_ > data_at_ + kSkipBytes) break;
      }
      if (meeting.equal_bytes >= kMinCopyBytes) {
        if (meeting.base_at >= base_at_) {
          Remember({meeting.data_at - data_at_, meeting.base_at - base_at_});
        }
        data_at_ = meeting.data_at;
        base_at_ = meeting.base_at;
        return true;
      }
      const std::size_t skip = std::min(kSkipBytes, data_.size() - data_at_);
      data_at_ += skip;
      base_at_ = std::min(base_at_ + skip, base_.size());
    }
    data_at_ = data_.size();
    return data_at_ - copied_to_ <= literals_left_;
  }

  void Remember(const Skip& skip) {
    const auto found = std::find(skips_.begin(), skips_.end() - 1, skip);
    std::move_backward(skips_.begin(), found, found + 1);
    skips_.front() = skip;
  }

  // Where both go on a little further: something was changed, left out or put in.
  Meeting Near() {
    Meeting best;
    // As before: rows are often of one length, and are changed, go and come.
    for (const Skip& skip : skips_) {
      if (IsSure(data_at_ + skip.data, base_at_ + skip.base, &best)) return best;
    }
    // Along each shift, so that IsSure need not look at the same bytes again.
    constexpr auto kMost = static_cast<std::ptrdiff_t>(kSmallChangeBytes);
    for (std::ptrdiff_t shift = -kMost; shift <= kMost; ++shift) {
      const std::size_t data_skip = shift > 0 ? static_cast<std::size_t>(shift) : 0;
      const std::size_t base_skip = shift < 0 ? static_cast<std::size_t>(-shift) : 0;
      for (std::size_t at = 0; at + std::max(data_skip, base_skip) <= kSmallChangeBytes; ++at) {
        if (IsSure(data_at_ + data_skip + at, base_at_ + base_skip + at, &best)) return best;
      }
    }
    for (std::size_t skip = kSmallChangeBytes + 1; skip <= kLikelyChangeBytes; ++skip) {
      if (IsSure(data_at_, base_at_ + skip, &best) || IsSure(data_at_ + skip, base_at_, &best) ||
          IsSure(data_at_ + skip, base_at_ + skip, &best)) {
        return best;
      }
    }
    IndexNear();
    for (std::size_t skip = 0; skip < kNearBytes; ++skip) {
      if (data_at_ + skip + kMinCopyBytes > data_.size()) break;
      const std::uint16_t found = near_[Slot(Word(data_, data_at_ + skip))];
      if (found != kNothing && IsSure(data_at_ + skip, base_at_ + found, &best)) return best;
    }
    steps_ += 2 * kNearBytes;
    return best;
  }

  // Whether both are in step for sure from those places on; else *best is the better place.
  bool IsSure(std::size_t data_at, std::size_t base_at, Meeting* best) {
    ++steps_;
    if (data_at + kMinCopyBytes > data_.size() || base_at + kMinCopyBytes > base_.size()) {
      return false;
    }
    if (Word(data_, data_at) != Word(base_, base_at)) return false;
    // Seen from the place before.
    if (data_at < seen_to_ && data_at - base_at == seen_shift_) return false;
    const std::size_t equal =
        CommonPrefix(data_.substr(data_at, kSureBytes), base_.substr(base_at, kSureBytes));
    steps_ += equal / sizeof(std::uint64_t);
    seen_to_ = data_at + equal;
    seen_shift_ = data_at - base_at;
    // Nothing differs up to the end: no surer place can be.
    const bool to_the_end = data_at + equal == data_.size();
    if (equal > best->equal_bytes) *best = {data_at, base_at, equal, to_the_end};
    return equal >= kSureBytes || (to_the_end && equal >= kMinCopyBytes);
  }

  static std::size_t Slot(std::uint64_t word) {
    return static_cast<std::size_t>((word * kGolden) >> (64 - kNearSlotBits));
  }

  // The first place of every word in the base, as far as it is near.
  void IndexNear() {
    near_.fill(kNothing);
    const std::size_t left = base_.size() - base_at_;
    if (left < kMinCopyBytes) return;
    for (std::size_t skip = std::min(kNearBytes, left - kMinCopyBytes) + 1; skip-- > 0;) {
      near_[Slot(Word(base_, base_at_ + skip))] = static_cast<std::uint16_t>(skip);
    }
  }

  // A place anywhere in the base, of the data that may still become literals.
  Meeting Far() {
    Meeting best;
    if (data_.size() < kSampledBytes) return best;
    if (far_.empty()) IndexFar();
    const std::size_t end = std::min(data_.size() - kSampledBytes, copied_to_ + literals_left_) + 1;
    const std::size_t begin = std::max(data_at_, far_searched_to_);
    for (std::size_t at = begin; at < end; ++at) {
      const std::uint32_t found = far_[FarSlot(at, data_)];
      if (found != kNowhere && IsSure(at, found, &best)) {
        steps_ += at - begin;
        return best;
      }
    }
    if (end > begin) steps_ += end - begin;
    far_searched_to_ = std::max(far_searched_to_, end);
    return best;
  }

  // Every kSampledOf-th place of the base.
  void IndexFar() {
    const std::size_t places = base_.size() / kSampledOf;
    far_.assign(std::bit_ceil(std::max<std::size_t>(2 * places, 64)), kNowhere);
    far_shift_ = 64 - std::countr_zero(far_.size());
    for (std::size_t at = 0; at + kSampledBytes <= base_.size(); at += kSampledOf) {
      std::uint32_t& slot = far_[FarSlot(at, base_)];
      if (slot == kNowhere) slot = static_cast<std::uint32_t>(at);
    }
    steps_ += 4 * places;
  }

  std::size_t FarSlot(std::size_t at, ByteView bytes) const {
    const std::uint64_t hash =
        (Word(bytes, at) * kGolden) ^ (Word(bytes, at + sizeof(std::uint64_t)) * kPrime);
    return (hash ^ (hash << 32)) >> far_shift_;
  }

  static constexpr std::uint16_t kNothing = 0xffff;
  static constexpr std::uint32_t kNowhere = 0xffffffff;

  const ByteView base_;
  const ByteView data_;
  std::size_t literals_left_;
  std::size_t data_at_ = 0;
  std::size_t base_at_ = 0;
  std::size_t copied_to_ = 0;                 // in data
  bool in_step_ = false;                      // the last copy was a sure one
  std::array<Skip, kRememberedSkips> skips_;  // the last ones, the newest first
  std::size_t seen_to_ = 0;                   // in data: of what IsSure compared last
  std::size_t seen_shift_ = 0;                // from base to data (mod 2^64): of the same
  std::size_t steps_ = 0;  // of searches; one takes about as long as it takes to copy a byte
  std::vector<AlignedCopy> copies_;
  std::array<std::uint16_t, std::size_t{1} << kNearSlotBits> near_;
  std::vector<std::uint32_t> far_;  // places in the base, by hash; empty: not made yet
  int far_shift_ = 0;
  std::size_t far_searched_to_ = 0;  // in data: nothing there is anywhere in the base
};

}  // namespace

std::optional<std::vector<AlignedCopy>> AlignWithBase(ByteView base, ByteView data,
                                                      std::size_t max_literal_bytes) {
  return Walk(base, data, max_literal_bytes).Run();
}

}  // namespace holdfast
