#include "controller/cli/grpc_fetcher.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>

#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "fmt/format.h"
#include "proto/restore.grpc.pb.h"

namespace holdfast::cli {
namespace {

constexpr auto kEnvelopeDeadline = std::chrono::seconds(60);
constexpr auto kFetchDeadline = std::chrono::minutes(10);
constexpr std::size_t kFetchChunks = 8192;  // limit of proto/restore.proto

class GrpcFetcher final : public ChunkFetcher {
 public:
  explicit GrpcFetcher(std::shared_ptr<grpc::Channel> channel)
      : stub_(v1::Restore::NewStub(std::move(channel))) {}

  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override {
    std::vector<Bytes> objects;
    objects.reserve(ids.size());
    for (std::size_t begin = 0; begin < ids.size(); begin += kFetchChunks) {
      const std::size_t end = std::min(ids.size(), begin + kFetchChunks);
      v1::FetchRequest request;
      request.set_domain_id(domain.bytes());
      for (std::size_t i = begin; i < end; ++i) request.mutable_chunk_ids()->append(ids[i].view());
      grpc::ClientContext context;
      rpc::SetDeadline(context, kFetchDeadline);
      auto reader = stub_->Fetch(&context, request);
      v1::FetchReply reply;
      while (reader->Read(&reply)) {
        for (std::string& object : *reply.mutable_objects()) objects.push_back(std::move(object));
        if (objects.size() > end) break;  // more than asked for: the reader of the result refuses
      }
      if (objects.size() > end) context.TryCancel();
      const grpc::Status status = reader->Finish();
      if (objects.size() <= end && !status.ok()) return rpc::FromGrpc(status);
    }
    return objects;
  }

  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override {
    v1::GetEnvelopesRequest request;
    request.set_domain_id(domain.bytes());
    request.add_key_ids(key_id.bytes());
    grpc::ClientContext context;
    rpc::SetDeadline(context, kEnvelopeDeadline);
    v1::GetEnvelopesReply reply;
    if (const grpc::Status status = stub_->GetEnvelopes(&context, request, &reply); !status.ok()) {
      return rpc::FromGrpc(status);
    }
    if (reply.envelopes_size() != 1) {
      return Error(ErrorKind::kIntegrity, 4062,
                   fmt::format("unable to fetch key envelope '{}': the controller gave {}",
                               key_id.hex(), reply.envelopes_size()));
    }
    return reply.envelopes(0);
  }

 private:
  std::unique_ptr<v1::Restore::Stub> stub_;
};

}  // namespace

std::shared_ptr<ChunkFetcher> MakeGrpcFetcher(std::shared_ptr<grpc::Channel> channel) {
  return std::make_shared<GrpcFetcher>(std::move(channel));
}

}  // namespace holdfast::cli
