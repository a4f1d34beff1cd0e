#include "common/format/join_token.h"

#include "absl/strings/escaping.h"
#include "common/base/error.h"
#include "common/format/wire.h"

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "hfjoin1.";
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kMaxTextBytes = 8192;

absl::Status Refused(std::string cause) {
  return Error(ErrorKind::kUsage, 6068, "unable to read the join token: " + cause,
               "Copy the whole line that 'holdfast enroll' printed, or make a new token.");
}

std::string Encoded(ByteView body) {
  std::string text;
  absl::WebSafeBase64Escape(absl::string_view(body.data(), body.size()), &text);
  return std::string(kPrefix) + text;
}

std::string WithoutSpace(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') result.push_back(c);
  }
  return result;
}

}  // namespace

std::string EncodeJoinToken(const JoinToken& token) {
  Writer body;
  body.Field(token.enrollment_address);
  body.Raw(token.ca_fingerprint.view());
  body.Field(token.token_id);
  body.Field(token.secret.view());
  body.Raw(token.owner.view());
  body.Field(EncodeEnrolmentGrant(token.grant));
  body.Field(token.grant_seed.view());
  const Hash256 check = Sha256(body.bytes());
  body.Raw(check.view().substr(0, kCheckBytes));
  return Encoded(body.bytes());
}

absl::StatusOr<JoinToken> DecodeJoinToken(std::string_view text) {
  if (text.size() > kMaxTextBytes) return Refused("it is too long");
  const std::string compact = WithoutSpace(text);
  if (compact.rfind(kPrefix, 0) != 0) return Refused("it does not begin with 'hfjoin1.'");

  std::string decoded;
  if (!absl::WebSafeBase64Unescape(compact.substr(kPrefix.size()), &decoded)) {
    return Refused("it holds a character that no token has");
  }
  const SecretBytes held = SecretBytes::Take(std::move(decoded));
  const ByteView bytes = held.view();
  if (bytes.size() <= kCheckBytes) return Refused("it is cut");
  const ByteView body = bytes.substr(0, bytes.size() - kCheckBytes);
  const Hash256 check = Sha256(body);
  // The comparison of texts catches what base64 hides: unused bits of the last character.
  if (bytes.substr(body.size()) != check.view().substr(0, kCheckBytes) ||
      Encoded(bytes) != compact) {
    return Refused("it is cut or mistyped (its checksum does not fit)");
  }

  JoinToken token;
  Reader reader(body);
  token.enrollment_address = reader.Field();
  token.ca_fingerprint = reader.Id<Hash256>();
  token.token_id = reader.Field();
  token.secret = SecretBytes(reader.Field());
  token.owner = reader.Id<PublicKey>();
  const ByteView grant = reader.Field();
  token.grant_seed = SecretBytes(reader.Field());
  if (!reader.AtEnd() || token.token_id.size() != kIdBytes || token.secret.size() != kIdBytes ||
      token.grant_seed.size() != kSeedBytes || token.enrollment_address.empty()) {
    return Refused("its fields do not fit this version of Holdfast");
  }
  auto decoded_grant = DecodeEnrolmentGrant(grant);
  if (!decoded_grant.ok()) return Refused(MessageOf(decoded_grant.status()));
  token.grant = *std::move(decoded_grant);
  return token;
}

}  // namespace holdfast
