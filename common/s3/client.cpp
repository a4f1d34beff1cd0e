#include "common/s3/client.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kAnswerBytes = 4 << 20;  // lists and errors
constexpr absl::Duration kFirstWait = absl::Milliseconds(200);
constexpr absl::Duration kLongestWait = absl::Seconds(10);
constexpr absl::Duration kLongestAskedFor = absl::Seconds(60);
constexpr char kHashHeader[] = "x-amz-meta-holdfast-sha256";
constexpr char kProbeKey[] = "probe";
constexpr int kWrites = 2;  // of an object that was not there as it was sent

std::string Authority(const std::string& endpoint) {
  const std::size_t scheme = endpoint.find("://");
  return scheme == std::string::npos ? endpoint : endpoint.substr(scheme + 3);
}

struct Digests {
  std::string sha256;
  std::string md5_base64;
};

absl::StatusOr<Digests> DigestsOf(const Payload& payload) {
  Sha256Hasher sha256;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> md5(EVP_MD_CTX_new(),
                                                                    &EVP_MD_CTX_free);
  HOLDFAST_CHECK(md5 && EVP_DigestInit_ex(md5.get(), EVP_md5(), nullptr) == 1);
  for (std::uint64_t at = 0; at < payload.size_bytes; at += kPieceBytes) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, payload.size_bytes - at));
    Bytes read;
    ByteView piece;
    if (payload.file) {
      ASSIGN_OR_RETURN(read, payload.file->ReadAt(at, size));
      piece = read;
    } else {
      piece = payload.bytes.substr(at, size);
    }
    sha256.Update(piece);
    HOLDFAST_CHECK(EVP_DigestUpdate(md5.get(), piece.data(), piece.size()) == 1);
  }
  unsigned char digest[16];
  HOLDFAST_CHECK(EVP_DigestFinal_ex(md5.get(), digest, nullptr) == 1);
  return Digests{sha256.Finish().hex(), absl::Base64Escape(absl::string_view(
                                            reinterpret_cast<const char*>(digest), sizeof digest))};
}

// "bytes 0-9/1234" and "bytes */0": the number behind the slash.
std::optional<std::uint64_t> WholeSize(const Reply& reply) {
  const auto header = reply.header.find("content-range");
  if (header == reply.header.end()) return std::nullopt;
  const std::size_t slash = header->second.rfind('/');
  std::uint64_t size = 0;
  if (slash == std::string::npos || !absl::SimpleAtoi(header->second.substr(slash + 1), &size)) {
    return std::nullopt;
  }
  return size;
}

absl::Duration RetryAfter(const Reply& reply) {
  const auto header = reply.header.find("retry-after");
  std::int64_t seconds = 0;
  if (header == reply.header.end() || !absl::SimpleAtoi(header->second, &seconds)) {
    return absl::ZeroDuration();
  }
  return std::clamp(absl::Seconds(seconds), absl::ZeroDuration(), kLongestAskedFor);
}

bool IsDone(const Reply& reply) {
  return reply.status >= 200 && reply.status < 300 && !IsHiddenFailure(reply);
}

// What is true of every request until somebody changes something.
bool ConcernsAll(const Reply& reply) {
  static constexpr std::string_view kCodes[] = {"InvalidAccessKeyId", "SignatureDoesNotMatch",
                                                "RequestTimeTooSkewed", "ExpiredToken",
                                                "NoSuchBucket"};
  const std::string code = ParseRefusal(reply.body).code;
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

absl::Status Inconsistent(const std::string& what, std::string_view cause) {
  return Error(ErrorKind::kIntegrity, 5103, fmt::format("{}: {}", what, cause),
               "Look at the status page of the storage provider.");
}

}  // namespace

Client::Client(Env env, Options options)
    : env_(env),
      options_(std::move(options)),
      tls_(options_.endpoint.substr(0, 8) == "https://"),
      authority_((options_.bucket_in_host ? options_.bucket + "." : "") +
                 Authority(options_.endpoint)),
      http_({tls_, options_.ca_file, options_.stall_time}) {}

std::string Client::place() const {
  return fmt::format("bucket '{}' at {}{}{}", Escaped(options_.bucket), Escaped(options_.endpoint),
                     options_.prefix.empty() ? "" : ", prefix ", Escaped(options_.prefix));
}

std::string Client::Named(std::string_view verb, const std::string& key) const {
  return fmt::format("unable to {} '{}' of s3 bucket '{}'", verb, Escaped(options_.prefix + key),
                     Escaped(options_.bucket));
}

Request Client::NewRequest(std::string method, const std::string& key) const {
  Request request;
  request.method = std::move(method);
  request.host = authority_;
  request.path = options_.bucket_in_host ? "/" + key : "/" + options_.bucket + "/" + key;
  request.payload_sha256 = Sha256("").hex();
  return request;
}

absl::Status Client::Remember(absl::Status refusal) {
  std::lock_guard lock(mutex_);
  refusal_ = refusal;
  refused_until_ = env_.clock.Monotonic() + kRefusedTime;
  return refusal;
}

absl::Status Client::Remembered() {
  std::lock_guard lock(mutex_);
  if (!refusal_.ok() && env_.clock.Monotonic() >= refused_until_) refusal_ = absl::OkStatus();
  return refusal_;
}

// OK with a reply that is accepted, or an error for good; kUnreachable or kIntegrity with
// `wait_for` set when another attempt may help.
absl::StatusOr<Reply> Client::AskOnce(Request request, const Payload& payload,
                                      std::uint64_t limit_bytes, const std::string& what,
                                      const Accepts& accepts, absl::Duration* wait_for) {
  Sign(&request, options_.credentials, options_.region, env_.clock.Now());
  // Errors are read whole also where little is asked for.
  HttpClient::Outcome outcome =
      http_.Exchange(request, payload, std::max(limit_bytes, kAnswerBytes), stop_.get_token());
  RETURN_IF_ERROR(outcome.unreadable);
  if (outcome.cut && IsDone(outcome.reply)) {
    *wait_for = kFirstWait;
    return Inconsistent(
        what, fmt::format("the answer broke off after {} bytes", outcome.reply.body.size()));
  }
  if (!outcome.failure.empty()) {
    *wait_for = kFirstWait;
    return Error(ErrorKind::kUnreachable, 5100, fmt::format("{}: {}", what, outcome.failure),
                 "Is the endpoint under 'store' right, and reached from this host?");
  }
  if (IsDone(outcome.reply) && (outcome.too_long || outcome.reply.body.size() > limit_bytes)) {
    return Error(ErrorKind::kUsage, 1002,
                 fmt::format("{}: it is larger than {} bytes", what, limit_bytes));
  }
  if (accepts(outcome.reply)) return std::move(outcome.reply);
  if (IsDone(outcome.reply)) {
    *wait_for = kFirstWait;
    return Inconsistent(what, fmt::format("the answer is not what was asked for ({}, {} bytes)",
                                          outcome.reply.status, outcome.reply.body.size()));
  }
  if (MayPass(outcome.reply)) {
    *wait_for = std::max(kFirstWait, RetryAfter(outcome.reply));
    if (IsHiddenFailure(outcome.reply)) {
      return Inconsistent(what, "the answer is 200 and an error: " +
                                    Escaped(ParseRefusal(outcome.reply.body).code, 60));
    }
    return StatusOf(outcome.reply, what, options_.region);
  }
  absl::Status status = StatusOf(outcome.reply, what, options_.region);
  return ConcernsAll(outcome.reply) ? Remember(std::move(status)) : status;
}

absl::StatusOr<Reply> Client::Ask(Request request, const Payload& payload,
                                  std::uint64_t limit_bytes, const std::string& what,
                                  const Accepts& accepts) {
  RETURN_IF_ERROR(Remembered());
  absl::Duration wait = kFirstWait;
  for (int tried = 1;; ++tried) {
    absl::Duration wait_for = absl::ZeroDuration();
    auto reply = AskOnce(request, payload, limit_bytes, what, accepts, &wait_for);
    if (reply.ok() || wait_for == absl::ZeroDuration()) return reply;
    if (tried >= options_.tries || stop_.stop_requested()) {
      return Error(KindOf(reply.status()), CodeOf(reply.status()),
                   fmt::format("{} (tried {} times)", MessageOf(reply.status()), tried),
                   HintOf(reply.status()));
    }
    std::uint16_t random = 0;
    env_.rng.Fill(reinterpret_cast<char*>(&random), sizeof random);
    const absl::Duration jittered = wait * (0.5 + random / 131072.0);
    env_.clock.SleepFor(std::max(wait_for > kFirstWait ? wait_for : absl::ZeroDuration(), jittered),
                        stop_.get_token());
    wait = std::min(wait * 2, kLongestWait);
  }
}

absl::StatusOr<Bytes> Client::Get(const std::string& key, std::uint64_t limit_bytes) {
  ASSIGN_OR_RETURN(Reply reply, Ask(NewRequest("GET", options_.prefix + key), {}, limit_bytes,
                                    Named("read", key), IsDone));
  return std::move(reply.body);
}

absl::StatusOr<Part> Client::GetPart(const std::string& key, std::uint64_t offset,
                                     std::size_t size) {
  Request request = NewRequest("GET", options_.prefix + key);
  request.header["range"] = fmt::format("bytes={}-{}", offset, offset + size - 1);
  const std::string what = Named("read", key);
  // An answer of another range is as good as none: asked for again.
  const Accepts whole = [&](const Reply& reply) {
    if (reply.status == 416) return true;
    if (reply.status != 206) return false;
    const auto object_bytes = WholeSize(reply);
    return object_bytes && offset < *object_bytes &&
           reply.body.size() == std::min<std::uint64_t>(size, *object_bytes - offset);
  };
  ASSIGN_OR_RETURN(Reply reply, Ask(request, {}, size, what, whole));
  Part part;
  part.object_bytes = WholeSize(reply).value_or(0);
  if (reply.status == 206) part.bytes = std::move(reply.body);
  return part;
}

// A HEAD has no body, and so no reason when it fails: the first byte is asked for instead.
absl::StatusOr<ObjectFacts> Client::Stat(const std::string& key) {
  Request request = NewRequest("GET", options_.prefix + key);
  request.header["range"] = "bytes=0-0";
  const std::string what = Named("look at", key);
  ASSIGN_OR_RETURN(const Reply reply, Ask(request, {}, 1, what, [](const Reply& reply) {
                     return reply.status == 416 || (IsDone(reply) && WholeSize(reply)) ||
                            (reply.status == 200 && reply.body.empty());
                   }));
  ObjectFacts facts;
  facts.size_bytes = WholeSize(reply).value_or(0);
  if (const auto hash = reply.header.find(kHashHeader); hash != reply.header.end()) {
    facts.sha256 = hash->second;
  }
  return facts;
}

absl::StatusOr<Reply> Client::Write(const std::string& key, const Payload& payload,
                                    bool only_if_absent, std::string* sha256) {
  Request request = NewRequest("PUT", options_.prefix + key);
  ASSIGN_OR_RETURN(const Digests digests, DigestsOf(payload));
  *sha256 = digests.sha256;
  request.payload_sha256 = digests.sha256;
  request.header["content-md5"] = digests.md5_base64;
  request.header[kHashHeader] = digests.sha256;
  if (only_if_absent) request.header["if-none-match"] = "*";
  if (options_.immutable_for > absl::ZeroDuration()) {
    request.header["x-amz-object-lock-mode"] = "COMPLIANCE";
    request.header["x-amz-object-lock-retain-until-date"] = absl::FormatTime(
        "%Y-%m-%dT%H:%M:%SZ", env_.clock.Now() + options_.immutable_for, absl::UTCTimeZone());
  }
  return Ask(request, payload, kAnswerBytes, Named("write", key),
             [](const Reply& reply) { return IsDone(reply) || reply.status == 412; });
}

absl::StatusOr<bool> Client::IsThere(const std::string& key, const Payload& payload,
                                     const std::string& sha256) {
  ASSIGN_OR_RETURN(const ObjectFacts facts, Stat(key));
  return facts.size_bytes == payload.size_bytes && (facts.sha256.empty() || facts.sha256 == sha256);
}

absl::Status Client::Put(const std::string& key, const Payload& payload) {
  for (int written = 0; written < kWrites; ++written) {
    std::string sha256;
    RETURN_IF_ERROR(Write(key, payload, false, &sha256).status());
    ASSIGN_OR_RETURN(const bool there, IsThere(key, payload, sha256));
    if (there) return absl::OkStatus();
  }
  return Inconsistent(Named("write", key), "what the service has is not what was sent");
}

absl::StatusOr<bool> Client::PutIfAbsent(const std::string& key, const Payload& payload) {
  bool was_there = false;
  std::string sha256;
  if (has_conditions()) {
    ASSIGN_OR_RETURN(const Reply reply, Write(key, payload, true, &sha256));
    // Also after an attempt of which the answer was lost.
    was_there = reply.status == 412;
  } else {
    const auto facts = Stat(key);
    if (!facts.ok() && !absl::IsNotFound(facts.status())) return facts.status();
    was_there = facts.ok();
    if (!was_there) {
      RETURN_IF_ERROR(Put(key, payload));
      return true;
    }
    ASSIGN_OR_RETURN(const Digests digests, DigestsOf(payload));
    sha256 = digests.sha256;
  }
  ASSIGN_OR_RETURN(const bool same, IsThere(key, payload, sha256));
  if (same) return !was_there;
  return Error(ErrorKind::kConflict, 5106,
               fmt::format("{}: another object is there", Named("write", key)));
}

absl::Status Client::Delete(const std::string& key) {
  return Ask(NewRequest("DELETE", options_.prefix + key), {}, kAnswerBytes, Named("delete", key),
             [](const Reply& reply) {
               return IsDone(reply) ||
                      (reply.status == 404 && ParseRefusal(reply.body).code != "NoSuchBucket");
             })
      .status();
}

absl::StatusOr<Listing> Client::List(const std::string& directory) {
  const std::string below = options_.prefix + directory;
  Listing all;
  std::string next;
  do {
    Request request = NewRequest("GET", "");
    request.query = {{"list-type", "2"}, {"delimiter", "/"}, {"prefix", below}};
    if (!next.empty()) request.query["continuation-token"] = next;
    const std::string what = Named("list", directory);
    ASSIGN_OR_RETURN(const Reply reply, Ask(request, {}, kAnswerBytes, what, IsDone));
    ASSIGN_OR_RETURN(Listing listing, ParseListing(reply.body));
    for (ListedObject& object : listing.objects) {
      if (object.key.substr(0, below.size()) != below) {
        return Inconsistent(what, "a key that was not asked for");
      }
      object.key.erase(0, below.size());
      if (!object.key.empty()) all.objects.push_back(std::move(object));
    }
    for (std::string& prefix : listing.prefixes) {
      if (prefix.substr(0, below.size()) != below || prefix.size() == below.size()) {
        return Inconsistent(what, "a prefix that was not asked for");
      }
      all.prefixes.push_back(prefix.substr(below.size()));
    }
    if (listing.next == next && !next.empty()) return Inconsistent(what, "the list does not end");
    next = listing.next;
  } while (!next.empty());
  return all;
}

absl::Status Client::CheckObjectLock() {
  Request request = NewRequest("GET", "");
  request.query = {{"object-lock", ""}};
  const std::string what =
      fmt::format("unable to look at the Object Lock of s3 bucket '{}'", Escaped(options_.bucket));
  const auto reply = Ask(request, {}, kAnswerBytes, what, IsDone);
  const bool has = reply.ok() && reply->body.find("Enabled") != std::string::npos;
  if (has || (!reply.ok() && !absl::IsNotFound(reply.status()) &&
              KindOf(reply.status()) != ErrorKind::kUsage)) {
    return reply.status();
  }
  return Error(ErrorKind::kUsage, 5107,
               fmt::format("unable to use s3 bucket '{}' as immutable: bucket has no Object Lock",
                           Escaped(options_.bucket)),
               "Make a bucket with Object Lock (it cannot be added to most), or take 'immutable' "
               "out of 'store'.");
}

absl::Status Client::Probe() {
  if (options_.immutable_for > absl::ZeroDuration()) RETURN_IF_ERROR(CheckObjectLock());
  const Bytes drawn = ToHex(env_.rng.Draw(16));
  const Payload payload{drawn, nullptr, drawn.size()};
  RETURN_IF_ERROR(Put(kProbeKey, payload));
  ASSIGN_OR_RETURN(const Bytes read, Get(kProbeKey, kAnswerBytes));
  if (read != drawn) return Inconsistent(Named("read", kProbeKey), "it is not what was written");
  // A service without conditions overwrites, or does not know the header.
  std::string sha256;
  const auto again = Write(kProbeKey, payload, true, &sha256);
  if (!again.ok() && KindOf(again.status()) != ErrorKind::kUsage) return again.status();
  has_conditions_ = again.ok() && again->status == 412;
  ASSIGN_OR_RETURN(const Listing listing, List(""));
  const bool listed = std::any_of(listing.objects.begin(), listing.objects.end(),
                                  [](const ListedObject& each) { return each.key == kProbeKey; });
  if (!listed) return Inconsistent(Named("list", ""), "what was written is not in it");
  // Immutable objects and credentials that only add keep it.
  if (absl::Status gone = Delete(kProbeKey); !gone.ok() && KindOf(gone) != ErrorKind::kPermission) {
    return gone;
  }
  return absl::OkStatus();
}

}  // namespace holdfast::s3
