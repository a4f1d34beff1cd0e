// Goal: default places follow the user and the XDG variables.
#include "common/config/paths.h"

#include <gtest/gtest.h>

#include <map>

namespace holdfast {
namespace {

Surroundings With(std::map<std::string, std::string> variables, bool is_root = false) {
  return {is_root, [variables](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            if (found == variables.end()) return std::nullopt;
            return found->second;
          }};
}

TEST(PathsTest, RootUsesTheSystemPlaces) {
  const Surroundings root = With({{"XDG_DATA_HOME", "/x"}, {"HOME", "/root"}}, true);
  EXPECT_EQ(DefaultConfigPath("controller"), "/etc/holdfast/controller.yaml");
  EXPECT_EQ(DefaultDataDirectory("controller", root), "/var/lib/holdfast/controller");
  EXPECT_EQ(DefaultSocketPath(root), "/run/holdfast/controller.sock");
  EXPECT_EQ(OperatorHome(root), "/root/.config/holdfast");
}

TEST(PathsTest, OthersUseTheirOwnPlaces) {
  const Surroundings plain = With({{"HOME", "/home/ann"}});
  EXPECT_EQ(DefaultDataDirectory("agent", plain), "/home/ann/.local/share/holdfast/agent");
  EXPECT_EQ(DefaultSocketPath(plain), "/home/ann/.local/share/holdfast/controller/controller.sock");
  const Surroundings xdg = With({{"HOME", "/home/ann"},
                                 {"XDG_DATA_HOME", "/data"},
                                 {"XDG_RUNTIME_DIR", "/run/user/7"},
                                 {"HOLDFAST_HOME", "/keys"}});
  EXPECT_EQ(DefaultDataDirectory("agent", xdg), "/data/holdfast/agent");
  EXPECT_EQ(DefaultSocketPath(xdg), "/run/user/7/holdfast/controller.sock");
  EXPECT_EQ(OperatorHome(xdg), "/keys");
}

TEST(PathsTest, EmptyVariableCountsAsNotSet) {
  ::setenv("HOLDFAST_TEST_VARIABLE", "", 1);
  EXPECT_EQ(EnvironmentVariable("HOLDFAST_TEST_VARIABLE"), std::nullopt);
  ::setenv("HOLDFAST_TEST_VARIABLE", "x", 1);
  EXPECT_EQ(EnvironmentVariable("HOLDFAST_TEST_VARIABLE"), "x");
  ::unsetenv("HOLDFAST_TEST_VARIABLE");
}

}  // namespace
}  // namespace holdfast
