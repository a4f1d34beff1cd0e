// Reading snapshots from a controller: ChunkFetcher and documents over the Restore service.
//
// Hides:      calls, deadlines, retries after a cut.
// Invariants: nothing it returns is trusted: OpenSnapshot and ObjectOpener check it. Replies are
//             bounded: at most as many objects as asked for, each at most kMaxObjectBytes (fault
//             row 65).
// Threading:  every method from any thread.
// Errors:     kUnreachable after three tries, else as the controller says.
#pragma once

#include <memory>
#include <vector>

#include "common/env/env.h"
#include "common/snapshot/opener.h"

namespace grpc {
class Channel;
}

namespace holdfast::transport {

struct RemoteSnapshot {
  SourceId source_id;
  std::string source_name;
  std::string kind;
  std::uint64_t seq = 0;
  std::uint64_t taken_at_ms = 0;
  bool partial = false;
};

class GrpcFetcher final : public ChunkFetcher {
 public:
  GrpcFetcher(Env env, std::shared_ptr<grpc::Channel> channel);
  ~GrpcFetcher() override;

  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override;
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override;

  absl::StatusOr<SnapshotDocuments> Documents(const SourceId& source, std::uint64_t seq);
  absl::StatusOr<std::vector<RemoteSnapshot>> List();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::transport
