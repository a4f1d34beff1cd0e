// Sealed objects of plain chunks kept on the agent's disk, so that a delta needs no download.
//
// Hides:      a key of its own (mode 0600, so a run key never lies on the disk), segments, the
//             index, who has to go.
// Invariants: I1  The segments have at most limit_bytes after Settle; Keep takes nothing above, nor
//                 more than a quarter of what was free on the disk.
//             I2  What cannot be read, written or trusted is not there: nothing here fails a run.
//             I3  What a run kept and did not settle is gone at the next Open.
// Threading:  every method from any thread, Settle after the others.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/crypto/secret.h"
#include "common/env/env.h"

namespace holdfast::delta {

class BaseCache {
 public:
  struct Options {
    Env env;
    std::string directory;
    std::uint64_t limit_bytes = 0;  // 0: keep nothing, and remove what is there
  };
  explicit BaseCache(Options options);
  BaseCache(const BaseCache&) = delete;

  // What objects in the cache are sealed with.
  const KeyId& key_id() const { return key_id_; }
  const SecretBytes& key() const { return key_; }

  bool WantsMore() const;  // there is room
  void Keep(const ChunkId& id, ByteView object);
  std::optional<Bytes> Read(const ChunkId& id);
  void Drop(const ChunkId& id);  // it turned out to be damaged
  // Removes what is not in `live`, writes the index.
  void Settle(const absl::flat_hash_set<ChunkId>& live);

  std::uint64_t stored_bytes() const;
  std::size_t size() const;

 private:
  struct Place {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
  };
  struct Segment {
    std::uint64_t bytes = 0;
    std::unique_ptr<File> file;  // opened on first use
  };

  std::string SegmentPath(std::uint64_t number) const;
  bool LoadKey();
  bool LoadIndex();
  void RemoveStrangers();
  void Append(const ChunkId& id, ByteView object);
  std::optional<Bytes> ReadPlace(const Place& place);
  void RemoveSegment(std::uint64_t number);
  void MakeRoom(const std::map<std::uint64_t, std::uint64_t>& live_bytes);
  absl::Status SaveIndex();

  const Options options_;
  std::uint64_t limit_bytes_ = 0;  // of the options, or less on a full disk
  KeyId key_id_;
  SecretBytes key_;
  mutable std::mutex mutex_;  // guards all below
  bool usable_ = false;
  std::uint64_t next_segment_ = 1;
  std::optional<std::uint64_t> writing_;
  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t total_bytes_ = 0;
  absl::flat_hash_map<ChunkId, Place> places_;
};

}  // namespace holdfast::delta
