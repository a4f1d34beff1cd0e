// Where the rounds of the scrub stand, kept over restarts in one small file.
//
// Invariants: a file that is lost or damaged means: a new round from the first pack.
// Threading:  values.
// Errors:     of the file system when it is written.
#pragma once

#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "common/env/file_system.h"

namespace holdfast::scrub {

struct ScrubState {
  absl::Time round_began = absl::InfinitePast();  // or begins, when it lies ahead
  PackName position;                              // the last pack that was read in this round
  absl::Time completed = absl::InfinitePast();    // the newest round in which every pack was read
};

ScrubState LoadScrubState(FileSystem& fs, const std::string& path);
absl::Status SaveScrubState(FileSystem& fs, const std::string& path, const ScrubState& state);

}  // namespace holdfast::scrub
