// A scrub that an operator asked for: progress to the caller while it runs, the report last.
// Threading:  any; runs wait for each other.
// Errors:     Cancelled when the caller goes or the daemon stops; those of catalog and store.
#pragma once

#include <functional>

#include "controller/scrub/scrubber.h"

namespace holdfast::v1 {
class ScrubDamage;
class ScrubEvent;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status RunScrub(scrub::Scrubber& scrubber, scrub::ScrubScope scope,
                      const std::function<void(const v1::ScrubEvent&)>& write,
                      const std::function<bool()>& stopped);

void FillDamage(const catalog::DamagedSource& source, v1::ScrubDamage* out);

}  // namespace holdfast::operator_service
