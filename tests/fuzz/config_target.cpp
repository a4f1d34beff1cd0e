#include "common/config/config.h"

#include "common/base/error.h"
#include "common/config/values.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

void Visit(const ConfigNode& node, int depth) {
  HOLDFAST_CHECK(depth <= 65);
  HOLDFAST_CHECK(node.where().substr(0, 5) == "fuzz:");
  (void)node.AsBool();
  (void)node.AsInteger({1, 65'535});
  (void)node.AsDuration();
  (void)node.AsSize();
  (void)node.AsTexts();
  (void)node.CheckKeys({"sources", "listen", "interval"}, {"sources"});
  (void)node.Secret(RealFileSystem(), "password",
                    {false, [](const std::string&) { return std::nullopt; }});
  if (const auto items = node.AsList(); items.ok()) {
    for (const ConfigNode& item : *items) Visit(item, depth + 1);
  }
  if (const auto members = node.AsMembers(); members.ok()) {
    for (const auto& [key, value] : *members) {
      HOLDFAST_CHECK(node.Has(key));
      Visit(value, depth + 1);
    }
  }
}

}  // namespace

void Config(ByteView input) {
  const auto document = ParseConfig(input, "fuzz");
  if (document.ok()) {
    Visit(document->root(), 0);
  } else {
    HOLDFAST_CHECK(ExitCodeOf(document.status()) == 2);
  }
  const auto number = ParseInteger(input);
  if (number) HOLDFAST_CHECK(std::to_string(*number) == input);
  (void)ParseDuration(input);
  (void)ParseSize(input);
}

}  // namespace holdfast::fuzz
