#include "controller/ingest/ingest_service.h"

#include <grpcpp/server_context.h>

#include <chrono>
#include <optional>
#include <thread>

#include "common/base/error.h"
#include "common/concurrency/byte_budget.h"
#include "common/concurrency/byte_queue.h"
#include "common/concurrency/first_error.h"
#include "common/concurrency/start_thread.h"
#include "common/env/fail_point.h"
#include "common/format/object.h"
#include "common/log/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "controller/ingest/commit.h"
#include "controller/ingest/pack_writer.h"
#include "controller/ingest/recovered_packs.h"
#include "controller/ingest/session_table.h"
#include "fmt/format.h"
#include "proto/ingest.grpc.pb.h"

namespace holdfast::ingest {
namespace {

constexpr std::size_t kMaxQuestionIds = 8192;
constexpr std::size_t kMaxReferenceListBytes = 512u << 20;
constexpr std::size_t kMaxEnvelopeBytes = 1u << 20;
// What is synced and acknowledged together: much less than the agent may have unacknowledged, so
// that it is never kept waiting, and soon when no more comes.
constexpr std::size_t kGroupMessages = 16;
constexpr std::size_t kGroupBytes = 4u << 20;
constexpr std::chrono::milliseconds kGroupPatience(10);
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
  SessionTable sessions;
  ByteBudget room{kQueueBytes};
};

// One stream: this thread reads, the worker appends, syncs, commits and acknowledges in order.
class Session {
 public:
  Session(Shared& shared, catalog::AgentRow agent, grpc::ServerContext& context, Stream& stream)
      : shared_(shared),
        context_(context),
        agent_(std::move(agent)),
        stream_(stream),
        use_(shared.quotas, agent_),
        room_(shared.room),
        writer_(shared.catalog, shared.store, *agent_.domain) {}

  absl::Status Serve(const v1::Open& open) {
    RETURN_IF_ERROR(Begin(open));
    {
      std::jthread worker;
      RETURN_IF_ERROR(StartThread(&worker, [this](const std::stop_token&) { Work(); }));
      v1::BackupRequest request;
      while (error_.status().ok() && stream_.Read(&request)) {
        const absl::Status status = Take(request);
        if (!status.ok()) {
          Fail(status);
          break;
        }
      }
      queue_.Close();
    }
    return error_.status();
  }

 private:
  struct Item {
    std::vector<Bytes> objects;
    std::vector<ChunkId> ids;
    std::vector<std::vector<ChunkId>> bases;  // of each object
    std::size_t bytes = 0;
    std::optional<CommitInput> commit;
  };

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
    Item item;
    for (std::string& object : *objects.mutable_objects()) {
      ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(object));
      if (header.object_bytes() != object.size() || header.domain != *agent_.domain) {
        return BadRequest("an object is cut or belongs to another domain");
      }
      item.ids.push_back(header.chunk_id);
      item.bases.push_back(header.bases);
      item.bytes += object.size();
      item.objects.push_back(std::move(object));
    }
    const std::size_t bytes = item.bytes;
    RETURN_IF_ERROR(use_.Admit(bytes));
    WaitForItsTurn(bytes);
    if (!room_.Take(bytes, error_.stop_token())) return absl::OkStatus();  // the session ends
    queue_.Push(std::move(item), bytes, error_.stop_token());
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
    Item item;
    item.commit.emplace();
    item.commit->agent = agent_;
    item.commit->source = source_;
    item.commit->run_id = run_id_;
    item.commit->record = commit.record();
    item.commit->references = std::move(references_);
    item.commit->content_bytes = commit.content_bytes();
    item.commit->entry_count = commit.entry_count();
    item.commit->duration_ms = commit.duration_ms();
    queue_.Push(std::move(item), 0, error_.stop_token());
    return absl::OkStatus();
  }

  void Work() {
    for (;;) {
      auto items =
          appended_ > acknowledged_
              ? queue_.PopAllWithin(kGroupPatience, kGroupMessages, error_.stop_token(),
                                    kGroupBytes)
              : std::make_optional(queue_.PopAll(kGroupMessages, error_.stop_token(), kGroupBytes));
      const bool at_end = items && items->empty();
      if (at_end && !error_.status().ok()) return;
      absl::Status status = items && !at_end ? Do(*items) : Acknowledge();
      if (!status.ok()) return Fail(std::move(status));
      if (at_end) return;
    }
  }

  absl::Status Do(std::vector<Item>& items) {
    for (Item& item : items) {
      RETURN_IF_ERROR(item.commit ? Commit(*item.commit) : Append(item));
      item.objects.clear();
      room_.Give(item.bytes);
      if (writer_.unsynced_bytes() >= kGroupBytes) RETURN_IF_ERROR(Acknowledge());
    }
    return absl::OkStatus();
  }

  absl::Status Append(Item& item) {
    for (std::size_t i = 0; i < item.objects.size(); ++i) {
      RETURN_IF_ERROR(writer_.Append(item.ids[i], item.objects[i], std::move(item.bases[i])));
    }
    appended_ += item.objects.size();
    return absl::OkStatus();
  }

  absl::Status Acknowledge() {
    const std::uint64_t bytes = writer_.unsynced_bytes();
    RETURN_IF_ERROR(writer_.Flush());
    use_.Stored(bytes);
    if (appended_ == acknowledged_) return absl::OkStatus();
    acknowledged_ = appended_;
    v1::BackupReply reply;
    reply.mutable_stored()->set_objects(acknowledged_);
    HOLDFAST_FAIL_POINT("ingest.send-stored");
    Write(reply);
    return absl::OkStatus();
  }

  absl::Status Commit(CommitInput& input) {
    RETURN_IF_ERROR(Acknowledge());
    RETURN_IF_ERROR(writer_.Finish());
    // What a snapshot needs is in the store before it counts: packs of runs before this one too.
    RETURN_IF_ERROR(MoveRest(shared_.catalog, shared_.store));
    input.stored_bytes = writer_.stored_bytes();
    ASSIGN_OR_RETURN(const catalog::CommitResult result,
                     CommitRun(shared_.env, shared_.catalog, shared_.store, input));
    HOLDFAST_FAIL_POINT("ingest.send-committed");
    v1::BackupReply reply;
    if (result.missing.empty()) {
      *reply.mutable_committed() = ToProto(result.snapshot);
    } else {
      std::string* ids = reply.mutable_missing()->mutable_chunk_ids();
      for (const ChunkId& id : result.missing) ids->append(id.view());
    }
    Write(reply);
    return absl::OkStatus();
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
  ByteBudget::Share room_;
  std::mutex write_mutex_;
  SourceId source_;
  Bytes run_id_;
  absl::Duration checked_ = shared_.env.clock.Monotonic();
  std::unique_ptr<store::StagedDocument> references_;  // that arrives
  ByteQueue<Item> queue_{kSessionQueueBytes};
  FirstError error_;

  // The worker's own
  PackWriter writer_;
  std::uint64_t appended_ = 0;
  std::uint64_t acknowledged_ = 0;
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
