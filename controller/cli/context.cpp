#include "controller/cli/context.h"

#include <unistd.h>

#include "common/base/error.h"
#include "common/config/paths.h"
#include "common/report/json.h"
#include "controller/cli/key_home.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMinPassphraseBytes = 8;

absl::Status Unfit(std::string cause) {
  return Error(ErrorKind::kUsage, 1103, "unable to use the passphrase: " + std::move(cause),
               "Several random words make a good one.");
}

absl::StatusOr<SecretBytes> PassphraseFromFile(Context& context, const std::string& path) {
  ASSIGN_OR_RETURN(Bytes bytes, context.env.fs.ReadSecret(path));
  while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r')) bytes.pop_back();
  return SecretBytes::Take(std::move(bytes));
}

Surroundings SurroundingsOf(const Context& context) {
  Surroundings surroundings = RealSurroundings();
  surroundings.variable = context.variable;
  return surroundings;
}

}  // namespace

int Report(Context& context, const absl::Status& status) {
  if (status.ok()) return 0;
  context.err << (context.json ? JsonLine(ErrorJson(status)) : Render(status)) << std::flush;
  return ExitCodeOf(status);
}

absl::Status WriteOut(Context& context, ByteView bytes) {
  context.out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (context.out.good()) return absl::OkStatus();
  return Error(ErrorKind::kFailed, 1102,
               "unable to write to the standard output: the reader went away or the disk is full");
}

std::shared_ptr<OperatorClient> Connect(Context& context) {
  std::string socket = context.socket;
  if (socket.empty()) socket = context.variable("HOLDFAST_SOCKET").value_or("");
  if (socket.empty()) socket = DefaultSocketPath(SurroundingsOf(context));
  const KeyHome home(context.env, HomeDirectory(context));
  const auto owner = [home]() -> absl::StatusOr<PublicKey> {
    ASSIGN_OR_RETURN(const PinnedInstallation pinned, home.Pinned());
    return pinned.owner;
  };
  return context.open_client(socket, {owner, [home] { return home.OperatorKey(); },
                                      &context.env.rng, OperatorName(context)});
}

std::string HomeDirectory(const Context& context) {
  return context.home.empty() ? OperatorHome(SurroundingsOf(context)) : context.home;
}

std::string OperatorName(const Context& context) {
  for (const char* name : {"SUDO_USER", "LOGNAME", "USER"}) {
    if (const auto value = context.variable(name); value && !value->empty()) return *value;
  }
  return fmt::format("uid {}", ::getuid());
}

absl::StatusOr<SecretBytes> ReadPassphrase(Context& context, PassphraseUse use) {
  std::string path = context.passphrase_file;
  if (path.empty()) path = context.variable("HOLDFAST_PASSPHRASE_FILE").value_or("");
  SecretBytes passphrase;
  if (!path.empty()) {
    ASSIGN_OR_RETURN(passphrase, PassphraseFromFile(context, path));
  } else if (!context.terminal.InputIsTerminal()) {
    return Error(ErrorKind::kUsage, 1101,
                 "unable to ask for the owner key's passphrase: the input is no terminal",
                 "Give --passphrase-file FILE or set HOLDFAST_PASSPHRASE_FILE.");
  } else {
    ASSIGN_OR_RETURN(passphrase, context.terminal.ReadSecret("Passphrase of the owner key: "));
    if (use == PassphraseUse::kNew) {
      ASSIGN_OR_RETURN(const SecretBytes again,
                       context.terminal.ReadSecret("The same passphrase again: "));
      if (!ConstantTimeEqual(passphrase.view(), again.view())) {
        return Unfit("the two that were typed differ");
      }
    }
  }
  if (passphrase.empty()) return Unfit("it is empty");
  if (use == PassphraseUse::kNew && passphrase.size() < kMinPassphraseBytes) {
    return Unfit(fmt::format("it has fewer than {} characters", kMinPassphraseBytes));
  }
  return passphrase;
}

}  // namespace holdfast::cli
