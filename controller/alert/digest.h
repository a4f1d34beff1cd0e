// The daily report: each source's newest snapshot, the head of its chain, what is open.
//
// The head is the id of the newest snapshot, which names all snapshots before it: kept outside the
// controller, in somebody's mailbox, it shows later whether history was cut or forged.
// Threading: pure functions.
#pragma once

#include <optional>

#include "common/notify/message.h"
#include "controller/alert/alert_config.h"
#include "controller/catalog/catalog.h"

namespace holdfast::alert {

// The last moment at or before `now` at which a digest is due.
absl::Time DigestDue(const DigestConfig& config, absl::Time now);
absl::StatusOr<notify::Message> MakeDigest(catalog::Catalog& catalog, absl::Time now);

}  // namespace holdfast::alert
