// What a backup session has to say and is not answered yet. A stream that is cut loses none of it:
// on the next one it is said again.
//
// Hides:      in which order things are said, how objects are put into messages, what was said on
//             this stream.
// Invariants: I1  An object is held until it is STORED; at most kMaxUnstoredBytes wait, or one.
//             I2  A commit is said after every object.
// Threading:  under the session's lock.
// Errors:     kIntegrity 6005: STORED of what was never sent.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/pipeline/ingest_session.h"

namespace holdfast::v1 {
class BackupRequest;
}

namespace holdfast::transport {

// One message. It borrows its objects instead of copying them, and keeps them while it is written,
// also when they are STORED meanwhile.
class Saying {
 public:
  Saying();
  ~Saying();
  const v1::BackupRequest& request() const { return *request_; }

 private:
  friend class Outstanding;
  std::vector<std::shared_ptr<Bytes>> borrowed_;
  std::unique_ptr<v1::BackupRequest> request_;
};

class Outstanding {
 public:
  void PutEnvelope(const KeyId& key_id, Bytes content) {
    envelope_.emplace(key_id, std::move(content));
    envelope_said_ = false;
  }
  void EnvelopeStored() { envelope_.reset(); }
  bool has_envelope() const { return envelope_.has_value(); }

  void Ask(const std::vector<ChunkId>& ids);
  bool TakeAnswer(std::uint64_t number);  // false: to no question that waits

  bool HasRoomFor(std::size_t object_bytes) const;
  void AddObject(Bytes object);
  // The first so many objects of this stream.
  absl::Status TakeStored(std::uint64_t objects);
  bool all_stored() const { return objects_.empty(); }
  std::uint64_t sent_bytes() const { return sent_bytes_; }  // of objects, again ones too

  void Commit(const pipeline::CommitRequest& request);  // lives until EndCommit
  void TakeOutcome(pipeline::CommitOutcome outcome) { outcome_ = std::move(outcome); }
  void EndCommit() { commit_ = nullptr; }
  const pipeline::CommitRequest* commit() const { return commit_; }
  const std::optional<pipeline::CommitOutcome>& outcome() const { return outcome_; }  // last

  void BeginStream();
  bool Next(Saying* saying);  // a new one; false: all was said
  bool ExpectsAnswer() const;

 private:
  void NextObjects(Saying* saying);

  std::optional<std::pair<KeyId, Bytes>> envelope_;
  bool envelope_said_ = false;

  std::optional<Bytes> question_;  // ids, packed
  std::uint64_t question_number_ = 0;
  bool question_said_ = false;

  std::deque<std::shared_ptr<Bytes>> objects_;  // in the order of AddObject
  std::size_t object_bytes_ = 0;
  std::size_t said_ = 0;                // of objects_, on this stream
  std::uint64_t stored_on_stream_ = 0;  // before those
  std::uint64_t sent_bytes_ = 0;

  const pipeline::CommitRequest* commit_ = nullptr;
  bool commit_said_ = false;
  std::optional<pipeline::CommitOutcome> outcome_;
};

}  // namespace holdfast::transport
