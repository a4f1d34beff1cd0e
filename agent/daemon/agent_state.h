// What an enrolled agent keeps in its data directory: identity, keys, domain secrets, certificate.
//
//   lock · identity (0600: ids, addresses, Ed25519 and X25519 secrets, domain secrets) · tls.key ·
//   tls.pem · ca.pem sources/<source hex>.last (see pipeline/previous_snapshot.h), .device,
//   .delta and .bases/ (see agent/delta) · recipients.version
// Invariants: I1  `identity` is written last: an agent is enrolled when it is there.
//             I2  Secrets are read only from files that nobody else may read.
//             I3  An identity is used only when its sum holds and its keys are those that its
//                 document names; of a file that an older release wrote, which has no sum, when the
//                 latter does.
// Threading:  a value; the certificate is replaced through SaveCertificate only.
// Errors:     kRefused 6060 "not enrolled", kPermission for rights, kIntegrity 6061 for damage.
#pragma once

#include <string>

#include "agent/pipeline/backup_run.h"
#include "common/env/env.h"
#include "common/rpc/tls.h"

namespace holdfast::daemon {

struct AgentState {
  std::string directory;
  pipeline::AgentKeys keys;
  Bytes identity_document;
  Bytes controller_id;
  std::string agent_address;  // host:port, gRPC
  std::string enrollment_address;
  rpc::TlsIdentity tls;

  std::string LastPath(const SourceId& source) const;
  std::string DevicePath(const SourceId& source) const;
  std::string DeltaPath(const SourceId& source) const;
  std::string BasesDirectory(const SourceId& source) const;
  std::string RecipientsVersionPath() const;
};

bool IsEnrolled(FileSystem& fs, const std::string& directory);
absl::Status SaveState(FileSystem& fs, const AgentState& state);
absl::StatusOr<AgentState> LoadState(FileSystem& fs, const std::string& directory);
absl::Status SaveCertificate(FileSystem& fs, AgentState* state, const std::string& certificate_pem);

}  // namespace holdfast::daemon
