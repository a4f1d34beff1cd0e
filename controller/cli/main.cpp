// `holdfast`, the operator's command line: the real world around cli::Run.

#include <csignal>
#include <iostream>

#include "common/config/paths.h"
#include "controller/cli/commands/run.h"

int main(int argc, char** argv) {
  using namespace holdfast;
  std::ios::sync_with_stdio(false);
  std::signal(SIGPIPE, SIG_IGN);  // a closed reader is an error of the write, not a silent death
  static cli::Interrupts interrupts;
  cli::CatchInterrupts(interrupts);
  const auto terminal = cli::MakeTerminal();
  cli::Context context{RealEnv(),           *terminal,
                       interrupts,          std::cout,
                       std::cerr,           absl::LocalTimeZone(),
                       EnvironmentVariable, cli::OpenOperatorClient};
  return cli::Run(context, std::vector<std::string>(argv + 1, argv + argc));
}
