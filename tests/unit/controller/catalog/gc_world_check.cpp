// What must hold after every step of the collection's model.
#include <gtest/gtest.h>

#include <algorithm>

#include "fmt/format.h"
#include "tests/unit/controller/catalog/catalog_fixture.h"
#include "tests/unit/controller/catalog/gc_world.h"

namespace holdfast::catalog {

void World::ReadTables() {
  SqliteDb& db = catalog_->connection();
  const std::int64_t changes = db.Number("SELECT total_changes()").value();
  if (changes == changes_read_) return;
  changes_read_ = changes;
  spans_.clear();
  rows_.clear();
  Statement span = db.Prepare("SELECT chunk,source,first,last FROM span").value();
  while (span.Step().value()) {
    spans_.push_back(
        {span.Integer(0), source_rows_.at(span.Integer(1)), span.Unsigned(2), span.Unsigned(3)});
  }
  Statement row = db.Prepare(
                        "SELECT c.rid,c.id,c.domain,c.pack,c.off,c.state,ifnull(p.state,0),p.name,"
                        "p.open_number,EXISTS(SELECT 1 FROM cand WHERE chunk=c.rid) OR "
                        "EXISTS(SELECT 1 FROM trash WHERE chunk=c.rid) FROM chunk c "
                        "LEFT JOIN pack p ON p.row=c.pack")
                      .value();
  while (row.Step().value()) {
    rows_[row.Integer(0)] = {NumberOf(row.Id<ChunkId>(1).value()),
                             domains_.at(row.Integer(2)),
                             row.Integer(3),
                             row.Unsigned(4),
                             static_cast<int>(row.Integer(5)),
                             static_cast<int>(row.Integer(6)),
                             row.Blob(7),
                             row.Unsigned(8),
                             row.Integer(9) != 0};
  }
}

void World::Check() {
  if (!failure_.empty()) return;
  ReadTables();
  CheckSnapshots();
  CheckChunks();
  CheckPromises();
}

// Every snapshot that is kept or in the trash has exactly its set, and every chunk of it is LIVE.
void World::CheckSnapshots() {
  for (int source = 0; source < kSources; ++source) {
    for (const auto& [seq, snapshot] : snapshots_[static_cast<std::size_t>(source)]) {
      if (snapshot.fate == Fate::kPurging) continue;
      ChunkSet found;
      for (const Span& span : spans_) {
        if (span.source != source || span.first > seq || (span.last != 0 && span.last < seq)) {
          continue;
        }
        const auto row = rows_.find(span.chunk);
        if (row == rows_.end()) {
          return Fail(
              fmt::format("LOST: source {} seq {} references a chunk without a row", source, seq));
        }
        if (row->second.state != kChunkLive) return Fail("a referenced chunk is not LIVE");
        if (!found.insert(row->second.number).second) {
          return Fail(fmt::format("source {} seq {} has a chunk twice", source, seq));
        }
      }
      if (found != snapshot.chunks) {
        return Fail(fmt::format("MISMATCH: source {} seq {} has {} chunks, not its {}", source, seq,
                                found.size(), snapshot.chunks.size()));
      }
    }
  }
}

// Every row's object lies on the disk; nothing unreferenced is out of sight; every base is there.
void World::CheckChunks() {
  std::set<std::int64_t> referenced;
  for (const Span& span : spans_) referenced.insert(span.chunk);
  for (const auto& [rid, row] : rows_) {
    if (row.pack_state != kPackOpen && row.pack_state != kPackSealed) {
      return Fail(fmt::format("LOST: a chunk lies in a pack of state {}", row.pack_state));
    }
    if (row.pack_state == kPackSealed) {
      const auto pack = disk_.find(row.pack_name);
      if (pack == disk_.end()) return Fail("LOST: the pack of a chunk is not on the disk");
      const auto object = pack->second.objects.find(row.offset);
      if (object == pack->second.objects.end() || object->second != IdOfChunk(row.number)) {
        return Fail("LOST: the chunk is not where the catalog says");
      }
    } else if (!staging_.contains(row.open_number)) {
      return Fail("LOST: the open pack of a chunk is not on the disk");
    }
    if (!referenced.contains(rid) && !row.waiting) {
      return Fail("LEAK: a chunk without a reference is neither candidate nor condemned");
    }
  }
  Statement base = catalog_->connection()
                       .Prepare(
                           "SELECT 1 FROM delta d WHERE NOT EXISTS(SELECT 1 FROM chunk c "
                           "WHERE c.rid=d.base) OR NOT EXISTS(SELECT 1 FROM chunk c WHERE "
                           "c.rid=d.chunk)")
                       .value();
  if (base.Step().value()) Fail("LOST: the base of a delta");
}

// What an open session was told, or stored, is still there.
void World::CheckPromises() {
  ChunkSet live[3];  // by domain
  for (const auto& [rid, row] : rows_) {
    if (row.state == kChunkLive) live[row.domain].insert(row.number);
  }
  for (const auto& session : sessions_) {
    const ChunkSet& there = live[DomainOf(session->source)];
    for (const int chunk : session->promised) {
      if (!there.contains(chunk)) {
        return Fail(fmt::format("BROKEN PROMISE: chunk {} of an open session is gone", chunk));
      }
    }
  }
}

// When everybody has gone and collection has run to its end, there is exactly what is referenced.
void World::CheckNothingLeaks() {
  while (!sessions_.empty()) Close(*sessions_.back());
  now_ += 100;
  for (int source = 0; source < kSources; ++source) {
    while (AnySnapshot(source, Fate::kTrashed) || AnySnapshot(source, Fate::kPurging)) {
      const std::size_t before = snapshots_[static_cast<std::size_t>(source)].size();
      for (int i = 0; i < 200; ++i) Purge(source);
      if (snapshots_[static_cast<std::size_t>(source)].size() == before) break;  // the newest
    }
  }
  // A delta goes before its bases: they wait for another round.
  for (int round = 0; round < 3; ++round) {
    while (catalog_->CondemnStep(now_).value().more) {
    }
    while (catalog_->SweepStep(now_).value().more) {
    }
  }
  Check();
  if (!failure_.empty()) return;
  std::set<std::pair<int, int>> wanted;
  std::set<std::pair<int, int>> there;
  for (int source = 0; source < kSources; ++source) {
    for (const auto& [seq, snapshot] : snapshots_[static_cast<std::size_t>(source)]) {
      for (const int chunk : snapshot.chunks) wanted.insert({DomainOf(source), chunk});
      const auto references = catalog_->References(IdOfSource(source), seq);
      if (!references.ok()) return Fail(MessageOf(references.status()));
    }
  }
  for (const auto& [rid, row] : rows_) there.insert({row.domain, row.number});
  if (wanted != there) {
    return Fail(
        fmt::format("LEAK: {} chunks are there, {} are referenced", there.size(), wanted.size()));
  }
  const auto packs = catalog_->WeighTouchedPacks().value();
  for (const PackWeight& pack : packs) {
    if (pack.live_bytes == 0) Expect(catalog_->RetirePack(pack.pack_row).status(), "retire");
  }
  Statement empty = catalog_->connection()
                        .Prepare(
                            "SELECT 1 FROM pack p WHERE p.state=2 AND NOT EXISTS(SELECT 1 "
                            "FROM chunk c WHERE c.pack=p.row)")
                        .value();
  if (empty.Step().value()) Fail("LEAK: an empty pack was not looked at");
}

}  // namespace holdfast::catalog
