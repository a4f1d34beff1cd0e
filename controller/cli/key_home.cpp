#include "controller/cli/key_home.h"

#include "common/base/error.h"
#include "common/report/json.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr char kOwnerKey[] = "owner.key";
constexpr char kOperatorKey[] = "operator.key";
constexpr char kInstallation[] = "installation.json";
constexpr char kPending[] = "installation.pending.json";
constexpr char kLock[] = "init.lock";
constexpr char kOwnerContext[] = "holdfast owner key v1";

std::string Encode(const PinnedInstallation& installation) {
  return JsonLine({{"version", 1},
                   {"controller_id", ToHex(installation.controller_id)},
                   {"owner_public_key", installation.owner.hex()},
                   {"recovery_kit_hex", ToHex(installation.kit_path)}});
}

std::optional<std::string> TextOf(const Json& json, const char* key) {
  if (!json.is_object()) return std::nullopt;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

absl::Status Damaged(const std::string& path) {
  return Error(
      ErrorKind::kIntegrity, 1111,
      fmt::format("unable to read '{}': it is damaged or of another version", Escaped(path)),
      "Restore the directory from a copy, or the keys from the recovery kit.");
}

absl::Status NotInitialized(const std::string& directory) {
  return Error(ErrorKind::kNotFound, 1110,
               fmt::format("unable to find this operator's keys in '{}'", Escaped(directory)),
               "Run 'holdfast init' first, or set HOLDFAST_HOME to where the keys are.");
}

absl::Status RemoveIfThere(FileSystem& fs, const std::string& path) {
  return fs.Exists(path) ? fs.Remove(path) : absl::OkStatus();
}

}  // namespace

std::string KeyHome::OwnerKeyPath() const { return Path(kOwnerKey); }

absl::StatusOr<PinnedInstallation> KeyHome::Read(const std::string& path) const {
  ASSIGN_OR_RETURN(const Bytes bytes, env_.fs.ReadSecret(path));
  const Json json = ParsedJson(bytes);
  const auto controller = FromHex(TextOf(json, "controller_id").value_or("x"));
  const auto owner = PublicKey::FromHexText(TextOf(json, "owner_public_key").value_or(""));
  const auto kit = FromHex(TextOf(json, "recovery_kit_hex").value_or(""));
  if (!controller || !owner || !kit || !json.contains("version") || json["version"] != 1) {
    return Damaged(path);
  }
  return PinnedInstallation{*controller, *owner, *kit};
}

absl::StatusOr<PinnedInstallation> KeyHome::Pinned() const {
  if (!IsInitialized()) return NotInitialized(directory_);
  return Read(Path(kInstallation));
}

absl::StatusOr<KeyPair> KeyHome::OperatorKey() const {
  const std::string path = Path(kOperatorKey);
  if (!env_.fs.Exists(path)) return NotInitialized(directory_);
  ASSIGN_OR_RETURN(Bytes bytes, env_.fs.ReadSecret(path));
  SecretBytes secret = SecretBytes::Take(std::move(bytes));
  if (secret.size() != 32) return Damaged(path);
  return X25519FromSecret(std::move(secret));
}

absl::StatusOr<KeyPair> KeyHome::OwnerKey(ByteView passphrase) const {
  const std::string path = OwnerKeyPath();
  if (!env_.fs.Exists(path)) return NotInitialized(directory_);
  ASSIGN_OR_RETURN(const Bytes sealed, env_.fs.ReadSecret(path));
  auto seed = OpenWithPassphrase(passphrase, kOwnerContext, sealed);
  if (!seed.ok()) {
    return Error(KindOf(seed.status()), CodeOf(seed.status()),
                 fmt::format("unable to open the owner key '{}': the passphrase does not fit",
                             Escaped(path)),
                 "Try again; the recovery kit holds the owner key too.");
  }
  if (seed->size() != 32) return Damaged(path);
  return Ed25519FromSeed(*std::move(seed));
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> KeyHome::Lock() {
  RETURN_IF_ERROR(env_.fs.MakeDirectories(directory_));
  return DirectoryLock::Acquire(Path(kLock));
}

bool KeyHome::IsInitialized() const { return env_.fs.Exists(Path(kInstallation)); }

absl::StatusOr<std::optional<PinnedInstallation>> KeyHome::Pending() const {
  if (!env_.fs.Exists(Path(kPending))) return std::optional<PinnedInstallation>();
  ASSIGN_OR_RETURN(PinnedInstallation pending, Read(Path(kPending)));
  return std::optional<PinnedInstallation>(std::move(pending));
}

absl::Status KeyHome::WritePending(const PinnedInstallation& installation, const NewKeys& keys) {
  for (const char* name : {kInstallation, kPending, kOwnerKey, kOperatorKey}) {
    if (!env_.fs.Exists(Path(name))) continue;
    return Error(ErrorKind::kConflict, 1112,
                 fmt::format("unable to write new keys: '{}' exists already", Escaped(Path(name))),
                 "It may be the only copy of a key. Move it away if it is not needed.");
  }
  RETURN_IF_ERROR(env_.fs.WriteAtomically(Path(kPending), Encode(installation)));
  const Bytes sealed =
      SealWithPassphrase(keys.passphrase.view(), kOwnerContext, keys.owner.secret.view(), env_.rng);
  RETURN_IF_ERROR(env_.fs.WriteAtomically(OwnerKeyPath(), sealed));
  return env_.fs.WriteAtomically(Path(kOperatorKey), keys.operator_key.secret.view());
}

absl::Status KeyHome::Confirm() {
  RETURN_IF_ERROR(env_.fs.Rename(Path(kPending), Path(kInstallation)));
  return env_.fs.SyncDirectory(directory_);
}

absl::Status KeyHome::Discard(const PinnedInstallation& pending) {
  RETURN_IF_ERROR(RemoveIfThere(env_.fs, pending.kit_path));
  RETURN_IF_ERROR(RemoveIfThere(env_.fs, OwnerKeyPath()));
  RETURN_IF_ERROR(RemoveIfThere(env_.fs, Path(kOperatorKey)));
  RETURN_IF_ERROR(RemoveIfThere(env_.fs, Path(kPending)));
  return env_.fs.SyncDirectory(directory_);
}

}  // namespace holdfast::cli
