// One HTTP exchange over libcurl, with connections that are used again.
//
// Hides:      libcurl, its handles and options.
// Invariants: no redirect is followed, no proxy of the environment used, certificates are verified
//             (the system's CAs or `ca_file`); an exchange is given up after kStallTime at less
//             than 1 KiB/s. Answers are kept up to `limit_bytes`; a longer one is told as such.
// Threading:  any thread; each exchange takes a handle of its own.
#pragma once

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/bytes.h"
#include "common/env/file_system.h"
#include "common/s3/s3_error.h"
#include "common/s3/sigv4.h"

namespace holdfast::s3 {

inline constexpr absl::Duration kStallTime = absl::Seconds(30);

// What a PUT sends: bytes, or a file that is read meanwhile. Neither is owned.
struct Payload {
  ByteView bytes;
  const File* file = nullptr;
  std::uint64_t size_bytes = 0;
};

struct HttpOptions {
  bool tls = true;
  std::string ca_file;  // empty: the system's
  absl::Duration stall_time = kStallTime;
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();

  // Without a whole answer: `failure` says why.
  struct Outcome {
    Reply reply;
    std::string failure;
    absl::Status unreadable;  // what was to be sent
    bool cut = false;         // the answer broke off
    bool too_long = false;    // longer than the limit; `reply.body` is its beginning
  };
  Outcome Exchange(const Request& request, const Payload& payload, std::uint64_t limit_bytes,
                   std::stop_token stop);

 private:
  struct Handle;
  std::unique_ptr<Handle> Take();
  void Give(std::unique_ptr<Handle> handle);

  const HttpOptions options_;
  std::mutex mutex_;  // guards idle_
  std::vector<std::unique_ptr<Handle>> idle_;
};

}  // namespace holdfast::s3
