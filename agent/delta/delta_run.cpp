#include "agent/delta/delta_run.h"

#include <algorithm>

#include "common/base/error.h"

namespace holdfast::delta {
namespace {

constexpr std::size_t kSampleBytes = 16u << 10;
// Bytes that were put in or left out before the sample move it by less, one hopes.
constexpr std::size_t kDriftBytes = 128u << 10;

bool SampleResembles(ObjectSealer& sealer, ByteView plaintext, ByteView base,
                     const BaseChoice& choice) {
  const std::size_t at = std::min(choice.chunk_at, plaintext.size());
  const std::size_t begin = at - std::min(at, kSampleBytes / 2);
  const ByteView sample = plaintext.substr(begin, kSampleBytes);
  if (!choice.base_at_is_known) return sealer.Resembles(sample, base);
  const std::size_t middle = std::min(choice.base_at, base.size());
  const std::size_t first = middle - std::min(middle, kDriftBytes);
  return sealer.Resembles(sample, base.substr(first, 2 * kDriftBytes));
}

}  // namespace

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
  if (!run_.making_) return {};
  choice.replaces = !choice.bases.empty();
  if (!ShouldRebase(id, choice)) return choice;
  choice.bases.clear();
  choice.others.clear();
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
  for (const BaseChoice& other : choice.others) AddUnconfirmed(other, ids);
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

std::shared_ptr<const Bytes> DeltaRun::Plaintext(ObjectSealer& sealer, const Base& base) {
  {
    std::lock_guard lock(mutex_);
    const auto confirmed = confirmed_.find(base.id);
    if (confirmed == confirmed_.end() || !confirmed->second) return nullptr;
  }
  BaseReader::Found found = reader_.Get(base.id);
  if (found.plaintext && !found.was_cached && cache_.WantsMore()) {
    Bytes object;
    sealer.Seal(ObjectType::kContent, base.id, *found.plaintext, &object);
    object.clear();
    sealer.SealCopy(cache_.key_id(), cache_.key(), *found.plaintext, &object);
    cache_.Keep(base.id, object);
  }
  return std::move(found.plaintext);
}

// Whether a sample of the chunk is like its place in the likeliest base, or like any base when it
// is not known in which one of an old delta's that place is; true when bases cannot be had.
bool DeltaRun::SeemsAlike(ObjectSealer& sealer, ByteView plaintext, const BaseChoice& choice) {
  const auto is_alike = [&](const Base& base) {
    const auto bytes = Plaintext(sealer, base);
    return !bytes || SampleResembles(sealer, plaintext, *bytes, choice);
  };
  if (choice.base_at_is_known) return is_alike(choice.bases[choice.likely_base]);
  return std::any_of(choice.bases.begin(), choice.bases.end(), is_alike);
}

// Where there is doubt, a sample of the chunk decides whether all bases are read.
DeltaRun::Obtained DeltaRun::Obtain(ObjectSealer& sealer, ByteView plaintext,
                                    const BaseChoice& likeliest) {
  Perseverance& perseverance = PerseveranceFor(likeliest);
  if (likeliest.bases.empty() || !perseverance.ShouldTry()) return {likeliest, {}};
  const BaseChoice* choice = &likeliest;
  bool alike = true;
  if (perseverance.Doubts() || !likeliest.others.empty()) {
    alike = SeemsAlike(sealer, plaintext, likeliest);
    for (const BaseChoice& other : likeliest.others) {
      if (alike) break;
      choice = &other;
      alike = SeemsAlike(sealer, plaintext, other);
    }
  }
  if (!alike) {
    perseverance.Failed();
    return {likeliest, {}};
  }
  Obtained obtained{*choice, {}};
  for (const Base& base : choice->bases) {
    auto bytes = Plaintext(sealer, base);
    if (bytes) obtained.held.push_back({base, std::move(bytes)});
  }
  return obtained;
}

void DeltaRun::Seal(ObjectSealer& sealer, ObjectType type, const ChunkId& id, ByteView plaintext,
                    const BaseChoice& likeliest, Bytes* object) {
  if (type != ObjectType::kContent) return sealer.Seal(type, id, plaintext, object);
  const std::size_t before = object->size();
  const auto [choice, held] = Obtain(sealer, plaintext, likeliest);
  if (!held.empty()) {
    ObjectSealer::Bases bases;
    for (const Held& one : held) bases.emplace_back(one.base.id, *one.plaintext);
    const Codec codec =
        sealer.SealSmaller(type, id, plaintext, bases, choice.expected_plain_bytes, object);
    const std::size_t stored = object->size() - before;
    if (codec == Codec::kZstdDelta) {
      PerseveranceFor(likeliest).Succeeded();
      ++delta_count_;
      return NoteSealed(id, stored, held, choice.spent_bytes + stored);
    }
    PerseveranceFor(likeliest).Failed();
  } else {
    sealer.Seal(type, id, plaintext, object);
  }
  NoteSealed(id, object->size() - before, {}, 0);
  // What changed once is likely to change again.
  if (!likeliest.replaces && !options_.keep_new) return;
  if (plaintext.size() < kMinDeltaBytes || !cache_.WantsMore()) return;
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
