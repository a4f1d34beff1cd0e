// Named places on the way to durability where a test lets the process die, a step fail, or time
// pass.
//
// HOLDFAST_FAIL_POINT("pack.rename") stands before the step that it names, in a function that
// returns absl::Status or StatusOr. HOLDFAST_FAIL_POINT_AT("sync", path) is named after what a step
// is done to: "sync *.open". Without -DHOLDFAST_FAILPOINTS=ON they are nothing, and neither names
// nor code of them are in the programs.
//
// Hides:      counting, what was armed, the list of what was reached.
// Invariants: I1  At most one point is armed; it fires at its n-th hit (from 1), once.
//             I2  kKill ends the process by SIGKILL: nothing is flushed, no destructor runs.
// Threading:  Arm and List before other threads run; Reach from any thread.
// Errors:     kError makes the step fail with kFailed 1901, as a disk that answers EIO.
//
// Whole programs are told by the environment: HOLDFAST_FAILPOINT=name:hit:kill|error|delay and
// HOLDFAST_FAILPOINT_LIST=file, which gets a line per hit.
#pragma once

#ifdef HOLDFAST_FAILPOINTS

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/base/error.h"

namespace holdfast::fail_point {

enum class Action { kKill, kError, kDelay };

struct Armed {
  std::string name;
  std::uint64_t hit = 1;
  Action action = Action::kKill;
};

void Arm(Armed armed);
void List(const std::string& path);  // every hit from now on, one "name" a line
bool Fired();
absl::Status Reach(const std::string& name);
// "*" and the extension of a path, or its last part; digits and hex names are "#".
std::string Kind(const std::string& path);

}  // namespace holdfast::fail_point

#define HOLDFAST_FAIL_POINT(name) RETURN_IF_ERROR(::holdfast::fail_point::Reach(name))
#define HOLDFAST_FAIL_POINT_AT(step, path) \
  HOLDFAST_FAIL_POINT(step " " + ::holdfast::fail_point::Kind(path))
// Where no error can be returned: kError passes.
#define HOLDFAST_KILL_POINT(name) ::holdfast::fail_point::Reach(name).IgnoreError()

#else

#define HOLDFAST_FAIL_POINT(name) static_cast<void>(0)
#define HOLDFAST_FAIL_POINT_AT(step, path) static_cast<void>(0)
#define HOLDFAST_KILL_POINT(name) static_cast<void>(0)

#endif
