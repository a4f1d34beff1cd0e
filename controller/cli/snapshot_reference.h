// How an operator names a snapshot: "db", "db@latest", "db@57", "db@2026-01-07 02:00", "db-1/db@57"
// (source of one agent), or the first hex digits of a snapshot id.
//
// Invariants: I1  A time names the whole day, minute or second it writes: "db@2026-01-07" is the
//                 newest snapshot taken at or before the end of that day.
//             I2  What cannot be parsed is refused, never guessed; text in messages is escaped.
// Threading:  pure functions; resolving calls the client.
// Errors:     kUsage 1120 (form), 1121 (ambiguous, lists candidates); kNotFound 1122 (with the
//             nearest names).
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "controller/cli/operator_client.h"

namespace holdfast::cli {

struct NewestSnapshot {
  bool stated = false;  // "@latest" was written
};
struct NumberedSnapshot {
  std::uint64_t seq = 0;
};
struct SnapshotAt {
  absl::Time before;  // exclusive: the end of what was written
};

struct SnapshotReference {
  std::string agent;   // empty: any
  std::string source;  // also a possible id prefix when nothing follows
  std::variant<NewestSnapshot, NumberedSnapshot, SnapshotAt> which;
  // May be the first digits of an id: hex, at least 4, no agent, no "@".
  bool MayBeId() const;
};

absl::StatusOr<SnapshotReference> ParseSnapshotReference(std::string_view text,
                                                         absl::TimeZone zone);

// A source by name, or by "agent/name" where two agents have one of that name.
struct ResolvedSource {
  SourceInfo source;
  std::string agent_name;
  bool connected = false;
};
absl::StatusOr<std::vector<ResolvedSource>> ListSources(OperatorClient& client);
// Also those that no agent has any more, as long as they have snapshots.
absl::StatusOr<std::vector<ResolvedSource>> ListSourcesEver(OperatorClient& client);
absl::StatusOr<ResolvedSource> ResolveSource(const std::vector<ResolvedSource>& sources,
                                             std::string_view text);

// The one snapshot meant.
absl::StatusOr<SnapshotSummary> ResolveSnapshot(OperatorClient& client, std::string_view text,
                                                absl::TimeZone zone);

// "db@57"
std::string SnapshotName(const SnapshotSummary& snapshot);

// A name for an agent or a source: 1 to 128 bytes of printable UTF-8 without '/', '@', '\' and
// leading '.' or '-'. `what` is "agent" or "source".
absl::Status CheckName(std::string_view what, std::string_view name);

}  // namespace holdfast::cli
