// holdfast-controller: the central daemon. See controller/daemon/controller.h.

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "common/base/error.h"
#include "common/env/service.h"
#include "common/log/log.h"
#include "common/log/throttle.h"
#include "common/rpc/grpc_log.h"
#include "controller/daemon/controller.h"
#include "fmt/format.h"

namespace {

int Fail(const absl::Status& status) {
  std::fputs(holdfast::Render(status).c_str(), stderr);
  return holdfast::ExitCodeOf(status);
}

// Connections that end at the handshake never reach the code that knows who calls. gRPC tells only
// OpenSSL's reason of them: neither address nor certificate.
void LogRefusedHandshakes(holdfast::Clock& clock) {
  auto throttle = std::make_shared<holdfast::log::Throttle>(absl::Minutes(1));
  holdfast::rpc::TakeGrpcLog(clock, [&clock, throttle](const std::string& reason) {
    const auto others = throttle->Admit(reason, clock.Monotonic());
    if (!others) return;
    holdfast::log::Warn("refused a connection at the TLS handshake: {}{}", reason,
                        *others == 0 ? "" : fmt::format(" ({} more like it before)", *others));
  });
}

int Run(const std::string& config_path) {
  using namespace holdfast;
  BlockTerminationSignals();
  ForbidCoreDumps();
  const Env env = RealEnv();
  const auto config = daemon::LoadControllerConfig(env.fs, config_path);
  if (!config.ok()) return Fail(config.status());
  if (const absl::Status status = log::Setup(config->log); !status.ok()) {
    return Fail(WithContext(status, config_path.empty() ? "configuration" : config_path));
  }
  LogRefusedHandshakes(env.clock);
  auto controller = daemon::Controller::Start(env, *config);
  if (!controller.ok()) return Fail(controller.status());
  log::Info("ready: agents on port {}, enrolment on port {}, operators on {}, data in {}",
            (*controller)->agent_port(), (*controller)->enrollment_port(), config->socket_path,
            config->data_directory);
  NotifySystemd("READY=1");
  while (WaitForTermination() == SIGHUP) log::Info("SIGHUP: nothing to reload");
  NotifySystemd("STOPPING=1");
  log::Info("stopping");
  controller->reset();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Holdfast controller: keeps the catalog and the store, and serves agents and operators."};
  std::string config_path;
  app.add_option("--config", config_path,
                 "Configuration file (default: /etc/holdfast/controller.yaml if it exists)");
  app.set_version_flag("--version", "holdfast-controller 0.1.0");
  app.footer(
      "Examples:\n  holdfast-controller\n  holdfast-controller --config "
      "/etc/holdfast/controller.yaml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help, version
    return Fail(holdfast::Error(
        holdfast::ErrorKind::kUsage, 1100,
        fmt::format("unable to read the command line: {}", holdfast::Escaped(error.what(), 300)),
        "See 'holdfast-controller --help'."));
  }
  return Run(config_path);
}
