// A PostgreSQL snapshot as one SQL script that psql loads into an empty database.
//
// Hides:      the entries of a postgres snapshot, quoting.
// Invariants: I1  The script is known piece by piece before a row is read, so its size is known and
//                 rows are never held in memory.
//             I2  Order: structure, rows, sequences, large objects, constraints and indexes.
// Threading:  pure function. Errors: kIntegrity 1230 when an entry is missing or makes no sense.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/snapshot/snapshot_view.h"

namespace holdfast::cli {

// Text, then the content of an entry if there is one.
struct ScriptPiece {
  std::string text;
  std::optional<Entry> entry;
};

absl::StatusOr<std::vector<ScriptPiece>> MakePostgresScript(const SnapshotView& view);
std::uint64_t ScriptBytes(const std::vector<ScriptPiece>& script);

}  // namespace holdfast::cli
