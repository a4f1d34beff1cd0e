// `holdfast config check FILE`: would a daemon start with this file?
//
// Each daemon judges its own file, with the code that reads it at the start: this command only
// finds out whose it is, and asks. Exit status: 0; 2 it would not; 8 the daemon's program is not
// installed here; others in DESIGN 12.

#include "common/config/config.h"
#include "common/base/error.h"
#include "common/env/process.h"
#include "common/env/service.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct CheckedFile {
  std::string file;
  std::string daemon;  // agent, controller; empty: by what is in it
};

// Keys that only one of the two knows. Without any: a controller's, whose file may be empty.
absl::StatusOr<std::string> DaemonOf(Context& context, const CheckedFile& options) {
  if (!options.daemon.empty()) return options.daemon;
  ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(context.env.fs, options.file));
  const ConfigNode root = document.root();
  if (root.IsMap()) {
    for (const char* key : {"sources", "restore_roots", "upload", "nice", "controller"}) {
      if (root.Has(key)) return std::string("agent");
    }
  }
  return std::string("controller");
}

int Check(Context& context, const CheckedFile& options) {
  const auto daemon = DaemonOf(context, options);
  if (!daemon.ok()) return Report(context, daemon.status());
  ProcessOptions process;
  const std::string name = "holdfast-" + *daemon;
  const std::string beside = JoinPath(OwnDirectory(), name);
  process.argv = {context.env.fs.Exists(beside) ? beside : name, "--config", options.file,
                  "check-config"};
  if (context.json) process.argv.push_back("--json");
  process.any_status = true;
  std::string answer;
  const auto result = RunProcess(
      process,
      [&](ByteView piece) {
        answer.append(piece);
        return absl::OkStatus();
      },
      std::stop_token());
  if (!result.ok()) {
    return Report(context, Error(ErrorKind::kUnreachable, 1193,
                                 fmt::format("unable to check '{}': {}", Escaped(options.file),
                                             MessageOf(result.status())),
                                 fmt::format("Run it on the host that has {}.", name)));
  }
  context.err << result->standard_error << std::flush;
  const int written = Report(context, WriteOut(context, answer));
  return result->exit_status != 0 ? result->exit_status : written;
}

}  // namespace

void AddConfig(Command& program, Context& context) {
  Command group = program.Verb("config", "Configuration files of the daemons");
  group.RequireVerb();
  group.Footer(Examples("holdfast config check /etc/holdfast/controller.yaml",
                        "holdfast config check agent.yaml --json"));
  auto options = std::make_shared<CheckedFile>();
  Command check = group.Verb("check", "Is this file in order? With the next runs of its schedules");
  check.Add("file", options->file, "controller.yaml or agent.yaml").Required();
  check.Add("--as", options->daemon, "Whose file it is; default: by what is in it")
      .OneOf({"agent", "controller"});
  check.Footer(Examples("holdfast config check /etc/holdfast/controller.yaml",
                        "holdfast config check --as agent new.yaml --json"));
  check.Action([&context, options] { context.exit_code = Check(context, *options); });
}

}  // namespace holdfast::cli
