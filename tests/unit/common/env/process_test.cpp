// Goal: a child's whole output is taken or an error says why not; no child outlives the call.
#include "common/env/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <thread>

#include "common/base/error.h"
#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "tests/support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

ProcessOptions Shell(const std::string& script) {
  ProcessOptions options;
  options.argv = {"/bin/sh", "-c", script};
  return options;
}

absl::StatusOr<std::string> Output(const ProcessOptions& options) {
  return RunProcessForOutput(options, std::stop_token());
}

TEST(ProcessTest, BigOutputIsComplete) {
  std::uint64_t count = 0;
  const auto result = RunProcess(
      Shell("head -c 20000000 /dev/zero; echo some words >&2"),
      [&](ByteView piece) {
        count += piece.size();
        return absl::OkStatus();
      },
      std::stop_token());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(count, 20'000'000u);
  EXPECT_EQ(result->standard_error, "some words\n");
}

TEST(ProcessTest, InputAndOutputFlowTogether) {
  const Bytes input(3'000'000, 'i');
  ProcessOptions options = Shell("cat");
  options.standard_input = input;
  EXPECT_TRUE(Output(options).value() == input);
  ProcessOptions pieces = Shell("cat");
  int left = 100;
  pieces.read_input = [&]() -> absl::StatusOr<Bytes> {
    return left-- > 0 ? Bytes(10'000, 'p') : Bytes();
  };
  EXPECT_EQ(Output(pieces)->size(), 1'000'000u);
}

TEST(ProcessTest, ChildThatDoesNotReadItsInputIsNoError) {
  const Bytes input(3'000'000, 'i');
  ProcessOptions options = Shell("exec <&-; echo done");
  options.standard_input = input;
  EXPECT_EQ(Output(options).value(), "done\n");
}

TEST(ProcessTest, ExitStatusAndLastWordsAreInTheError) {
  const absl::Status status = Output(Shell("echo out; echo 'no such table' >&2; exit 7")).status();
  EXPECT_EQ(ExitCodeOf(status), 10);
  EXPECT_THAT(MessageOf(status), HasSubstr("exited with status 7: no such table"));
  EXPECT_THAT(MessageOf(Output(Shell("kill -9 $$")).status()), HasSubstr("killed by signal 9"));
}

TEST(ProcessTest, ALongErrorKeepsItsFirstAndItsLastWords) {
  const std::string said =
      MessageOf(Output(Shell("{ echo first words; head -c 5000 /dev/zero | tr '\\0' x; "
                             "echo; echo last words; } >&2; exit 1"))
                    .status());
  EXPECT_THAT(said, HasSubstr("exited with status 1: first words; xxx"));
  EXPECT_THAT(said, HasSubstr("xxx; last words"));
  EXPECT_LT(said.size(), 1000u);
}

TEST(ProcessTest, MissingProgramIsNamed) {
  ProcessOptions options;
  options.argv = {"holdfast-no-such-program"};
  const absl::Status status = Output(options).status();
  EXPECT_EQ(CodeOf(status), 2002);
  EXPECT_THAT(HintOf(status), HasSubstr("holdfast-no-such-program"));
}

TEST(ProcessTest, EnvironmentAndDirectoryAreThoseGiven) {
  test::TempDir directory;
  ProcessOptions options = Shell("echo \"$SECRET\"; pwd; echo \"$0\"");
  options.environment = {{"SECRET", "$(id) `id` \"quoted\""}};
  options.working_directory = directory.path();
  EXPECT_EQ(Output(options).value(), "$(id) `id` \"quoted\"\n" + directory.path() + "\n/bin/sh\n");
}

TEST(ProcessTest, OutputLimitAndCallbackErrorEndTheChild) {
  EXPECT_EQ(CodeOf(RunProcessForOutput(Shell("yes"), std::stop_token(), 1'000).status()), 2005);
  const absl::Status status =
      RunProcess(
          Shell("yes"), [](ByteView) { return absl::CancelledError("enough"); }, std::stop_token())
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

// Runs `script`, which prints its process id first, stops it after that, and expects it gone.
void ExpectStoppedAndGone(const std::string& script) {
  std::stop_source stop;
  pid_t pid = 0;
  const absl::Duration begin = RealClock().Monotonic();
  std::jthread stopper;
  const absl::Status status = RunProcess(
                                  Shell("echo $$; " + script),
                                  [&](ByteView piece) {
                                    pid = static_cast<pid_t>(std::stol(std::string(piece)));
                                    stopper = std::jthread([&] {
                                      RealClock().SleepFor(absl::Milliseconds(50), {});
                                      stop.request_stop();
                                    });
                                    return absl::OkStatus();
                                  },
                                  stop.get_token())
                                  .status();
  EXPECT_EQ(CodeOf(status), 2003) << status;
  EXPECT_LT(RealClock().Monotonic() - begin, absl::Seconds(20));
  ASSERT_GT(pid, 0);
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(ProcessTest, StopKillsTheChild) { ExpectStoppedAndGone("exec sleep 60"); }

TEST(ProcessTest, StopKillsAChildThatClosedItsOutputs) {
  ExpectStoppedAndGone("exec sleep 60 >&- 2>&-");
}

TEST(ProcessTest, DeadlineKillsTheChild) {
  ProcessOptions options = Shell("exec sleep 60");
  options.deadline = absl::Milliseconds(100);
  const absl::Status status = Output(options).status();
  EXPECT_EQ(CodeOf(status), 2004);
  EXPECT_EQ(ExitCodeOf(status), 10);
}

TEST(ProcessTest, AnyStatusMayBeAResult) {
  ProcessOptions options = Shell("echo out; echo err >&2; exit 7");
  options.any_status = true;
  std::string output;
  const auto result = RunProcess(
      options,
      [&](ByteView piece) {
        output.append(piece);
        return absl::OkStatus();
      },
      std::stop_token());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_status, 7);
  EXPECT_EQ(output, "out\n");
  EXPECT_EQ(result->standard_error, "err\n");
}

TEST(ProcessTest, AGroupIsKilledWithAllThatItStarted) {
  test::TempDir directory;
  ProcessOptions options = Shell("sleep 60 & echo $! > " + directory / "pid" + "; exec sleep 60");
  options.own_group = true;
  options.deadline = absl::Milliseconds(500);
  EXPECT_EQ(CodeOf(Output(options).status()), 2004);
  const auto text = RealFileSystem().ReadFile(directory / "pid");
  ASSERT_TRUE(text.ok()) << text.status();
  const pid_t pid = std::stoi(*text);
  // Init may still have to reap it: then it is a zombie, which takes no signal to heart.
  for (int i = 0; i < 100 && ::kill(pid, 0) == 0; ++i) {
    const auto state = RealFileSystem().ReadFile("/proc/" + std::to_string(pid) + "/stat");
    if (state.ok() && state->find(") Z") != std::string::npos) return;
    RealClock().SleepFor(absl::Milliseconds(20), std::stop_token());
  }
  EXPECT_NE(::kill(pid, 0), 0) << "what the command started is still there";
}

}  // namespace
}  // namespace holdfast
