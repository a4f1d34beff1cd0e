// IngestSession over gRPC, surviving cuts of the connection.
//
// Hides:      the bidirectional stream, its reader thread, reconnecting with backoff, sending again
//             what was not STORED.
// Invariants: I1  An object leaves memory only when the controller said STORED for it on the stream
//                 it was sent on.
//             I2  After a cut the same run_id is opened again and everything outstanding is sent
//                 again, in order; nothing that was STORED is sent twice.
//             I3  Without progress for `patience` the session fails with kUnreachable, 6007 when a
//                 stream lives and says nothing.
// Threading:  as IngestSession; a thread of its own reads, one watches it.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "absl/time/time.h"
#include "agent/pipeline/ingest_session.h"
#include "common/env/env.h"
#include "common/rate/rate_limit.h"

namespace grpc {
class Channel;
}

namespace holdfast::transport {

class GrpcIngestSession final : public pipeline::IngestSession {
 public:
  struct Options {
    Env env;
    std::function<std::shared_ptr<grpc::Channel>()> connect;  // a fresh channel for every try
    std::function<absl::Status()> diagnose;                   // says why a connection fails
    SourceId source_id;
    Bytes run_id;
    absl::Duration patience = absl::Minutes(10);
    RateLimit* limit = nullptr;  // shared by all sessions of the agent; null: none
  };
  GrpcIngestSession(Options options, std::stop_token stop);
  ~GrpcIngestSession() override;

  absl::StatusOr<pipeline::SessionStart> Start() override;
  absl::StatusOr<pipeline::KnownChunks> Ask(const std::vector<ChunkId>& ids) override;
  absl::Status Send(Bytes object) override;
  absl::Status PutEnvelope(const KeyId& key_id, Bytes envelope) override;
  absl::StatusOr<pipeline::CommitOutcome> Commit(const pipeline::CommitRequest& request) override;

  std::uint64_t sent_bytes() const;  // over all streams, repeats included

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::transport
