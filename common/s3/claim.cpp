#include "common/s3/claim.h"

#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr char kKey[] = "claim";
constexpr char kFirstLine[] = "holdfast claim 1";
constexpr std::size_t kIdBytes = 16;
constexpr std::uint64_t kMaxClaimBytes = 4096;

// Four lines: what it is, the id, the host, the time.
struct Claimed {
  std::string id;
  std::string host;
  std::string since;
};

std::string Encode(const Claimed& claim) {
  return fmt::format("{}\n{}\n{}\n{}\n", kFirstLine, claim.id, claim.host, claim.since);
}

absl::StatusOr<Claimed> Read(Client& client) {
  ASSIGN_OR_RETURN(const Bytes text, client.Get(kKey, kMaxClaimBytes));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 4 || lines[0] != kFirstLine) {
    return Error(ErrorKind::kConflict, 5108,
                 fmt::format("unable to use {}: its object 'claim' is not one", client.place()),
                 "Does something else live in this bucket? Give Holdfast a prefix of its own.");
  }
  return Claimed{lines[1], lines[2], lines[3]};
}

absl::Status TakenBy(const Client& client, const Claimed& other) {
  return Error(ErrorKind::kConflict, 5108,
               fmt::format("unable to use {}: it belongs to the controller on '{}' since {}",
                           client.place(), Escaped(other.host), Escaped(other.since, 40)),
               "If that controller is gone for good, run 'holdfast-controller take-store' here.");
}

absl::StatusOr<std::string> LoadOrMakeId(Env env, const std::string& path) {
  if (env.fs.Exists(path)) {
    ASSIGN_OR_RETURN(const Bytes id, env.fs.ReadFile(path, kMaxClaimBytes));
    if (FromHex(id) && id.size() == 2 * kIdBytes) return id;
    return Error(ErrorKind::kIntegrity, 5103,
                 fmt::format("unable to read '{}': it does not hold a claim", Escaped(path)),
                 "Remove it, and run 'holdfast-controller take-store'.");
  }
  const std::string id = ToHex(env.rng.Draw(kIdBytes));
  RETURN_IF_ERROR(env.fs.WriteAtomically(path, id));
  return id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Claim>> Claim::Take(Env env, Client& client, const std::string& path,
                                                   const std::string& host, bool take_over) {
  ASSIGN_OR_RETURN(std::string id, LoadOrMakeId(env, path));
  const Bytes text = Encode(
      {id, host, absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", env.clock.Now(), absl::UTCTimeZone())});
  const Payload payload{text, nullptr, text.size()};
  auto there = Read(client);
  if (absl::IsNotFound(there.status())) {
    const auto written = client.PutIfAbsent(kKey, payload);
    if (!written.ok() && KindOf(written.status()) != ErrorKind::kConflict) return written.status();
    there = Read(client);  // two at once: one of them is named
  }
  if (take_over && (there.ok() || KindOf(there.status()) == ErrorKind::kConflict)) {
    if (!there.ok() || there->id != id) RETURN_IF_ERROR(client.Put(kKey, payload));
    there = Read(client);
  }
  RETURN_IF_ERROR(there.status());
  if (there->id != id) return TakenBy(client, *there);
  return std::unique_ptr<Claim>(new Claim(env, client, std::move(id)));
}

absl::Status Claim::Check() {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(lost_);
  if (env_.clock.Monotonic() - checked_at_ < kCheckEvery) return absl::OkStatus();
  const auto there = Read(client_);
  // A claim that is gone is nobody's: the next start takes it again.
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  if (there.ok() && there->id != id_) {
    lost_ = TakenBy(client_, *there);
    return lost_;
  }
  checked_at_ = env_.clock.Monotonic();
  return absl::OkStatus();
}

}  // namespace holdfast::s3
