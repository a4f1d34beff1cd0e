#include "agent/transport/control_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/transport/backoff.h"
#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "proto/control.grpc.pb.h"

namespace holdfast::transport {

namespace {
constexpr std::size_t kKeptResults = 32;
}  // namespace

using ControlStream = grpc::ClientReaderWriter<v1::AgentMessage, v1::ControllerMessage>;

struct ControlClient::Impl {
  explicit Impl(Options client_options) : options(std::move(client_options)) {
    reader = std::jthread([this](std::stop_token stop) { Serve(stop); });
    heart = std::jthread([this](std::stop_token stop) { Beat(stop); });
  }
  ~Impl() {
    heart.request_stop();
    reader.request_stop();
    std::lock_guard lock(mutex);
    if (context != nullptr) context->TryCancel();
  }

  void Serve(std::stop_token stop) {
    Backoff backoff(options.env, absl::Seconds(1), absl::Minutes(1));
    while (!stop.stop_requested()) {
      absl::Status status = ServeOnce(backoff, stop);
      if (stop.stop_requested()) return;
      if (reconnecting.exchange(false)) continue;
      if (IsRetryable(status) && options.diagnose) {
        if (absl::Status cause = options.diagnose(); !cause.ok()) status = cause;
      }
      options.on_trouble(status);
      backoff.Wait(stop);
    }
  }

  absl::Status ServeOnce(Backoff& backoff, const std::stop_token& stop) {
    auto channel = options.connect();
    RETURN_IF_ERROR(options.on_connected(*channel));
    auto stub = v1::Control::NewStub(channel);
    grpc::ClientContext own_context;
    {
      std::lock_guard lock(mutex);
      context = &own_context;
      if (stop.stop_requested()) own_context.TryCancel();
    }
    std::unique_ptr<ControlStream> own_stream = stub->Session(&own_context);
    v1::AgentMessage hello;
    hello.mutable_hello()->set_protocol_version(rpc::kProtocolVersion);
    options.fill_hello(hello.mutable_hello());
    // Done, but the controller may not know yet: it must not take these jobs for lost.
    for (const Bytes& id : RewindResults()) hello.mutable_hello()->add_running_jobs(id);
    v1::ControllerMessage message;
    if (own_stream->Write(hello) && own_stream->Read(&message) && message.has_welcome()) {
      backoff.Reset();
      Attach(own_stream.get());
      while (own_stream->Read(&message)) {
        if (message.has_job()) options.on_job(message.job());
        if (message.has_cancel()) options.on_cancel(message.cancel().job_id());
      }
    }
    {
      std::lock_guard write_lock(write_mutex);
      std::lock_guard lock(mutex);
      stream = nullptr;
      context = nullptr;
    }
    const absl::Status status = rpc::FromGrpc(own_stream->Finish());
    if (!status.ok()) return status;
    return Error(ErrorKind::kUnreachable, 6001, "the controller ended the stream");
  }

  // From here on others may write; results of the time without a stream go first.
  void Attach(ControlStream* own_stream) {
    std::lock_guard write_lock(write_mutex);
    {
      std::lock_guard lock(mutex);
      stream = own_stream;
    }
    FlushResultsLocked();
  }

  void FlushResultsLocked() {
    for (;;) {
      v1::AgentMessage message;
      ControlStream* current = nullptr;
      {
        std::lock_guard lock(mutex);
        current = stream;
        if (current == nullptr || results_sent == results.size()) return;
        *message.mutable_result() = results[results_sent];
      }
      if (!current->Write(message)) return;
      std::lock_guard lock(mutex);
      ++results_sent;
    }
  }

  // A result that was written may still be lost with its connection, and nothing acknowledges it:
  // the next stream gets the latest ones again, and the controller ignores those that it knows.
  std::vector<Bytes> RewindResults() {
    std::lock_guard lock(mutex);
    results_sent = 0;
    std::vector<Bytes> ids;
    for (const v1::JobResult& result : results) ids.push_back(result.job_id());
    return ids;
  }

  void Keep(const v1::JobResult& result) {
    std::lock_guard lock(mutex);
    results.push_back(result);
    if (results.size() > kKeptResults && results_sent > 0) {
      results.pop_front();
      --results_sent;
    }
  }

  void Write(const v1::AgentMessage& message) {
    std::lock_guard write_lock(write_mutex);
    ControlStream* current = nullptr;
    {
      std::lock_guard lock(mutex);
      current = stream;
    }
    if (current != nullptr) current->Write(message);
  }

  void Beat(std::stop_token stop) {
    while (options.env.clock.SleepFor(options.heartbeat, stop)) {
      SendHeartbeat();
    }
  }

  void SendHeartbeat() {
    v1::AgentMessage message;
    message.mutable_heartbeat()->set_clock_ms(
        static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now())));
    if (options.fill_heartbeat) options.fill_heartbeat(message.mutable_heartbeat());
    Write(message);
  }

  const Options options;
  std::atomic<bool> reconnecting = false;
  std::mutex write_mutex;  // held while writing; taken before `mutex`
  std::mutex mutex;        // guards all below
  ControlStream* stream = nullptr;
  grpc::ClientContext* context = nullptr;
  std::deque<v1::JobResult> results;  // the latest, oldest first
  std::size_t results_sent = 0;       // of them, on the current stream
  std::jthread reader;
  std::jthread heart;
};

ControlClient::ControlClient(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
ControlClient::~ControlClient() = default;

void ControlClient::SendProgress(const v1::JobProgress& progress) {
  v1::AgentMessage message;
  *message.mutable_progress() = progress;
  impl_->Write(message);
}

void ControlClient::SendHeartbeat() { impl_->SendHeartbeat(); }

void ControlClient::Reconnect() {
  std::lock_guard lock(impl_->mutex);
  if (impl_->context == nullptr) return;  // it will say hello anyway
  impl_->reconnecting = true;
  impl_->context->TryCancel();
}

void ControlClient::SendResult(const v1::JobResult& result) {
  impl_->Keep(result);
  std::lock_guard write_lock(impl_->write_mutex);
  impl_->FlushResultsLocked();
}

}  // namespace holdfast::transport
