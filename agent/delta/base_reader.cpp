#include "agent/delta/base_reader.h"

#include "common/base/error.h"
#include "common/log/log.h"
#include "common/snapshot/run_keys.h"

namespace holdfast::delta {
namespace {

constexpr std::size_t kMemoryBytes = 12u << 20;  // each of the two readers

class CacheFetcher final : public ChunkFetcher {
 public:
  explicit CacheFetcher(BaseCache& cache) : cache_(cache) {}
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId&,
                                           const std::vector<ChunkId>& ids) override {
    std::vector<Bytes> objects;
    for (const ChunkId& id : ids) {
      std::optional<Bytes> object = cache_.Read(id);
      if (!object) return absl::NotFoundError("not in the cache");
      objects.push_back(*std::move(object));
    }
    return objects;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId&, const KeyId&) override {
    return absl::NotFoundError("the cache has a key of its own");
  }

 private:
  BaseCache& cache_;
};

}  // namespace

BaseReader::BaseReader(Options options, BaseCache& cache) : cache_(cache) {
  const auto cache_key = [&cache](const KeyId& id) -> absl::StatusOr<SecretBytes> {
    if (id == cache.key_id()) return cache.key();
    return absl::PermissionDeniedError("an object of another cache");
  };
  local_ = std::make_unique<ChunkReader>(options.domain, options.id_key, cache_key,
                                         std::make_shared<CacheFetcher>(cache), kMemoryBytes,
                                         ChunkIds::kOfTheSeal);
  if (!options.remote) return;
  auto keys = std::make_shared<RunKeys>(std::vector<Bytes>(), options.domain, options.recipient,
                                        options.remote);
  remote_ = std::make_unique<ChunkReader>(
      options.domain, options.id_key, [keys](const KeyId& id) { return keys->Find(id); },
      options.remote, kMemoryBytes);
}

BaseReader::Found BaseReader::Get(const ChunkId& id) {
  auto local = local_->Get(ObjectType::kContent, {id});
  if (local.ok()) return {std::move(local->front()), true};
  cache_.Drop(id);  // a damaged one; nothing happens when it was not there
  if (!remote_ || remote_failed_) return {nullptr, false};
  auto fetched = remote_->Get(ObjectType::kContent, {id});
  if (fetched.ok()) return {std::move(fetched->front()), false};
  remote_failed_ = true;
  log::Warn("no delta bases from the controller in this run: {}", MessageOf(fetched.status()));
  return {nullptr, false};
}

}  // namespace holdfast::delta
