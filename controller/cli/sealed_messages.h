// What passes the controller sealed: restore options on their way to an agent, and what agents say
// of jobs on its way to the operators.
//
// Hides:      trust chain of the agent's identity, contexts, the encoding inside.
// Invariants: options are sealed only to a key that the owner's chain vouches for; a detail counts
//             only for the job that it names.
// Threading:  one thread.
// Errors:     kIntegrity for an identity that does not hold, kNotFound 1110 without keys.
#pragma once

#include <functional>

#include "common/env/random.h"
#include "common/format/trust.h"
#include "controller/cli/operator_values.h"

namespace holdfast::v1 {
class JobResult;
class SourceStatus;
}  // namespace holdfast::v1

namespace holdfast::cli {

// Who operates: the keys, read when first needed (many commands need none), and a name.
struct OperatorKeys {
  std::function<absl::StatusOr<PublicKey>()> owner;
  std::function<absl::StatusOr<KeyPair>()> reader;
  Rng* rng = nullptr;
  std::string user;  // for what the controller writes down about a change; no proof of anything
};

absl::StatusOr<Bytes> SealRestoreOptions(const OperatorKeys& keys, ByteView agent_identity,
                                         const SourceId& source, const RestoreOptions& options);

// The result in clear; a detail that does not open is replaced by words that say so.
JobResult OpenResult(const OperatorKeys& keys, const v1::JobResult& result);
SourceStatus OpenStatus(const OperatorKeys& keys, const v1::SourceStatus& status);

}  // namespace holdfast::cli
