#include "agent/daemon/recover.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <map>

#include "agent/daemon/enrollment_client.h"
#include "agent/transport/grpc_fetcher.h"
#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "common/s3/reading_bucket.h"
#include "common/snapshot/store_reader.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

RecoverableSnapshot Describe(const OpenedSnapshot& snapshot) {
  const SnapshotInfo& info = snapshot.facts.info;
  return {info.source_id, info.source_name, info.kind, info.seq, info.taken_at, info.partial, ""};
}

void Sort(std::vector<RecoverableSnapshot>* snapshots) {
  std::sort(snapshots->begin(), snapshots->end(), [](const auto& a, const auto& b) {
    return std::tie(a.source_name, a.source_id, a.seq) <
           std::tie(b.source_name, b.source_id, b.seq);
  });
}

// Straight from the files: without catalog, without controller.
class StoreAccess final : public RecoveryAccess {
 public:
  // `bucket`: where the reader reads, or null.
  StoreAccess(std::unique_ptr<s3::ReadingBucket> bucket, std::shared_ptr<StoreReader> reader,
              PublicKey owner, KeyPair key)
      : bucket_(std::move(bucket)),
        reader_(std::move(reader)),
        owner_(owner),
        key_(std::move(key)) {}

  absl::StatusOr<std::vector<RecoverableSnapshot>> List() override {
    std::vector<RecoverableSnapshot> result;
    for (const SourceId& source : reader_->Sources()) {
      for (const std::uint64_t seq : reader_->Snapshots(source)) {
        auto opened = OpenOne(source, seq);
        if (opened.ok()) {
          result.push_back(Describe(*opened));
          continue;
        }
        // One key for all: if it does not open the first one it is the wrong key.
        if (absl::IsPermissionDenied(opened.status())) return opened.status();
        RecoverableSnapshot bad;
        bad.source_id = source;
        bad.source_name = source.hex();
        bad.seq = seq;
        bad.problem = MessageOf(opened.status());
        result.push_back(std::move(bad));
      }
    }
    Sort(&result);
    return result;
  }

  absl::StatusOr<OpenedSnapshot> OpenOne(const SourceId& source, std::uint64_t seq) override {
    ASSIGN_OR_RETURN(const SnapshotDocuments documents, reader_->Documents(source, seq));
    return OpenSnapshot(documents, {source, seq}, owner_, key_, reader_);
  }

 private:
  std::unique_ptr<s3::ReadingBucket> bucket_;  // outlives the reader
  std::shared_ptr<StoreReader> reader_;
  PublicKey owner_;
  KeyPair key_;
};

class ControllerAccess final : public RecoveryAccess {
 public:
  ControllerAccess(std::shared_ptr<transport::GrpcFetcher> fetcher, PublicKey owner, KeyPair key)
      : fetcher_(std::move(fetcher)), owner_(owner), key_(std::move(key)) {}

  absl::StatusOr<std::vector<RecoverableSnapshot>> List() override {
    ASSIGN_OR_RETURN(const auto remote, fetcher_->List());
    std::vector<RecoverableSnapshot> result;
    for (const transport::RemoteSnapshot& each : remote) {
      result.push_back({each.source_id, each.source_name, each.kind, each.seq,
                        absl::FromUnixMillis(static_cast<std::int64_t>(each.taken_at_ms)),
                        each.partial, ""});
    }
    Sort(&result);
    return result;
  }

  absl::StatusOr<OpenedSnapshot> OpenOne(const SourceId& source, std::uint64_t seq) override {
    ASSIGN_OR_RETURN(const SnapshotDocuments documents, fetcher_->Documents(source, seq));
    return OpenSnapshot(documents, {source, seq}, owner_, key_, fetcher_);
  }

 private:
  std::shared_ptr<transport::GrpcFetcher> fetcher_;
  PublicKey owner_;
  KeyPair key_;
};

absl::StatusOr<std::unique_ptr<RecoveryAccess>> LogIn(Env env, const RecoveryKit& kit,
                                                      const std::string& address,
                                                      KeyPair recovery) {
  RecoverRequest request;
  request.address = address.empty() ? kit.enrollment_address : address;
  request.ca_fingerprint = kit.ca_fingerprint;
  request.owner = Ed25519FromSeed(kit.owner_seed);
  request.now = env.clock.Now();
  rpc::TlsIdentity tls;
  tls.key_pem = rpc::MakeKeyPem();
  ASSIGN_OR_RETURN(request.csr_pem, rpc::MakeRequest(tls.key_pem));
  ASSIGN_OR_RETURN(const CertificateGrant grant, RequestRecovery(request));
  tls.certificate_pem = grant.certificate_pem;
  tls.authority_pem = grant.authority_pem;
  auto fetcher = std::make_shared<transport::GrpcFetcher>(
      env, rpc::OpenAgentChannel(grant.agent_address, tls));
  return std::make_unique<ControllerAccess>(std::move(fetcher), kit.owner_public,
                                            std::move(recovery));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecoveryAccess>> RecoveryAccess::Open(
    Env env, const RecoverOptions& options) {
  auto text = env.fs.ReadSecret(options.kit_path);
  if (absl::IsNotFound(text.status())) {
    return Error(ErrorKind::kNotFound, 3016, MessageOf(text.status()),
                 "Name the file that 'holdfast init' wrote, with mode 0600, by --kit.");
  }
  if (!text.ok()) return text.status();
  const SecretBytes kept = SecretBytes::Take(*std::move(text));
  ASSIGN_OR_RETURN(const RecoveryKit kit, ParseRecoveryKit(kept.view()));
  KeyPair recovery = X25519FromSecret(kit.recovery_secret);
  if (options.store_directory.empty() && options.bucket_config.empty()) {
    return LogIn(env, kit, options.controller_address, std::move(recovery));
  }
  std::unique_ptr<s3::ReadingBucket> bucket;
  if (!options.bucket_config.empty()) {
    ASSIGN_OR_RETURN(bucket, s3::ReadingBucket::Open(env, options.bucket_config));
  }
  const std::string place = bucket ? s3::ReadingBucket::kMount : options.store_directory;
  ASSIGN_OR_RETURN(auto reader, StoreReader::Open(bucket ? bucket->fs() : env.fs, place));
  // Said at once: else every snapshot would be reported as damaged. The kit stays the authority.
  if (reader->owner() != PublicKey() && reader->owner() != kit.owner_public) {
    return Error(ErrorKind::kPermission, 3017,
                 fmt::format("unable to open the store in '{}' with the kit '{}': it belongs to "
                             "another installation",
                             Escaped(place), Escaped(options.kit_path)),
                 "Take the kit that was made with this installation.");
  }
  return std::make_unique<StoreAccess>(std::move(bucket), std::move(reader), kit.owner_public,
                                       std::move(recovery));
}

absl::StatusOr<OpenedSnapshot> FindSnapshot(RecoveryAccess& access, const RecoverOptions& options) {
  ASSIGN_OR_RETURN(const auto snapshots, access.List());
  const RecoverableSnapshot* best = nullptr;
  bool known = false;
  for (const RecoverableSnapshot& each : snapshots) {
    if (each.source_name != options.source) continue;
    known = true;
    if (best != nullptr && best->source_id != each.source_id) {
      return Error(ErrorKind::kUsage, 3011,
                   fmt::format("unable to choose: two agents have a source named '{}'",
                               Escaped(options.source)),
                   "Give --source its id, as --list shows it.");
    }
    if (options.seq == 0 ? each.problem.empty() : each.seq == options.seq) best = &each;
  }
  for (const RecoverableSnapshot& each : snapshots) {
    if (each.source_id.hex() != options.source) continue;
    known = true;
    if (options.seq == 0 ? each.problem.empty() : each.seq == options.seq) best = &each;
  }
  if (best == nullptr) {
    // It may be one of those that do not open: their names are sealed too.
    for (const RecoverableSnapshot& each : snapshots) {
      if (each.problem.empty()) continue;
      return Error(
          ErrorKind::kIntegrity, 3018,
          fmt::format("unable to find source '{}'{} among the snapshots that open; {} {} is "
                      "damaged: {}",
                      Escaped(options.source),
                      options.seq == 0 ? "" : fmt::format(" with snapshot {}", options.seq),
                      Escaped(each.source_name), each.seq, each.problem),
          "Run the command with --list to see all that are damaged; use another copy of "
          "the store if there is one.");
    }
    return Error(ErrorKind::kNotFound, 3012,
                 known ? fmt::format("unable to find snapshot {} of source '{}'", options.seq,
                                     Escaped(options.source))
                       : fmt::format("unable to find source '{}'", Escaped(options.source)),
                 "Run the command with --list to see what is there.");
  }
  return access.OpenOne(best->source_id, best->seq);
}

}  // namespace holdfast::daemon
