// The delta side of one backup run: chooses bases, seals deltas, knows what every chunk is stored
// as, and remembers it for the next run.
//
// Hides:      state file, base choice, base plaintexts, when to give up, when to rebase.
// Invariants: I1  A delta names only bases of which the controller said in this run that it has
//                 them as plain chunks.
//             I2  BasesOf names the bases of every delta among the chunks of the snapshot, whoever
//                 sealed it and whenever: together with the chunks they are its reference set.
//             I3  Nothing here fails a run: without state, cache or controller chunks are plain.
// Threading:  Begin, Remember: alone. A Lane belongs to one thread. The rest from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/delta/base_cache.h"
#include "agent/delta/base_chooser.h"
#include "agent/delta/base_reader.h"
#include "agent/delta/perseverance.h"
#include "common/format/object.h"

namespace holdfast::delta {

class DeltaRun {
 public:
  struct Options {
    Env env;
    bool enabled = true;  // false: makes no deltas, and still keeps the bases of old ones
    std::string state_path;
    std::string cache_directory;
    std::uint64_t cache_bytes = 0;
    // In the cache; else only what took the place of old content, and what was fetched.
    bool keep_new = false;
    BaseReader::Options reader;
  };
  explicit DeltaRun(Options options);

  // Of the snapshot before this one, by its record; zero when there is none.
  void Begin(const Hash256& previous_record);
  // From now on everything is sealed plain: the controller lacked something it should have had.
  void MakeNoMore() {
    making_ = false;
    delta_count_ = 0;
  }

  // Follows one stream of chunks.
  class Lane {
   public:
    explicit Lane(DeltaRun& run) : run_(run), cursor_(*run.chooser_) {}
    BaseChoice Next(ObjectType type, const ChunkId& id, ByteView plaintext);

   private:
    DeltaRun& run_;
    BaseChooser::Cursor cursor_;
  };

  // Bases of `choice` of which the controller was not asked yet.
  void AddUnconfirmed(const BaseChoice& choice, std::vector<ChunkId>* ids) const;
  // What the controller said: it has the chunk, as a delta against `bases` when there are any.
  void NoteAnswer(const ChunkId& id, bool has, const std::vector<ChunkId>& bases);

  // Appends the sealed object; a delta when that pays.
  void Seal(ObjectSealer& sealer, ObjectType type, const ChunkId& id, ByteView plaintext,
            const BaseChoice& choice, Bytes* object);

  // Those of `content` of which it is not known what they are stored as: to be asked.
  std::vector<ChunkId> Unknown(const std::vector<ChunkId>& content) const;
  std::vector<ChunkId> BasesOf(const std::vector<ChunkId>& content) const;
  // `content` in its order. The snapshot is committed; what cannot be kept is not kept.
  absl::Status Remember(const std::vector<ChunkId>& content, const Hash256& record);

  std::uint64_t delta_count() const { return delta_count_; }  // sealed since Begin or MakeNoMore

 private:
  struct Fact {
    KnownChunk chunk;
    bool settled = false;  // stored_bytes and bases are those of the controller's copy
  };
  struct Held {
    Base base;
    std::shared_ptr<const Bytes> plaintext;
  };

  struct Obtained {
    const BaseChoice& choice;
    std::vector<Held> held;  // empty: none is to be had, or it is not to be tried
  };

  void NoteOffered(const ChunkId& id, ByteView plaintext);
  // Null: not to be had, or not to be used.
  std::shared_ptr<const Bytes> Plaintext(ObjectSealer& sealer, const Base& base);
  bool SeemsAlike(ObjectSealer& sealer, ByteView plaintext, const BaseChoice& choice);
  Obtained Obtain(ObjectSealer& sealer, ByteView plaintext, const BaseChoice& likeliest);
  void NoteSealed(const ChunkId& id, std::size_t stored_bytes, const std::vector<Held>& bases,
                  std::uint64_t spent_bytes);
  Perseverance& PerseveranceFor(const BaseChoice& choice) {
    if (!choice.others.empty()) return perseverance_by_either_;
    return choice.has_edge ? perseverance_by_edge_ : perseverance_by_place_;
  }
  Base Describe(const ChunkId& base) const;
  // Null: not known. Requires the mutex.
  const KnownChunk* Find(const ChunkId& id) const;

  const Options options_;
  DeltaState previous_;
  bool previous_known_ = false;  // chunks of the previous snapshot not in previous_ are plain
  std::unique_ptr<BaseChooser> chooser_;
  absl::flat_hash_map<ChunkId, Base> old_bases_;
  BaseCache cache_;
  BaseReader reader_;
  // One for choices by an edge, one for those by place, one for those that may be either: what was
  // put in at one place, chunk after chunk without a likeness, says nothing of chunks that begin or
  // end as old ones do.
  Perseverance perseverance_by_edge_;
  Perseverance perseverance_by_place_;
  Perseverance perseverance_by_either_;
  std::atomic<bool> making_{false};
  std::atomic<std::uint64_t> delta_count_{0};

  mutable std::mutex mutex_;  // guards all below
  absl::flat_hash_map<ChunkId, Fact> facts_;
  absl::flat_hash_map<ChunkId, bool> confirmed_;  // bases: usable or not
};

}  // namespace holdfast::delta
