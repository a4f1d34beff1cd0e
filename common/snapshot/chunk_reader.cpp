#include "common/snapshot/chunk_reader.h"

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast {

ChunkReader::ChunkReader(DomainId domain, std::shared_ptr<const HmacKey> id_key,
                         ObjectOpener::RunKeyLookup run_keys, std::shared_ptr<ChunkFetcher> fetcher,
                         std::size_t cache_bytes)
    : domain_(domain),
      id_key_(std::move(id_key)),
      run_keys_(std::move(run_keys)),
      fetcher_(std::move(fetcher)),
      cache_limit_bytes_(cache_bytes) {}

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
  for (std::size_t i = 0; i < missing.size(); ++i) {
    ASSIGN_OR_RETURN(Bytes plaintext, Open(type, missing[i], objects[i]));
    auto shared = std::make_shared<const Bytes>(std::move(plaintext));
    Remember(missing[i], shared);
    result[missing_index[i]] = std::move(shared);
  }
  return result;
}

absl::StatusOr<Bytes> ChunkReader::Open(ObjectType type, const ChunkId& id, ByteView object) {
  std::unique_ptr<ObjectOpener> opener;
  {
    std::lock_guard lock(mutex_);
    if (!idle_openers_.empty()) {
      opener = std::move(idle_openers_.back());
      idle_openers_.pop_back();
    }
  }
  if (!opener) opener = std::make_unique<ObjectOpener>(domain_, id_key_, run_keys_);
  auto plaintext =
      opener->Open(id, type, object, [this](const ChunkId& base) { return OpenBase(base); });
  std::lock_guard lock(mutex_);
  idle_openers_.push_back(std::move(opener));
  return plaintext;
}

// Depth 1: a base that is itself a delta is refused, so a hostile store cannot build chains.
absl::StatusOr<Bytes> ChunkReader::OpenBase(const ChunkId& id) {
  if (const Plaintext cached = Cached(id)) return *cached;
  ASSIGN_OR_RETURN(const std::vector<Bytes> objects, Fetch({id}));
  if (objects.size() != 1)
    return Error(ErrorKind::kIntegrity, 4080, "unable to fetch a delta base");
  ObjectOpener opener(domain_, id_key_, run_keys_);
  return opener.Open(id, ObjectType::kContent, objects[0], nullptr);
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
