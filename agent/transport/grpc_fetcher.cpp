#include "agent/transport/grpc_fetcher.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "agent/transport/backoff.h"
#include "common/base/error.h"
#include "common/format/object.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "fmt/format.h"
#include "proto/restore.grpc.pb.h"

namespace holdfast::transport {
namespace {

constexpr int kTries = 3;
constexpr std::chrono::seconds kDeadline(120);

absl::Status TooMuch() {
  return Error(ErrorKind::kIntegrity, 4081,
               "unable to fetch chunks: the controller sent more than was asked for");
}

}  // namespace

struct GrpcFetcher::Impl {
  Env env;
  std::unique_ptr<v1::Restore::Stub> stub;

  // Repeats `call` after a lost connection.
  template <typename Call>
  absl::Status Retrying(Call call) {
    Backoff backoff(env);
    absl::Status status;
    for (int i = 0; i < kTries; ++i) {
      if (i > 0) backoff.Wait({});
      status = call();
      if (status.ok() || !IsRetryable(status)) return status;
    }
    return status;
  }

  absl::Status FetchOnce(const DomainId& domain, const std::vector<ChunkId>& ids,
                         std::vector<Bytes>* objects) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kDeadline);
    v1::FetchRequest request;
    request.set_domain_id(domain.bytes());
    std::string* packed = request.mutable_chunk_ids();
    for (const ChunkId& id : ids) packed->append(id.view());
    auto reader = stub->Fetch(&context, request);
    v1::FetchReply reply;
    objects->clear();
    absl::Status status;
    while (status.ok() && reader->Read(&reply)) {
      for (std::string& object : *reply.mutable_objects()) {
        if (objects->size() >= ids.size() || object.size() > kMaxObjectBytes) status = TooMuch();
        if (!status.ok()) break;
        objects->push_back(std::move(object));
      }
    }
    if (!status.ok()) context.TryCancel();
    const absl::Status finished = rpc::FromGrpc(reader->Finish());
    return status.ok() ? finished : status;
  }
};

GrpcFetcher::GrpcFetcher(Env env, std::shared_ptr<grpc::Channel> channel)
    : impl_(std::make_unique<Impl>(Impl{env, v1::Restore::NewStub(channel)})) {}
GrpcFetcher::~GrpcFetcher() = default;

absl::StatusOr<std::vector<Bytes>> GrpcFetcher::Fetch(const DomainId& domain,
                                                      const std::vector<ChunkId>& ids) {
  std::vector<Bytes> objects;
  if (ids.empty()) return objects;  // the controller refuses a question about nothing
  RETURN_IF_ERROR(impl_->Retrying([&] { return impl_->FetchOnce(domain, ids, &objects); }));
  return objects;
}

absl::StatusOr<Bytes> GrpcFetcher::FetchEnvelope(const DomainId& domain, const KeyId& key_id) {
  v1::GetEnvelopesReply reply;
  RETURN_IF_ERROR(impl_->Retrying([&] {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kDeadline);
    v1::GetEnvelopesRequest request;
    request.set_domain_id(domain.bytes());
    request.add_key_ids(key_id.bytes());
    return rpc::FromGrpc(impl_->stub->GetEnvelopes(&context, request, &reply));
  }));
  if (reply.envelopes_size() != 1) return TooMuch();
  return std::move(*reply.mutable_envelopes(0));
}

absl::StatusOr<SnapshotDocuments> GrpcFetcher::Documents(const SourceId& source,
                                                         std::uint64_t seq) {
  v1::SnapshotBundle bundle;
  RETURN_IF_ERROR(impl_->Retrying([&] {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kDeadline);
    v1::GetSnapshotRequest request;
    request.set_source_id(source.bytes());
    request.set_seq(seq);
    return rpc::FromGrpc(impl_->stub->GetSnapshot(&context, request, &bundle));
  }));
  SnapshotDocuments documents;
  documents.record = std::move(*bundle.mutable_record());
  for (std::string& envelope : *bundle.mutable_envelopes()) {
    documents.envelopes.push_back(std::move(envelope));
  }
  documents.identity = std::move(*bundle.mutable_identity());
  documents.domain_secrets = std::move(*bundle.mutable_domain_secrets());
  return documents;
}

absl::StatusOr<std::vector<RemoteSnapshot>> GrpcFetcher::List() {
  v1::ListSnapshotsReply reply;
  RETURN_IF_ERROR(impl_->Retrying([&] {
    grpc::ClientContext context;
    rpc::SetDeadline(context, kDeadline);
    return rpc::FromGrpc(impl_->stub->ListSnapshots(&context, v1::ListSnapshotsRequest(), &reply));
  }));
  std::vector<RemoteSnapshot> result;
  for (const v1::SnapshotSummary& summary : reply.snapshots()) {
    const auto id = SourceId::From(summary.source_id());
    if (!id) continue;
    result.push_back({*id, summary.source_name(), summary.kind(), summary.seq(),
                      summary.taken_at_ms(), summary.partial()});
  }
  return result;
}

}  // namespace holdfast::transport
