// Goal: chunks come back opened under their ids, whatever the store hands out; what is kept in
// memory stays within its bound and saves fetching bases again.
#include "common/snapshot/chunk_reader.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/error.h"
#include "tests/support/sealed_objects.h"

namespace holdfast {
namespace {

// Objects by id; `withheld` are the answers that are one object short.
class FakeFetcher final : public ChunkFetcher {
 public:
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId&,
                                           const std::vector<ChunkId>& ids) override {
    std::vector<Bytes> found;
    for (const ChunkId& id : ids) {
      ++fetched[id];
      const auto object = objects.find(id);
      if (object == objects.end()) return absl::NotFoundError("no chunk " + id.hex());
      found.push_back(object->second);
    }
    if (withheld.contains(ids[0])) found.pop_back();
    return found;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId&, const KeyId&) override {
    return absl::NotFoundError("no envelope");
  }

  std::map<ChunkId, Bytes> objects;
  std::set<ChunkId> withheld;
  std::map<ChunkId, int> fetched;
};

class ChunkReaderTest : public testing::Test {
 protected:
  ChunkReader Reader(std::size_t cache_bytes = 48u << 20) {
    return ChunkReader(
        domain_.domain(), domain_.id_key(),
        [this](const KeyId&) -> absl::StatusOr<SecretBytes> { return domain_.run_key(); }, store_,
        cache_bytes);
  }
  ChunkId Add(const Bytes& plaintext) {
    const ChunkId id = domain_.IdOf(plaintext);
    store_->objects[id] = domain_.Seal(plaintext);
    return id;
  }
  ChunkId AddDelta(const Bytes& plaintext, const Bytes& base) {
    const ChunkId id = domain_.IdOf(plaintext);
    domain_.sealer().SealDelta(ObjectType::kContent, id, plaintext, {{domain_.IdOf(base), base}},
                               &store_->objects[id]);
    return id;
  }
  static absl::StatusOr<Bytes> One(ChunkReader& reader, const ChunkId& id) {
    ASSIGN_OR_RETURN(const auto chunks, reader.Get(ObjectType::kContent, {id}));
    return *chunks[0];
  }

  test::SealingDomain domain_{31};
  const std::shared_ptr<FakeFetcher> store_ = std::make_shared<FakeFetcher>();
};

TEST_F(ChunkReaderTest, ABaseThatIsInMemoryIsNotFetchedAgain) {
  const Bytes base = domain_.rng().Draw(50'000);
  const ChunkId base_id = Add(base);
  const ChunkId first = AddDelta(base.substr(0, 40'000) + "first", base);
  const ChunkId second = AddDelta(base.substr(0, 40'000) + "second", base);
  ChunkReader reader = Reader();
  EXPECT_EQ(One(reader, first).value(), base.substr(0, 40'000) + "first");
  EXPECT_EQ(One(reader, second).value(), base.substr(0, 40'000) + "second");
  EXPECT_EQ(store_->fetched[base_id], 1);
  // In one batch with its delta it is not fetched apart.
  ChunkReader other = Reader();
  const auto both = other.Get(ObjectType::kContent, {first, base_id});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(*(*both)[1], base);
  EXPECT_EQ(store_->fetched[base_id], 2);
}

TEST_F(ChunkReaderTest, TheOldestChunksMakeRoom) {
  std::vector<ChunkId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(Add(domain_.rng().Draw(1'000)));
  ChunkReader reader = Reader(2'000);
  for (const ChunkId& id : ids) ASSERT_TRUE(One(reader, id).ok());
  ASSERT_TRUE(One(reader, ids[2]).ok());
  ASSERT_TRUE(One(reader, ids[1]).ok());
  EXPECT_EQ(store_->fetched[ids[1]], 1);
  EXPECT_EQ(store_->fetched[ids[2]], 1);
  ASSERT_TRUE(One(reader, ids[0]).ok());
  EXPECT_EQ(store_->fetched[ids[0]], 2) << "it was the oldest";
  ASSERT_TRUE(One(reader, ids[2]).ok());
  EXPECT_EQ(store_->fetched[ids[2]], 2) << "it was used longest ago";
}

TEST_F(ChunkReaderTest, AStoreThatGivesTooFewObjectsIsRefused) {
  const Bytes base = domain_.rng().Draw(5'000);
  const ChunkId base_id = Add(base);
  const ChunkId delta = AddDelta(base + "more", base);
  store_->withheld = {base_id};
  for (const ChunkId& id : {base_id, delta}) {
    ChunkReader reader = Reader();
    const absl::Status status = One(reader, id).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << status;
    EXPECT_EQ(CodeOf(status), 4080) << status;
  }
}

TEST_F(ChunkReaderTest, ALostBaseIsNamedWithItsDelta) {
  const Bytes base = domain_.rng().Draw(5'000);
  const ChunkId delta = AddDelta(base + "more", base);
  ChunkReader reader = Reader();
  const absl::Status status = One(reader, delta).status();
  EXPECT_EQ(ExitCodeOf(status), 5) << status;
  EXPECT_NE(MessageOf(status).find(delta.hex()), std::string::npos) << status;
  EXPECT_NE(MessageOf(status).find(domain_.IdOf(base).hex()), std::string::npos) << status;
}

TEST_F(ChunkReaderTest, ABaseThatIsADeltaItselfIsRefused) {
  const Bytes first = domain_.rng().Draw(5'000);
  const Bytes second = first + "second";
  Add(first);
  AddDelta(second, first);
  const ChunkId third = AddDelta(second + "third", second);
  ChunkReader reader = Reader();
  EXPECT_EQ(ExitCodeOf(One(reader, third).status()), 5);
}

}  // namespace
}  // namespace holdfast
