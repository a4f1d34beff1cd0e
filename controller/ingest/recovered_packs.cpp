#include "controller/ingest/recovered_packs.h"

#include "common/base/error.h"
#include "common/log/log.h"

namespace holdfast::ingest {
namespace {

// A file whose beginning never reached the disk is set aside. When the catalog knows of nothing in
// it, nothing in it was acknowledged, and nobody needs it.
absl::Status DropWhatHeldNothing(catalog::Catalog& catalog, store::Store& store) {
  ASSIGN_OR_RETURN(const auto numbers, store.ListSetAside());
  for (const std::uint64_t number : numbers) {
    ASSIGN_OR_RETURN(const auto row, catalog.FindOpenPack(number));
    if (!row) continue;
    ASSIGN_OR_RETURN(const auto chunks, catalog.collection().ChunksIn(*row));
    if (chunks.empty()) RETURN_IF_ERROR(store.DropSetAside(number));
  }
  return absl::OkStatus();
}

absl::Status Adopt(catalog::Catalog& catalog, store::Store& store,
                   const store::RecoveredPack& pack) {
  ASSIGN_OR_RETURN(const auto row, catalog.FindOpenPack(pack.number));
  // Without a row nothing in the pack was acknowledged. Objects without a row stay unknown: after
  // a power cut the bytes behind a whole header may never have reached the disk.
  if (row && pack.name.IsZero()) RETURN_IF_ERROR(catalog.ForgetPack(*row));
  if (row && !pack.name.IsZero()) {
    // Of a pack whose index is damaged no object is known; the catalog knows where its own end.
    const PackEntry last = pack.entries.empty() ? PackEntry() : pack.entries.back();
    RETURN_IF_ERROR(catalog.FinishPack(*row, pack.name, last.offset_bytes + last.length_bytes));
    log::Info("recovered pack {} with {} objects ({} torn bytes cut)", pack.name.hex(),
              pack.entries.size(), pack.dropped_bytes);
  }
  return store.Settle(pack.number);
}

}  // namespace

absl::Status MoveRest(catalog::Catalog& catalog, store::Store& store) {
  std::vector<store::RecoveredPack> moved;
  absl::Status status = store.MoveRest(&moved);
  for (const store::RecoveredPack& pack : moved) RETURN_IF_ERROR(Adopt(catalog, store, pack));
  return status;
}

absl::Status AdoptRecoveredPacks(catalog::Catalog& catalog, store::Store& store,
                                 const std::vector<store::RecoveredPack>& recovered) {
  RETURN_IF_ERROR(DropWhatHeldNothing(catalog, store));
  for (const store::RecoveredPack& pack : recovered) RETURN_IF_ERROR(Adopt(catalog, store, pack));
  // A start that was killed right here has removed the file of a pack without objects already.
  return catalog.ForgetEmptyOpenPacks();
}

}  // namespace holdfast::ingest
