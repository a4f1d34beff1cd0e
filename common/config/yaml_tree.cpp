#include "common/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr int kSyntax = 1011;
constexpr int kDuplicate = 1013;
constexpr char kKeyHint[] = "Write it as 'key: value'.";
constexpr char kSyntaxHint[] = "This is no YAML: compare indentation, quotes and brackets here.";

struct Position {
  int line = 1;
  int column = 1;
};

absl::Status At(const std::string& name, Position position, int code, std::string_view what,
                std::string hint) {
  return Error(ErrorKind::kUsage, code,
               fmt::format("{}:{}:{}: {}", name, position.line, position.column, what),
               std::move(hint));
}

// What yaml-cpp would misread (a byte 0x04 ends its input, a NUL changes its guess of the encoding)
// or report in riddles (tabs).
absl::Status CheckCharacters(const std::string& name, std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return At(name, {}, kSyntax, "the file is larger than 1 MiB", "Is this the right file?");
  }
  const std::string_view start = text.substr(0, 3);
  if (start == "\xef\xbb\xbf" || start.substr(0, 2) == "\xff\xfe" ||
      start.substr(0, 2) == "\xfe\xff") {
    return At(name, {}, kSyntax, "the file begins with a byte order mark",
              "Save it as UTF-8 without BOM.");
  }
  Position position;
  bool indenting = true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t' && indenting) {
      return At(name, position, kSyntax, "a tab is used as indentation",
                "YAML indents with spaces only.");
    }
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      return At(name, position, kSyntax,
                fmt::format("control character 0x{:02x} in the file", byte),
                "Remove it: a configuration is plain text.");
    }
    if (c != ' ') indenting = false;
    ++position.column;
    if (c == '\n') {
      position = {position.line + 1, 1};
      indenting = true;
    }
  }
  return absl::OkStatus();
}

// Builds the tree from the parser's events. After the first error it only listens: yaml-cpp can be
// stopped by an exception alone, and its own recursion is bounded (DepthGuard).
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(YamlTree* tree) : tree_(*tree) {}

  const absl::Status& status() const { return status_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Leaf(mark, "", anchor, YamlNode::Kind::kNothing, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases are not supported", "Write the value out.");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Leaf(mark, tag, anchor, YamlNode::Kind::kScalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { Close(); }

 private:
  static Position PositionOf(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

  void Refuse(const YAML::Mark& mark, std::string_view what, std::string hint, int code = kSyntax) {
    if (status_.ok()) status_ = At(tree_.name, PositionOf(mark), code, what, std::move(hint));
  }

  bool Acceptable(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (!status_.ok()) return false;
    if (anchor != 0) Refuse(mark, "anchors are not supported", "Write the value out.");
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(mark, fmt::format("tag '{}' is not supported", Escaped(tag)), "Remove the tag.");
    }
    return status_.ok();
  }

  YamlNode& Innermost() { return tree_.nodes[open_.back().index]; }

  bool WantsKey() const {
    return !open_.empty() && tree_.nodes[open_.back().index].kind == YamlNode::Kind::kMap &&
           !has_key_;
  }

  void Leaf(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind, const std::string& value) {
    if (!Acceptable(mark, tag, anchor)) return;
    if (WantsKey()) return TakeKey(mark, kind, value);
    YamlNode node;
    node.kind = kind;
    node.text = value;
    node.quoted = tag == "!";
    Attach(mark, std::move(node));
  }

  void TakeKey(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& value) {
    if (kind != YamlNode::Kind::kScalar || value.empty()) {
      return Refuse(mark, "a key must be a word", kKeyHint);
    }
    const Position position = PositionOf(mark);
    const auto [seen, is_new] = open_.back().keys.emplace(value, position.line);
    if (!is_new) {
      return Refuse(mark, fmt::format("duplicate key '{}'", Escaped(value)),
                    fmt::format("It stands in line {} already.", seen->second), kDuplicate);
    }
    Innermost().members.push_back({value, position.line, position.column, 0});
    has_key_ = true;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    if (!Acceptable(mark, tag, anchor)) return;
    if (WantsKey()) return Refuse(mark, "a key must be a word", kKeyHint);
    if (open_.size() >= kMaxNesting) {
      return Refuse(mark, fmt::format("nested deeper than {} levels", kMaxNesting),
                    "No setting needs that: look for a bracket or brace too many.");
    }
    YamlNode node;
    node.kind = kind;
    open_.push_back({Attach(mark, std::move(node)), {}});
  }

  void Close() {
    if (status_.ok()) open_.pop_back();
  }

  std::size_t Attach(const YAML::Mark& mark, YamlNode node) {
    const Position position = PositionOf(mark);
    node.line = position.line;
    node.column = position.column;
    const std::size_t index = tree_.nodes.size();
    tree_.nodes.push_back(std::move(node));
    if (!open_.empty()) {
      YamlNode& parent = Innermost();
      if (parent.kind == YamlNode::Kind::kMap) {
        YamlNode::Member& member = parent.members.back();
        member.value = index;
        if (tree_.nodes[index].kind == YamlNode::Kind::kNothing) {  // its mark is the next token
          tree_.nodes[index].line = member.line;
          tree_.nodes[index].column = member.column;
        }
        has_key_ = false;
      } else {
        parent.items.push_back(index);
      }
    }
    return index;
  }

  YamlTree& tree_;
  struct Container {
    std::size_t index;
    std::map<std::string, int> keys;  // with the line where each stands
  };
  std::vector<Container> open_;  // outermost first
  bool has_key_ = false;         // the innermost map has a key that waits for its value
  absl::Status status_;
};

}  // namespace

absl::StatusOr<YamlTree> ParseYaml(std::string_view text, std::string name) {
  YamlTree tree;
  tree.name = Escaped(name);
  RETURN_IF_ERROR(CheckCharacters(tree.name, text));
  TreeBuilder builder(&tree);
  try {
    // yaml-cpp takes the end of the text for a closing quote when a line break comes before it; a
    // comment as last line ends everything that is complete and nothing that is not.
    std::istringstream stream{std::string(text) + "\n#"};
    YAML::Parser parser(stream);
    const bool any = parser.HandleNextDocument(builder);
    RETURN_IF_ERROR(builder.status());
    const std::size_t node_count = tree.nodes.size();
    YamlTree rest{tree.name, {}, {}};
    TreeBuilder second(&rest);
    if (any && parser.HandleNextDocument(second)) {
      const Position position =
          rest.nodes.empty() ? Position{} : Position{rest.nodes[0].line, rest.nodes[0].column};
      return At(tree.name, position, kSyntax, "the file holds a second document",
                "Remove the line '---'.");
    }
    if (node_count == 0) tree.nodes.emplace_back();
  } catch (const YAML::Exception& error) {
    RETURN_IF_ERROR(builder.status());  // it came first
    return At(tree.name, {std::max(0, error.mark.line) + 1, std::max(0, error.mark.column) + 1},
              kSyntax, Escaped(error.msg), kSyntaxHint);
  } catch (const std::exception& error) {
    return At(tree.name, {}, kSyntax, Escaped(error.what()), kSyntaxHint);
  }
  if (tree.nodes[0].kind == YamlNode::Kind::kNothing) tree.nodes[0].kind = YamlNode::Kind::kMap;
  return tree;
}

}  // namespace holdfast
