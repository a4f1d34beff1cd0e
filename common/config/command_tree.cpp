#include "common/config/command_tree.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_split.h"

namespace holdfast {
namespace {

// "INT:value in {slow->1,fast->2} OR {1,2}" → slow, fast
std::vector<std::string> ChoicesOf(const std::string& type) {
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}', begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  const std::string list = type.substr(begin + 1, end - begin - 1);
  std::vector<std::string> choices;
  for (std::string choice : std::vector<std::string>(absl::StrSplit(list, ','))) {
    choice.erase(std::min(choice.find("->"), choice.size()));
    choices.push_back(std::move(choice));
  }
  return choices;
}

OptionFacts ReadOption(const CLI::Option& option) {
  OptionFacts facts;
  for (const std::string& name : option.get_snames()) facts.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) facts.names.push_back("--" + name);
  const std::string type = option.get_type_name();
  facts.choices = ChoicesOf(type);
  if (facts.names.empty()) {
    facts.value_name = option.get_name(/*positional=*/true);
  } else if (option.get_items_expected_max() > 0) {
    facts.value_name = facts.choices.empty() ? type.substr(0, type.find(':')) : "WORD";
  }
  facts.description = option.get_description();
  facts.default_value = option.get_default_str();
  facts.required = option.get_required();
  return facts;
}

}  // namespace

VerbFacts ReadTree(const CLI::App& app) {
  VerbFacts facts;
  facts.name = app.get_name();
  facts.description = app.get_description();
  facts.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    facts.options.push_back(ReadOption(*option));
  }
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    facts.verbs.push_back(ReadTree(*verb));
  }
  return facts;
}

}  // namespace holdfast
