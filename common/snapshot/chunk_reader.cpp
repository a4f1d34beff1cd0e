#include "common/snapshot/chunk_reader.h"

#include <algorithm>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kBaseBatch = 8;  // fetched and held together: ~8 MiB

}  // namespace

ChunkReader::ChunkReader(DomainId domain, std::shared_ptr<const HmacKey> id_key,
                         ObjectOpener::RunKeyLookup run_keys, std::shared_ptr<ChunkFetcher> fetcher,
                         std::size_t cache_bytes, ChunkIds chunk_ids)
    : domain_(domain),
      id_key_(std::move(id_key)),
      run_keys_(std::move(run_keys)),
      fetcher_(std::move(fetcher)),
      cache_limit_bytes_(cache_bytes),
      chunk_ids_(chunk_ids) {}

// What a snapshot refers to has to be there: that a store does not know it is damage.
absl::StatusOr<std::vector<Bytes>> ChunkReader::Fetch(const std::vector<ChunkId>& ids) {
  auto objects = fetcher_->Fetch(domain_, ids);
  if (!absl::IsNotFound(objects.status())) return objects;
  return Error(ErrorKind::kIntegrity, 4084, MessageOf(objects.status()),
               "Use another copy of the store if there is one, choose another snapshot, or restore "
               "the rest of files with --skip-bad.");
}

absl::StatusOr<std::vector<ChunkReader::Plaintext>> ChunkReader::Get(
    ObjectType type, const std::vector<ChunkId>& ids) {
  std::vector<Plaintext> result(ids.size());
  std::vector<ChunkId> missing;
  std::vector<std::size_t> missing_index;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    result[i] = Cached(ids[i]);
    if (result[i]) continue;
    missing.push_back(ids[i]);
    missing_index.push_back(i);
  }
  if (missing.empty()) return result;
  ASSIGN_OR_RETURN(const std::vector<Bytes> objects, Fetch(missing));
  if (objects.size() != missing.size()) {
    return Error(ErrorKind::kIntegrity, 4080,
                 fmt::format("unable to fetch {} chunks: the store gave {}", missing.size(),
                             objects.size()));
  }
  std::vector<Plaintext> opened(missing.size());
  RETURN_IF_ERROR(OpenAll(type, missing, objects, &opened));
  for (std::size_t i = 0; i < missing.size(); ++i) result[missing_index[i]] = std::move(opened[i]);
  return result;
}

// Plain chunks first: they may be bases of the others. Then deltas in order, so many together as
// need at most kBaseBatch bases that are not there yet; neighbours share bases.
absl::Status ChunkReader::OpenAll(ObjectType type, const std::vector<ChunkId>& ids,
                                  const std::vector<Bytes>& objects,
                                  std::vector<Plaintext>* opened) {
  struct Delta {
    std::size_t index;
    std::vector<ChunkId> bases;
  };
  std::vector<Delta> deltas;
  BaseMap held;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto header = ParseObjectHeader(objects[i]);
    if (header.ok() && header->codec == Codec::kZstdDelta) {
      deltas.push_back({i, std::move(header->bases)});
      continue;
    }
    ASSIGN_OR_RETURN((*opened)[i], Open(type, ids[i], objects[i], held));
    held[ids[i]] = (*opened)[i];
  }
  for (std::size_t begin = 0; begin < deltas.size();) {
    std::vector<ChunkId> lacked;
    std::size_t end = begin;
    for (; end < deltas.size() && lacked.size() < kBaseBatch; ++end) {
      for (const ChunkId& base : deltas[end].bases) {
        if (held.contains(base)) continue;
        if (Plaintext cached = Cached(base)) {
          held[base] = std::move(cached);
        } else if (std::find(lacked.begin(), lacked.end(), base) == lacked.end()) {
          lacked.push_back(base);
        }
      }
    }
    RETURN_IF_ERROR(WithContext(
        HoldBases(lacked, &held),
        fmt::format("unable to open chunk '{}', a delta", ids[deltas[begin].index].hex())));
    for (; begin < end; ++begin) {
      const std::size_t i = deltas[begin].index;
      ASSIGN_OR_RETURN((*opened)[i], Open(type, ids[i], objects[i], held));
    }
    // What the next ones need is in the cache too; these may go.
    held.clear();
  }
  return absl::OkStatus();
}

absl::Status ChunkReader::HoldBases(const std::vector<ChunkId>& ids, BaseMap* held) {
  if (ids.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<Bytes> objects, Fetch(ids));
  if (objects.size() != ids.size())
    return Error(ErrorKind::kIntegrity, 4080, "unable to fetch delta bases");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSIGN_OR_RETURN((*held)[ids[i]], Open(ObjectType::kContent, ids[i], objects[i], std::nullopt));
  }
  return absl::OkStatus();
}

// Depth 1: without `bases` a delta is refused, so a hostile store cannot build chains.
absl::StatusOr<ChunkReader::Plaintext> ChunkReader::Open(
    ObjectType type, const ChunkId& id, ByteView object,
    std::optional<std::reference_wrapper<const BaseMap>> bases) {
  std::unique_ptr<ObjectOpener> opener;
  {
    std::lock_guard lock(mutex_);
    if (!idle_openers_.empty()) {
      opener = std::move(idle_openers_.back());
      idle_openers_.pop_back();
    }
  }
  if (!opener) opener = std::make_unique<ObjectOpener>(domain_, id_key_, run_keys_, chunk_ids_);
  ObjectOpener::BaseLookup lookup;
  if (bases) {
    lookup = [&held = bases->get()](const ChunkId& base) -> absl::StatusOr<ByteView> {
      const auto found = held.find(base);
      HOLDFAST_CHECK(found != held.end());  // every base that the same header names
      return ByteView(*found->second);
    };
  }
  auto plaintext = opener->Open(id, type, object, lookup);
  {
    std::lock_guard lock(mutex_);
    idle_openers_.push_back(std::move(opener));
  }
  if (!plaintext.ok()) return plaintext.status();
  auto shared = std::make_shared<const Bytes>(*std::move(plaintext));
  Remember(id, shared);
  return shared;
}

ChunkReader::Plaintext ChunkReader::Cached(const ChunkId& id) {
  std::lock_guard lock(mutex_);
  const auto found = cached_.find(id);
  if (found == cached_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->plaintext;
}

void ChunkReader::Remember(const ChunkId& id, const Plaintext& plaintext) {
  std::lock_guard lock(mutex_);
  if (cached_.contains(id)) return;
  recent_.push_front({id, plaintext});
  cached_[id] = recent_.begin();
  cache_bytes_ += plaintext->size();
  while (cache_bytes_ > cache_limit_bytes_ && recent_.size() > 1) {
    cache_bytes_ -= recent_.back().plaintext->size();
    cached_.erase(recent_.back().id);
    recent_.pop_back();
  }
}

}  // namespace holdfast
