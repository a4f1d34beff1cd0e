// A configuration file, read by a walk along the schema: each reader asks for what it knows and
// refuses the rest.
//
// Hides:      YAML, its positions, its leniency about types (yaml_tree.h, values.h).
// Invariants: I1  Nothing is guessed: `no` is no bool, `010` no number, a key nobody asked for an
//                 error.
//             I2  Every error says "file:line:column: …" and has exit code 2; only a secret file
//                 with wrong rights is kPermission.
//             I3  A secret never stands in the file itself and never appears in a message.
// Threading:  values; nodes share the document and keep it alive.
// Errors:     kUsage: 1010 file, 1011 syntax, 1012 unknown key, 1013 duplicate key, 1014 type or
//             range, 1015 missing key, 1016 secret, 1017 refused by the reader
//             (ConfigNode::Refuse).
//
//   ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(fs, path));
//   const ConfigNode root = document.root();
//   RETURN_IF_ERROR(root.CheckKeys({"listen", "interval", "sources"}, {"sources"}));
//   ASSIGN_OR_RETURN(config.listen, root.Text("listen", "127.0.0.1:9443"));
//   ASSIGN_OR_RETURN(config.interval, root.Duration("interval", absl::Hours(4)));
//   ASSIGN_OR_RETURN(const auto sources, root.List("sources"));
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/paths.h"
#include "common/crypto/secret.h"
#include "common/env/file_system.h"

namespace holdfast {

struct YamlTree;
struct YamlNode;

template <typename T>
struct Range {
  T least;
  T most;
};
constexpr Range<std::int64_t> kAnyInteger{std::numeric_limits<std::int64_t>::min(),
                                          std::numeric_limits<std::int64_t>::max()};
constexpr Range<std::uint64_t> kAnySize{0, std::numeric_limits<std::uint64_t>::max()};

class ConfigNode {
 public:
  // "agent.yaml:4:3"
  std::string where() const;
  // kUsage 1017 "<where>: <what>", for what only the reader of a value can judge.
  absl::Status Refuse(std::string_view what, std::string hint = "") const;

  bool IsMap() const;
  bool IsList() const;

  // The node is a map, has no key but `allowed`, and has all of `required`.
  absl::Status CheckKeys(const std::vector<std::string_view>& allowed,
                         const std::vector<std::string_view>& required = {}) const;
  bool Has(std::string_view key) const;
  std::optional<ConfigNode> Find(std::string_view key) const;
  absl::StatusOr<ConfigNode> At(std::string_view key) const;  // 1015 when it is missing

  // The node itself as a value. Text is any scalar, word for word.
  absl::StatusOr<std::string> AsText() const;
  absl::StatusOr<bool> AsBool() const;  // true or false
  absl::StatusOr<std::int64_t> AsInteger(Range<std::int64_t> range = kAnyInteger) const;
  absl::StatusOr<absl::Duration> AsDuration() const;  // "30s" "15m" "4h" "7d"
  absl::StatusOr<std::uint64_t> AsSize(Range<std::uint64_t> range = kAnySize) const;  // "64 MiB"
  absl::StatusOr<std::vector<std::string>> AsTexts() const;
  absl::StatusOr<std::vector<ConfigNode>> AsList() const;
  absl::StatusOr<std::vector<std::pair<std::string, ConfigNode>>> AsMembers() const;  // file order

  // The value of `key`, which must be there…
  absl::StatusOr<std::string> Text(std::string_view key) const;
  absl::StatusOr<std::vector<ConfigNode>> List(std::string_view key) const;
  // …or may be missing.
  absl::StatusOr<std::string> Text(std::string_view key, std::string fallback) const;
  absl::StatusOr<bool> Bool(std::string_view key, bool fallback) const;
  absl::StatusOr<std::int64_t> Integer(std::string_view key, std::int64_t fallback,
                                       Range<std::int64_t> range = kAnyInteger) const;
  absl::StatusOr<absl::Duration> Duration(std::string_view key, absl::Duration fallback) const;
  absl::StatusOr<std::uint64_t> Size(std::string_view key, std::uint64_t fallback,
                                     Range<std::uint64_t> range = kAnySize) const;
  absl::StatusOr<std::vector<std::string>> Texts(std::string_view key) const;  // empty

  // A secret (I3): `<key>_file: path` (FileSystem::ReadSecret; one line break at its end is not
  // part of it; a relative path starts at the configuration's directory), `<key>: ${env:NAME}` or
  // `<key>: ${credential:NAME}`, which systemd hands over (LoadCredential=).
  // nullopt when neither is there; both at once are refused. Allow both keys in CheckKeys.
  absl::StatusOr<std::optional<SecretBytes>> Secret(
      FileSystem& fs, std::string_view key,
      const Surroundings& surroundings = RealSurroundings()) const;

 private:
  friend class ConfigDocument;
  ConfigNode(std::shared_ptr<const YamlTree> tree, std::size_t index)
      : tree_(std::move(tree)), index_(index) {}

  const YamlNode& node() const;
  ConfigNode Child(std::size_t index) const { return {tree_, index}; }
  absl::Status WrongType(std::string_view expected, std::string hint = "") const;
  absl::StatusOr<std::string> PlainText(std::string_view expected) const;
  absl::StatusOr<SecretBytes> SecretFromFile(FileSystem& fs) const;
  absl::StatusOr<SecretBytes> SecretFromCredential(FileSystem& fs, const Surroundings& surroundings,
                                                   const std::string& name) const;
  absl::StatusOr<SecretBytes> SecretByReference(FileSystem& fs, const Surroundings& surroundings,
                                                std::string_view key) const;

  std::shared_ptr<const YamlTree> tree_;
  std::size_t index_;
};

class ConfigDocument {
 public:
  explicit ConfigDocument(std::shared_ptr<const YamlTree> tree) : tree_(std::move(tree)) {}
  ConfigNode root() const { return {tree_, 0}; }

 private:
  std::shared_ptr<const YamlTree> tree_;
};

absl::StatusOr<ConfigDocument> LoadConfig(FileSystem& fs, const std::string& path);
// `name` stands for the file in messages.
absl::StatusOr<ConfigDocument> ParseConfig(std::string_view text, std::string name);

}  // namespace holdfast
