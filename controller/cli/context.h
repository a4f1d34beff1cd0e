// Everything a command works with: the outside world, the global options, the streams.
//
// Invariants: data goes to `out`, messages and progress to `err`; with --json both hold JSON only.
// Threading:  one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "common/env/env.h"
#include "controller/cli/operator_client.h"
#include "controller/cli/terminal.h"

namespace holdfast::cli {

struct Context {
  Env env;
  Terminal& terminal;
  Interrupts& interrupts;
  std::ostream& out;
  std::ostream& err;
  absl::TimeZone zone;
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<std::shared_ptr<OperatorClient>(const std::string& socket, OperatorKeys keys)>
      open_client;

  // Global options; empty: the default place.
  bool json = false;
  std::string socket = {};
  std::string home = {};
  std::string passphrase_file = {};

  int exit_code = 0;
};

// Prints the error on err, as text or JSON, and returns its exit code.
int Report(Context& context, const absl::Status& status);

// Writes bytes to stdout; kFailed 1102 when they were not taken (disk full, broken pipe).
absl::Status WriteOut(Context& context, ByteView bytes);

std::shared_ptr<OperatorClient> Connect(Context& context);
std::string HomeDirectory(const Context& context);
// Who types, for what is written down about a change: a login name, not a proof.
std::string OperatorName(const Context& context);

// From --passphrase-file, HOLDFAST_PASSPHRASE_FILE or a prompt without echo.
enum class PassphraseUse { kExisting, kNew };
absl::StatusOr<SecretBytes> ReadPassphrase(Context& context, PassphraseUse use);

}  // namespace holdfast::cli
