// Where the store is: below the data directory, or in a bucket that looks as if it were there.
//
// Hides:      the client of the bucket, its claim, the mount.
// Invariants: Open returned OK: the bucket was tried (written, read, listed), and it belongs to
//             this data directory.
// Threading:  Open and the destructor on one thread; env() may be copied.
// Errors:     those of common/s3.
#pragma once

#include <memory>

#include "common/env/env.h"
#include "common/s3/mounted_file_system.h"
#include "controller/daemon/controller_config.h"

namespace holdfast::daemon {

enum class Takeover { kNo, kYes };

class StorePlace {
 public:
  static absl::StatusOr<std::unique_ptr<StorePlace>> Open(Env env, const ControllerConfig& config,
                                                          Takeover takeover = Takeover::kNo);
  // Nobody waits for the bucket any longer.
  void Stop() {
    if (client_) client_->Stop();
  }
  // The caller's, with the bucket mounted below the data directory.
  Env env() { return {env_.clock, env_.rng, mounted_ ? *mounted_ : env_.fs}; }

 private:
  explicit StorePlace(Env env) : env_(env) {}
  absl::Status Mount(const ControllerConfig& config, Takeover takeover);

  const Env env_;
  std::unique_ptr<s3::Client> client_;
  std::unique_ptr<s3::Claim> claim_;
  std::unique_ptr<s3::MountedFileSystem> mounted_;
};

// 'holdfast-controller take-store': the bucket belongs to this data directory from now on.
absl::Status RunTakeStore(Env env, const ControllerConfig& config, std::ostream& out);

}  // namespace holdfast::daemon
