// The operator's keys and what this installation is, in the operator's home directory.
//
// Hides:      file names, sealing of the owner key, the half-done states of `init`.
// Invariants: I1  installation.json exists only after the controller accepted the owner key that
//                 owner.key holds.
//             I2  While installation.pending.json exists, an init is under way or was cut short; it
//                 names everything that init made, so that the next one finishes or removes it.
//             I3  Every file is 0600; the owner key is sealed with the passphrase.
// Threading:  one thread; two processes are kept apart by a lock during init.
// Errors:     kNotFound 1110 before init; kPermission for a wrong passphrase or open file modes;
//             kIntegrity 1111 for damaged files; kConflict 1112 when there is an installation.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/crypto/crypto.h"
#include "common/env/env.h"

namespace holdfast::cli {

// What is pinned: a controller that shows anything else is not ours.
struct PinnedInstallation {
  Bytes controller_id;
  PublicKey owner;
  std::string kit_path;  // where init wrote the recovery kit
};

struct NewKeys {
  KeyPair owner;           // Ed25519
  KeyPair operator_key;    // X25519
  SecretBytes passphrase;  // seals the owner key
};

class KeyHome {
 public:
  KeyHome(Env env, std::string directory) : env_(env), directory_(std::move(directory)) {}

  const std::string& directory() const { return directory_; }
  std::string OwnerKeyPath() const;

  absl::StatusOr<PinnedInstallation> Pinned() const;
  absl::StatusOr<KeyPair> OperatorKey() const;
  absl::StatusOr<KeyPair> OwnerKey(ByteView passphrase) const;

  // For init, in this order.
  absl::StatusOr<std::unique_ptr<DirectoryLock>> Lock();
  bool IsInitialized() const;
  absl::StatusOr<std::optional<PinnedInstallation>> Pending() const;
  // Writes the pending note first, then the keys. kConflict when keys are there already.
  absl::Status WritePending(const PinnedInstallation& installation, const NewKeys& keys);
  absl::Status Confirm();  // the controller accepted: pending becomes pinned
  // Removes what a pending init made, the kit included; the note last.
  absl::Status Discard(const PinnedInstallation& pending);

 private:
  absl::StatusOr<PinnedInstallation> Read(const std::string& path) const;
  std::string Path(std::string_view name) const { return JoinPath(directory_, name); }

  Env env_;
  std::string directory_;
};

}  // namespace holdfast::cli
