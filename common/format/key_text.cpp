#include "common/format/key_text.h"

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr char kSymbols[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kGroupSymbols = 5;
constexpr std::size_t kCheckBytes = 5;
constexpr std::size_t kMaxTextBytes = 1024;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char Upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool IsSpacing(char c) { return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The value of a symbol, -1 for a foreign character. Crockford: O is 0, I and L are 1.
int SymbolValue(char c) {
  const char upper = Upper(c);
  if (upper == 'O') return 0;
  if (upper == 'I' || upper == 'L') return 1;
  for (int i = 0; i < 32; ++i) {
    if (kSymbols[i] == upper) return i;
  }
  return -1;
}

// `text` without its prefix, or nullopt. Spacing inside the prefix is ignored as everywhere.
std::optional<std::string_view> WithoutPrefix(std::string_view prefix, std::string_view text) {
  std::size_t at = 0;
  for (const char wanted : prefix) {
    if (wanted == '-') continue;
    while (at < text.size() && IsSpacing(text[at])) ++at;
    if (at == text.size() || Lower(text[at]) != wanted) return std::nullopt;
    ++at;
  }
  return text.substr(at);
}

Bytes CheckOf(std::string_view prefix, ByteView secret) {
  Sha256Hasher hasher;
  hasher.Update(prefix);
  hasher.Update(secret);
  return Bytes(hasher.Finish().view().substr(0, kCheckBytes));
}

std::string Base32(ByteView bytes) {
  std::string symbols;
  unsigned buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = (buffer << 8 | static_cast<unsigned char>(c)) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) symbols.push_back(kSymbols[buffer >> (bits - 5) & 31]);
  }
  if (bits > 0) symbols.push_back(kSymbols[buffer << (5 - bits) & 31]);
  return symbols;
}

absl::Status Refused(std::string_view prefix, std::string_view cause) {
  return Error(ErrorKind::kUsage, 4100,
               fmt::format("unable to read the key '{}…': {}", prefix, cause),
               "Compare it group by group with the printed one.");
}

}  // namespace

std::string EncodeKeyText(std::string_view prefix, ByteView secret) {
  const SecretBytes bytes = SecretBytes::Take(Bytes(secret) + CheckOf(prefix, secret));
  const std::string symbols = Base32(bytes.view());
  std::string text(prefix);
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (i > 0 && i % kGroupSymbols == 0) text.push_back('-');
    text.push_back(symbols[i]);
  }
  return text;
}

absl::StatusOr<SecretBytes> DecodeKeyText(std::string_view prefix, std::string_view text) {
  if (text.size() > kMaxTextBytes) return Refused(prefix, "it is too long");
  const auto rest = WithoutPrefix(prefix, text);
  if (!rest) return Refused(prefix, fmt::format("it does not begin with '{}'", prefix));

  Bytes bytes;
  unsigned buffer = 0;
  int bits = 0;
  std::size_t symbol_count = 0;
  for (const char c : *rest) {
    if (IsSpacing(c)) continue;
    ++symbol_count;
    const int value = SymbolValue(c);
    if (value < 0) {
      return Refused(prefix, fmt::format("group {} holds a character that no key has",
                                         (symbol_count - 1) / kGroupSymbols + 1));
    }
    buffer = (buffer << 5 | static_cast<unsigned>(value)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bytes.push_back(static_cast<char>(buffer >> (bits - 8)));
      bits -= 8;
    }
  }
  const bool padded_with_zeros = (buffer & ((1u << bits) - 1)) == 0;
  const SecretBytes held = SecretBytes::Take(std::move(bytes));
  if (bits >= 5 || held.size() <= kCheckBytes) return Refused(prefix, "it is cut");
  const ByteView secret = held.view().substr(0, held.size() - kCheckBytes);
  if (!padded_with_zeros ||
      !ConstantTimeEqual(held.view().substr(secret.size()), CheckOf(prefix, secret))) {
    return Refused(prefix, "a group is mistyped, missing or out of order");
  }
  return SecretBytes(secret);
}

std::vector<std::string> KeyTextGroups(std::string_view prefix, std::string_view text) {
  std::vector<std::string> groups;
  std::string group;
  for (const char c : WithoutPrefix(prefix, text).value_or(text)) {
    if (IsSpacing(c)) {
      if (!group.empty()) groups.push_back(std::move(group));
      group.clear();
    } else {
      group.push_back(c);
    }
  }
  if (!group.empty()) groups.push_back(std::move(group));
  return groups;
}

bool SameKeyText(std::string_view a, std::string_view b) {
  const auto plain = [](std::string_view text) {
    std::string result;
    for (const char c : text) {
      if (IsSpacing(c)) continue;
      const int value = SymbolValue(c);
      result.push_back(value < 0 ? Upper(c) : kSymbols[value]);
    }
    return result;
  };
  return plain(a) == plain(b);
}

}  // namespace holdfast
