// What surrounds the CLI in tests: an agent's keys, a clock moved by hand, a scripted keyboard.
#pragma once

#include <deque>
#include <functional>

#include "common/base/error.h"
#include "common/env/clock.h"
#include "common/format/object.h"
#include "common/format/trust.h"
#include "controller/cli/terminal.h"

namespace holdfast::cli::test {

// What an agent has: the secrets of its domain and the key of one run.
struct SealingDomain {
  explicit SealingDomain(Rng& rng)
      : secrets(MakeDomainSecrets(rng)),
        key_id(rng.DrawFixed<KeyId>()),
        run_key(SecretBytes::Take(rng.Draw(32))),
        id_key(secrets.id_key.view()),
        sealer({secrets.domain, key_id, run_key, 1}, rng) {}
  DomainSecrets secrets;
  KeyId key_id;
  SecretBytes run_key;
  HmacKey id_key;
  ObjectSealer sealer;
};

class ManualClock final : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return monotonic; }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    slept.push_back(duration);
    if (on_sleep) on_sleep();
    if (stop.stop_requested()) return false;
    monotonic += duration;
    now += duration;
    return true;
  }
  absl::Time now = absl::FromUnixMillis(1'767'751'200'000);  // 2026-01-07 02:00 UTC
  absl::Duration monotonic;
  std::vector<absl::Duration> slept;
  std::function<void()> on_sleep;
};

class FakeTerminal final : public Terminal {
 public:
  bool InputIsTerminal() override { return input; }
  bool OutputIsTerminal() override { return output; }
  bool ErrorIsTerminal() override { return error; }
  std::size_t Columns() override { return 120; }
  absl::StatusOr<std::string> ReadLine(const std::string& prompt) override {
    if (answer) return answer(prompt);
    return Error(ErrorKind::kUsage, 1101, "nobody answers");
  }
  absl::StatusOr<SecretBytes> ReadSecret(const std::string&) override {
    if (secrets.empty()) return Error(ErrorKind::kUsage, 1101, "nobody answers");
    SecretBytes secret(secrets.front());
    secrets.pop_front();
    return secret;
  }
  bool input = false, output = false, error = false;
  std::function<std::string(const std::string&)> answer;
  std::deque<std::string> secrets;
};

}  // namespace holdfast::cli::test
