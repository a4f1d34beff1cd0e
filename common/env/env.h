// What the process takes from the outside, passed first to whoever needs it: clock, randomness,
// files.
// Threading: as each of the three says.
#pragma once

#include "common/env/clock.h"
#include "common/env/file_system.h"
#include "common/env/random.h"

namespace holdfast {

struct Env {
  Clock& clock;
  Rng& rng;
  FileSystem& fs;
};

Env RealEnv();

}  // namespace holdfast
