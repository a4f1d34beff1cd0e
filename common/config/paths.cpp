#include "common/config/paths.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "common/env/file_system.h"

namespace holdfast {
namespace {

// $HOME may be missing under a service manager; the user database then knows.
std::string HomeDirectory(const Surroundings& surroundings) {
  if (const auto home = surroundings.variable("HOME")) return *home;
  char buffer[4096];
  passwd record{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &record, buffer, sizeof buffer, &found) == 0 && found != nullptr) {
    return found->pw_dir;
  }
  return "/";
}

}  // namespace

std::optional<std::string> EnvironmentVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Surroundings RealSurroundings() { return {::geteuid() == 0, EnvironmentVariable}; }

std::string DefaultConfigPath(std::string_view program) {
  return JoinPath("/etc/holdfast", std::string(program) + ".yaml");
}

std::string DefaultDataDirectory(std::string_view name, const Surroundings& surroundings) {
  if (surroundings.is_root) return JoinPath("/var/lib/holdfast", name);
  const auto data_home = surroundings.variable("XDG_DATA_HOME");
  const std::string base =
      data_home ? *data_home : JoinPath(HomeDirectory(surroundings), ".local/share");
  return JoinPath(JoinPath(base, "holdfast"), name);
}

std::string DefaultSocketPath(const Surroundings& surroundings) {
  if (surroundings.is_root) return "/run/holdfast/controller.sock";
  if (const auto runtime = surroundings.variable("XDG_RUNTIME_DIR")) {
    return JoinPath(*runtime, "holdfast/controller.sock");
  }
  return JoinPath(DefaultDataDirectory("controller", surroundings), "controller.sock");
}

std::string OperatorHome(const Surroundings& surroundings) {
  if (const auto home = surroundings.variable("HOLDFAST_HOME")) return *home;
  return JoinPath(HomeDirectory(surroundings), ".config/holdfast");
}

}  // namespace holdfast
