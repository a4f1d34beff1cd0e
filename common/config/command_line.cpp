#include "common/config/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/nearest.h"
#include "common/config/command_tree.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

// The deepest verb that was being read: its help is the useful one.
const CLI::App* Deepest(const CLI::App& app) {
  const CLI::App* at = &app;
  for (;;) {
    const auto below = at->get_subcommands();
    if (below.empty()) return at;
    at = below.front();
  }
}

std::string FullName(const CLI::App* app) {
  std::string name = app->get_name();
  for (const CLI::App* parent = app->get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    name = parent->get_name() + " " + name;
  }
  return name;
}

std::string FirstLine(std::string text) {
  const std::size_t end = text.find('\n');
  if (end != std::string::npos) text.erase(end);
  return text;
}

}  // namespace

CommandOption& CommandOption::Required() {
  option_->required();
  return *this;
}

CommandOption& CommandOption::Called(const std::string& value_name) {
  option_->type_name(value_name);
  return *this;
}

CommandOption& CommandOption::Between(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

CommandOption& CommandOption::OneOf(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

CommandOption& CommandOption::ShowDefault() {
  option_->capture_default_str();
  return *this;
}

CommandOption& CommandOption::OneValueEach() {
  option_->allow_extra_args(false);
  return *this;
}

CommandOption& CommandOption::Excludes(const CommandOption& other) {
  option_->excludes(other.option_);
  return *this;
}

Command Command::Verb(const std::string& name, const std::string& description) {
  return Command(app_->add_subcommand(name, description));
}

void Command::RequireVerb() { app_->require_subcommand(1); }

CommandOption Command::Add(const std::string& names, std::string& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::Add(const std::string& names, std::vector<std::string>& values,
                           const std::string& help) {
  return CommandOption(app_->add_option(names, values, help));
}

CommandOption Command::Add(const std::string& names, int& value, const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::Add(const std::string& names, std::uint32_t& value,
                           const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::Add(const std::string& names, std::uint64_t& value,
                           const std::string& help) {
  return CommandOption(app_->add_option(names, value, help));
}

CommandOption Command::Add(const std::string& names, int& value,
                           const std::map<std::string, int>& numbers, const std::string& help) {
  return CommandOption(
      app_->add_option(names, value, help)->transform(CLI::CheckedTransformer(numbers)));
}

CommandOption Command::Flag(const std::string& names, bool& value, const std::string& help) {
  return CommandOption(app_->add_flag(names, value, help));
}

void Command::Footer(const std::string& text) { app_->footer(text); }

void Command::Action(std::function<void()> action) { app_->callback(std::move(action)); }

CommandLine::CommandLine(const std::string& program, const std::string& description,
                         const std::string& version)
    : program_(program), version_(version), app_(std::make_unique<CLI::App>(description, program)) {
  app_->set_version_flag("--version", version);
}

CommandLine::~CommandLine() = default;

Command CommandLine::program() { return Command(app_.get()); }

void CommandLine::AllowOptionsAfterVerb() { app_->fallthrough(); }

absl::StatusOr<CommandLine::Outcome> CommandLine::Read(const std::vector<std::string>& arguments,
                                                       std::ostream& out) {
  if (arguments.size() == 1 && arguments[0] == "--print-completion") {
    out << BashCompletion(ReadTree(*app_)) << std::flush;
    return Outcome::kPrinted;
  }
  if (arguments.size() == 2 && arguments[0] == "--print-manual") {
    out << ManualPage(ReadTree(*app_), version_, arguments[1]) << std::flush;
    return Outcome::kPrinted;
  }
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app_->parse(std::move(reversed));
    return Outcome::kRead;
  } catch (const CLI::CallForHelp&) {
    const CLI::App* deepest = Deepest(*app_);
    const CLI::App* parent = deepest->get_parent();
    out << deepest->help(parent == nullptr ? "" : FullName(parent)) << std::flush;
    return Outcome::kPrinted;
  } catch (const CLI::CallForAllHelp&) {
    out << app_->help("", CLI::AppFormatMode::All) << std::flush;
    return Outcome::kPrinted;
  } catch (const CLI::CallForVersion&) {
    out << program_ << " " << version_ << "\n" << std::flush;
    return Outcome::kPrinted;
  } catch (const CLI::ParseError& error) {
    // The library's codes begin at 100 and mean nothing to an operator.
    return UsageError(arguments, error.what());
  }
}

absl::Status CommandLine::UsageError(const std::vector<std::string>& arguments,
                                     const std::string& cause) const {
  const CLI::App* deepest = Deepest(*app_);
  std::string hint = fmt::format("See '{} --help'.", FullName(deepest));
  const auto word = std::find_if(arguments.begin(), arguments.end(),
                                 [](const std::string& one) { return one.rfind('-', 0) != 0; });
  if (deepest == app_.get() && word != arguments.end()) {
    std::vector<std::string> names;
    for (const CLI::App* verb : app_->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(verb->get_name());
    }
    const std::vector<std::string> near = NearestNames(*word, names);
    if (!near.empty()) hint = fmt::format("Did you mean '{} {}'?", program_, near.front());
  }
  return Error(ErrorKind::kUsage, 1100,
               fmt::format("unable to read the command line: {}", Escaped(FirstLine(cause), 300)),
               hint);
}

std::string Examples(const std::string& first, const std::string& second) {
  return fmt::format("Examples:\n  {}\n  {}", first, second);
}

}  // namespace holdfast
