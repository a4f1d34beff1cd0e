// `holdfast enroll AGENT`: a join token for a new agent, signed by the owner, used once.
//
// Exit status: 0 the token is on stdout or in --output; 12 wrong passphrase; others in DESIGN 12.

#include "common/base/error.h"
#include "common/format/join_token.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/key_home.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "controller/cli/when.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct EnrollOptions {
  std::string agent;
  std::string valid_for = "15m";
  std::string address;
  std::string output;
  bool replaced_controller = false;
};

constexpr absl::Duration kMinLifetime = absl::Minutes(1);
constexpr absl::Duration kMaxLifetime = absl::Hours(24 * 7);

absl::StatusOr<absl::Duration> Lifetime(const std::string& text) {
  const auto span = ParseSpan(text);
  if (!span.ok() || *span < kMinLifetime || *span > kMaxLifetime) {
    return Error(ErrorKind::kUsage, 1150,
                 fmt::format("unable to use --valid-for '{}': it must lie between 1m and 7d",
                             Escaped(text, 60)));
  }
  return *span;
}

absl::Status CheckAddress(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  const bool has_port = colon != std::string::npos && colon > 0 && colon + 1 < address.size() &&
                        address.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (has_port && address.size() <= 300 && Escaped(address, 400) == address &&
      address.find_first_of(" /@") == std::string::npos) {
    return absl::OkStatus();
  }
  return Error(ErrorKind::kUsage, 1151,
               fmt::format("unable to use '{}' as the address agents enrol at", Escaped(address)),
               "Give --address HOST:PORT, or set the controller's enrolment address.");
}

// The controller behind the socket is the one whose owner this is; with --replaced-controller, one
// that was set up anew on the old store: its owner is the same.
absl::Status CheckPinned(const Installation& installation, const PinnedInstallation& pinned,
                         bool replaced) {
  if ((replaced || installation.controller_id == pinned.controller_id) &&
      installation.owner_public_key == pinned.owner.view()) {
    return absl::OkStatus();
  }
  return Error(ErrorKind::kIntegrity, 1152,
               "unable to enrol an agent: this controller is not the one these keys were made for",
               "Check --socket and HOLDFAST_HOME; with --replaced-controller when it was "
               "set up anew on the old store. Another one needs its own init.");
}

absl::StatusOr<std::string> MakeToken(Context& context, const EnrollOptions& options,
                                      std::uint64_t* expires_at_ms) {
  RETURN_IF_ERROR(CheckName("agent", options.agent));
  ASSIGN_OR_RETURN(const absl::Duration lifetime, Lifetime(options.valid_for));
  const KeyHome home(context.env, HomeDirectory(context));
  ASSIGN_OR_RETURN(const PinnedInstallation pinned, home.Pinned());
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const Installation installation, client->GetInstallation());
  RETURN_IF_ERROR(CheckPinned(installation, pinned, options.replaced_controller));
  const auto fingerprint = Hash256::From(installation.ca_fingerprint);
  const std::string address =
      options.address.empty() ? installation.enrollment_address : options.address;
  RETURN_IF_ERROR(CheckAddress(address));
  if (!fingerprint) {
    return Error(ErrorKind::kIntegrity, 1116,
                 "unable to enrol an agent: the controller's fingerprint is no SHA-256");
  }
  ASSIGN_OR_RETURN(const SecretBytes passphrase, ReadPassphrase(context, PassphraseUse::kExisting));
  ASSIGN_OR_RETURN(const KeyPair owner, home.OwnerKey(passphrase.view()));
  if (owner.public_key != pinned.owner) {
    return Error(ErrorKind::kIntegrity, 1111,
                 "unable to enrol an agent: owner.key is not the key of this installation");
  }

  const KeyPair grant_key = Ed25519Generate(context.env.rng);
  JoinToken token;
  token.enrollment_address = address;
  token.ca_fingerprint = *fingerprint;
  token.token_id = context.env.rng.Draw(16);
  token.secret = SecretBytes::Take(context.env.rng.Draw(16));
  token.owner = owner.public_key;
  token.grant = MakeEnrolmentGrant(
      owner, grant_key.public_key, options.agent,
      static_cast<std::uint64_t>(absl::ToUnixMillis(context.env.clock.Now() + lifetime)));
  token.grant_seed = grant_key.secret;
  ASSIGN_OR_RETURN(
      *expires_at_ms,
      client->CreateJoinToken({token.token_id, Sha256(token.secret.view()), options.agent,
                               static_cast<std::uint64_t>(absl::ToInt64Seconds(lifetime))}));
  return EncodeJoinToken(token);
}

absl::Status Enroll(Context& context, const EnrollOptions& options) {
  std::uint64_t expires_at_ms = 0;
  if (!options.output.empty() && context.env.fs.Exists(options.output)) {
    return Error(
        ErrorKind::kConflict, 1004,
        fmt::format("unable to write the token: '{}' exists already", Escaped(options.output)));
  }
  ASSIGN_OR_RETURN(const std::string token, MakeToken(context, options, &expires_at_ms));
  if (!options.output.empty()) {
    RETURN_IF_ERROR(context.env.fs.WriteAtomically(options.output, token + "\n"));
  }
  if (context.json) {
    Json json = {{"agent", options.agent}, {"expires_at", JsonTime(expires_at_ms)}};
    json[options.output.empty() ? "token" : "output"] =
        options.output.empty() ? token : Escaped(options.output);
    return WriteOut(context, JsonLine(json));
  }
  if (options.output.empty()) RETURN_IF_ERROR(WriteOut(context, token + "\n"));
  context.err << fmt::format("Valid once, until {}. On the agent's host: holdfast-agent enroll\n",
                             TimeText(expires_at_ms, context.zone));
  return absl::OkStatus();
}

}  // namespace

void AddEnroll(Command& program, Context& context) {
  auto options = std::make_shared<EnrollOptions>();
  Command command = program.Verb("enroll", "Print a one-time join token for a new agent");
  command.Add("agent", options->agent, "Name of the new agent").Required();
  command.Add("--valid-for", options->valid_for, "How long it works: 15m, 4h")
      .Called("SPAN")
      .ShowDefault();
  command.Add("--address", options->address, "Where the agent reaches the controller")
      .Called("HOST:PORT");
  command.Add("--output", options->output, "Write it to a file (0600), not to stdout")
      .Called("FILE");
  command.Flag("--replaced-controller", options->replaced_controller,
               "The controller lost its keys and was set up anew on the old store");
  command.Footer(Examples("holdfast enroll db-1",
                          "holdfast enroll web-1 --valid-for 4h --output web-1.token"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Enroll(context, *options)); });
}

}  // namespace holdfast::cli
