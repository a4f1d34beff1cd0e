#include "controller/restore/restore_service.h"

#include <grpcpp/server_context.h>

#include <set>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/record.h"
#include "common/log/log.h"
#include "common/rpc/status.h"
#include "controller/control/summaries.h"
#include "fmt/format.h"
#include "proto/restore.grpc.pb.h"

namespace holdfast::restore_service {
namespace {

constexpr std::size_t kMaxIds = 8192;
constexpr int kMaxEnvelopes = 1000;
constexpr std::size_t kReplyBytes = 4u << 20;
constexpr std::uint32_t kMaxSnapshots = 1000;
constexpr int kMaxMoves = 10;

using access::Principal;
using access::PrincipalKind;

absl::Status NoSuch(std::string_view what) {
  return Error(ErrorKind::kNotFound, 5040, fmt::format("unable to find {}", what),
               "See 'holdfast snapshots'.");
}

class RestoreService final : public v1::Restore::Service {
 public:
  RestoreService(catalog::Catalog& catalog, store::Store& store, const access::Access& access,
                 const control::JobBoard& board)
      : catalog_(catalog), store_(store), access_(access), board_(board) {}

  grpc::Status ListSnapshots(grpc::ServerContext* context, const v1::ListSnapshotsRequest* request,
                             v1::ListSnapshotsReply* reply) override {
    return rpc::ToGrpc(List(*context, *request, reply));
  }
  grpc::Status GetSnapshot(grpc::ServerContext* context, const v1::GetSnapshotRequest* request,
                           v1::SnapshotBundle* bundle) override {
    return rpc::ToGrpc(Get(*context, *request, bundle));
  }
  grpc::Status GetEnvelopes(grpc::ServerContext* context, const v1::GetEnvelopesRequest* request,
                            v1::GetEnvelopesReply* reply) override {
    return rpc::ToGrpc(Envelopes(*context, *request, reply));
  }
  grpc::Status Fetch(grpc::ServerContext* context, const v1::FetchRequest* request,
                     grpc::ServerWriter<v1::FetchReply>* writer) override {
    return rpc::ToGrpc(FetchObjects(*context, *request, *writer));
  }

 private:
  bool MayReadSource(const Principal& principal, const catalog::SourceRow& source) const {
    return principal.kind != PrincipalKind::kAgent || source.agent == principal.agent.id ||
           board_.MayRead(principal.agent.id, source.id);
  }

  absl::StatusOr<bool> MayReadDomain(const Principal& principal, const DomainId& domain) const {
    if (principal.kind != PrincipalKind::kAgent) return true;
    if (principal.agent.domain && *principal.agent.domain == domain) return true;
    ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(false));
    for (const catalog::SourceRow& source : sources) {
      if (!board_.MayRead(principal.agent.id, source.id)) continue;
      const auto owner = catalog_.GetAgent(source.agent);
      if (owner.ok() && owner->domain && *owner->domain == domain) return true;
    }
    return false;
  }

  absl::Status List(grpc::ServerContext& context, const v1::ListSnapshotsRequest& request,
                    v1::ListSnapshotsReply* reply) {
    ASSIGN_OR_RETURN(const Principal principal,
                     access_.Check(context, "holdfast.v1.Restore/ListSnapshots"));
    const std::uint32_t limit =
        request.limit() == 0 ? kMaxSnapshots : std::min(request.limit(), kMaxSnapshots);
    ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(false));
    bool found = request.source_id().empty();
    for (const catalog::SourceRow& source : sources) {
      if (!request.source_id().empty() && source.id.view() != request.source_id()) continue;
      if (!MayReadSource(principal, source)) continue;
      found = true;
      ASSIGN_OR_RETURN(const auto rows, catalog_.ListSnapshots(source.id, limit));
      const auto agent = catalog_.GetAgent(source.agent);
      for (const catalog::SnapshotRow& row : rows) {
        control::FillSummary(row, source, agent.ok() ? agent->name : "", reply->add_snapshots());
      }
    }
    return found ? absl::OkStatus() : NoSuch("the source");
  }

  absl::Status Get(grpc::ServerContext& context, const v1::GetSnapshotRequest& request,
                   v1::SnapshotBundle* bundle) {
    ASSIGN_OR_RETURN(const Principal principal,
                     access_.Check(context, "holdfast.v1.Restore/GetSnapshot"));
    const auto id = SourceId::From(request.source_id());
    const auto source = catalog_.GetSource(id.value_or(SourceId()));
    if (!source.ok() || !MayReadSource(principal, *source)) return NoSuch("the snapshot");
    ASSIGN_OR_RETURN(const catalog::SnapshotRow row,
                     catalog_.GetSnapshot(source->id, request.seq()));
    const auto agent = catalog_.GetAgent(row.agent);
    control::FillSummary(row, *source, agent.ok() ? agent->name : "", bundle->mutable_summary());
    ASSIGN_OR_RETURN(*bundle->mutable_record(), store_.GetRecord(source->id, row.seq));
    ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(bundle->record()));
    for (const KeyId& key : clear.key_ids) {
      ASSIGN_OR_RETURN(*bundle->add_envelopes(), store_.GetEnvelope(clear.domain, key));
    }
    ASSIGN_OR_RETURN(*bundle->mutable_identity(), store_.GetIdentity(row.domain, row.agent));
    ASSIGN_OR_RETURN(*bundle->mutable_domain_secrets(), store_.GetSecrets(row.domain, row.agent));
    return absl::OkStatus();
  }

  absl::Status Envelopes(grpc::ServerContext& context, const v1::GetEnvelopesRequest& request,
                         v1::GetEnvelopesReply* reply) {
    ASSIGN_OR_RETURN(const Principal principal,
                     access_.Check(context, "holdfast.v1.Restore/GetEnvelopes"));
    const auto domain = DomainId::From(request.domain_id());
    if (!domain) return NoSuch("the domain");
    ASSIGN_OR_RETURN(const bool allowed, MayReadDomain(principal, *domain));
    if (!allowed || request.key_ids_size() > kMaxEnvelopes) return NoSuch("the key envelope");
    for (const std::string& key : request.key_ids()) {
      const auto key_id = KeyId::From(key);
      if (!key_id) return NoSuch("the key envelope");
      ASSIGN_OR_RETURN(*reply->add_envelopes(), store_.GetEnvelope(*domain, *key_id));
    }
    return absl::OkStatus();
  }

  absl::Status FetchObjects(grpc::ServerContext& context, const v1::FetchRequest& request,
                            grpc::ServerWriter<v1::FetchReply>& writer) {
    ASSIGN_OR_RETURN(const Principal principal,
                     access_.Check(context, "holdfast.v1.Restore/Fetch"));
    const ByteView packed = request.chunk_ids();
    const auto domain = DomainId::From(request.domain_id());
    if (!domain || packed.empty() || packed.size() % ChunkId::kSize != 0 ||
        packed.size() / ChunkId::kSize > kMaxIds) {
      return Error(ErrorKind::kUsage, 5041, "unable to fetch: 1 to 8192 whole chunk ids, please");
    }
    ASSIGN_OR_RETURN(const bool allowed, MayReadDomain(principal, *domain));
    if (!allowed) return NoSuch("the chunks");
    std::vector<ChunkId> ids;
    for (std::size_t at = 0; at < packed.size(); at += ChunkId::kSize) {
      ids.push_back(*ChunkId::From(packed.substr(at, ChunkId::kSize)));
    }
    ASSIGN_OR_RETURN(const auto places, catalog_.Locate(*domain, ids));
    v1::FetchReply reply;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSIGN_OR_RETURN(Bytes object, ReadChecked(*domain, ids[i], places[i]));
      if (bytes > 0 && bytes + object.size() > kReplyBytes) {
        if (!writer.Write(reply)) return absl::OkStatus();
        reply.Clear();
        bytes = 0;
      }
      bytes += object.size();
      reply.add_objects(std::move(object));
    }
    if (bytes > 0) writer.Write(reply);
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> Read(const catalog::ChunkLocation& place) {
    return store_.ReadObject(place.pack.name, place.pack.open_number, place.offset_bytes,
                             place.length_bytes);
  }

  // Between look-up and read a pack may have been finished, or its objects copied elsewhere: look
  // again for as long as the place is another one. Finishing keeps the row, so once more anyway.
  absl::StatusOr<Bytes> ReadChecked(const DomainId& domain, const ChunkId& id,
                                    catalog::ChunkLocation place) {
    auto object = Read(place);
    for (int tries = 0; !object.ok() && tries < kMaxMoves; ++tries) {
      ASSIGN_OR_RETURN(auto again, catalog_.Locate(domain, {id}));
      const bool moved = again[0].pack.pack_row != place.pack.pack_row;
      if (!moved && tries > 0) break;
      place = std::move(again[0]);
      object = Read(place);
    }
    if (object.ok()) {
      const auto header = ParseObjectHeader(*object);
      if (header.ok() && header->chunk_id == id && header->domain == domain) return object;
      object = Error(ErrorKind::kIntegrity, 5042, "it is not the object that the catalog names");
    }
    log::Error("chunk {} does not read: {}", id.hex(), MessageOf(object.status()));
    if (absl::IsDataLoss(object.status()) || absl::IsNotFound(object.status())) {
      RETURN_IF_ERROR(catalog_.MarkBad(domain, id));
      return Error(
          ErrorKind::kIntegrity, 5042,
          fmt::format("unable to read chunk '{}': {}", id.hex(), MessageOf(object.status())),
          "The next backup of the source stores it again if the data is still there.");
    }
    return object;
  }

  catalog::Catalog& catalog_;
  store::Store& store_;
  const access::Access& access_;
  const control::JobBoard& board_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRestoreService(catalog::Catalog& catalog, store::Store& store,
                                                  const access::Access& access,
                                                  const control::JobBoard& board) {
  return std::make_unique<RestoreService>(catalog, store, access, board);
}

}  // namespace holdfast::restore_service
