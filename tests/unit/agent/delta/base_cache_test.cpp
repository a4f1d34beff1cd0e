// Goal: the cache gives back what it kept or nothing, never exceeds its limit, and no damage in its
// directory is more than a miss.
#include "agent/delta/base_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "agent/delta/base_reader.h"
#include "common/format/checked_file.h"
#include "common/format/object.h"
#include "common/format/wire.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/temp_dir.h"

namespace holdfast::delta {
namespace {

class BaseCacheTest : public testing::Test {
 protected:
  std::unique_ptr<BaseCache> Open(std::uint64_t limit = 1u << 20) {
    return std::make_unique<BaseCache>(
        BaseCache::Options{{RealClock(), rng_, RealFileSystem()}, directory_ / "bases", limit});
  }
  // `count` objects of `size` bytes, of this run.
  void Fill(BaseCache& cache, int count, std::size_t size) {
    for (int i = 0; i < count; ++i) {
      const ChunkId id = rng_.DrawFixed<ChunkId>();
      objects_[id] = rng_.Draw(size);
      cache.Keep(id, objects_[id]);
    }
  }
  absl::flat_hash_set<ChunkId> All() const {
    absl::flat_hash_set<ChunkId> ids;
    for (const auto& [id, object] : objects_) ids.insert(id);
    return ids;
  }
  // How many of the objects it gives back; each of them as it was.
  std::size_t Whole(BaseCache& cache) {
    std::size_t found = 0;
    for (const auto& [id, object] : objects_) {
      const auto read = cache.Read(id);
      if (!read) continue;
      ++found;
      EXPECT_TRUE(*read == object);
    }
    return found;
  }
  std::uint64_t BytesOnDisk() const {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ / "bases")) {
      if (file.path().extension() == ".bases") bytes += file.file_size();
    }
    return bytes;
  }

  test::SeededRng rng_{8};
  test::TempDir directory_;
  std::map<ChunkId, Bytes> objects_;
};

TEST_F(BaseCacheTest, WhatWasSettledIsThereAtTheNextOpen) {
  {
    const auto cache = Open();
    Fill(*cache, 20, 5'000);
    EXPECT_EQ(Whole(*cache), 20u);
    cache->Settle(All());
  }
  const auto again = Open();
  EXPECT_EQ(Whole(*again), 20u);
  EXPECT_FALSE(again->Read(rng_.DrawFixed<ChunkId>()));
  struct stat info {};
  ASSERT_EQ(::stat((directory_ / "bases/key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(BaseCacheTest, WhatARunKeptWithoutSettlingIsGone) {
  const auto first = Open();
  Fill(*first, 3, 1'000);
  first->Settle(All());
  {
    const auto second = Open();
    Fill(*second, 5, 1'000);
  }
  const auto third = Open();
  EXPECT_EQ(Whole(*third), 3u);
  EXPECT_EQ(BytesOnDisk(), 3'000u);
}

TEST_F(BaseCacheTest, NeverExceedsItsLimit) {
  const auto cache = Open(50'000);
  Fill(*cache, 30, 5'000);
  EXPECT_EQ(Whole(*cache), 10u);
  EXPECT_FALSE(cache->WantsMore());
  EXPECT_LE(BytesOnDisk(), 50'000u);
  cache->Settle(All());
  EXPECT_LE(BytesOnDisk(), 50'000u);
  // A smaller limit in the configuration makes room at the end of the run.
  const auto smaller = Open(20'000);
  Fill(*smaller, 3, 5'000);
  smaller->Settle(All());
  EXPECT_LE(BytesOnDisk(), 20'000u);
  EXPECT_LE(smaller->stored_bytes(), 20'000u);
}

TEST_F(BaseCacheTest, TheDeadMakeRoomForOthers) {
  {
    const auto cache = Open(50'000);
    Fill(*cache, 10, 5'000);
    cache->Settle(All());
  }
  // All but two are of no use any more: their segment is written anew.
  absl::flat_hash_set<ChunkId> live;
  while (objects_.size() > 2) objects_.erase(objects_.begin());
  for (const auto& [id, object] : objects_) live.insert(id);
  {
    const auto cache = Open(50'000);
    cache->Settle(live);
    EXPECT_EQ(cache->size(), 2u);
  }
  EXPECT_EQ(BytesOnDisk(), 10'000u);
  const auto cache = Open(50'000);
  EXPECT_EQ(Whole(*cache), 2u);
  Fill(*cache, 8, 5'000);
  EXPECT_EQ(Whole(*cache), 10u);
}

TEST_F(BaseCacheTest, OffRemovesWhatIsThere) {
  {
    const auto cache = Open();
    Fill(*cache, 4, 1'000);
    cache->Settle(All());
  }
  const auto off = Open(0);
  Fill(*off, 4, 1'000);
  EXPECT_EQ(Whole(*off), 0u);
  EXPECT_EQ(BytesOnDisk(), 0u);
  off->Settle(All());
}

TEST_F(BaseCacheTest, DamageInTheDirectoryIsAMiss) {
  {
    const auto cache = Open();
    Fill(*cache, 4, 1'000);
    cache->Settle(All());
  }
  std::filesystem::copy(directory_ / "bases", directory_ / "kept");
  const auto restore = [&] {
    std::filesystem::remove_all(directory_ / "bases");
    std::filesystem::copy(directory_ / "kept", directory_ / "bases");
  };
  const auto cut = [&](const char* name, std::uintmax_t size) {
    std::filesystem::resize_file(directory_ / ("bases/" + std::string(name)), size);
  };
  for (const char* name : {"index", "key", "00000001.bases"}) {
    for (const bool removed : {true, false}) {
      SCOPED_TRACE(std::string(name) + (removed ? " removed" : " cut"));
      restore();
      if (removed) {
        std::filesystem::remove(directory_ / ("bases/" + std::string(name)));
      } else {
        cut(name, 10);
      }
      const auto cache = Open();
      EXPECT_EQ(Whole(*cache), 0u);
      Fill(*cache, 1, 1'000);
      EXPECT_EQ(Whole(*cache), 1u) << "it goes on with an empty one";
      objects_.erase(objects_.begin());
    }
  }
}

TEST_F(BaseCacheTest, TheReaderOpensWhatTheCacheHasAndNothingElse) {
  test::SealingDomain domain(12);
  const auto cache = Open();
  const Bytes plaintext = test::Compressible(20'000);
  const ChunkId id = domain.IdOf(plaintext);
  Bytes object;
  domain.sealer().Seal(ObjectType::kContent, id, plaintext, &object);
  Bytes copy;
  domain.sealer().SealCopy(cache->key_id(), cache->key(), plaintext, &copy);
  cache->Keep(id, copy);
  // Under a run key, as a cache that was swapped would have it.
  const Bytes other = test::Compressible(10'000);
  cache->Keep(domain.IdOf(other), domain.Seal(other));
  BaseReader reader({domain.domain(), domain.id_key(), nullptr, {}}, *cache);
  const BaseReader::Found found = reader.Get(id);
  ASSERT_TRUE(found.plaintext);
  EXPECT_TRUE(*found.plaintext == plaintext);
  EXPECT_TRUE(found.was_cached);
  EXPECT_FALSE(reader.Get(domain.IdOf(other)).plaintext);
  EXPECT_FALSE(reader.Get(domain.IdOf("nothing")).plaintext);
  EXPECT_EQ(cache->size(), 1u) << "what does not open is dropped";
}

// Its sum holds: what the index says of a segment must fit the segment all the same.
TEST_F(BaseCacheTest, AnIndexThatPointsOutsideItsSegmentsIsNoIndex) {
  struct Claim {
    std::uint64_t segment_bytes;
    std::uint64_t offset;
    std::uint32_t bytes;
    bool twice;
    bool good;
  };
  constexpr std::uint64_t kAll = ~0ull;
  const ChunkId id = *ChunkId::From(Bytes(ChunkId::kSize, 'i'));
  FileSystem& fs = RealFileSystem();
  for (const Claim& claim :
       {Claim{100, 10, 50, false, true}, Claim{100, 10, 50, true, false},
        Claim{100, 99, 2, false, false}, Claim{100, kAll, 50, false, false},
        Claim{kAll, 0, 50, false, false}, Claim{60u << 20, 0, 40u << 20, false, false}}) {
    const std::string folder = directory_ / "bases";
    std::filesystem::remove_all(folder);
    const KeyId key = Open()->key_id();
    ASSERT_TRUE(fs.WriteAtomically(JoinPath(folder, "00000001.bases"), Bytes(100, 's')).ok());
    Writer index;
    index.Raw(ByteView("HFBASE1\n", 8));
    index.Raw(key.view());
    index.U64(2);
    index.U64(claim.twice ? 2 : 1);
    for (int i = 0; i < (claim.twice ? 2 : 1); ++i) {
      index.U64(1);
      index.U64(claim.segment_bytes);
    }
    index.Raw(id.view());
    index.U64(1);
    index.U64(claim.offset);
    index.U32(claim.bytes);
    ASSERT_TRUE(WriteCheckedFile(fs, JoinPath(folder, "index"), index.Take()).ok());
    const auto cache = Open();
    EXPECT_EQ(cache->size(), claim.good ? 1u : 0u) << claim.offset << " " << claim.bytes;
    EXPECT_EQ(cache->stored_bytes(), claim.good ? 100u : 0u);
    EXPECT_EQ(cache->Read(id).has_value(), claim.good);
  }
}

}  // namespace
}  // namespace holdfast::delta
