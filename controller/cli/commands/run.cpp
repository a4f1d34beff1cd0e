#include "controller/cli/commands/run.h"

#include <algorithm>
#include <exception>

#include "common/base/error.h"
#include "common/base/version.h"
#include "controller/cli/commands/commands.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

void AddGlobalOptions(Command& program, Context& context) {
  program.Flag("--json", context.json, "Data, progress and errors as JSON");
  program.Add("--socket", context.socket, "The controller's local socket (or set HOLDFAST_SOCKET)")
      .Called("PATH");
  program.Add("--home", context.home, "Directory of this operator's keys (or set HOLDFAST_HOME)")
      .Called("DIR");
  program
      .Add("--passphrase-file", context.passphrase_file,
           "File with the owner key's passphrase (or set HOLDFAST_PASSPHRASE_FILE)")
      .Called("FILE");
}

void AddCommands(Command& program, Context& context) {
  AddInit(program, context);
  AddEnroll(program, context);
  AddAgent(program, context);
  AddSource(program, context);
  AddStatus(program, context);
  AddBackup(program, context);
  AddSnapshots(program, context);
  AddLs(program, context);
  AddFind(program, context);
  AddCat(program, context);
  AddDiff(program, context);
  AddRestore(program, context);
  AddExport(program, context);
  AddVerify(program, context);
  AddScrub(program, context);
  AddForget(program, context);
  AddUndelete(program, context);
  AddRetention(program, context);
  AddQuota(program, context);
  AddGc(program, context);
  AddSchedule(program, context);
  AddObjective(program, context);
  AddConfig(program, context);
  AddAlert(program, context);
  AddContact(program, context);
  AddAudit(program, context);
}

bool GivesPassphrase(const std::string& argument) {
  for (const char* name : {"--passphrase", "--password", "--recovery-key", "--owner-key"}) {
    if (argument == name || argument.rfind(std::string(name) + "=", 0) == 0) return true;
  }
  return false;
}

}  // namespace

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
    CommandLine line("holdfast", "Backs up what must not be lost, and brings it back.", kVersion);
    Command program = line.program();
    program.RequireVerb();
    line.AllowOptionsAfterVerb();
    program.Footer(Examples("holdfast backup", "holdfast restore db@latest --database recovered"));
    AddGlobalOptions(program, context);
    AddCommands(program, context);
    const auto outcome = line.Read(arguments, context.out);
    if (!outcome.ok()) return Report(context, outcome.status());
    return *outcome == CommandLine::Outcome::kPrinted ? 0 : context.exit_code;
  } catch (const std::exception& error) {  // the last line of defence of a library's exception
    return Report(context, Error(ErrorKind::kFailed, 1105,
                                 fmt::format("unable to go on: {}", Escaped(error.what()))));
  }
}

}  // namespace holdfast::cli
