// Goal: the index of a pack is read once, and only so many are kept: those that were used last.
#include "controller/store/pack_indexes.h"

#include <filesystem>

#include "common/format/layout.h"
#include "tests/unit/controller/store/store_fixture.h"

namespace holdfast::store {
namespace {

TEST(PackIndexesTest, TheOneThatWasNotUsedLongestGoes) {
  const test::TempDir directory;
  const SealedObject object = MakeObject(100);
  std::string pack_path;
  {
    Opened opened = OpenStore(directory.path());
    auto pack = opened.store->CreatePack().value();
    ASSERT_TRUE(pack->Append(object.id, object.bytes).ok());
    pack_path = directory / ("store/" + layout::PackPath(pack->Finish().value()));
  }
  PackIndexes indexes(RealFileSystem());
  const auto name = [&](int number) { return directory / ("pack-" + std::to_string(number)); };
  constexpr int kMost = 2048;  // as many as are kept
  for (int number = 0; number <= kMost; ++number) {
    std::filesystem::create_hard_link(pack_path, name(number));
    const auto index = indexes.Get(name(number));
    ASSERT_TRUE(index.ok()) << index.status();
    EXPECT_EQ((*index)->entries[0].id, object.id);
    std::filesystem::remove(name(number));
    if (number == kMost - 1) {
      EXPECT_TRUE(indexes.Get(name(0)).ok()) << "used just now";
    }
  }
  EXPECT_TRUE(indexes.Get(name(0)).ok());
  EXPECT_TRUE(absl::IsNotFound(indexes.Get(name(1)).status())) << "it has to be read again";
  EXPECT_TRUE(indexes.Get(name(2)).ok());
}

}  // namespace
}  // namespace holdfast::store
