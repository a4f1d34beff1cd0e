// A controller kept in memory, and the ingest session with it: what the engine talks to in tests.
//
// The controller checks what the real one checks at commit: the chain of records, the reference
// list named by the record, the presence of every chunk and of the bases of deltas. What was
// committed can be opened with OpenSnapshot. Sessions can be told to lie or to fail.
// Threading:  as IngestSession.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "agent/pipeline/ingest_session.h"
#include "common/snapshot/opener.h"
#include "tests/support/agent_domain.h"

namespace holdfast::test {

class FakeController final : public ChunkFetcher {
 public:
  explicit FakeController(const AgentDomain& agent)
      : recipients(agent.Recipients()),
        identity(agent.identity_document),
        domain_secrets(agent.secrets_document) {}

  struct Snapshot {
    Bytes record;
    std::set<ChunkId> references;
    bool full_list = false;
  };
  Bytes recipients;  // handed out at the start of a session
  Bytes identity;
  Bytes domain_secrets;
  std::vector<Snapshot> snapshots;  // [0] has seq 1
  std::map<ChunkId, Bytes> objects;
  std::map<KeyId, Bytes> envelopes;

  SnapshotDocuments Documents(std::uint64_t seq) const;
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override;
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override;
  std::mutex& mutex() { return mutex_; }
  // Empty unless the chunk is there and a delta.
  std::vector<ChunkId> BasesOf(const ChunkId& id) const;
  // It is there, and so are its bases.
  bool IsLive(const ChunkId& id) const;

 private:
  std::mutex mutex_;  // guards objects and envelopes while a run or a view is at work
};

class FakeIngestSession final : public pipeline::IngestSession {
 public:
  explicit FakeIngestSession(FakeController& controller) : controller_(controller) {}

  // What happened.
  std::vector<ChunkId> asked;
  std::vector<ChunkId> sent;  // ids of the objects, in order
  int commits = 0;

  // What is to happen.
  std::optional<pipeline::Committed> already_committed;
  std::function<absl::Status(int nth)> on_ask = [](int) { return absl::OkStatus(); };
  std::function<absl::Status(int nth)> on_send = [](int) { return absl::OkStatus(); };
  std::function<bool(const ChunkId&)> claims_to_have = [](const ChunkId&) { return false; };
  std::function<void(pipeline::SessionStart*)> alter_start = [](pipeline::SessionStart*) {};
  absl::Status refuse_commit;  // when not OK
  std::function<void(pipeline::CommitOutcome*)> alter_outcome = [](pipeline::CommitOutcome*) {};
  std::size_t answer_short_by = 0;  // answers of a dedup question left out
  bool drops_objects = false;       // Send says OK and keeps nothing

  absl::StatusOr<pipeline::SessionStart> Start() override;
  absl::StatusOr<pipeline::KnownChunks> Ask(const std::vector<ChunkId>& ids) override;
  absl::Status Send(Bytes object) override;
  absl::Status PutEnvelope(const KeyId& key_id, Bytes envelope) override;
  absl::StatusOr<pipeline::CommitOutcome> Commit(const pipeline::CommitRequest& request) override;

 private:
  FakeController& controller_;
  int asks_ = 0;
  int sends_ = 0;
};

}  // namespace holdfast::test
