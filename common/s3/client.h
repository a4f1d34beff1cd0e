// The few requests that a store makes of a bucket, each told to the end: signed, repeated while
// that may help, and its answer checked.
//
// Hides:      signing, retries, conditions that a vendor lacks, what errors mean.
// Invariants: I1  Put returned OK: the service has an object of this key, size and SHA-256 (its own
//                 check of the signed hash, then a question for size and hash).
//             I2  A request is tried at most `tries` times, with growing waits and jitter, and only
//                 for what may pass: 5xx, 429, timeouts, resets, answers that broke off.
//             I3  After a refusal of the key or the bucket nothing is asked for kRefusedTime: the
//                 same error is given instead.
// Threading:  any thread.
// Errors:     those of s3_error.h; 5106 kConflict when another object is there already.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "common/env/env.h"
#include "common/s3/http_exchange.h"

namespace holdfast::s3 {

inline constexpr absl::Duration kRefusedTime = absl::Minutes(5);

struct Options {
  std::string endpoint;  // "https://fra1.digitaloceanspaces.com", without a path
  std::string bucket;
  std::string region;
  std::string prefix;  // of every key; empty or ending in '/'
  bool bucket_in_host =
      false;  // https://BUCKET.endpoint/KEY instead of https://endpoint/BUCKET/KEY
  Credentials credentials;
  std::string ca_file;           // empty: the system's
  absl::Duration immutable_for;  // Object Lock (compliance) on what is written; zero: none
  int tries = 8;
  absl::Duration stall_time = kStallTime;
};

struct ObjectFacts {
  std::uint64_t size_bytes = 0;
  std::string sha256;  // as Put noted it; empty: not by Put
};
struct Part {
  Bytes bytes;
  std::uint64_t object_bytes = 0;  // of the whole object
};

class Client {
 public:
  Client(Env env, Options options);

  // What is under way and what comes fails at once (kUnreachable): the process ends.
  void Stop() { stop_.request_stop(); }

  const Options& options() const { return options_; }
  std::string place() const;  // "s3 bucket 'b' at https://…", for messages

  // Keys are without the prefix. A missing object is kNotFound.
  absl::StatusOr<Bytes> Get(const std::string& key, std::uint64_t limit_bytes);
  // As much as there is of [offset, offset + size).
  absl::StatusOr<Part> GetPart(const std::string& key, std::uint64_t offset, std::size_t size);
  absl::StatusOr<ObjectFacts> Stat(const std::string& key);
  absl::Status Put(const std::string& key, const Payload& payload);
  // False: the same object was there. Another one: kConflict 5106.
  absl::StatusOr<bool> PutIfAbsent(const std::string& key, const Payload& payload);
  absl::Status Delete(const std::string& key);  // absent: OK
  // One level: objects and deeper prefixes below `directory` ("" or ending in '/'), names only.
  absl::StatusOr<Listing> List(const std::string& directory);

  // Writes, reads, lists and deletes a small object; learns whether the service keeps conditions.
  // With `immutable_for`: kUsage 5107 unless the bucket has Object Lock.
  absl::Status Probe();
  bool has_conditions() const { return has_conditions_.load(); }

 private:
  using Accepts = std::function<bool(const Reply&)>;

  Request NewRequest(std::string method, const std::string& key) const;
  absl::StatusOr<Reply> Ask(Request request, const Payload& payload, std::uint64_t limit_bytes,
                            const std::string& what, const Accepts& accepts);
  absl::StatusOr<Reply> AskOnce(Request request, const Payload& payload, std::uint64_t limit_bytes,
                                const std::string& what, const Accepts& accepts,
                                absl::Duration* wait_for);
  absl::Status Remember(absl::Status refusal);
  absl::Status Remembered();
  absl::StatusOr<Reply> Write(const std::string& key, const Payload& payload, bool only_if_absent,
                              std::string* sha256);
  absl::StatusOr<bool> IsThere(const std::string& key, const Payload& payload,
                               const std::string& sha256);
  absl::Status CheckObjectLock();
  std::string Named(std::string_view verb, const std::string& key) const;

  const Env env_;
  const Options options_;
  const bool tls_;
  const std::string authority_;  // host and port
  HttpClient http_;
  std::stop_source stop_;
  std::atomic<bool> has_conditions_ = true;
  std::mutex mutex_;  // guards the two below
  absl::Status refusal_;
  absl::Duration refused_until_;
};

}  // namespace holdfast::s3
