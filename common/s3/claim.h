// Which controller a bucket belongs to: two that fill and collect one store would destroy it.
//
// Hides:      the object 'claim' and its copy on the controller's own disk.
// Invariants: I1  Take returned OK: the bucket names this data directory, and no other was named
//                 before, unless `take_over`.
//             I2  Check fails for good (kConflict 5108) once another one is named there; it asks at
//                 most every kCheckEvery, so that a predecessor writes at most so long.
// Threading:  any thread.
// Errors:     kConflict 5108; those of client and file system.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "common/env/env.h"
#include "common/s3/client.h"

namespace holdfast::s3 {

inline constexpr absl::Duration kCheckEvery = absl::Minutes(1);

class Claim {
 public:
  // `path`: of the copy. `host` is told to who meets the claim.
  static absl::StatusOr<std::unique_ptr<Claim>> Take(Env env, Client& client,
                                                     const std::string& path,
                                                     const std::string& host, bool take_over);
  absl::Status Check();

 private:
  Claim(Env env, Client& client, std::string id)
      : env_(env), client_(client), id_(std::move(id)), checked_at_(env.clock.Monotonic()) {}

  const Env env_;
  Client& client_;
  const std::string id_;
  std::mutex mutex_;  // guards all below
  absl::Duration checked_at_;
  absl::Status lost_;
};

}  // namespace holdfast::s3
