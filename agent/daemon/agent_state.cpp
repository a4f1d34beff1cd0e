#include "agent/daemon/agent_state.h"

#include <optional>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/wire.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr ByteView kMagic{"HFAGNT2\n", 8};     // the SHA-256 of what stands before is at the end
constexpr ByteView kOldMagic{"HFAGNT1\n", 8};  // without a sum
constexpr std::size_t kKeyBytes = 32;

std::string IdentityPath(const std::string& directory) { return JoinPath(directory, "identity"); }

std::string SourcePath(const std::string& directory, const SourceId& source,
                       std::string_view suffix) {
  return JoinPath(JoinPath(directory, "sources"), source.hex() + std::string(suffix));
}

absl::Status Damaged(const std::string& directory) {
  return Error(ErrorKind::kIntegrity, 6061,
               fmt::format("unable to read the agent's identity in '{}': it is damaged", directory),
               "Enrol this host again under a new name; its old snapshots stay restorable with "
               "an operator's key or the recovery key.");
}

// What stands behind the magic, when the sum is right.
std::optional<ByteView> BodyOf(ByteView file) {
  if (file.starts_with(kOldMagic)) return file.substr(kOldMagic.size());
  if (!file.starts_with(kMagic) || file.size() < kMagic.size() + Hash256::kSize) {
    return std::nullopt;
  }
  const ByteView summed = file.substr(0, file.size() - Hash256::kSize);
  if (Sha256(summed).view() != file.substr(summed.size())) return std::nullopt;
  return summed.substr(kMagic.size());
}

bool AreOfOneAgent(const pipeline::AgentKeys& keys) {
  return keys.signing.public_key == keys.identity.signing_key &&
         keys.recipient.public_key == keys.identity.recipient_key &&
         keys.secrets.domain == keys.identity.domain;
}

// A domain secret with one bit changed would give every chunk an id that no reader of the snapshots
// computes: nothing but the whole file is used.
absl::Status DecodeIdentity(ByteView bytes, AgentState* state) {
  const std::optional<ByteView> body = BodyOf(bytes);
  if (!body) return Damaged(state->directory);
  Reader reader(*body);
  state->controller_id = reader.Field();
  state->agent_address = reader.Field();
  state->enrollment_address = reader.Field();
  state->keys.owner = reader.Id<PublicKey>();
  state->identity_document = reader.Field();
  const SecretBytes signing(reader.Field());
  const SecretBytes recipient(reader.Field());
  state->keys.secrets.domain = reader.Id<DomainId>();
  state->keys.secrets.id_key = SecretBytes(reader.Field());
  state->keys.secrets.chunker_key = SecretBytes(reader.Field());
  const DomainSecrets& secrets = state->keys.secrets;
  for (const SecretBytes* key : {&signing, &recipient, &secrets.id_key, &secrets.chunker_key}) {
    if (!reader.AtEnd() || key->size() != kKeyBytes) return Damaged(state->directory);
  }
  state->keys.signing = Ed25519FromSeed(signing);
  state->keys.recipient = X25519FromSecret(recipient);
  ASSIGN_OR_RETURN(state->keys.identity,
                   OpenAgentIdentity(state->identity_document, state->keys.owner));
  return AreOfOneAgent(state->keys) ? absl::OkStatus() : Damaged(state->directory);
}

}  // namespace

std::string AgentState::LastPath(const SourceId& source) const {
  return SourcePath(directory, source, ".last");
}
std::string AgentState::DevicePath(const SourceId& source) const {
  return SourcePath(directory, source, ".device");
}
std::string AgentState::DeltaPath(const SourceId& source) const {
  return SourcePath(directory, source, ".delta");
}
std::string AgentState::BasesDirectory(const SourceId& source) const {
  return SourcePath(directory, source, ".bases");
}
std::string AgentState::RecipientsVersionPath() const {
  return JoinPath(directory, "recipients.version");
}

bool IsEnrolled(FileSystem& fs, const std::string& directory) {
  return fs.Exists(IdentityPath(directory));
}

absl::Status SaveState(FileSystem& fs, const AgentState& state) {
  RETURN_IF_ERROR(fs.MakeDirectories(JoinPath(state.directory, "sources")));
  const auto path = [&](const char* name) { return JoinPath(state.directory, name); };
  RETURN_IF_ERROR(fs.WriteAtomically(path("tls.key"), state.tls.key_pem.view(), 0600));
  RETURN_IF_ERROR(fs.WriteAtomically(path("tls.pem"), state.tls.certificate_pem, 0644));
  RETURN_IF_ERROR(fs.WriteAtomically(path("ca.pem"), state.tls.authority_pem, 0644));
  Writer writer;
  writer.Raw(kMagic);
  writer.Field(state.controller_id);
  writer.Field(state.agent_address);
  writer.Field(state.enrollment_address);
  writer.Raw(state.keys.owner.view());
  writer.Field(state.identity_document);
  writer.Field(state.keys.signing.secret.view());
  writer.Field(state.keys.recipient.secret.view());
  writer.Raw(state.keys.secrets.domain.view());
  writer.Field(state.keys.secrets.id_key.view());
  writer.Field(state.keys.secrets.chunker_key.view());
  writer.Raw(Sha256(writer.bytes()).view());
  const SecretBytes bytes = SecretBytes::Take(writer.Take());
  return fs.WriteAtomically(IdentityPath(state.directory), bytes.view(), 0600);
}

absl::StatusOr<AgentState> LoadState(FileSystem& fs, const std::string& directory) {
  AgentState state;
  state.directory = directory;
  if (!IsEnrolled(fs, directory)) {
    return Error(
        ErrorKind::kRefused, 6060,
        fmt::format("unable to start: this agent is not enrolled (nothing in '{}')", directory),
        "Run 'holdfast enroll NAME' on the controller's host and 'holdfast-agent enroll' "
        "here with the token it prints.");
  }
  ASSIGN_OR_RETURN(Bytes bytes, fs.ReadSecret(IdentityPath(directory)));
  const SecretBytes identity = SecretBytes::Take(std::move(bytes));
  RETURN_IF_ERROR(DecodeIdentity(identity.view(), &state));
  const auto path = [&](const char* name) { return JoinPath(directory, name); };
  ASSIGN_OR_RETURN(Bytes key, fs.ReadSecret(path("tls.key")));
  state.tls.key_pem = SecretBytes::Take(std::move(key));
  ASSIGN_OR_RETURN(state.tls.certificate_pem, fs.ReadFile(path("tls.pem")));
  ASSIGN_OR_RETURN(state.tls.authority_pem, fs.ReadFile(path("ca.pem")));
  return state;
}

absl::Status SaveCertificate(FileSystem& fs, AgentState* state,
                             const std::string& certificate_pem) {
  RETURN_IF_ERROR(fs.WriteAtomically(JoinPath(state->directory, "tls.pem"), certificate_pem, 0644));
  state->tls.certificate_pem = certificate_pem;
  return absl::OkStatus();
}

}  // namespace holdfast::daemon
