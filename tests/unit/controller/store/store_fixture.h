// Sealed objects and a store in a temporary directory, for the store's tests.
#pragma once

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/format/object.h"
#include "controller/store/store.h"
#include "tests/support/staged_bytes.h"
#include "tests/support/temp_dir.h"

namespace holdfast::store {

struct SealedObject {
  ChunkId id;
  Bytes bytes;
};

// Objects of one domain; incompressible, so that sizes are predictable.
inline SealedObject MakeObject(std::size_t plain_bytes) {
  static const DomainId domain = RealRng().DrawFixed<DomainId>();
  static ObjectSealer sealer(
      {domain, RealRng().DrawFixed<KeyId>(), SecretBytes::Take(RealRng().Draw(32)), 1}, RealRng());
  static const HmacKey id_key(RealRng().Draw(32));
  SealedObject object;
  const Bytes plain = RealRng().Draw(plain_bytes);
  object.id = ComputeChunkId(id_key, ObjectType::kContent, plain);
  sealer.Seal(ObjectType::kContent, object.id, plain, &object.bytes);
  return object;
}

struct Opened {
  std::unique_ptr<Store> store;
  std::vector<RecoveredPack> recovered;
};

// Without parity, unless it is asked for: a fault in its writing fails nothing.
inline Opened OpenStore(const std::string& directory, FileSystem& fs = RealFileSystem(),
                        unsigned parity_percent = 0) {
  Opened opened;
  auto store =
      Store::Open({RealClock(), RealRng(), fs}, directory, &opened.recovered, parity_percent);
  EXPECT_TRUE(store.ok()) << store.status();
  if (store.ok()) opened.store = *std::move(store);
  return opened;
}

// Every entry reads back as the object that was appended under its id.
inline void ExpectReadable(Store& store, const PackName& name, std::uint64_t number,
                           const std::vector<PackEntry>& entries,
                           const std::vector<SealedObject>& objects) {
  for (const PackEntry& entry : entries) {
    const auto found = std::find_if(objects.begin(), objects.end(),
                                    [&](const SealedObject& o) { return o.id == entry.id; });
    ASSERT_NE(found, objects.end());
    const auto got = store.ReadObject(name, number, entry.offset_bytes, entry.length_bytes);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, found->bytes);
  }
}

}  // namespace holdfast::store
