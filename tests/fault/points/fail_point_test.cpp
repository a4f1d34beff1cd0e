// Goal: a process that dies, or a step that fails, at any point on the way to durability loses
// nothing that was acknowledged, calls no half restore done, and leaves nothing behind for good.
// Method: the scenario is run once and every point that it passes is noted; then it is run again
// for every point and hit, with the process killed there, and with the step failing there. What is
// left is opened, compared with what was promised, used further and collected.
//
// HOLDFAST_FAULT_CASES=all runs every case, =n so many (the others are left out by seed);
// HOLDFAST_FAULT_SEED=n chooses which; HOLDFAST_FAULT_CASE=name:hit:kill|error runs that one.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "tests/fault/points/scenario.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {
namespace {

using fail_point::Action;
using fail_point::Armed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kCasesByDefault = 80;
#else
constexpr std::size_t kCasesByDefault = 400;
#endif

std::string NameOf(const Armed& one) {
  return one.name + ":" + std::to_string(one.hit) +
         (one.action == Action::kKill ? ":kill" : ":error");
}

std::string FromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

// Files that are synced a thousand times belong into memory, where there is such a directory.
class InMemory {
 public:
  InMemory() {
    if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  }
};
const InMemory kInMemory;

struct Ended {
  bool killed = false;
  bool fired = false;
};

// The scenario in a process of its own.
Ended RunScenario(const std::string& directory, const std::function<void()>& prepare) {
  const pid_t child = ::fork();
  HOLDFAST_CHECK(child >= 0);
  if (child == 0) {
    prepare();
    Scenario(directory).Run();
    ::_exit(fail_point::Fired() ? 10 : 0);
  }
  int status = 0;
  HOLDFAST_CHECK(::waitpid(child, &status, 0) == child);
  Ended ended;
  ended.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  ended.fired = ended.killed || (WIFEXITED(status) && WEXITSTATUS(status) == 10);
  EXPECT_TRUE(ended.killed || (WIFEXITED(status) && WEXITSTATUS(status) % 10 == 0))
      << "the scenario ended with wait status " << status;
  return ended;
}

// Every point with its number of hits, from one run to the end.
std::map<std::string, std::uint64_t> Record() {
  const TempDir directory;
  const std::string list = directory / "list";
  RunScenario(directory.path(), [&] { fail_point::List(list); });
  EXPECT_EQ(Journal(JournalPath(directory.path())).After("again "), std::vector<std::string>());
  EXPECT_EQ(CheckAfter(directory.path()), "");
  std::map<std::string, std::uint64_t> hits;
  for (const std::string& line : Journal(list).Lines()) ++hits[line];
  return hits;
}

// What is wrong after this case, or "".
std::string RunCase(const Armed& one, bool* fired) {
  const TempDir directory;
  const Ended ended = RunScenario(directory.path(), [&] { fail_point::Arm(one); });
  *fired = ended.fired;
  if (one.action == Action::kError) {
    const auto failed = Journal(JournalPath(directory.path())).After("failed ");
    if (!failed.empty()) return "a step fails again when it is repeated: " + failed.front();
  }
  return CheckAfter(directory.path());
}

std::vector<Armed> AllCases(const std::map<std::string, std::uint64_t>& hits) {
  std::vector<Armed> cases;
  for (const auto& [name, count] : hits) {
    for (std::uint64_t hit = 1; hit <= count; ++hit) {
      for (const Action action : {Action::kKill, Action::kError})
        cases.push_back({name, hit, action});
    }
  }
  return cases;
}

// Of the cases so many as asked for, in an order that the seed decides: the first hit of every
// point before the others.
std::vector<Armed> Chosen(std::vector<Armed> cases) {
  const std::string wanted = FromEnvironment("HOLDFAST_FAULT_CASES");
  std::uint64_t seed = 1;
  if (!absl::SimpleAtoi(FromEnvironment("HOLDFAST_FAULT_SEED"), &seed)) seed = 1;
  std::size_t count = kCasesByDefault;
  if (wanted == "all") return cases;
  if (!absl::SimpleAtoi(wanted, &count)) count = kCasesByDefault;
  std::shuffle(cases.begin(), cases.end(), std::mt19937_64(seed));
  std::stable_partition(cases.begin(), cases.end(), [](const Armed& one) { return one.hit == 1; });
  if (cases.size() > count) cases.resize(count);
  return cases;
}

TEST(FailPoints, NothingPromisedIsLostWhereverItDies) {
  const std::string only = FromEnvironment("HOLDFAST_FAULT_CASE");
  if (!only.empty()) {
    const std::vector<std::string> parts = absl::StrSplit(only, ':');
    ASSERT_EQ(parts.size(), 3u);
    Armed one{parts[0], 1, parts[2] == "kill" ? Action::kKill : Action::kError};
    ASSERT_TRUE(absl::SimpleAtoi(parts[1], &one.hit));
    bool fired = false;
    EXPECT_EQ(RunCase(one, &fired), "");
    EXPECT_TRUE(fired) << "the point was not reached";
    return;
  }
  const auto hits = Record();
  if (HasFailure()) return;
  std::uint64_t hit_count = 0;
  for (const auto& [name, count] : hits) hit_count += count;
  // Else the scenario would leave out what it is there for.
  for (const char* name : {"catalog.begin",
                           "catalog.commit",
                           "catalog.committed",
                           "ingest.stored",
                           "pack.finish",
                           "rename *.pack",
                           "append *.open",
                           "sync *.open",
                           "append *.finished.tmp",
                           "replace *.record",
                           "replace *.commit",
                           "replace *.envelope",
                           "replace *.parity",
                           "sync-directory staging",
                           "commit.catalog",
                           "gc.purge",
                           "gc.condemn",
                           "gc.sweep",
                           "gc.retire",
                           "gc.unlink",
                           "gc.copy",
                           "gc.move",
                           "gc.envelope",
                           "remove *.pack",
                           "scrub.repair",
                           "replace *.pack",
                           "agent.state",
                           "replace *.last",
                           "agent.committed",
                           "restore.rename"}) {
    EXPECT_TRUE(hits.contains(name)) << "the scenario never reaches " << name;
  }
  const std::vector<Armed> all = AllCases(hits);
  const std::vector<Armed> chosen = Chosen(all);
  std::size_t fired_count = 0;
  std::vector<std::string> findings;
  for (const Armed& one : chosen) {
    bool fired = false;
    const std::string what = RunCase(one, &fired);
    fired_count += fired ? 1 : 0;
    if (what.empty()) continue;
    findings.push_back(NameOf(one) + ": " + what);
    ADD_FAILURE() << what << "\nreplay with HOLDFAST_FAULT_CASE='" << NameOf(one) << "'";
    if (findings.size() >= 20) break;
  }
  std::cout << "fail points: " << hits.size() << " points, " << hit_count << " hits, " << all.size()
            << " cases (killed and failing), " << chosen.size() << " run, " << fired_count
            << " of them fired\n";
  // Threads of the agent may pass a point once more or less often.
  EXPECT_GE(fired_count * 100, chosen.size() * 97);
}

}  // namespace
}  // namespace holdfast::test
