// Goal: a pack's index says where its objects are and nothing outside the file; a torn open pack
// keeps every whole object.
#include "common/format/pack.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/sealed_objects.h"

namespace holdfast {
namespace {

struct Pack {
  Bytes bytes{kPackHeader};
  std::vector<PackEntry> entries;
};

Pack MakePack(test::SealingDomain& domain, int count) {
  Pack pack;
  for (int i = 0; i < count; ++i) {
    const Bytes plaintext = "chunk number " + std::to_string(i);
    const Bytes object = domain.Seal(plaintext);
    pack.entries.push_back({domain.IdOf(plaintext), pack.bytes.size(),
                            static_cast<std::uint32_t>(object.size()), Crc32(object)});
    pack.bytes += object;
  }
  return pack;
}

TEST(PackTest, Crc32IsThatOfZlib) {
  EXPECT_EQ(Crc32("123456789"), 0xcbf43926u);
  EXPECT_EQ(Crc32(""), 0u);
}

TEST(PackTest, FooterRoundTrip) {
  test::SealingDomain domain(1);
  for (const int count : {0, 1, 5}) {
    const Pack pack = MakePack(domain, count);
    const Bytes footer = EncodePackFooter(pack.entries);
    EXPECT_EQ(DecodePackTrailer(ByteView(footer).substr(footer.size() - kPackTrailerBytes)).value(),
              footer.size());
    EXPECT_EQ(DecodePackFooter(footer, pack.bytes.size()).value(), pack.entries);
  }
}

TEST(PackTest, NoChangedByteOfTheFooterIsAccepted) {
  test::SealingDomain domain(2);
  const Pack pack = MakePack(domain, 3);
  const Bytes footer = EncodePackFooter(pack.entries);
  for (std::size_t i = 0; i < footer.size(); ++i) {
    Bytes changed = footer;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    // As every reader does: the trailer gives the length, the footer has to have it.
    const auto length =
        DecodePackTrailer(ByteView(changed).substr(changed.size() - kPackTrailerBytes));
    const bool accepted = length.ok() && *length == changed.size() &&
                          DecodePackFooter(changed, pack.bytes.size()).ok();
    EXPECT_FALSE(accepted) << i;
    EXPECT_FALSE(DecodePackFooter(footer.substr(0, i), pack.bytes.size()).ok()) << i;
  }
}

TEST(PackTest, AFooterShorterThanAnEmptyOneIsRefused) {
  const std::size_t least = EncodePackFooter({}).size();
  const auto trailer = [&](std::size_t size) {
    Bytes bytes = EncodePackFooter({}).substr(least - kPackTrailerBytes);
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<char>(size >> (8 * i));
    return DecodePackTrailer(bytes);
  };
  EXPECT_EQ(trailer(least).value(), least);
  for (std::size_t size = 0; size < least; ++size) {
    EXPECT_EQ(ExitCodeOf(trailer(size).status()), 5) << size;
  }
}

TEST(PackTest, EntriesOutsideTheFileOrOverEachOtherAreRefused) {
  const ChunkId id;
  const auto decode = [](const std::vector<PackEntry>& entries) {
    return ExitCodeOf(DecodePackFooter(EncodePackFooter(entries), 1'000).status());
  };
  EXPECT_EQ(decode({{id, 8, 500, 0}, {id, 508, 492, 0}}), 0);
  EXPECT_EQ(decode({{id, 8, 500, 0}, {id, 508, 493, 0}}), 5) << "over the footer";
  EXPECT_EQ(decode({{id, 8, 500, 0}, {id, 507, 10, 0}}), 5) << "overlap";
  EXPECT_EQ(decode({{id, 508, 10, 0}, {id, 8, 10, 0}}), 5) << "out of order";
  EXPECT_EQ(decode({{id, 0, 10, 0}}), 5) << "over the header";
  EXPECT_EQ(decode({{id, 8, 0, 0}}), 5) << "empty";
  EXPECT_EQ(decode({{id, ~0ull - 5, 10, 0}}), 5) << "offset plus length overflows";
  EXPECT_EQ(decode({{id, 2'000, 10, 0}}), 5);
}

TEST(PackTest, ScanFindsTheObjectsOfAnOpenPack) {
  test::SealingDomain domain(3);
  const Pack pack = MakePack(domain, 4);
  const PackScan scan = ScanOpenPack(pack.bytes).value();
  EXPECT_EQ(scan.entries, pack.entries);
  EXPECT_EQ(scan.valid_bytes, pack.bytes.size());
}

TEST(PackTest, ScanStopsAtATornEnd) {
  test::SealingDomain domain(4);
  const Pack pack = MakePack(domain, 3);
  for (std::size_t size = kPackHeader.size(); size <= pack.bytes.size(); ++size) {
    const PackScan scan = ScanOpenPack(ByteView(pack.bytes).substr(0, size)).value();
    std::size_t whole = 0;
    std::uint64_t end = kPackHeader.size();
    for (const PackEntry& entry : pack.entries) {
      if (entry.offset_bytes + entry.length_bytes > size) break;
      ++whole;
      end = entry.offset_bytes + entry.length_bytes;
    }
    ASSERT_EQ(scan.entries.size(), whole) << size;
    ASSERT_EQ(scan.valid_bytes, end) << size;
  }
  EXPECT_EQ(ExitCodeOf(ScanOpenPack("HFPACK").status()), 5);
  EXPECT_EQ(ExitCodeOf(ScanOpenPack("").status()), 5);
}

TEST(PackTest, ScanStopsAtAFooter) {
  test::SealingDomain domain(5);
  const Pack pack = MakePack(domain, 2);
  const PackScan scan = ScanOpenPack(pack.bytes + EncodePackFooter(pack.entries)).value();
  EXPECT_EQ(scan.entries, pack.entries);
  EXPECT_EQ(scan.valid_bytes, pack.bytes.size());
}

}  // namespace
}  // namespace holdfast
