// `holdfast-controller rebuild-catalog`: the catalog made anew from the store, while no controller
// runs on the data directory.
//
// Hides:      the text of the report.
// Invariants: the data directory's lock is held throughout.
// Threading:  one thread.
// Errors:     kConflict while a controller runs; those of rebuild.h. kPartial 5076 when something
//             is damaged: the catalog is made all the same.
#pragma once

#include <ostream>

#include "common/env/env.h"
#include "controller/daemon/controller_config.h"

namespace holdfast::daemon {

// What was set by command, in a store whose controller's keys are not here.
enum class SettingsOfOthers { kLeave, kTake };
absl::Status RunRebuild(Env env, const ControllerConfig& config, SettingsOfOthers others,
                        std::ostream& out);

}  // namespace holdfast::daemon
