// Where files lie when the configuration does not say.
//
// Hides:      the difference between root and another user, and the XDG variables.
// Threading:  pure functions; RealSurroundings reads the process environment, which nobody may be
//             changing at that time.
// Errors:     none: a place is only a name; who opens it reports what is wrong with it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// What decides the places. The one way of this program to the process environment: tests give
// their own, and a variable that is set but empty counts as not set.
struct Surroundings {
  bool is_root = false;
  std::function<std::optional<std::string>(const std::string& name)> variable;
};
Surroundings RealSurroundings();
std::optional<std::string> EnvironmentVariable(const std::string& name);

// "controller" → /etc/holdfast/controller.yaml
std::string DefaultConfigPath(std::string_view program);

// root: /var/lib/holdfast/<name>; else $XDG_DATA_HOME/holdfast/<name>, by default below
// ~/.local/share.
std::string DefaultDataDirectory(std::string_view name,
                                 const Surroundings& surroundings = RealSurroundings());

// root: /run/holdfast/controller.sock; else $XDG_RUNTIME_DIR/holdfast/controller.sock; without that
// variable controller.sock in the controller's data directory.
std::string DefaultSocketPath(const Surroundings& surroundings = RealSurroundings());

// The operator's keys and settings: $HOLDFAST_HOME, else ~/.config/holdfast.
std::string OperatorHome(const Surroundings& surroundings = RealSurroundings());

}  // namespace holdfast
