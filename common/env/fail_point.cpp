#include "common/env/fail_point.h"

#ifdef HOLDFAST_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"

namespace holdfast::fail_point {
namespace {

constexpr absl::Duration kDelay = absl::Milliseconds(200);

struct Points {
  Points() {
    if (const char* text = std::getenv("HOLDFAST_FAILPOINT")) armed = Read(text);
    if (const char* path = std::getenv("HOLDFAST_FAILPOINT_LIST")) OpenList(path);
  }

  // A text that cannot be read ends the process: a test that arms nothing would prove nothing.
  static Armed Read(const char* text) {
    const std::vector<std::string> parts = absl::StrSplit(text, ':');
    HOLDFAST_CHECK(parts.size() == 3);
    Armed read;
    read.name = parts[0];
    HOLDFAST_CHECK(absl::SimpleAtoi(parts[1], &read.hit) && read.hit > 0);
    HOLDFAST_CHECK(parts[2] == "kill" || parts[2] == "error" || parts[2] == "delay");
    read.action = parts[2] == "kill"    ? Action::kKill
                  : parts[2] == "error" ? Action::kError
                                        : Action::kDelay;
    return read;
  }
  void OpenList(const char* path) {
    list = UniqueFd(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    HOLDFAST_CHECK(list.valid());
  }

  std::mutex mutex;  // guards all below
  std::optional<Armed> armed;
  std::uint64_t hits = 0;  // of the armed one
  bool fired = false;
  UniqueFd list;
};

Points& ThePoints() {
  static Points points;
  return points;
}

}  // namespace

void Arm(Armed armed) {
  Points& points = ThePoints();
  std::lock_guard lock(points.mutex);
  points.armed = std::move(armed);
  points.hits = 0;
  points.fired = false;
}

void List(const std::string& path) {
  Points& points = ThePoints();
  std::lock_guard lock(points.mutex);
  points.OpenList(path.c_str());
}

bool Fired() {
  Points& points = ThePoints();
  std::lock_guard lock(points.mutex);
  return points.fired;
}

std::string Kind(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  // Of "17.open.tmp" both: a temporary file is told from what it becomes.
  if (const std::size_t dot = name.find('.'); dot != std::string::npos) {
    return "*" + name.substr(dot);
  }
  const bool is_number = name.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_number ? "#" : name;
}

absl::Status Reach(const std::string& name) {
  Points& points = ThePoints();
  Action action = Action::kDelay;
  {
    std::lock_guard lock(points.mutex);
    if (points.list.valid()) {
      const std::string line = name + "\n";
      HOLDFAST_CHECK(::write(points.list.get(), line.data(), line.size()) ==
                     static_cast<ssize_t>(line.size()));
    }
    if (!points.armed || points.armed->name != name) return absl::OkStatus();
    if (++points.hits != points.armed->hit) return absl::OkStatus();
    points.fired = true;
    action = points.armed->action;
  }
  switch (action) {
    case Action::kKill:
      ::kill(::getpid(), SIGKILL);
      ::pause();  // until it arrives
      break;
    case Action::kError:
      return Error(ErrorKind::kFailed, 1901,
                   "unable to pass fail point '" + name + "': it was armed");
    case Action::kDelay:
      RealClock().SleepFor(kDelay, {});
      break;
  }
  return absl::OkStatus();
}

}  // namespace holdfast::fail_point

#endif
