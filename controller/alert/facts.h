// The state of things as the rules of alerts see it.
//
// Narrow on purpose: who knows more (schedules, objectives, replicas) fills in more.
// Threading: values; Look on one thread at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"

namespace holdfast::alert {

enum class ObjectiveState { kUnknown, kMet, kBroken };

struct SourceFacts {
  SourceId id;
  std::string label;         // "db", or "shop-1/db" where two agents have one
  absl::Time watched_since;  // a new source has time for its first backup
  absl::Time last_success = absl::InfinitePast();
  std::string failure;               // why the last run failed; empty: it did not
  std::uint64_t damaged_chunks = 0;  // that kept snapshots need
  std::uint64_t damaged_newest_seq = 0;
  ObjectiveState objective = ObjectiveState::kUnknown;
  std::string objective_text;
  std::string expiry_pause;  // why retention does not go on by itself; empty: it does
  // The newest snapshot and the one before it; zero: there is none.
  std::uint64_t newest_seq = 0;
  std::uint64_t newest_bytes = 0;
  std::uint64_t newest_stored_bytes = 0;
  std::uint64_t previous_bytes = 0;
  std::uint64_t previous_stored_bytes = 0;
};

struct AgentFacts {
  AgentId id;
  std::string name;
  bool connected = false;
  absl::Time last_seen;      // enrolled, when it was never seen
  absl::Time watched_since;  // while the controller was down nobody could be seen
  absl::Time certificate_not_after;
  bool has_sources = false;
};

struct CertificateFacts {
  std::string name;  // "the controller's CA"
  absl::Time not_after;
};

struct Facts {
  std::vector<SourceFacts> sources;
  std::vector<AgentFacts> agents;
  std::vector<CertificateFacts> certificates;
  std::uint64_t free_bytes = 0;
  bool store_writable = true;
};

class FactSource {
 public:
  virtual ~FactSource() = default;
  virtual absl::StatusOr<Facts> Look() = 0;
};

}  // namespace holdfast::alert
