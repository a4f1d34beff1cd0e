// A snapshot opened in the CLI with the operator's own key: ls, find, cat, diff and export read so.
//
// Invariants: the snapshot is the one that was listed (its id is checked), signed under the owner
//             key that init pinned; the controller sees neither key nor content.
// Threading:  one thread.
// Errors:     kNotFound 1110 without keys; kIntegrity when the chain does not hold; kPermission
//             4029 when the operator's key is no recipient.
#pragma once

#include "controller/cli/context.h"

namespace holdfast::cli {

absl::StatusOr<OpenedSnapshot> OpenForReading(Context& context, OperatorClient& client,
                                              const SnapshotSummary& snapshot);

// Resolves the reference, then opens.
struct NamedSnapshot {
  SnapshotSummary summary;
  OpenedSnapshot opened;
  const SnapshotView& view() const { return *opened.view; }
};
absl::StatusOr<NamedSnapshot> OpenReference(Context& context, OperatorClient& client,
                                            const std::string& reference);

// The entry's bytes as a reader of the restored file would see them: holes of sparse files are
// zeros, a hard link gives its target's content. kUsage 1130 for what has no content.
absl::Status ReadContent(const SnapshotView& view, const Entry& entry,
                         absl::FunctionRef<absl::Status(ByteView)> consume);

// The path as entries have it: without "./", leading and trailing slashes. kUsage when it cannot be
// a path of an entry.
absl::StatusOr<std::string> EntryPath(std::string_view text);

}  // namespace holdfast::cli
