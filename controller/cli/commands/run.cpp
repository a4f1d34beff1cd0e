#include "controller/cli/commands/run.h"

#include <algorithm>
#include <exception>

#include "common/base/error.h"
#include "common/base/version.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/nearest.h"
#include "controller/cli/render/json.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {


void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_flag("--json", context.json, "Data, progress and errors as JSON");
  app.add_option("--socket", context.socket,
                 "The controller's local socket (or set HOLDFAST_SOCKET)")
      ->type_name("PATH");
  app.add_option("--home", context.home, "Directory of this operator's keys (or set HOLDFAST_HOME)")
      ->type_name("DIR");
  app.add_option("--passphrase-file", context.passphrase_file,
                 "File with the owner key's passphrase (or set HOLDFAST_PASSPHRASE_FILE)")
      ->type_name("FILE");
}

void AddCommands(CLI::App& app, Context& context) {
  AddInit(app, context);
  AddEnroll(app, context);
  AddAgent(app, context);
  AddSource(app, context);
  AddStatus(app, context);
  AddBackup(app, context);
  AddSnapshots(app, context);
  AddLs(app, context);
  AddFind(app, context);
  AddCat(app, context);
  AddDiff(app, context);
  AddRestore(app, context);
  AddExport(app, context);
  AddVerify(app, context);
}

bool GivesPassphrase(const std::string& argument) {
  for (const char* name : {"--passphrase", "--password", "--recovery-key", "--owner-key"}) {
    if (argument == name || argument.rfind(std::string(name) + "=", 0) == 0) return true;
  }
  return false;
}

// The deepest subcommand that was being parsed: its help is the useful one.
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

absl::Status UsageError(const CLI::App& app, const std::vector<std::string>& arguments,
                        const std::string& cause) {
  const CLI::App* deepest = Deepest(app);
  std::string hint = fmt::format("See '{} --help'.", FullName(deepest));
  const auto word = std::find_if(arguments.begin(), arguments.end(),
                                 [](const std::string& one) { return one.rfind('-', 0) != 0; });
  if (deepest == &app && word != arguments.end()) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(command->get_name());
    }
    const std::vector<std::string> near = NearestNames(*word, names);
    if (!near.empty()) hint = fmt::format("Did you mean 'holdfast {}'?", near.front());
  }
  return Error(ErrorKind::kUsage, 1100,
               fmt::format("unable to read the command line: {}", Escaped(FirstLine(cause), 300)),
               hint);
}

int Parse(CLI::App& app, Context& context, const std::vector<std::string>& arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
    return context.exit_code;
  } catch (const CLI::CallForHelp&) {
    const CLI::App* deepest = Deepest(app);
    const CLI::App* parent = deepest->get_parent();
    context.out << deepest->help(parent == nullptr ? "" : FullName(parent)) << std::flush;
    return 0;
  } catch (const CLI::CallForAllHelp&) {
    context.out << app.help("", CLI::AppFormatMode::All) << std::flush;
    return 0;
  } catch (const CLI::CallForVersion&) {
    context.out << "holdfast " << kVersion << "\n" << std::flush;
    return 0;
  } catch (const CLI::ParseError& error) {
    // The library's codes begin at 100 and mean nothing to an operator.
    return Report(context, UsageError(app, arguments, error.what()));
  }
}

}  // namespace

std::string Examples(const std::string& first, const std::string& second) {
  return fmt::format("Examples:\n  {}\n  {}", first, second);
}

int Run(Context& context, const std::vector<std::string>& arguments) {
  // Errors before or during parsing shall be JSON too.
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  context.json = std::find(arguments.begin(), end, "--json") != end;
  if (std::any_of(arguments.begin(), end, GivesPassphrase)) {
    return Report(context,
                  Error(ErrorKind::kUsage, 1104,
                        "unable to take a secret from the command line: every user of this "
                        "machine could read it there",
                        "Use --passphrase-file FILE, HOLDFAST_PASSPHRASE_FILE, or the prompt; and "
                        "choose a new one, since this one was visible."));
  }
  try {
    CLI::App app("Backs up what must not be lost, and brings it back.", "holdfast");
    app.set_version_flag("--version", std::string("holdfast ") + kVersion);
    app.require_subcommand(1);
    app.fallthrough();  // inherited: global options may follow the verb
    app.footer(Examples("holdfast backup", "holdfast restore db@latest --database recovered"));
    AddGlobalOptions(app, context);
    AddCommands(app, context);
    return Parse(app, context, arguments);
  } catch (const std::exception& error) {  // the last line of defence of a library's exception
    return Report(context, Error(ErrorKind::kFailed, 1105,
                                 fmt::format("unable to go on: {}", Escaped(error.what()))));
  }
}

}  // namespace holdfast::cli
