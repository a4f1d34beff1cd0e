#include "agent/source/files/glob.h"

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr std::size_t kComponentLimit = 60;  // positions are bits of one word
constexpr std::string_view kAcross = "**";

absl::Status Refuse(std::string_view pattern, std::string_view why) {
  return Error(ErrorKind::kUsage, 2304,
               fmt::format("unable to use pattern '{}': {}", Escaped(pattern), why),
               "Patterns are relative to the root: 'cache/', '*.tmp', '**/*.log'.");
}

// One "[…]" at pattern[*at]; nullopt-like false in `valid` when it does not close.
struct ClassMatch {
  bool valid = false;
  bool matches = false;
  std::size_t size = 0;  // bytes of the pattern it takes
};

ClassMatch MatchClass(std::string_view pattern, unsigned char byte) {
  ClassMatch result;
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) {
      result.valid = true;
      result.matches = found != negated;
      result.size = at + 1;
      return result;
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at]);
    unsigned char high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      high = static_cast<unsigned char>(pattern[at + 2]);
      at += 2;
    }
    if (low <= byte && byte <= high) found = true;
    ++at;
  }
  return result;
}

// Matches one byte of the name; the number of pattern bytes used, 0 when it does not match.
std::size_t MatchByte(std::string_view pattern, unsigned char byte) {
  if (pattern.front() == '?') return 1;
  if (pattern.front() == '[') {
    const ClassMatch match = MatchClass(pattern, byte);
    if (match.valid) return match.matches ? match.size : 0;
  }
  if (pattern.front() == '\\' && pattern.size() > 1) {
    return static_cast<unsigned char>(pattern[1]) == byte ? 2 : 0;
  }
  return static_cast<unsigned char>(pattern.front()) == byte ? 1 : 0;
}

}  // namespace

bool MatchesComponent(std::string_view pattern, std::string_view name) {
  std::size_t at = 0;
  std::size_t in_name = 0;
  std::size_t star = std::string_view::npos;  // where to go on after a mismatch
  std::size_t star_in_name = 0;
  while (in_name < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_in_name = in_name;
      continue;
    }
    const std::size_t used =
        at < pattern.size()
            ? MatchByte(pattern.substr(at), static_cast<unsigned char>(name[in_name]))
            : 0;
    if (used > 0) {
      at += used;
      ++in_name;
    } else if (star != std::string_view::npos) {
      at = star;
      in_name = ++star_in_name;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

absl::StatusOr<Glob> Glob::Parse(std::string_view pattern) {
  Glob glob;
  std::string_view rest = pattern;
  if (!rest.empty() && rest.back() == '/') {
    glob.directories_only_ = true;
    rest.remove_suffix(1);
  }
  if (!rest.empty() && rest.front() == '/') rest.remove_prefix(1);
  if (rest.empty()) return Refuse(pattern, "it is empty");
  while (true) {
    const std::size_t end = rest.find('/');
    const std::string_view part = rest.substr(0, end);
    if (part.empty()) return Refuse(pattern, "it has an empty component");
    if (part == "..") return Refuse(pattern, "it leaves the root");
    // "./a" is what people write for "a"; a repeated "**" says nothing more than one.
    const bool repeated =
        part == kAcross && !glob.components_.empty() && glob.components_.back() == kAcross;
    if (part != "." && !repeated) glob.components_.emplace_back(part);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (glob.components_.empty()) return Refuse(pattern, "it is empty");
  if (glob.components_.size() > kComponentLimit) return Refuse(pattern, "it has too many parts");
  return glob;
}

// Bit i of `positions`: the first i components are used up. "**" may also stand for nothing, but
// not at the end (I1).
std::uint64_t Glob::Closure(std::uint64_t positions) const {
  for (std::size_t i = 0; i + 1 < components_.size(); ++i) {
    if ((positions >> i & 1) != 0 && components_[i] == kAcross) positions |= 1ull << (i + 1);
  }
  return positions;
}

std::uint64_t Glob::Step(std::uint64_t positions, std::string_view name) const {
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < components_.size(); ++i) {
    if ((positions >> i & 1) == 0) continue;
    if (components_[i] == kAcross) {
      next |= 1ull << i;
      if (i + 1 == components_.size()) next |= 1ull << (i + 1);
    } else if (MatchesComponent(components_[i], name)) {
      next |= 1ull << (i + 1);
    }
  }
  return Closure(next);
}

Glob::Result Glob::Test(std::string_view path, PathType type) const {
  const std::uint64_t accepted = 1ull << components_.size();
  std::uint64_t positions = Closure(1);
  Result result;
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    positions = Step(positions, path.substr(0, end));
    const bool last = end == std::string_view::npos;
    if ((positions & accepted) != 0) {
      if (!last) {
        result.below_match = true;
      } else {
        result.matches = type == PathType::kDirectory || !directories_only_;
      }
    }
    if (positions == 0 || last) break;
    path.remove_prefix(end + 1);
  }
  result.may_match_below = (positions & ~accepted) != 0;
  return result;
}

}  // namespace holdfast::source
