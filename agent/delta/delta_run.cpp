#include "agent/delta/delta_run.h"

#include <algorithm>

#include "common/base/error.h"

namespace holdfast::delta {

DeltaRun::DeltaRun(Options options)
    : options_(std::move(options)),
      cache_({options_.env, options_.cache_directory, options_.enabled ? options_.cache_bytes : 0}),
      reader_(options_.reader, cache_) {
  chooser_ = std::make_unique<BaseChooser>(previous_);
}

void DeltaRun::Begin(const Hash256& previous_record) {
  const bool first = previous_record.IsZero();
  previous_known_ = first || previous_.Load(options_.env.fs, options_.state_path, previous_record);
  if (first) previous_.Clear();
  for (const KnownChunk& chunk : previous_.chunks()) {
    for (const Base& base : chunk.bases) old_bases_.emplace(base.id, base);
  }
  chooser_ = std::make_unique<BaseChooser>(previous_);
  making_ = options_.enabled;
}

BaseChoice DeltaRun::Lane::Next(ObjectType type, const ChunkId& id, ByteView plaintext) {
  if (type != ObjectType::kContent) return {};
  run_.NoteOffered(id, plaintext);
  BaseChoice choice = cursor_.Next(id, plaintext);
  if (!run_.making_ || ShouldRebase(id, choice)) return {};
  return choice;
}

void DeltaRun::NoteOffered(const ChunkId& id, ByteView plaintext) {
  const std::uint64_t first = FirstEdge(plaintext);
  const std::uint64_t last = LastEdge(plaintext);
  std::lock_guard lock(mutex_);
  if (facts_.size() >= DeltaState::kMaxPlain) return;
  KnownChunk& chunk = facts_[id].chunk;
  chunk.id = id;
  chunk.plain_bytes = static_cast<std::uint32_t>(plaintext.size());
  chunk.first_edge = first;
  chunk.last_edge = last;
}

void DeltaRun::AddUnconfirmed(const BaseChoice& choice, std::vector<ChunkId>* ids) const {
  std::lock_guard lock(mutex_);
  for (const Base& base : choice.bases) {
    if (confirmed_.contains(base.id)) continue;
    if (std::find(ids->begin(), ids->end(), base.id) == ids->end()) ids->push_back(base.id);
  }
}

void DeltaRun::NoteAnswer(const ChunkId& id, bool has, const std::vector<ChunkId>& bases) {
  std::lock_guard lock(mutex_);
  confirmed_[id] = has && bases.empty();
  if (!has) return;
  auto found = facts_.find(id);
  if (found == facts_.end()) {
    if (bases.empty() && facts_.size() >= DeltaState::kMaxPlain) return;
    found = facts_.emplace(id, Fact()).first;
    // Not offered in this run: what the last one knew of it.
    if (const KnownChunk* old = previous_.Find(id); old != nullptr) found->second.chunk = *old;
  }
  Fact& fact = found->second;
  if (fact.settled) return;
  fact.chunk.id = id;
  fact.settled = true;
  const KnownChunk* old = previous_.Find(id);
  fact.chunk.stored_bytes = old != nullptr ? old->stored_bytes : 0;
  fact.chunk.spent_bytes = old != nullptr ? old->spent_bytes : 0;
  fact.chunk.bases.clear();
  for (const ChunkId& base : bases) fact.chunk.bases.push_back(Describe(base));
}

Base DeltaRun::Describe(const ChunkId& base) const {
  if (const auto found = old_bases_.find(base); found != old_bases_.end()) return found->second;
  const KnownChunk* known = previous_.Find(base);
  return known != nullptr && !known->is_delta() ? known->AsBase() : Base{base, 0, 0};
}

std::vector<DeltaRun::Held> DeltaRun::Obtain(ObjectSealer& sealer, const BaseChoice& choice) {
  std::vector<Held> held;
  if (choice.bases.empty() || !perseverance_.ShouldTry()) return held;
  for (const Base& base : choice.bases) {
    {
      std::lock_guard lock(mutex_);
      const auto confirmed = confirmed_.find(base.id);
      if (confirmed == confirmed_.end() || !confirmed->second) continue;
    }
    BaseReader::Found found = reader_.Get(base.id);
    if (!found.plaintext) continue;
    if (!found.was_cached && cache_.WantsMore()) {
      Bytes object;
      sealer.Seal(ObjectType::kContent, base.id, *found.plaintext, &object);
      object.clear();
      sealer.SealCopy(cache_.key_id(), cache_.key(), *found.plaintext, &object);
      cache_.Keep(base.id, object);
    }
    held.push_back({base, std::move(found.plaintext)});
  }
  return held;
}

void DeltaRun::Seal(ObjectSealer& sealer, ObjectType type, const ChunkId& id, ByteView plaintext,
                    const BaseChoice& choice, Bytes* object) {
  if (type != ObjectType::kContent) return sealer.Seal(type, id, plaintext, object);
  const std::size_t before = object->size();
  const std::vector<Held> held = Obtain(sealer, choice);
  if (!held.empty()) {
    ObjectSealer::Bases bases;
    for (const Held& one : held) bases.emplace_back(one.base.id, *one.plaintext);
    const Codec codec =
        sealer.SealSmaller(type, id, plaintext, bases, choice.expected_plain_bytes, object);
    const std::size_t stored = object->size() - before;
    if (codec == Codec::kZstdDelta) {
      perseverance_.Succeeded();
      ++delta_count_;
      return NoteSealed(id, stored, held, choice.spent_bytes + stored);
    }
    perseverance_.Failed();
  } else {
    sealer.Seal(type, id, plaintext, object);
  }
  NoteSealed(id, object->size() - before, {}, 0);
  if (!options_.enabled || plaintext.size() < kMinDeltaBytes || !cache_.WantsMore()) return;
  Bytes copy;
  sealer.SealCopy(cache_.key_id(), cache_.key(), plaintext, &copy);
  cache_.Keep(id, copy);
}

void DeltaRun::NoteSealed(const ChunkId& id, std::size_t stored_bytes,
                          const std::vector<Held>& bases, std::uint64_t spent_bytes) {
  std::lock_guard lock(mutex_);
  const auto found = facts_.find(id);
  // Too many plain ones to remember; a delta has to be known.
  if (found == facts_.end() && bases.empty()) return;
  Fact& fact = found == facts_.end() ? facts_[id] : found->second;
  fact.chunk.id = id;
  fact.chunk.stored_bytes = static_cast<std::uint32_t>(stored_bytes);
  fact.chunk.spent_bytes = spent_bytes;
  fact.chunk.bases.clear();
  for (const Held& one : bases) fact.chunk.bases.push_back(one.base);
  fact.settled = true;
}

const KnownChunk* DeltaRun::Find(const ChunkId& id) const {
  const auto fact = facts_.find(id);
  if (fact != facts_.end() && fact->second.settled) return &fact->second.chunk;
  return previous_.Find(id);
}

std::vector<ChunkId> DeltaRun::Unknown(const std::vector<ChunkId>& content) const {
  std::vector<ChunkId> unknown;
  // Every chunk of this run was asked or is of the previous snapshot, of which all deltas are
  // known.
  if (previous_known_) return unknown;
  std::lock_guard lock(mutex_);
  absl::flat_hash_set<ChunkId> seen;
  for (const ChunkId& id : content) {
    if (Find(id) == nullptr && seen.insert(id).second) unknown.push_back(id);
  }
  return unknown;
}

std::vector<ChunkId> DeltaRun::BasesOf(const std::vector<ChunkId>& content) const {
  std::lock_guard lock(mutex_);
  std::vector<ChunkId> bases;
  for (const ChunkId& id : content) {
    const KnownChunk* chunk = Find(id);
    if (chunk == nullptr) continue;
    for (const Base& base : chunk->bases) bases.push_back(base.id);
  }
  return bases;
}

absl::Status DeltaRun::Remember(const std::vector<ChunkId>& content, const Hash256& record) {
  std::lock_guard lock(mutex_);
  DeltaState state;
  for (const ChunkId& id : content) {
    const auto fact = facts_.find(id);
    const KnownChunk* old = previous_.Find(id);
    if (fact != facts_.end() && fact->second.settled) {
      state.Add(fact->second.chunk);
    } else if (old != nullptr) {
      state.Add(*old);
    } else if (fact != facts_.end()) {
      state.Add(fact->second.chunk);  // of the previous snapshot, plain, seen for the first time
    }
  }
  absl::flat_hash_set<ChunkId> live;
  for (const KnownChunk& chunk : state.chunks()) {
    if (!chunk.is_delta()) live.insert(chunk.id);
    for (const Base& base : chunk.bases) live.insert(base.id);
  }
  cache_.Settle(live);
  return state.Save(options_.env.fs, options_.state_path, record);
}

}  // namespace holdfast::delta
