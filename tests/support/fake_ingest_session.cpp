#include "tests/support/fake_ingest_session.h"

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/reference_list.h"

namespace holdfast::test {
namespace {

absl::Status Refused(std::string_view why) {
  return Error(ErrorKind::kRefused, 9999, "the controller of the test refuses: " + Bytes(why));
}

}  // namespace

SnapshotDocuments FakeController::Documents(std::uint64_t seq) const {
  SnapshotDocuments documents;
  documents.record = snapshots.at(seq - 1).record;
  for (const auto& [id, envelope] : envelopes) documents.envelopes.push_back(envelope);
  documents.identity = identity;
  documents.domain_secrets = domain_secrets;
  return documents;
}

absl::StatusOr<std::vector<Bytes>> FakeController::Fetch(const DomainId&,
                                                         const std::vector<ChunkId>& ids) {
  std::lock_guard lock(mutex_);
  std::vector<Bytes> found;
  for (const ChunkId& id : ids) {
    const auto object = objects.find(id);
    if (object == objects.end()) return Error(ErrorKind::kNotFound, 9999, "no chunk " + id.hex());
    found.push_back(object->second);
  }
  return found;
}

absl::StatusOr<Bytes> FakeController::FetchEnvelope(const DomainId&, const KeyId& key_id) {
  std::lock_guard lock(mutex_);
  const auto envelope = envelopes.find(key_id);
  if (envelope == envelopes.end())
    return Error(ErrorKind::kNotFound, 9999, "no envelope " + key_id.hex());
  return envelope->second;
}

absl::StatusOr<pipeline::SessionStart> FakeIngestSession::Start() {
  pipeline::SessionStart start;
  start.head_seq = controller_.snapshots.size();
  if (start.head_seq > 0) start.head_record = controller_.snapshots.back().record;
  start.recipients = controller_.recipients;
  start.already_committed = already_committed;
  alter_start(&start);
  return start;
}

std::vector<ChunkId> FakeController::BasesOf(const ChunkId& id) const {
  const auto object = objects.find(id);
  if (object == objects.end()) return {};
  const auto header = ParseObjectHeader(object->second);
  return header.ok() ? header->bases : std::vector<ChunkId>();
}

bool FakeController::IsLive(const ChunkId& id) const {
  if (!objects.contains(id)) return false;
  for (const ChunkId& base : BasesOf(id)) {
    if (!objects.contains(base)) return false;
  }
  return true;
}

absl::StatusOr<pipeline::KnownChunks> FakeIngestSession::Ask(const std::vector<ChunkId>& ids) {
  RETURN_IF_ERROR(on_ask(asks_++));
  std::lock_guard lock(controller_.mutex());
  pipeline::KnownChunks known;
  for (const ChunkId& id : ids) {
    asked.push_back(id);
    const std::vector<ChunkId> bases = controller_.BasesOf(id);
    known.have.push_back(controller_.IsLive(id) || claims_to_have(id));
    if (known.have.back() && !bases.empty())
      known.deltas.emplace_back(known.have.size() - 1, bases);
  }
  known.have.resize(known.have.size() - std::min(known.have.size(), answer_short_by));
  return known;
}

absl::Status FakeIngestSession::Send(Bytes object) {
  RETURN_IF_ERROR(on_send(sends_++));
  ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(object));
  std::lock_guard lock(controller_.mutex());
  if (!controller_.envelopes.contains(header.key_id))
    return Refused("an object came before its envelope");
  sent.push_back(header.chunk_id);
  for (const ChunkId& base : header.bases) {
    if (!controller_.IsLive(base) || !controller_.BasesOf(base).empty())
      return Refused("a delta came without a plain base");
  }
  if (!drops_objects && !controller_.IsLive(header.chunk_id)) {
    controller_.objects[header.chunk_id] = std::move(object);
  }
  return absl::OkStatus();
}

absl::Status FakeIngestSession::PutEnvelope(const KeyId& key_id, Bytes envelope) {
  std::lock_guard lock(controller_.mutex());
  controller_.envelopes[key_id] = std::move(envelope);
  return absl::OkStatus();
}

absl::StatusOr<pipeline::CommitOutcome> FakeIngestSession::Commit(
    const pipeline::CommitRequest& request) {
  ++commits;
  RETURN_IF_ERROR(refuse_commit);
  auto& snapshots = controller_.snapshots;
  ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(request.record));
  if (clear.seq != snapshots.size() + 1) return Refused("the record has another number");
  const Hash256 head = snapshots.empty() ? Hash256() : RecordHash(snapshots.back().record);
  if (clear.previous != head) return Refused("the record does not follow the head");
  if (clear.reference_list_hash != Sha256(request.reference_list))
    return Refused("the record names another reference list");
  ASSIGN_OR_RETURN(const ReferenceList list, DecodeReferenceList(request.reference_list));
  FakeController::Snapshot snapshot{request.record, {}, list.full};
  if (!list.full) {
    if (list.base_seq != snapshots.size()) return Refused("the list has another base");
    snapshot.references = snapshots.back().references;
  }
  for (const ChunkId& id : list.removed) {
    if (snapshot.references.erase(id) == 0) return Refused("removed a chunk that was not there");
  }
  snapshot.references.insert(list.added.begin(), list.added.end());

  pipeline::CommitOutcome outcome;
  for (const ChunkId& id : snapshot.references) {
    if (!controller_.IsLive(id)) outcome.missing.push_back(id);
  }
  for (const ChunkId& id : snapshot.references) {
    for (const ChunkId& base : controller_.BasesOf(id)) {
      if (!snapshot.references.contains(base)) return Refused("the list lacks the base of a delta");
    }
  }
  if (outcome.missing.empty()) {
    outcome.committed = {clear.seq, RecordHash(request.record), 1, 0};
    snapshots.push_back(std::move(snapshot));
  }
  alter_outcome(&outcome);
  return outcome;
}

}  // namespace holdfast::test
