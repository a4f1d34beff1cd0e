// Goal: commands around a backup come from this host's file alone, are run as they stand there, and
// end in time.
#include "agent/daemon/hooks.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/env/file_system.h"
#include "tests/support/temp_dir.h"

namespace holdfast::daemon {
namespace {

absl::StatusOr<Hooks> Read(const std::string& yaml) {
  const auto document = ParseConfig(yaml, "agent.yaml");
  if (!document.ok()) return document.status();
  return ReadHooks(document->root());
}

// The command writes its arguments and environment where the test finds them.
Hook Writing(const std::string& path, const std::string& more = "") {
  Hook hook;
  hook.argv = {"/bin/sh",
               "-c",
               "{ printf '%s|' \"$@\"; env | grep ^HOLDFAST_ | sort; } > " + path + "; " + more,
               "sh",
               "one argument",
               "$(two)"};
  return hook;
}

const RunFacts kBefore{"db", "postgres", "00ff", "", 0, 0};

TEST(HooksTest, AreRead) {
  const auto hooks = Read(
      "name: db\nhooks:\n  before: {run: [/bin/true, 'a b'], time_limit: 10s}\n"
      "  after: {run: [/bin/false]}\n");
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  EXPECT_EQ(hooks->before.argv, (std::vector<std::string>{"/bin/true", "a b"}));
  EXPECT_EQ(hooks->before.time_limit, absl::Seconds(10));
  EXPECT_EQ(hooks->after.time_limit, absl::Minutes(5));
  EXPECT_TRUE(Read("name: db\n")->before.argv.empty());
}

TEST(HooksTest, BadOnesNameTheirPlace) {
  for (const char* yaml :
       {"hooks: {before: /bin/true}\n", "hooks: {before: {run: /bin/true}}\n",
        "hooks: {before: {run: []}}\n", "hooks: {before: {run: [true]}}\n",
        "hooks: {during: {run: [/bin/true]}}\n", "hooks: {after: {time_limit: 5s}}\n",
        "hooks: {after: {run: [/bin/true], time_limit: 0s}}\n",
        "hooks: {after: {run: [/bin/true], time_limit: 2d}}\n",
        "hooks: {after: {run: [/bin/true], shell: true}}\n"}) {
    const absl::Status status = Read(yaml).status();
    EXPECT_EQ(ExitCodeOf(status), 2) << yaml;
    EXPECT_NE(MessageOf(status).find("agent.yaml:1:"), std::string::npos) << MessageOf(status);
  }
}

TEST(HooksTest, TheCommandGetsItsArgumentsAndTheFacts) {
  test::TempDir directory;
  ASSERT_TRUE(RunHook(Writing(directory / "before"), "before", kBefore, {}).ok());
  EXPECT_EQ(RealFileSystem().ReadFile(directory / "before").value(),
            "one argument|$(two)|HOLDFAST_KIND=postgres\nHOLDFAST_RUN=00ff\nHOLDFAST_SOURCE=db\n");
  RunFacts after = kBefore;
  after.outcome = "partial";
  after.exit_code = 3;
  after.seq = 57;
  ASSERT_TRUE(RunHook(Writing(directory / "after"), "after", after, {}).ok());
  EXPECT_EQ(RealFileSystem().ReadFile(directory / "after").value(),
            "one argument|$(two)|HOLDFAST_EXIT_CODE=3\nHOLDFAST_KIND=postgres\n"
            "HOLDFAST_OUTCOME=partial\nHOLDFAST_RUN=00ff\nHOLDFAST_SNAPSHOT=db@57\n"
            "HOLDFAST_SOURCE=db\n");
  EXPECT_TRUE(RunHook(Hook(), "before", kBefore, {}).ok()) << "none is none";
}

TEST(HooksTest, AFailureIsTheSources) {
  test::TempDir directory;
  const absl::Status status =
      RunHook(Writing(directory / "x", "echo the lock is held >&2; exit 4"), "before", kBefore, {});
  EXPECT_EQ(ExitCodeOf(status), 10);
  EXPECT_EQ(CodeOf(status), 2020);
  EXPECT_NE(MessageOf(status).find("status 4: the lock is held"), std::string::npos)
      << MessageOf(status);
  Hook missing;
  missing.argv = {"/does/not/exist"};
  EXPECT_EQ(CodeOf(RunHook(missing, "before", kBefore, {})), 2020);
}

TEST(HooksTest, WhatTakesTooLongIsKilled) {
  Hook hook;
  hook.argv = {"/bin/sh", "-c", "sleep 60 & sleep 60"};
  hook.time_limit = absl::Seconds(1);
  const absl::Status status = RunHook(hook, "after", kBefore, {});
  EXPECT_EQ(CodeOf(status), 2020);
  EXPECT_NE(MessageOf(status).find("did not finish within 1s"), std::string::npos)
      << MessageOf(status);
}

}  // namespace
}  // namespace holdfast::daemon
