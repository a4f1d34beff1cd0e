// What was read of objects a moment ago, and a little more of what is read in order: each request
// to a bucket costs a round trip.
//
// Hides:      how much is asked for at once, what is kept.
// Invariants: what is given was read at most kKept ago; at most kMaxKeptBytes are kept.
// Threading:  any thread.
// Errors:     those of the client.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "common/env/clock.h"
#include "common/s3/client.h"

namespace holdfast::s3 {

class ReadAhead {
 public:
  static constexpr std::size_t kLeastBytes = 64 << 10;   // of a request, …
  static constexpr std::size_t kInOrderBytes = 4 << 20;  // … that goes on where another ended
  static constexpr std::size_t kMaxKeptBytes = 48 << 20;
  static constexpr absl::Duration kKept = absl::Seconds(10);

  ReadAhead(Clock& clock, Client& client) : clock_(clock), client_(client) {}

  // Exactly [offset, offset + size) of the object; kIntegrity 5103 when it is shorter.
  absl::StatusOr<Bytes> Read(const std::string& key, std::uint64_t offset, std::size_t size);
  absl::StatusOr<std::uint64_t> Size(const std::string& key);
  void Forget(const std::string& key);  // it is about to change

 private:
  struct Extent {
    std::string key;
    std::uint64_t offset = 0;
    Part part;  // without bytes: only the size is known
    absl::Duration read_at;
    std::uint64_t end() const { return offset + part.bytes.size(); }
  };
  using Kept = std::shared_ptr<const Extent>;

  absl::StatusOr<Kept> Get(const std::string& key, std::uint64_t offset, std::size_t size);
  void DropOldLocked();
  void KeepLocked(Kept extent);

  Clock& clock_;
  Client& client_;
  std::mutex mutex_;        // guards all below
  std::list<Kept> recent_;  // newest first
  std::size_t kept_bytes_ = 0;
};

}  // namespace holdfast::s3
