#include "agent/transport/grpc_ingest_session.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "agent/transport/backoff.h"
#include "agent/transport/outstanding.h"
#include "common/base/error.h"
#include "common/concurrency/start_thread.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "fmt/format.h"
#include "proto/ingest.grpc.pb.h"

namespace holdfast::transport {
namespace {

constexpr std::size_t kReferencePartBytes = 2u << 20;
constexpr absl::Duration kLongestLook = absl::Seconds(10);

pipeline::Committed FromProto(const v1::Committed& committed) {
  pipeline::Committed result;
  result.seq = committed.seq();
  result.snapshot_id = Hash256::From(committed.snapshot_id()).value_or(Hash256());
  result.committed_at_ms = committed.committed_at_ms();
  result.stored_bytes = committed.stored_bytes();
  return result;
}

absl::StatusOr<pipeline::KnownChunks> FromProto(const v1::Answer& answer, std::size_t asked) {
  const Bytes& bits = answer.have();
  if (bits.size() != (asked + 7) / 8) {
    return Error(ErrorKind::kFailed, 2011,
                 "the controller answered a dedup question with another count");
  }
  pipeline::KnownChunks known;
  known.have.resize(asked);
  for (std::size_t i = 0; i < asked; ++i) known.have[i] = (bits[i / 8] >> (i % 8)) & 1;
  for (const v1::StoredDelta& delta : answer.deltas()) {
    const ByteView ids = delta.base_ids();
    if (ids.empty() || ids.size() % ChunkId::kSize != 0) {
      return Error(ErrorKind::kFailed, 6004, "the controller named the bases of a delta in part");
    }
    std::vector<ChunkId> bases;
    for (std::size_t at = 0; at < ids.size(); at += ChunkId::kSize) {
      bases.push_back(*ChunkId::From(ids.substr(at, ChunkId::kSize)));
    }
    known.deltas.emplace_back(delta.index(), std::move(bases));
  }
  return known;
}

}  // namespace

using IngestStream = grpc::ClientReaderWriter<v1::BackupRequest, v1::BackupReply>;

struct GrpcIngestSession::Impl {
  Impl(Options session_options, std::stop_token run_stop)
      : options(std::move(session_options)), stop(run_stop), stop_callback(stop, [this] {
          Fail(Error(ErrorKind::kFailed, 2010, "the run was stopped"));
          CancelStream();
        }) {
    absl::Status started = StartThread(&watcher, [this](std::stop_token own) { Watch(own); });
    if (started.ok()) started = StartThread(&reader, [this](std::stop_token own) { Serve(own); });
    if (!started.ok()) Fail(std::move(started));
  }

  ~Impl() {
    reader.request_stop();
    Fail(Error(ErrorKind::kFailed, 2010, "the session was closed"));
    CancelStream();
  }

  // --- one connection after the other, on the reader thread -------------------------------------

  void Serve(std::stop_token own) {
    Backoff backoff(options.env);
    absl::Duration trouble_since = options.env.clock.Monotonic();
    while (!own.stop_requested() && !Failed()) {
      const absl::Duration begun = options.env.clock.Monotonic();
      const absl::Status status = ServeOnce();
      if (own.stop_requested() || Failed()) return;
      if (!IsRetryable(status)) return Fail(status);
      const absl::Status cause = options.diagnose ? options.diagnose() : absl::OkStatus();
      if (!cause.ok() && !IsRetryable(cause)) return Fail(cause);
      // Patience is for the time of trouble: a stream that did something, or stayed, ends it. One
      // that was opened only does not, or a controller that cannot write would be asked for ever.
      const absl::Duration now = options.env.clock.Monotonic();
      if (TakeProgressed() || now - begun > options.patience) {
        trouble_since = now;
        backoff.Reset();
      }
      if (now - trouble_since > options.patience) return Fail(cause.ok() ? status : cause);
      backoff.Wait(own);
    }
  }

  // A stream that lives and says nothing: a controller that hangs answers pings all the same. Also
  // ends a Write that waits for such a reader. Only time in which this host was awake counts.
  void Watch(std::stop_token own) {
    const absl::Duration pause = std::min(options.patience / 10, kLongestLook);
    absl::Duration looked = options.env.clock.Monotonic();
    absl::Duration silent;
    std::uint64_t seen = 0;
    while (options.env.clock.SleepFor(pause, own)) {
      const absl::Duration now = options.env.clock.Monotonic();
      silent += std::min(now - std::exchange(looked, now), 2 * pause);
      std::lock_guard lock(mutex);
      if (std::exchange(seen, replies) != replies || !Expecting()) silent = absl::ZeroDuration();
      if (silent <= options.patience || !failure.ok()) continue;
      failure = Error(ErrorKind::kUnreachable, 6007,
                      fmt::format("unable to go on with the backup: the controller has been silent "
                                  "for {}",
                                  absl::FormatDuration(options.patience)),
                      "It hangs, or its disk does: look at its log, then back up again.");
      if (current_context != nullptr) current_context->TryCancel();
      changed.notify_all();
    }
  }

  // Needs the mutex.
  bool Expecting() const {
    if (current_context == nullptr) return false;
    return current_stream == nullptr || outstanding.ExpectsAnswer();
  }

  absl::Status ServeOnce() {
    auto channel = options.connect();
    auto stub = v1::Ingest::NewStub(channel);
    grpc::ClientContext context;
    {
      std::lock_guard lock(mutex);
      current_context = &context;
      ++replies;  // a stream of its own time
      if (!failure.ok()) context.TryCancel();
    }
    std::unique_ptr<IngestStream> stream = stub->Backup(&context);
    absl::Status status = Handshake(*stream);
    if (status.ok()) {
      v1::BackupReply reply;
      while (stream->Read(&reply)) {
        status = Take(reply);
        if (!status.ok()) break;
      }
    }
    if (!status.ok()) context.TryCancel();
    {
      std::lock_guard write_lock(write_mutex);
      std::lock_guard lock(mutex);
      current_stream = nullptr;
      current_context = nullptr;
    }
    absl::Status finished = rpc::FromGrpc(stream->Finish());
    if (!status.ok()) return status;
    if (!finished.ok()) return finished;
    return Error(ErrorKind::kUnreachable, 6001, "the controller ended the stream");
  }

  // Open → Opened, then everything outstanding again.
  absl::Status Handshake(IngestStream& stream) {
    v1::BackupRequest request;
    v1::Open* open = request.mutable_open();
    open->set_protocol_version(rpc::kProtocolVersion);
    open->set_source_id(options.source_id.bytes());
    open->set_run_id(options.run_id);
    v1::BackupReply reply;
    // A failed Write or Read is explained by Finish.
    if (!stream.Write(request) || !stream.Read(&reply)) return absl::OkStatus();
    if (!reply.has_opened())
      return Error(ErrorKind::kFailed, 6004, "the controller answered out of order");
    std::unique_lock write_lock(write_mutex);
    {
      std::lock_guard lock(mutex);
      TakeOpened(reply.opened());
      current_stream = &stream;
      outstanding.BeginStream();
    }
    PumpLocked();
    return absl::OkStatus();
  }

  void TakeOpened(const v1::Opened& opened) {
    if (opened.has_already_committed() && outstanding.commit() != nullptr) {
      outstanding.TakeOutcome({FromProto(opened.already_committed()), {}});
    }
    if (!start) {
      progressed = true;
      start.emplace();
      start->head_seq = opened.head_seq();
      start->head_record = opened.head_record();
      start->recipients = opened.recipients();
      if (opened.has_already_committed()) {
        start->already_committed = FromProto(opened.already_committed());
      }
    } else if (opened.head_seq() != start->head_seq && !opened.has_already_committed()) {
      failure = Error(ErrorKind::kConflict, 2016,
                      "unable to go on with the backup: another run of this source was committed",
                      "Is this agent's identity used on two hosts?");
    }
    changed.notify_all();
  }

  absl::Status Take(const v1::BackupReply& reply) {
    std::lock_guard lock(mutex);
    progressed = progressed || !reply.has_failed();
    ++replies;
    switch (reply.message_case()) {
      case v1::BackupReply::kAnswer:
        if (outstanding.TakeAnswer(reply.answer().number())) answer = reply.answer();
        break;
      case v1::BackupReply::kStored:
        RETURN_IF_ERROR(outstanding.TakeStored(reply.stored().objects()));
        break;
      case v1::BackupReply::kEnvelopeStored:
        outstanding.EnvelopeStored();
        break;
      case v1::BackupReply::kCommitted:
        outstanding.TakeOutcome({FromProto(reply.committed()), {}});
        break;
      case v1::BackupReply::kMissing: {
        pipeline::CommitOutcome missing;
        const ByteView ids = reply.missing().chunk_ids();
        for (std::size_t at = 0; at + ChunkId::kSize <= ids.size(); at += ChunkId::kSize) {
          missing.missing.push_back(*ChunkId::From(ids.substr(at, ChunkId::kSize)));
        }
        if (missing.missing.empty()) {
          return Error(ErrorKind::kFailed, 6004,
                       "the controller refused a commit without a reason");
        }
        outstanding.TakeOutcome(std::move(missing));
        break;
      }
      case v1::BackupReply::kFailed:
        return rpc::FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(reply.failed().grpc_code()),
                                          reply.failed().message(),
                                          reply.failed().detail().SerializeAsString()));
      default:
        return Error(ErrorKind::kFailed, 6004, "the controller answered out of order");
    }
    changed.notify_all();
    return absl::OkStatus();
  }

  // --- writing, on the callers' threads ---------------------------------------------------------

  // Sends what was not sent on the current stream yet. A write that fails leaves it for the next
  // stream.
  void Pump() {
    std::lock_guard write_lock(write_mutex);
    PumpLocked();
  }

  void PumpLocked() {
    for (;;) {
      Saying saying;
      IngestStream* stream = nullptr;
      const pipeline::CommitRequest* commit = nullptr;
      {
        std::lock_guard lock(mutex);
        stream = current_stream;
        if (stream == nullptr || !outstanding.Next(&saying)) return;
        commit = outstanding.commit();
      }
      const v1::BackupRequest& request = saying.request();
      if (request.has_commit() && !SendReferences(*stream, commit->reference_list)) return;
      if (!stream->Write(request)) return;
    }
  }

  // Only the committing thread ends a commit, and it waits meanwhile.
  static bool SendReferences(IngestStream& stream, ByteView list) {
    for (std::size_t at = 0; at < list.size(); at += kReferencePartBytes) {
      v1::BackupRequest request;
      request.mutable_reference_part()->set_content(Bytes(list.substr(at, kReferencePartBytes)));
      if (!stream.Write(request)) return false;
    }
    return true;
  }

  // --- waiting ----------------------------------------------------------------------------------

  template <typename Done>
  absl::Status WaitFor(std::unique_lock<std::mutex>& lock, Done done) {
    changed.wait(lock, [&] { return done() || !failure.ok(); });
    return failure;
  }

  void Fail(absl::Status status) {
    std::lock_guard lock(mutex);
    if (failure.ok()) failure = std::move(status);
    changed.notify_all();
  }
  bool Failed() {
    std::lock_guard lock(mutex);
    return !failure.ok();
  }
  bool TakeProgressed() {
    std::lock_guard lock(mutex);
    return std::exchange(progressed, false);
  }
  void CancelStream() {
    std::lock_guard lock(mutex);
    if (current_context != nullptr) current_context->TryCancel();
  }

  const Options options;
  const std::stop_token stop;

  std::mutex write_mutex;  // held while writing to current_stream; taken before `mutex`
  std::mutex mutex;        // guards all below
  std::condition_variable changed;
  absl::Status failure;
  IngestStream* current_stream = nullptr;  // set between Opened and the end of a stream
  grpc::ClientContext* current_context = nullptr;
  bool progressed = false;    // since Serve looked last
  std::uint64_t replies = 0;  // and streams begun

  std::optional<pipeline::SessionStart> start;
  Outstanding outstanding;
  std::optional<v1::Answer> answer;

  std::stop_callback<std::function<void()>> stop_callback;
  std::jthread watcher;
  std::jthread reader;  // last: joined first
};

GrpcIngestSession::GrpcIngestSession(Options options, std::stop_token stop)
    : impl_(std::make_unique<Impl>(std::move(options), stop)) {}
GrpcIngestSession::~GrpcIngestSession() = default;

absl::StatusOr<pipeline::SessionStart> GrpcIngestSession::Start() {
  std::unique_lock lock(impl_->mutex);
  RETURN_IF_ERROR(impl_->WaitFor(lock, [this] { return impl_->start.has_value(); }));
  return *impl_->start;
}

absl::StatusOr<pipeline::KnownChunks> GrpcIngestSession::Ask(const std::vector<ChunkId>& ids) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->outstanding.Ask(ids);
    impl_->answer.reset();
  }
  impl_->Pump();
  std::unique_lock lock(impl_->mutex);
  RETURN_IF_ERROR(impl_->WaitFor(lock, [this] { return impl_->answer.has_value(); }));
  const v1::Answer answer = *std::move(impl_->answer);
  lock.unlock();
  return FromProto(answer, ids.size());
}

absl::Status GrpcIngestSession::Send(Bytes object) {
  // Before anything is held: questions and the answers to them are not slowed down.
  if (RateLimit* limit = impl_->options.limit; limit != nullptr) {
    (void)limit->Wait(object.size(), impl_->stop);  // a stop is noticed below
  }
  {
    std::unique_lock lock(impl_->mutex);
    RETURN_IF_ERROR(
        impl_->WaitFor(lock, [&] { return impl_->outstanding.HasRoomFor(object.size()); }));
    impl_->outstanding.AddObject(std::move(object));
  }
  impl_->Pump();
  return absl::OkStatus();
}

absl::Status GrpcIngestSession::PutEnvelope(const KeyId& key_id, Bytes envelope) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->outstanding.PutEnvelope(key_id, std::move(envelope));
  }
  impl_->Pump();
  std::unique_lock lock(impl_->mutex);
  return impl_->WaitFor(lock, [this] { return !impl_->outstanding.has_envelope(); });
}

absl::StatusOr<pipeline::CommitOutcome> GrpcIngestSession::Commit(
    const pipeline::CommitRequest& request) {
  {
    std::unique_lock lock(impl_->mutex);
    RETURN_IF_ERROR(impl_->WaitFor(lock, [this] { return impl_->outstanding.all_stored(); }));
    impl_->outstanding.Commit(request);
  }
  impl_->Pump();
  std::unique_lock lock(impl_->mutex);
  const auto& outcome = impl_->outstanding.outcome();
  const absl::Status waited = impl_->WaitFor(lock, [&] { return outcome.has_value(); });
  lock.unlock();
  // Nobody may be writing from `request` when it goes out of the caller's hands.
  std::lock_guard write_lock(impl_->write_mutex);
  lock.lock();
  impl_->outstanding.EndCommit();
  if (!outcome) return waited;
  return *outcome;
}

std::uint64_t GrpcIngestSession::sent_bytes() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->outstanding.sent_bytes();
}

}  // namespace holdfast::transport
