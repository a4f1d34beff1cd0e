// What must hold after a death, and at the end of a schedule.
#include <algorithm>

#include "common/base/error.h"
#include "common/format/object.h"
#include "common/format/record.h"
#include "tests/fault/disk/sim_world.h"

namespace holdfast::test {

void SimWorld::Check() {
  if (!failure_.empty()) return;
  for (Source& source : sources_) CheckSource(source);
  CheckStored();
  CheckPacks();
}

// `is` must be one of the states it may have; then it is the only one.
bool SimWorld::CheckState(Snapshot& snapshot, State is, const std::string& name) {
  if ((snapshot.states & is) == 0) {
    return Fail((is == kGone ? "LOST: snapshot " : "MISMATCH: the state of snapshot ") + name);
  }
  snapshot.states = is;
  return true;
}

void SimWorld::CheckSource(Source& source) {
  const auto rows = catalog_->ListSnapshots(source.id, 1000);
  const auto trash = catalog_->collection().ListTrash();
  if (!Expect(rows.status(), "list snapshots") || !Expect(trash.status(), "list the trash")) return;
  std::map<std::uint64_t, std::pair<State, Hash256>> actual;
  for (const auto& row : *rows) actual[row.seq] = {kCommitted, row.snapshot_id};
  for (const auto& one : *trash) {
    if (one.snapshot.source != source.id || one.purging) continue;
    actual[one.snapshot.seq] = {kTrashed, one.snapshot.snapshot_id};
  }
  source.unsure = false;
  for (const auto& [seq, found] : actual) {
    const auto known = source.snapshots.find(seq);
    const bool same =
        known != source.snapshots.end() && RecordHash(known->second.record) == found.second;
    if (same) continue;
    // Of a commit that failed: it may be there after all, if no other of its number was answered.
    const auto doubtful = source.doubtful.find(found.second);
    const bool may_be_replaced =
        known == source.snapshots.end() || (known->second.states & kGone) != 0;
    if (doubtful == source.doubtful.end() || !may_be_replaced) {
      Fail("MISMATCH: another snapshot " + std::to_string(seq) + " than was committed");
      return;
    }
    source.snapshots[seq] = doubtful->second;
    source.snapshots[seq].states = kCommitted;
  }
  for (auto snapshot = source.snapshots.begin(); snapshot != source.snapshots.end();) {
    const auto found = actual.find(snapshot->first);
    const State is = found == actual.end() ? kGone : found->second.first;
    if (!CheckState(snapshot->second, is, std::to_string(snapshot->first))) return;
    if (is == kGone) {
      // If its commit failed a moment ago, a crash may bring it back.
      source.doubtful[RecordHash(snapshot->second.record)] = snapshot->second;
      snapshot = source.snapshots.erase(snapshot);
      continue;
    }
    CheckSnapshot(source, snapshot->first, snapshot->second);
    ++snapshot;
  }
}

void SimWorld::CheckSnapshot(const Source& source, std::uint64_t seq, const Snapshot& snapshot) {
  const std::string name = std::to_string(seq);
  const auto record = store_->GetRecord(source.id, seq);
  if (!Expect(record.status(), "read the record of snapshot " + name)) return;
  if (*record != snapshot.record) {
    Fail("MISMATCH: the record of snapshot " + name);
    return;
  }
  const RecordClear clear = ParseRecord(*record).value();
  const auto references = store_->GetReferences(source.id, seq);
  if (!Expect(references.status(), "read the reference list of snapshot " + name)) return;
  if (Sha256(*references) != clear.reference_list_hash)
    Fail("MISMATCH: the reference list " + name);
  if (!HasEnvelope(clear.key_ids.front())) Fail("LOST: the envelope of snapshot " + name);
  for (const int chunk : snapshot.chunks) {
    if (!Reads(chunk)) Fail("LOST: a chunk of snapshot " + name);
  }
  if (snapshot.states != kCommitted) return;
  const auto set = catalog_->References(source.id, seq);
  if (!Expect(set.status(), "list the references of snapshot " + name)) return;
  if (set->size() != snapshot.chunks.size()) Fail("MISMATCH: the references of snapshot " + name);
}

bool SimWorld::Reads(int chunk) {
  const auto index = static_cast<std::size_t>(chunk);
  const auto place = catalog_->Locate(agent_.secrets.domain, {ids_[index]});
  if (!Expect(place.status(), "find chunk " + std::to_string(chunk))) return false;
  const auto& at = place->front();
  const auto object =
      store_->ReadObject(at.pack.name, at.pack.open_number, at.offset_bytes, at.length_bytes);
  if (!Expect(object.status(), "read chunk " + std::to_string(chunk))) return false;
  if (!objects_[index].contains(*object)) return Fail("MISMATCH: the bytes of a chunk");
  const ObjectHeader header = ParseObjectHeader(*object).value();
  return HasEnvelope(header.key_id);
}

bool SimWorld::HasEnvelope(const KeyId& key) {
  const auto envelope = store_->GetEnvelope(agent_.secrets.domain, key);
  if (!Expect(envelope.status(), "read the envelope of something that is kept")) return false;
  return *envelope == EnvelopeOf(key) || Fail("MISMATCH: the bytes of an envelope");
}

void SimWorld::CheckStored() {
  for (const int chunk : stored_) {
    if (!Reads(chunk)) Fail("LOST: a chunk that was called STORED");
  }
}

// Whatever the catalog calls LIVE is there.
void SimWorld::CheckPacks() {
  const auto packs = catalog_->ListPacks();
  if (!Expect(packs.status(), "list packs")) return;
  for (const auto& pack : *packs) {
    const auto chunks = catalog_->LiveChunksOf(pack.name);
    if (!Expect(chunks.status(), "list the chunks of a pack")) return;
    for (const auto& chunk : *chunks) {
      if (!Expect(store_->ReadObject(pack.name, 0, chunk.offset_bytes, chunk.length_bytes).status(),
                  "read a chunk that the catalog calls live")) {
        return;
      }
    }
  }
}

// One more backup of each source; everything before it goes.
void SimWorld::LetGo() {
  if (!failure_.empty()) return;
  for (Source& source : sources_) {
    if (!Expect(Backup(source, Agent::kStays), "back up at the end")) return;
    std::vector<std::uint64_t> seqs;
    for (const auto& [seq, snapshot] : source.snapshots) {
      if (snapshot.states == kCommitted && seq != Head(source)) seqs.push_back(seq);
    }
    for (const std::uint64_t seq : seqs) source.snapshots[seq].states = kTrashed;
    if (!Expect(collector_->Forget(source.id, seqs, "root"), "forget at the end")) return;
  }
  for (int day = 0; day < 5; ++day) {
    if (!Expect(Collect(absl::Hours(24)), "collect at the end")) return;
  }
  if (!Expect(store_->RemoveOrphanedParity().status(), "remove orphaned parity")) return;
  Close();
  if (!Expect(Open(), "open at the end")) return;
  Check();
  CheckNothingLeaks();
}

void SimWorld::CheckNothingLeaks() {
  std::set<int> needed;
  std::size_t heads = 0;
  for (const Source& source : sources_) {
    heads += source.snapshots.empty() ? 0 : 1;
    if (source.snapshots.size() > 1) Fail("LEAK: a forgotten snapshot");
    for (const auto& [seq, snapshot] : source.snapshots) {
      needed.insert(snapshot.chunks.begin(), snapshot.chunks.end());
    }
  }
  std::map<std::string, std::size_t> count;  // by extension
  std::vector<std::string> directories = {directory_.path()};
  for (std::size_t i = 0; i < directories.size(); ++i) {
    for (const std::string& name : disk_->Names(directories[i])) {
      const std::string path = JoinPath(directories[i], name);
      if (disk_->IsDirectory(path)) directories.push_back(path);
      if (const auto dot = name.rfind('.'); dot != std::string::npos) ++count[name.substr(dot)];
    }
  }
  const auto totals = catalog_->GetTotals();
  if (!Expect(totals.status(), "count")) return;
  const auto equal = [&](std::uint64_t is, std::uint64_t should, const std::string& what) {
    if (is != should) {
      Fail("LEAK: " + std::to_string(is) + " " + what + ", not " + std::to_string(should));
    }
  };
  equal(totals->chunk_count, needed.size(), "chunks in the catalog");
  equal(count[".pack"], totals->pack_count, "packs on the disk");
  equal(count[".record"], heads, "records");
  equal(count[".commit"], heads, "commit facts");
  for (const char* left : {".tmp", ".open", ".finished", ".damaged"}) {
    equal(count[left], 0, std::string(left) + " files");
  }
}

}  // namespace holdfast::test
