// What a backup session brought, worked on in order: objects are appended, synced and recorded in
// groups, and acknowledged; then the snapshot is committed.
//
// Hides:      the queue between the stream and the disk, the groups, one open pack.
// Invariants: I1  OnStored(n) comes after the first n objects are synced and in the catalog.
//             I2  OnCommitted comes after MoveRest and CommitRun.
//             I3  What waits here takes kSessionQueueBytes, one group and one message at most, and
//                 of all sessions together what the budget allows.
// Threading:  one thread brings, another one runs; `stop` ends both.
// Errors:     of the store and the catalog; Run ends with the first one.
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "common/concurrency/byte_budget.h"
#include "common/concurrency/byte_queue.h"
#include "controller/ingest/commit.h"
#include "controller/ingest/pack_writer.h"
#include "controller/quota/quotas.h"

namespace holdfast::ingest {

inline constexpr std::size_t kSessionQueueBytes = 8u << 20;

struct ReceivedObjects {
  std::vector<Bytes> objects;
  std::vector<ChunkId> ids;                 // of each object
  std::vector<std::vector<ChunkId>> bases;  // of each object
  std::size_t bytes = 0;                    // of all objects
};

// Called on the thread that runs.
class SessionReplies {
 public:
  virtual ~SessionReplies() = default;
  virtual void OnStored(std::uint64_t objects) = 0;  // of the whole session
  virtual void OnCommitted(const catalog::CommitResult& result) = 0;
};

class SessionWork {
 public:
  struct Into {
    Env env;
    catalog::Catalog& catalog;
    store::Store& store;
    ByteBudget& budget;          // of all sessions
    quota::QuotaSession& quota;  // is told what was stored
  };
  // All references must outlive it.
  SessionWork(const Into& into, const DomainId& domain, SessionReplies& replies);

  // Waits for room. After a stop nothing is taken.
  void Bring(ReceivedObjects objects, std::stop_token stop);
  void Bring(CommitInput commit, std::stop_token stop);
  void Close();  // nothing more is brought

  absl::Status Run(std::stop_token stop);  // until what was brought before Close is done

 private:
  struct Item {
    ReceivedObjects objects;
    std::optional<CommitInput> commit;
  };

  absl::Status Do(std::vector<Item>& items);
  absl::Status Append(ReceivedObjects& objects);
  absl::Status Acknowledge();
  absl::Status Commit(CommitInput& input);

  Into into_;
  SessionReplies& replies_;
  ByteBudget::Share room_;
  ByteQueue<Item> queue_{kSessionQueueBytes};
  PackWriter writer_;
  std::uint64_t appended_ = 0;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace holdfast::ingest
