// The mark of a failure that may pass by itself: a connection to the store that was cut in the
// middle.
//
// A run that fails with it may be repeated as a whole, which is cheap: what was stored already is
// known.
// Threading:  pure.
// Errors:     none; MarkTransient keeps kind, code and text.
#pragma once

#include "absl/status/status.h"

namespace holdfast::source {

absl::Status MarkTransient(absl::Status status);
bool IsTransient(const absl::Status& status);  // also through WithContext

}  // namespace holdfast::source
