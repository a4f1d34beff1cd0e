// The person at the keyboard: questions, secrets typed without echo, Ctrl-C.
//
// Invariants: a secret typed is never echoed, and the echo is restored whatever happens.
// Threading:  Terminal from one thread; Interrupts from any.
// Errors:     kUsage 1101 when there is nobody to ask.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace holdfast::cli {

class Terminal {
 public:
  virtual ~Terminal() = default;
  virtual bool InputIsTerminal() = 0;
  virtual bool OutputIsTerminal() = 0;  // stdout
  virtual bool ErrorIsTerminal() = 0;   // stderr
  virtual std::size_t Columns() = 0;    // of stderr
  // Prompts go to stderr. One line, without its line break.
  virtual absl::StatusOr<std::string> ReadLine(const std::string& prompt) = 0;
  virtual absl::StatusOr<SecretBytes> ReadSecret(const std::string& prompt) = 0;
};

std::unique_ptr<Terminal> MakeTerminal();

// Ctrl-C, counted: whoever waits holds the token of the press it reacts to.
class Interrupts {
 public:
  void Press();  // the third and later do nothing here
  std::stop_token first() const { return first_.get_token(); }
  std::stop_token second() const { return second_.get_token(); }

 private:
  std::stop_source first_;
  std::stop_source second_;
};

// Turns SIGINT and SIGTERM into Press() from now on; the third one ends the process as usual.
// Call before any other thread starts. `interrupts` lives as long as the process.
void CatchInterrupts(Interrupts& interrupts);

}  // namespace holdfast::cli
