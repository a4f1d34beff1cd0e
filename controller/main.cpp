// holdfast-controller: the central daemon. See controller/daemon/controller.h.

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/version.h"
#include "common/config/command_line.h"
#include "common/env/serve.h"
#include "common/env/service.h"
#include "common/log/log.h"
#include "common/log/throttle.h"
#include "common/rpc/grpc_log.h"
#include "controller/daemon/check_config.h"
#include "controller/daemon/controller.h"
#include "controller/daemon/rebuild_command.h"
#include "controller/daemon/store_place.h"
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
                        holdfast::log::MoreLikeIt(*others));
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
  if (const int port = (*controller)->http_port()) log::Info("health and metrics on port {}", port);
  ServeUntilTerminated(
      env.clock, [&controller] { (*controller)->Probe(); },
      [&] {
        const absl::Status status = (*controller)->Reload(config_path);
        if (status.ok()) {
          log::Info("the configuration was read again");
        } else {
          log::Failure(WithContext(status, "the configuration stays as it was"));
        }
      });
  log::Info("stopping");
  controller->reset();
  return 0;
}

int RunRebuildCatalog(const std::string& config_path, bool accept_settings) {
  using namespace holdfast;
  ForbidCoreDumps();
  const Env env = RealEnv();
  const auto config = daemon::LoadControllerConfig(env.fs, config_path);
  if (!config.ok()) return Fail(config.status());
  using Others = daemon::SettingsOfOthers;
  const absl::Status status =
      daemon::RunRebuild(env, *config, accept_settings ? Others::kTake : Others::kLeave, std::cout);
  std::cout.flush();
  return status.ok() ? 0 : Fail(status);
}

int RunTakeStore(const std::string& config_path) {
  using namespace holdfast;
  const Env env = RealEnv();
  const auto config = daemon::LoadControllerConfig(env.fs, config_path);
  if (!config.ok()) return Fail(config.status());
  const absl::Status status = daemon::RunTakeStore(env, *config, std::cout);
  std::cout.flush();
  return status.ok() ? 0 : Fail(status);
}

int RunCheckConfig(const std::string& config_path, bool json) {
  using namespace holdfast;
  const auto form = json ? daemon::CheckForm::kJson : daemon::CheckForm::kText;
  const absl::Status status =
      daemon::CheckControllerConfig(RealEnv(), config_path, form, std::cout);
  std::cout.flush();
  if (status.ok()) return 0;
  std::fputs((json ? daemon::ConfigErrorJson(status) : Render(status)).c_str(), stderr);
  return ExitCodeOf(status);
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::KeepBuffersForReuse();
  holdfast::CommandLine line(
      "holdfast-controller",
      "Holdfast controller: keeps the catalog and the store, and serves agents and operators.",
      holdfast::kVersion);
  holdfast::Command program = line.program();
  std::string config_path;
  program.Add("--config", config_path,
              "Configuration file (default: /etc/holdfast/controller.yaml if it exists)");
  program.Footer(holdfast::Examples("holdfast-controller",
                                    "holdfast-controller --config /etc/holdfast/controller.yaml"));
  bool rebuild = false;
  bool accept_settings = false;
  holdfast::Command command = program.Verb(
      "rebuild-catalog", "Make the catalog anew from the store; the controller must not run");
  command.Flag("--accept-settings", accept_settings,
               "Take what was set by command also when another controller wrote it");
  command.Footer(holdfast::Examples(
      "holdfast-controller rebuild-catalog",
      "holdfast-controller --config /etc/holdfast/controller.yaml rebuild-catalog"));
  command.Action([&rebuild] { rebuild = true; });
  bool take = false;
  holdfast::Command taking = program.Verb(
      "take-store", "Make the bucket of 'store' this controller's, in place of one that is gone");
  taking.Footer(
      holdfast::Examples("holdfast-controller take-store",
                         "holdfast-controller --config /etc/holdfast/controller.yaml take-store"));
  taking.Action([&take] { take = true; });
  bool check = false;
  bool json = false;
  holdfast::Command checking =
      program.Verb("check-config", "Is the configuration in order? With the coming runs");
  checking.Flag("--json", json, "Answer and error as JSON");
  checking.Footer(holdfast::Examples("holdfast-controller check-config",
                                     "holdfast-controller --config new.yaml check-config --json"));
  checking.Action([&check] { check = true; });
  const auto outcome = line.Read(std::vector<std::string>(argv + 1, argv + argc), std::cout);
  if (!outcome.ok()) return Fail(outcome.status());
  if (*outcome == holdfast::CommandLine::Outcome::kPrinted) return 0;
  if (check) return RunCheckConfig(config_path, json);
  if (take) return RunTakeStore(config_path);
  return rebuild ? RunRebuildCatalog(config_path, accept_settings) : Run(config_path);
}
