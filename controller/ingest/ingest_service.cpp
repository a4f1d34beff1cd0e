#include "controller/ingest/ingest_service.h"

#include <grpcpp/server_context.h>

#include <optional>
#include <thread>

#include "common/base/error.h"
#include "common/concurrency/byte_budget.h"
#include "common/concurrency/first_error.h"
#include "common/concurrency/start_thread.h"
#include "common/format/object.h"
#include "common/log/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "controller/ingest/recovered_packs.h"
#include "controller/ingest/session_table.h"
#include "controller/ingest/session_work.h"
#include "fmt/format.h"
#include "proto/ingest.grpc.pb.h"

namespace holdfast::ingest {
namespace {

constexpr std::size_t kMaxQuestionIds = 8192;
constexpr std::size_t kMaxReferenceListBytes = 512u << 20;
constexpr std::size_t kMaxEnvelopeBytes = 1u << 20;
constexpr absl::Duration kRecheckAgent = absl::Seconds(10);
constexpr absl::Duration kCancelledLook = absl::Milliseconds(100);
constexpr absl::Duration kOldSessionPatience = absl::Seconds(20);

using Stream = grpc::ServerReaderWriter<v1::BackupReply, v1::BackupRequest>;

absl::Status BadRequest(std::string_view why) {
  return Error(ErrorKind::kUsage, 5034, fmt::format("unable to take the backup: {}", why));
}

absl::StatusOr<std::vector<ChunkId>> SplitIds(ByteView packed) {
  if (packed.empty() || packed.size() % ChunkId::kSize != 0 ||
      packed.size() / ChunkId::kSize > kMaxQuestionIds) {
    return BadRequest("a question must hold 1 to 8192 whole chunk ids");
  }
  std::vector<ChunkId> ids;
  ids.reserve(packed.size() / ChunkId::kSize);
  for (std::size_t at = 0; at < packed.size(); at += ChunkId::kSize) {
    ids.push_back(*ChunkId::From(packed.substr(at, ChunkId::kSize)));
  }
  return ids;
}

v1::Committed ToProto(const catalog::SnapshotRow& row) {
  v1::Committed committed;
  committed.set_seq(row.seq);
  committed.set_snapshot_id(row.snapshot_id.bytes());
  committed.set_committed_at_ms(row.committed_at_ms);
  committed.set_stored_bytes(row.stored_bytes);
  return committed;
}

struct Shared {
  Env env;
  catalog::Catalog& catalog;
  store::Store& store;
  const access::Access& access;
  RateLimit& limit;
  quota::Quotas& quotas;
  SessionTable sessions{};
  ByteBudget room{kQueueBytes};
};

// One stream: this thread reads and checks what comes, another one works on it.
class Session final : private SessionReplies {
 public:
  Session(Shared& shared, catalog::AgentRow agent, grpc::ServerContext& context, Stream& stream)
      : shared_(shared),
        context_(context),
        agent_(std::move(agent)),
        stream_(stream),
        use_(shared.quotas, agent_),
        work_({shared.env, shared.catalog, shared.store, shared.room, use_}, *agent_.domain,
              *this) {}

  absl::Status Serve(const v1::Open& open) {
    RETURN_IF_ERROR(Begin(open));
    {
      std::jthread worker;
      RETURN_IF_ERROR(StartThread(&worker, [this](const std::stop_token&) {
        const absl::Status status = work_.Run(error_.stop_token());
        if (!status.ok()) Fail(status);
      }));
      v1::BackupRequest request;
      while (error_.status().ok() && stream_.Read(&request)) {
        const absl::Status status = Take(request);
        if (!status.ok()) {
          Fail(status);
          break;
        }
      }
      work_.Close();
    }
    return error_.status();
  }

 private:
  absl::Status Begin(const v1::Open& open) {
    const auto source_id = SourceId::From(open.source_id());
    const auto found = shared_.catalog.GetSource(source_id.value_or(SourceId()));
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
    // Another agent's source looks like none.
    if (!found.ok() || found->agent != agent_.id) {
      return Error(ErrorKind::kNotFound, 5035, "unable to open the backup session: unknown source");
    }
    RETURN_IF_ERROR(use_.Refresh());
    const catalog::SourceRow& source = *found;
    source_ = source.id;
    run_id_ = open.run_id();
    v1::BackupReply reply;
    v1::Opened* opened = reply.mutable_opened();
    opened->set_head_seq(source.head_seq);
    if (source.head_seq > 0) {
      RETURN_IF_ERROR(CheckHeadIsThere(source));
      ASSIGN_OR_RETURN(*opened->mutable_head_record(),
                       shared_.store.GetRecord(source_, source.head_seq));
    }
    ASSIGN_OR_RETURN(const catalog::Installation installation, shared_.catalog.GetInstallation());
    opened->set_recipients(installation.recipients);
    ASSIGN_OR_RETURN(const auto before, shared_.catalog.FindRun(source_, run_id_));
    if (before) *opened->mutable_already_committed() = ToProto(*before);
    stream_.Write(reply);
    return absl::OkStatus();
  }

  // Of a source that no agent had any more every snapshot can be forgotten, the newest too. Numbers
  // are not used twice, and nothing is left to follow.
  absl::Status CheckHeadIsThere(const catalog::SourceRow& source) {
    absl::Status status = shared_.catalog.GetSnapshot(source.id, source.head_seq).status();
    if (!absl::IsNotFound(status)) return status;
    return Error(ErrorKind::kConflict, 5074,
                 fmt::format("unable to open the backup session: the snapshots of source '{}' were "
                             "forgotten while no agent had it",
                             Escaped(source.name)),
                 "Give the source another name in agent.yaml.");
  }

  absl::Status Take(v1::BackupRequest& request) {
    RETURN_IF_ERROR(RecheckAgent());
    switch (request.message_case()) {
      case v1::BackupRequest::kQuestion:
        return TakeQuestion(request.question());
      case v1::BackupRequest::kObjects:
        return TakeObjects(*request.mutable_objects());
      case v1::BackupRequest::kEnvelope:
        return TakeEnvelope(request.envelope());
      case v1::BackupRequest::kReferencePart:
        return TakeReferences(request.reference_part().content());
      case v1::BackupRequest::kCommit:
        return TakeCommit(request.commit());
      default:
        return BadRequest("a message of unknown kind");
    }
  }

  absl::Status RecheckAgent() {
    const absl::Duration now = shared_.env.clock.Monotonic();
    if (now - checked_ < kRecheckAgent) return absl::OkStatus();
    checked_ = now;
    ASSIGN_OR_RETURN(const catalog::AgentRow row, shared_.catalog.GetAgent(agent_.id));
    if (!row.removed) return use_.Refresh();
    return Error(ErrorKind::kPermission, 6021, "unable to go on: this agent was removed");
  }

  absl::Status TakeQuestion(const v1::Question& question) {
    ASSIGN_OR_RETURN(const std::vector<ChunkId> ids, SplitIds(question.chunk_ids()));
    ASSIGN_OR_RETURN(const auto found, shared_.catalog.FindChunks(*agent_.domain, ids));
    v1::BackupReply reply;
    Bytes bits((ids.size() + 7) / 8, '\0');
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!found[i].live) continue;
      bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
      if (found[i].bases.empty()) continue;
      v1::StoredDelta* delta = reply.mutable_answer()->add_deltas();
      delta->set_index(static_cast<std::uint32_t>(i));
      for (const ChunkId& base : found[i].bases) delta->mutable_base_ids()->append(base.view());
    }
    reply.mutable_answer()->set_number(question.number());
    reply.mutable_answer()->set_have(bits);
    Write(reply);
    return absl::OkStatus();
  }

  absl::Status TakeObjects(v1::Objects& objects) {
    ReceivedObjects received;
    for (std::string& object : *objects.mutable_objects()) {
      ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(object));
      if (header.object_bytes() != object.size() || header.domain != *agent_.domain) {
        return BadRequest("an object is cut or belongs to another domain");
      }
      received.ids.push_back(header.chunk_id);
      received.bases.push_back(header.bases);
      received.bytes += object.size();
      received.objects.push_back(std::move(object));
    }
    RETURN_IF_ERROR(use_.Admit(received.bytes));
    WaitForItsTurn(received.bytes);
    work_.Bring(std::move(received), error_.stop_token());
    return absl::OkStatus();
  }

  // Nothing more is read meanwhile, so that the stream's flow control holds the agent back. A
  // controller that stops ends the call, which ends the wait.
  void WaitForItsTurn(std::size_t bytes) {
    Clock& clock = shared_.env.clock;
    const absl::Duration until = clock.Monotonic() + shared_.limit.Take(bytes);
    while (!context_.IsCancelled()) {
      const absl::Duration left = until - clock.Monotonic();
      if (left <= absl::ZeroDuration()) return;
      if (!clock.SleepFor(std::min(left, kCancelledLook), error_.stop_token())) return;
    }
  }

  absl::Status TakeEnvelope(const v1::Envelope& envelope) {
    const auto key_id = KeyId::From(envelope.key_id());
    if (!key_id || envelope.content().size() > kMaxEnvelopeBytes) {
      return BadRequest("a key envelope of wrong size");
    }
    RETURN_IF_ERROR(shared_.store.PutEnvelope(*agent_.domain, *key_id, envelope.content()));
    v1::BackupReply reply;
    reply.mutable_envelope_stored()->set_key_id(envelope.key_id());
    Write(reply);
    return absl::OkStatus();
  }

  absl::Status TakeReferences(ByteView piece) {
    if (references_ == nullptr) {
      ASSIGN_OR_RETURN(references_, shared_.store.Stage());
    }
    if (references_->size_bytes() + piece.size() > kMaxReferenceListBytes) {
      return BadRequest("the reference list is larger than 512 MiB");
    }
    return references_->Append(piece);
  }

  absl::Status TakeCommit(const v1::Commit& commit) {
    if (references_ == nullptr) return BadRequest("a commit without a reference list");
    CommitInput input;
    input.agent = agent_;
    input.source = source_;
    input.run_id = run_id_;
    input.record = commit.record();
    input.references = std::move(references_);
    input.content_bytes = commit.content_bytes();
    input.entry_count = commit.entry_count();
    input.duration_ms = commit.duration_ms();
    work_.Bring(std::move(input), error_.stop_token());
    return absl::OkStatus();
  }

  void OnStored(std::uint64_t objects) override {
    v1::BackupReply reply;
    reply.mutable_stored()->set_objects(objects);
    Write(reply);
  }

  void OnCommitted(const catalog::CommitResult& result) override {
    v1::BackupReply reply;
    if (result.missing.empty()) {
      *reply.mutable_committed() = ToProto(result.snapshot);
    } else {
      std::string* ids = reply.mutable_missing()->mutable_chunk_ids();
      for (const ChunkId& id : result.missing) ids->append(id.view());
    }
    Write(reply);
  }

  // The agent is told why before the stream ends; it may be waiting and not writing.
  void Fail(absl::Status status) {
    if (!error_.status().ok()) return;
    error_.Report(status);
    const grpc::Status wire = rpc::ToGrpc(status);
    v1::BackupReply reply;
    reply.mutable_failed()->set_grpc_code(static_cast<std::uint32_t>(wire.error_code()));
    reply.mutable_failed()->set_message(wire.error_message());
    reply.mutable_failed()->mutable_detail()->ParseFromString(wire.error_details());
    Write(reply);
  }

  void Write(const v1::BackupReply& reply) {
    std::lock_guard lock(write_mutex_);
    stream_.Write(reply);
  }

  Shared& shared_;
  grpc::ServerContext& context_;
  const catalog::AgentRow agent_;
  Stream& stream_;
  quota::QuotaSession use_;
  std::mutex write_mutex_;
  SourceId source_;
  Bytes run_id_;
  absl::Duration checked_ = shared_.env.clock.Monotonic();
  std::unique_ptr<store::StagedDocument> references_;  // that arrives
  FirstError error_;
  SessionWork work_;
};

class IngestService final : public v1::Ingest::Service {
 public:
  IngestService(Env env, catalog::Catalog& catalog, store::Store& store,
                const access::Access& access, RateLimit& limit, quota::Quotas& quotas)
      : shared_{env, catalog, store, access, limit, quotas} {}

  grpc::Status Backup(grpc::ServerContext* context, Stream* stream) override {
    const absl::Status status = Serve(*context, *stream);
    if (!status.ok() && !IsRetryable(status)) {
      log::Warn("a backup session ended: {}", MessageOf(status));
    }
    return rpc::ToGrpc(status);
  }

 private:
  absl::Status Serve(grpc::ServerContext& context, Stream& stream) {
    ASSIGN_OR_RETURN(access::Principal principal,
                     shared_.access.Check(context, "holdfast.v1.Ingest/Backup"));
    catalog::AgentRow& agent = principal.agent;
    v1::BackupRequest request;
    if (!stream.Read(&request)) return absl::OkStatus();
    if (!request.has_open()) return BadRequest("the first message must open the session");
    const v1::Open open = request.open();
    if (open.protocol_version() != rpc::kProtocolVersion) {
      return Error(ErrorKind::kRefused, 6030,
                   fmt::format("unable to take the backup: the agent speaks protocol {}, this "
                               "controller {}",
                               open.protocol_version(), rpc::kProtocolVersion),
                   "Bring agent and controller to the same release.");
    }
    const auto source = SourceId::From(open.source_id());
    if (!source || open.run_id().size() != 16) return BadRequest("ids of wrong size");
    if (!agent.domain) return BadRequest("the agent has not published its domain yet");
    RETURN_IF_ERROR(shared_.sessions.Enter(
        *source, agent.id, open.run_id(), [&context] { context.TryCancel(); },
        kOldSessionPatience));
    absl::Status status = shared_.store.ProbeAfterFailure();
    if (status.ok()) status = MoveRest(shared_.catalog, shared_.store);
    if (status.ok()) {
      const CollectionSession spared(shared_.catalog.collection());
      Session session(shared_, agent, context, stream);
      status = session.Serve(open);
    }
    shared_.sessions.Leave(*source);
    return status;
  }

  Shared shared_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeIngestService(Env env, catalog::Catalog& catalog,
                                                 store::Store& store, const access::Access& access,
                                                 RateLimit& limit, quota::Quotas& quotas) {
  return std::make_unique<IngestService>(env, catalog, store, access, limit, quotas);
}

}  // namespace holdfast::ingest
