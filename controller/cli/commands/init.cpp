// `holdfast init`: makes this installation's keys and gives the controller their public halves.
//
// Exit status: 0 initialised; 7 there is an installation already; others in DESIGN 12.
// Order: the files are written first under a note that names them; the controller accepts; the note
// becomes installation.json. Whatever is cut short, the next `init` finishes or removes it.

#include "common/base/error.h"
#include "common/format/recovery_kit.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/key_home.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct InitOptions {
  std::string kit = "./holdfast-recovery-kit.txt";
  bool recovery_confirmed = false;
};

struct MadeKeys {
  NewKeys keys;
  KeyPair recovery;
};

absl::Status AlreadyThere(const KeyHome& home) {
  return Error(ErrorKind::kConflict, 1113,
               "unable to initialise: this installation has an owner already",
               fmt::format("Its keys belong in '{}'. To add a person, copy nothing: ask the owner.",
                           Escaped(home.directory())));
}

// The third and the last group, typed back: proof that the key was written down.
absl::Status ConfirmRecoveryKey(Context& context, const KeyPair& recovery) {
  const std::string text = EncodeKeyText(kRecoveryKeyPrefix, recovery.secret.view());
  const std::vector<std::string> groups = KeyTextGroups(kRecoveryKeyPrefix, text);
  context.err << fmt::format(
      "Recovery key   {}\n"
      "               Shown once: write it down. It opens every backup when all else is gone.\n",
      text);
  ASSIGN_OR_RETURN(const std::string typed,
                   context.terminal.ReadLine("Type the third and the last group to confirm: "));
  if (SameKeyText(typed, groups[2] + groups.back())) return absl::OkStatus();
  return Error(ErrorKind::kRefused, 1114,
               "unable to initialise: the two groups typed are not those of the recovery key",
               "Nothing was changed. Run 'holdfast init' again; it makes a new key.");
}

absl::StatusOr<MadeKeys> MakeKeys(Context& context, const InitOptions& options) {
  if (!options.recovery_confirmed && (context.json || !context.terminal.InputIsTerminal())) {
    return Error(ErrorKind::kUsage, 1101,
                 "unable to show the recovery key and have it confirmed: there is no terminal",
                 "In a script give --recovery-confirmed, and keep the recovery kit file safe.");
  }
  MadeKeys made;
  ASSIGN_OR_RETURN(made.keys.passphrase, ReadPassphrase(context, PassphraseUse::kNew));
  made.keys.owner = Ed25519Generate(context.env.rng);
  made.keys.operator_key = X25519Generate(context.env.rng);
  made.recovery = X25519Generate(context.env.rng);
  if (!options.recovery_confirmed) RETURN_IF_ERROR(ConfirmRecoveryKey(context, made.recovery));
  return made;
}

absl::Status WriteKit(Context& context, const Installation& installation, const MadeKeys& made,
                      const std::string& path) {
  RecoveryKit kit;
  kit.owner_public = made.keys.owner.public_key;
  kit.owner_seed = made.keys.owner.secret;
  kit.recovery_secret = made.recovery.secret;
  kit.enrollment_address = installation.enrollment_address;
  kit.ca_fingerprint = *Hash256::From(installation.ca_fingerprint);
  kit.controller_id = installation.controller_id;
  const SecretBytes page = SecretBytes::Take(RenderRecoveryKit(kit));
  // Read back before anybody relies on it.
  ASSIGN_OR_RETURN(const RecoveryKit read, ParseRecoveryKit(page.view()));
  HOLDFAST_CHECK(ConstantTimeEqual(read.recovery_secret.view(), kit.recovery_secret.view()) &&
                 ConstantTimeEqual(read.owner_seed.view(), kit.owner_seed.view()));
  ASSIGN_OR_RETURN(const auto file, context.env.fs.Create(path));
  RETURN_IF_ERROR(file->Append(page.view()));
  RETURN_IF_ERROR(file->Sync());
  return context.env.fs.SyncDirectory(ParentPath(path));
}

// OK when the controller has this owner now, also when its answer got lost.
absl::Status AskController(OperatorClient& client, const MadeKeys& made) {
  RecipientList list;
  list.recipients = {{RecipientRole::kRecovery, "recovery", made.recovery.public_key},
                     {RecipientRole::kOperator, "operator", made.keys.operator_key.public_key}};
  const PublicKey owner = made.keys.owner.public_key;
  const auto accepted = client.Initialize({owner, SignRecipientList(list, made.keys.owner)});
  if (accepted.ok() || !IsRetryable(accepted.status())) return accepted.status();
  const auto now = client.GetInstallation();
  if (!now.ok()) return now.status();
  if (now->initialized && now->owner_public_key == owner.view()) return absl::OkStatus();
  return Error(ErrorKind::kFailed, 1115,
               "unable to initialise the controller: " + MessageOf(accepted.status()));
}

// What an init that was cut short left: finished when the controller had accepted it, else removed.
enum class Leftover { kNone, kFinished };
absl::StatusOr<Leftover> SettleLeftover(KeyHome& home, const Installation& installation) {
  ASSIGN_OR_RETURN(const std::optional<PinnedInstallation> pending, home.Pending());
  if (!pending) return Leftover::kNone;
  if (pending->controller_id != installation.controller_id) {
    return Error(ErrorKind::kConflict, 1113,
                 fmt::format("unable to initialise: '{}' holds the keys of an unfinished init of "
                             "another controller",
                             Escaped(home.directory())),
                 "Give --home another directory, or move that one away.");
  }
  if (installation.initialized && installation.owner_public_key == pending->owner.view()) {
    RETURN_IF_ERROR(home.Confirm());
    return Leftover::kFinished;
  }
  RETURN_IF_ERROR(home.Discard(*pending));
  return Leftover::kNone;
}

void PrintDone(Context& context, const KeyHome& home, const PinnedInstallation& pinned) {
  if (context.json) {
    context.out << JsonLine({{"controller_id", ToHex(pinned.controller_id)},
                             {"owner_public_key", pinned.owner.hex()},
                             {"home", Escaped(home.directory())},
                             {"recovery_kit", Escaped(pinned.kit_path)}});
    return;
  }
  context.out << fmt::format(
      "Owner key      written to {} (sealed with your passphrase)\n"
      "Recovery kit   {}  (what to do when everything is gone; print it, keep it away from the "
      "backups)\n"
      "Next           holdfast enroll AGENT\n",
      Escaped(home.OwnerKeyPath()), Escaped(pinned.kit_path));
}

absl::Status MakeInstallation(Context& context, OperatorClient& client, KeyHome& home,
                              const Installation& installation, const InitOptions& options) {
  if (!Hash256::From(installation.ca_fingerprint)) {
    return Error(ErrorKind::kIntegrity, 1116,
                 "unable to initialise: the controller's fingerprint is no SHA-256");
  }
  if (context.env.fs.Exists(options.kit)) {
    return Error(
        ErrorKind::kConflict, 1117,
        fmt::format("unable to write the recovery kit: '{}' exists already", Escaped(options.kit)),
        "Name another file with --kit FILE.");
  }
  ASSIGN_OR_RETURN(const MadeKeys made, MakeKeys(context, options));
  const PinnedInstallation pinned{installation.controller_id, made.keys.owner.public_key,
                                  options.kit};
  absl::Status status = home.WritePending(pinned, made.keys);
  if (absl::IsAborted(status)) return status;  // keys of somebody else: not ours to remove
  if (status.ok()) status = WriteKit(context, installation, made, options.kit);
  if (status.ok()) {
    status = AskController(client, made);
    if (IsRetryable(status)) {  // accepted or not: only the controller knows
      return Error(KindOf(status), CodeOf(status),
                   MessageOf(status) + " (it is not known whether it accepted the new owner)",
                   "The keys were kept. Run 'holdfast init' again when the controller answers: it "
                   "finishes this init or removes it.");
    }
  }
  if (!status.ok()) {
    if (const absl::Status removed = home.Discard(pinned); !removed.ok()) Report(context, removed);
    return status;
  }
  RETURN_IF_ERROR(home.Confirm());
  PrintDone(context, home, pinned);
  return absl::OkStatus();
}

absl::Status Init(Context& context, const InitOptions& options) {
  KeyHome home(context.env, HomeDirectory(context));
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const Installation installation, client->GetInstallation());
  if (home.IsInitialized()) return AlreadyThere(home);
  ASSIGN_OR_RETURN(const auto lock, home.Lock());
  ASSIGN_OR_RETURN(const Leftover leftover, SettleLeftover(home, installation));
  if (leftover == Leftover::kFinished) {
    ASSIGN_OR_RETURN(const PinnedInstallation pinned, home.Pinned());
    PrintDone(context, home, pinned);
    return absl::OkStatus();
  }
  if (installation.initialized) return AlreadyThere(home);
  return MakeInstallation(context, *client, home, installation, options);
}

}  // namespace

void AddInit(Command& program, Context& context) {
  auto options = std::make_shared<InitOptions>();
  Command command = program.Verb("init", "Make this installation's keys, once");
  command.Add("--kit", options->kit, "Where to write the recovery kit")
      .Called("FILE")
      .ShowDefault();
  command.Flag("--recovery-confirmed", options->recovery_confirmed,
               "For scripts: do not show the recovery key and ask for it; the kit has it");
  command.Footer(Examples("holdfast init --kit /media/usb/holdfast-recovery-kit.txt",
                          "holdfast init --recovery-confirmed --passphrase-file /root/passphrase"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Init(context, *options)); });
}

}  // namespace holdfast::cli
