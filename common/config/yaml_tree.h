// The YAML text of a configuration as a plain tree with positions.
//
// Hides:      yaml-cpp, its exceptions and its leniency.
// Invariants: I1  Keys of a mapping are scalars and differ; there are no anchors, aliases, tags,
//                 second documents, control characters or tabs used as indentation.
//             I2  Nesting is at most kMaxNesting, text at most kMaxConfigBytes.
// Threading:  values.
// Errors:     kUsage: 1011 syntax, 1013 duplicate key, each with "name:line:column".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace holdfast {

constexpr std::size_t kMaxConfigBytes = 1u << 20;
constexpr int kMaxNesting = 64;

struct YamlNode {
  enum class Kind { kNothing, kScalar, kList, kMap };
  struct Member {
    std::string key;
    int line = 0;
    int column = 0;
    std::size_t value = 0;  // index into the tree
  };

  Kind kind = Kind::kNothing;
  std::string text;     // scalar
  bool quoted = false;  // scalar: "5" is text, 5 may be a number
  int line = 1;
  int column = 1;
  std::vector<std::size_t> items;  // list: indexes into the tree
  std::vector<Member> members;     // map: in the order of the file
};

struct YamlTree {
  std::string name;             // for messages
  std::string directory;        // where relative paths start; empty: the working directory
  std::vector<YamlNode> nodes;  // [0] is the root; an empty document is an empty map
};

absl::StatusOr<YamlTree> ParseYaml(std::string_view text, std::string name);

}  // namespace holdfast
