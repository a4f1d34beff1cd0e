// The verbs and options of a program as values, and what is written from them: manual page and
// completions. So neither can say anything that the program does not.
//
// Hides:     the parser library's description of validators, roff, bash.
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace holdfast {

struct OptionFacts {
  std::vector<std::string> names;    // "-r", "--recursive"; none: a positional argument
  std::string value_name;            // "FILE"; empty: a flag. Of a positional: its name
  std::vector<std::string> choices;  // the only values there are
  std::string description;
  std::string default_value;
  bool required = false;
};

struct VerbFacts {
  std::string name;
  std::string description;
  std::string footer;
  std::vector<OptionFacts> options;
  std::vector<VerbFacts> verbs;
};

VerbFacts ReadTree(const CLI::App& app);

// A page for man(7); `section` is "1" or "8".
std::string ManualPage(const VerbFacts& program, const std::string& version,
                       const std::string& section);
// A script for bash, to be sourced.
std::string BashCompletion(const VerbFacts& program);

}  // namespace holdfast
