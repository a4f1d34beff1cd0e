// The command line of a program: verbs, positional arguments, options and flags.
//
// Hides:      the parser library, which is slow to compile and whose exit codes mean nothing here.
// Invariants: I1  A value that was bound keeps its default until the command line names another.
//             I2  At most one verb's action runs, after everything was read without an error.
// Threading:  one thread. Bound values outlive the CommandLine.
// Errors:     kUsage (HF-1100) with the cause and what to type instead.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace holdfast {

// What else is true of one option; every call returns the same option.
class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}

  CommandOption& Required();
  CommandOption& Called(const std::string& value_name);  // "FILE" in the help
  CommandOption& Between(int least, int most);
  CommandOption& OneOf(const std::vector<std::string>& values);
  CommandOption& ShowDefault();
  CommandOption& OneValueEach();  // repeatable; each time with one value
  CommandOption& Excludes(const CommandOption& other);

 private:
  CLI::Option* option_;
};

// One verb (or the program itself). A handle: copies mean the same verb.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  Command Verb(const std::string& name, const std::string& description);
  void RequireVerb();

  // A positional argument when `names` has no dash.
  CommandOption Add(const std::string& names, std::string& value, const std::string& help);
  CommandOption Add(const std::string& names, std::vector<std::string>& values,
                    const std::string& help);
  CommandOption Add(const std::string& names, int& value, const std::string& help);
  CommandOption Add(const std::string& names, std::uint32_t& value, const std::string& help);
  CommandOption Add(const std::string& names, std::uint64_t& value, const std::string& help);
  // The value is one of these names, and becomes its number.
  CommandOption Add(const std::string& names, int& value, const std::map<std::string, int>& numbers,
                    const std::string& help);
  CommandOption Flag(const std::string& names, bool& value, const std::string& help);

  void Footer(const std::string& text);
  void Action(std::function<void()> action);

 private:
  CLI::App* app_;
};

class CommandLine {
 public:
  CommandLine(const std::string& program, const std::string& description,
              const std::string& version);
  ~CommandLine();

  Command program();
  // Options of the program may follow the verb. Before verbs are added.
  void AllowOptionsAfterVerb();

  enum class Outcome {
    kRead,     // values are set, the verb's action ran
    kPrinted,  // help or version went to `out`
  };
  // `arguments` without the program's name. `--print-manual SECTION` and `--print-completion`, for
  // packages, print what command_tree.h writes.
  absl::StatusOr<Outcome> Read(const std::vector<std::string>& arguments, std::ostream& out);

 private:
  absl::Status UsageError(const std::vector<std::string>& arguments,
                          const std::string& cause) const;

  const std::string program_;
  const std::string version_;
  std::unique_ptr<CLI::App> app_;
};

// "Examples:" with one line each, for a footer.
std::string Examples(const std::string& first, const std::string& second);

}  // namespace holdfast
