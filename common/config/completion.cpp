#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/config/command_tree.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

// Words of verbs and options are letters, digits and dashes: they need no quotes in bash.
std::string OptionNames(const VerbFacts& verb) {
  std::vector<std::string> names;
  for (const OptionFacts& option : verb.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return absl::StrJoin(names, " ");
}

// Three tables, by the path of verbs that was typed: which words lead deeper, what can follow, and
// which values an option has. An option without a list of values takes a file's name, or whatever
// was typed.
struct Tables {
  std::string paths;
  std::string words;
  std::string values;
};

void Fill(const VerbFacts& verb, const std::string& path, const std::string& inherited,
          Tables* tables) {
  std::vector<std::string> verbs;
  for (const VerbFacts& below : verb.verbs) verbs.push_back(below.name);
  const std::string options = OptionNames(verb) + (inherited.empty() ? "" : " " + inherited);
  tables->words += fmt::format("    \"{}\") verbs=\"{}\" options=\"{}\" ;;\n", path,
                               absl::StrJoin(verbs, " "), options);
  for (const OptionFacts& option : verb.options) {
    if (option.names.empty() || option.value_name.empty()) continue;
    for (const std::string& name : option.names) {
      // Options of the program hold after every verb.
      tables->values += fmt::format("    {}\"{}:{}\") values=\"{}\" ;;\n", path.empty() ? "*" : "",
                                    path, name, absl::StrJoin(option.choices, " "));
    }
  }
  for (const VerbFacts& below : verb.verbs) {
    tables->paths += fmt::format("      \"{}:{}\") ;;\n", path, below.name);
    Fill(below, path + "/" + below.name, path.empty() ? OptionNames(verb) : inherited, tables);
  }
}

constexpr char kScript[] = R"(# bash completion for @; written by '@ --print-completion'.
_@FUNCTION() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  local at="" i verbs="" options="" values="-"
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at:${COMP_WORDS[i]}" in
@PATHS      *) continue ;;
    esac
    at="$at/${COMP_WORDS[i]}"
  done
  case "$at:$before" in
@VALUES  esac
  if [ "$values" != "-" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$word"))
    return
  fi
  case "$at" in
@WORDS  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$verbs" -- "$word")) ;;
  esac
}
complete -o default -F _@FUNCTION @
)";

}  // namespace

std::string BashCompletion(const VerbFacts& program) {
  Tables tables;
  Fill(program, "", "", &tables);
  return absl::StrReplaceAll(kScript,
                             {{"@PATHS", tables.paths},
                              {"@VALUES", tables.values},
                              {"@WORDS", tables.words},
                              {"@FUNCTION", absl::StrReplaceAll(program.name, {{"-", "_"}})},
                              {"@", program.name}});
}

}  // namespace holdfast
