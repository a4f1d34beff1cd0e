#include "common/config/config.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/nearest.h"
#include "common/config/values.h"
#include "common/config/yaml_tree.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr int kFile = 1010;
constexpr int kUnknownKey = 1012;
constexpr int kType = 1014;
constexpr int kMissing = 1015;
constexpr int kSecret = 1016;
constexpr int kRefused = 1017;
constexpr std::uint64_t kMaxCredentialBytes = 64 << 10;
constexpr char kHint[] = "Correct it at that place of the file, and start again.";

std::string Where(const YamlTree& tree, int line, int column) {
  return fmt::format("{}:{}:{}", tree.name, line, column);
}

std::string HintFor(std::string_view unknown, const std::vector<std::string_view>& allowed) {
  constexpr std::size_t kLongestWord = 64;
  if (allowed.empty()) return "No key is known here.";
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(2, unknown.size() / 3) + 1;
  for (const std::string_view key : allowed) {
    if (unknown.size() > kLongestWord) break;
    const std::size_t distance = EditDistance(unknown, key);
    if (distance < least && distance < key.size()) {
      least = distance;
      nearest = key;
    }
  }
  if (!nearest.empty()) return fmt::format("Did you mean '{}'?", nearest);
  return fmt::format("Known here: {}.", fmt::join(allowed, ", "));
}

std::string_view KindName(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNothing:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "text";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return "something unknown";
}

// NAME of "${env:NAME}" when `start` is "${env:".
std::optional<std::string> ReferencedName(std::string_view text, std::string_view start) {
  if (text.size() <= start.size() + 1 || text.substr(0, start.size()) != start ||
      text.back() != '}') {
    return std::nullopt;
  }
  return std::string(text.substr(start.size(), text.size() - start.size() - 1));
}

// The only line of a secret file; empty when there is nothing else.
SecretBytes WithoutLineBreak(Bytes bytes) {
  const SecretBytes all = SecretBytes::Take(std::move(bytes));
  ByteView line = all.view();
  if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return SecretBytes(line);
}

// One value of `key`, or `fallback` when the key is missing.
template <typename T, typename Convert>
absl::StatusOr<T> ValueOr(const ConfigNode& map, std::string_view key, T fallback,
                          Convert convert) {
  const std::optional<ConfigNode> found = map.Find(key);
  if (!found) return fallback;
  return convert(*found);
}

}  // namespace

const YamlNode& ConfigNode::node() const { return tree_->nodes[index_]; }

std::string ConfigNode::where() const { return Where(*tree_, node().line, node().column); }

absl::Status ConfigNode::Refuse(std::string_view what, std::string hint) const {
  if (hint.empty()) hint = kHint;
  return Error(ErrorKind::kUsage, kRefused, fmt::format("{}: {}", where(), what), std::move(hint));
}

absl::Status ConfigNode::WrongType(std::string_view expected, std::string hint) const {
  if (hint.empty()) hint = kHint;
  const std::string found = node().kind == YamlNode::Kind::kScalar
                                ? fmt::format("'{}'", Escaped(node().text, 60))
                                : std::string(KindName(node()));
  return Error(ErrorKind::kUsage, kType,
               fmt::format("{}: expected {}, found {}", where(), expected, found), std::move(hint));
}

bool ConfigNode::IsMap() const { return node().kind == YamlNode::Kind::kMap; }
bool ConfigNode::IsList() const { return node().kind == YamlNode::Kind::kList; }

absl::Status ConfigNode::CheckKeys(const std::vector<std::string_view>& allowed,
                                   const std::vector<std::string_view>& required) const {
  if (!IsMap()) return WrongType("a mapping of keys");
  for (const YamlNode::Member& member : node().members) {
    if (std::find(allowed.begin(), allowed.end(), member.key) != allowed.end()) continue;
    return Error(ErrorKind::kUsage, kUnknownKey,
                 fmt::format("{}: unknown key '{}'", Where(*tree_, member.line, member.column),
                             Escaped(member.key, 60)),
                 HintFor(member.key, allowed));
  }
  for (const std::string_view key : required) RETURN_IF_ERROR(At(key).status());
  return absl::OkStatus();
}

std::optional<ConfigNode> ConfigNode::Find(std::string_view key) const {
  for (const YamlNode::Member& member : node().members) {
    if (member.key == key) return Child(member.value);
  }
  return std::nullopt;
}

bool ConfigNode::Has(std::string_view key) const { return Find(key).has_value(); }

absl::StatusOr<ConfigNode> ConfigNode::At(std::string_view key) const {
  if (!IsMap()) return WrongType("a mapping of keys");
  if (auto found = Find(key)) return *std::move(found);
  return Error(ErrorKind::kUsage, kMissing, fmt::format("{}: key '{}' is missing", where(), key),
               fmt::format("Add '{}:' here.", key));
}

absl::StatusOr<std::string> ConfigNode::AsText() const {
  if (node().kind != YamlNode::Kind::kScalar) return WrongType("text");
  return node().text;
}

absl::StatusOr<std::string> ConfigNode::PlainText(std::string_view expected) const {
  if (node().kind != YamlNode::Kind::kScalar) return WrongType(expected);
  if (node().quoted) return WrongType(expected, "Remove the quotes.");
  return node().text;
}

absl::StatusOr<bool> ConfigNode::AsBool() const {
  ASSIGN_OR_RETURN(const std::string text, PlainText("true or false"));
  if (text == "true") return true;
  if (text == "false") return false;
  return WrongType("true or false");
}

absl::StatusOr<std::int64_t> ConfigNode::AsInteger(Range<std::int64_t> range) const {
  ASSIGN_OR_RETURN(const std::string text, PlainText("a number"));
  const auto value = ParseInteger(text);
  if (!value) return WrongType("a number", "Write it in decimal digits, without leading zeros.");
  if (*value < range.least || *value > range.most) {
    return WrongType(fmt::format("a number from {} to {}", range.least, range.most));
  }
  return *value;
}

absl::StatusOr<absl::Duration> ConfigNode::AsDuration() const {
  ASSIGN_OR_RETURN(const std::string text, AsText());
  if (const auto value = ParseDuration(text)) return *value;
  return WrongType("a duration", "Write it like 30s, 15m, 4h or 7d.");
}

absl::StatusOr<std::uint64_t> ConfigNode::AsSize(Range<std::uint64_t> range) const {
  ASSIGN_OR_RETURN(const std::string text, AsText());
  const auto value = ParseSize(text);
  if (!value) return WrongType("a size", "Write it like 64 MiB or 10 GB.");
  if (*value < range.least || *value > range.most) {
    return WrongType(fmt::format("a size from {} to {} bytes", range.least, range.most));
  }
  return *value;
}

absl::StatusOr<std::vector<ConfigNode>> ConfigNode::AsList() const {
  if (!IsList()) return WrongType("a list", "Begin each item with '- '.");
  std::vector<ConfigNode> result;
  for (const std::size_t item : node().items) result.push_back(Child(item));
  return result;
}

absl::StatusOr<std::vector<std::string>> ConfigNode::AsTexts() const {
  ASSIGN_OR_RETURN(const std::vector<ConfigNode> items, AsList());
  std::vector<std::string> result;
  for (const ConfigNode& item : items) {
    ASSIGN_OR_RETURN(std::string text, item.AsText());
    result.push_back(std::move(text));
  }
  return result;
}

absl::StatusOr<std::vector<std::pair<std::string, ConfigNode>>> ConfigNode::AsMembers() const {
  if (!IsMap()) return WrongType("a mapping of keys");
  std::vector<std::pair<std::string, ConfigNode>> result;
  for (const YamlNode::Member& member : node().members) {
    result.emplace_back(member.key, Child(member.value));
  }
  return result;
}

absl::StatusOr<std::string> ConfigNode::Text(std::string_view key) const {
  ASSIGN_OR_RETURN(const ConfigNode found, At(key));
  return found.AsText();
}

absl::StatusOr<std::vector<ConfigNode>> ConfigNode::List(std::string_view key) const {
  ASSIGN_OR_RETURN(const ConfigNode found, At(key));
  return found.AsList();
}

absl::StatusOr<std::string> ConfigNode::Text(std::string_view key, std::string fallback) const {
  return ValueOr(*this, key, std::move(fallback), [](const ConfigNode& n) { return n.AsText(); });
}

absl::StatusOr<bool> ConfigNode::Bool(std::string_view key, bool fallback) const {
  return ValueOr(*this, key, fallback, [](const ConfigNode& n) { return n.AsBool(); });
}

absl::StatusOr<std::int64_t> ConfigNode::Integer(std::string_view key, std::int64_t fallback,
                                                 Range<std::int64_t> range) const {
  return ValueOr(*this, key, fallback, [&](const ConfigNode& n) { return n.AsInteger(range); });
}

absl::StatusOr<absl::Duration> ConfigNode::Duration(std::string_view key,
                                                    absl::Duration fallback) const {
  return ValueOr(*this, key, fallback, [](const ConfigNode& n) { return n.AsDuration(); });
}

absl::StatusOr<std::uint64_t> ConfigNode::Size(std::string_view key, std::uint64_t fallback,
                                               Range<std::uint64_t> range) const {
  return ValueOr(*this, key, fallback, [&](const ConfigNode& n) { return n.AsSize(range); });
}

absl::StatusOr<std::vector<std::string>> ConfigNode::Texts(std::string_view key) const {
  return ValueOr(*this, key, std::vector<std::string>(),
                 [](const ConfigNode& n) { return n.AsTexts(); });
}

absl::StatusOr<SecretBytes> ConfigNode::SecretFromFile(FileSystem& fs) const {
  ASSIGN_OR_RETURN(std::string path, AsText());
  if (path.empty()) return WrongType("the path of a file");
  if (path[0] != '/') path = JoinPath(tree_->directory, path);
  absl::StatusOr<Bytes> bytes = fs.ReadSecret(path);
  if (!bytes.ok()) {
    // Wrong rights stay what they are; a wrong name is a mistake in this file.
    if (KindOf(bytes.status()) == ErrorKind::kPermission) {
      return WithContext(bytes.status(), where());
    }
    return Error(ErrorKind::kUsage, kSecret,
                 fmt::format("{}: {}", where(), MessageOf(bytes.status())),
                 HintOf(bytes.status()).empty() ? "Create it with mode 600, or name another file."
                                                : HintOf(bytes.status()));
  }
  SecretBytes line = WithoutLineBreak(*std::move(bytes));
  if (line.empty()) {
    return Error(ErrorKind::kUsage, kSecret,
                 fmt::format("{}: secret file '{}' is empty", where(), Escaped(path)),
                 "Write the secret into it, as its only line.");
  }
  return line;
}

// systemd.exec(5), LoadCredential=: the directory is this process's alone, whatever the modes in
// it.
absl::StatusOr<SecretBytes> ConfigNode::SecretFromCredential(FileSystem& fs,
                                                             const Surroundings& surroundings,
                                                             const std::string& name) const {
  const auto directory = surroundings.variable("CREDENTIALS_DIRECTORY");
  const std::string title = fmt::format("{}: credential '{}'", where(), Escaped(name, 60));
  if (!directory) {
    return Error(ErrorKind::kUsage, kSecret, title + " was not given: the program runs as no unit",
                 "Start it by systemd with LoadCredential=, or name a file.");
  }
  if (name.find('/') != std::string::npos || name[0] == '.') {
    return Error(ErrorKind::kUsage, kSecret, title + " is not a usable name");
  }
  absl::StatusOr<Bytes> bytes = fs.ReadFile(JoinPath(*directory, name), kMaxCredentialBytes);
  SecretBytes line = bytes.ok() ? WithoutLineBreak(*std::move(bytes)) : SecretBytes();
  if (line.empty()) {
    return Error(ErrorKind::kUsage, kSecret, title + " is missing or empty",
                 "A file NAME in /etc/holdfast/credentials is the credential holdfast_NAME.");
  }
  return line;
}

absl::StatusOr<SecretBytes> ConfigNode::SecretByReference(FileSystem& fs,
                                                          const Surroundings& surroundings,
                                                          std::string_view key) const {
  const std::string hint = fmt::format(
      "Put it into a file with mode 600 and set '{0}_file', or write '{0}: ${{env:NAME}}'.", key);
  if (node().kind != YamlNode::Kind::kScalar) {  // the text itself may be the secret: not shown
    return WrongType("a reference to a secret", hint);
  }
  if (const auto credential = ReferencedName(node().text, "${credential:")) {
    return SecretFromCredential(fs, surroundings, *credential);
  }
  const auto name = ReferencedName(node().text, "${env:");
  if (!name) {
    return Error(ErrorKind::kUsage, kSecret,
                 fmt::format("{}: the secret '{}' stands in the file itself", where(), key), hint);
  }
  auto value = surroundings.variable(*name);
  if (!value) {
    return Error(
        ErrorKind::kUsage, kSecret,
        fmt::format("{}: environment variable '{}' is not set", where(), Escaped(*name, 60)),
        "Set it where the program is started.");
  }
  return SecretBytes::Take(*std::move(value));
}

absl::StatusOr<std::optional<SecretBytes>> ConfigNode::Secret(
    FileSystem& fs, std::string_view key, const Surroundings& surroundings) const {
  const auto inline_value = Find(key);
  const auto file = Find(std::string(key) + "_file");
  if (inline_value && file) {
    return Error(
        ErrorKind::kUsage, kSecret,
        fmt::format("{}: '{}' and '{}_file' are both set", inline_value->where(), key, key),
        "Keep one of them.");
  }
  if (!inline_value && !file) return std::optional<SecretBytes>();
  ASSIGN_OR_RETURN(
      SecretBytes secret,
      file ? file->SecretFromFile(fs) : inline_value->SecretByReference(fs, surroundings, key));
  return std::optional<SecretBytes>(std::move(secret));
}

absl::StatusOr<ConfigDocument> ParseConfig(std::string_view text, std::string name) {
  ASSIGN_OR_RETURN(YamlTree tree, ParseYaml(text, std::move(name)));
  return ConfigDocument(std::make_shared<const YamlTree>(std::move(tree)));
}

absl::StatusOr<ConfigDocument> LoadConfig(FileSystem& fs, const std::string& path) {
  const absl::StatusOr<Bytes> text = fs.ReadFile(path, kMaxConfigBytes);
  if (!text.ok()) {
    const bool missing = KindOf(text.status()) == ErrorKind::kNotFound;
    return Error(ErrorKind::kUsage, kFile,
                 fmt::format("unable to load configuration: {}", MessageOf(text.status())),
                 missing ? "Create it, or name another file with --config."
                         : "It must be a plain file that this user may read.");
  }
  ASSIGN_OR_RETURN(YamlTree tree, ParseYaml(*text, path));
  tree.directory = ParentPath(path);
  return ConfigDocument(std::make_shared<const YamlTree>(std::move(tree)));
}

}  // namespace holdfast
