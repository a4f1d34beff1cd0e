// Goal: whatever up to two blocks of a column are bad, in the pack or in the parity itself, the
// pack comes back byte for byte; more than that is refused, never answered with other bytes.
#include "common/format/parity.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

struct Sample {
  Bytes pack;
  PackName name;
  Bytes parity;
  ParityShape shape;
};

Sample Make(std::uint64_t bytes, unsigned percent, std::uint64_t seed = 1) {
  test::SeededRng rng(seed);
  Sample sample;
  sample.pack = rng.Draw(bytes);
  sample.name = *PackName::From(Sha256(sample.pack).view());
  sample.shape = ShapeOf(bytes, percent);
  ParityBuilder builder(sample.shape);
  for (std::size_t at = 0; at < bytes; at += sample.shape.stripe_bytes) {
    builder.AddRow(ByteView(sample.pack).substr(at, sample.shape.stripe_bytes));
  }
  sample.parity = builder.Finish(sample.name);
  return sample;
}

void ExpectRepaired(const Sample& sample, Bytes damaged, const Bytes& parity) {
  const auto decoded = Parity::Decode(parity);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto repaired = decoded->Repair(std::move(damaged));
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_TRUE(*repaired == sample.pack);
}

void Spoil(Bytes* bytes, std::size_t at, std::size_t count) {
  for (std::size_t i = at; i < std::min(at + count, bytes->size()); ++i) {
    (*bytes)[i] = static_cast<char>((*bytes)[i] ^ 0x55);
  }
}

std::size_t BodyAt(const Sample& sample) {
  return sample.parity.size() - 2 * sample.shape.stripe_bytes;
}

TEST(ParityTest, TheSharesAreWhatWasAskedFor) {
  for (const std::uint64_t bytes :
       {1ull, 300ull, 4096ull, 20'000ull, 1'000'000ull, 33'554'432ull}) {
    for (const unsigned percent : {1u, 2u, 10u, 50u}) {
      const ParityShape shape = ShapeOf(bytes, percent);
      EXPECT_LE(shape.rows(), 255u);
      EXPECT_EQ(shape.stripe_bytes % shape.block_bytes, 0u);
      if (bytes > 1 << 20) {
        EXPECT_LE(2ull * shape.stripe_bytes, bytes * percent / 100 + 2 * shape.block_bytes);
        EXPECT_GE(2ull * shape.stripe_bytes, bytes * percent / 100);
      }
    }
  }
}

TEST(ParityTest, ARunAsLongAsTheParityIsRepairedAnywhere) {
  for (const std::uint64_t bytes : {100ull, 511ull, 513ull, 3000ull, 40'001ull, 1'200'000ull}) {
    const Sample sample = Make(bytes, 2);
    const std::size_t run = 2 * sample.shape.stripe_bytes - sample.shape.block_bytes;
    const std::size_t step = std::max<std::size_t>(bytes / 40, 1);
    for (std::size_t at = 0; at < bytes; at += step) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, bad from " << at);
      Bytes damaged = sample.pack;
      // Not at a block's start: it touches one block more.
      Spoil(&damaged, at, at % sample.shape.block_bytes == 0 ? 2 * sample.shape.stripe_bytes : run);
      ExpectRepaired(sample, damaged, sample.parity);
    }
  }
}

TEST(ParityTest, EveryPairOfBadBlocksOfAColumn) {
  const Sample sample = Make(30'000, 2);
  const std::size_t stripe = sample.shape.stripe_bytes;
  for (std::uint64_t a = 0; a < sample.shape.rows(); ++a) {
    for (std::uint64_t b = a; b < sample.shape.rows(); ++b) {
      Bytes damaged = sample.pack;
      Spoil(&damaged, a * stripe + 5, 1);
      Spoil(&damaged, b * stripe + 300, 1);
      ExpectRepaired(sample, damaged, sample.parity);
    }
    for (const std::size_t parity_at : {BodyAt(sample), BodyAt(sample) + stripe}) {  // P, Q
      Bytes damaged = sample.pack;
      Bytes parity = sample.parity;
      Spoil(&damaged, a * stripe + 5, 1);
      Spoil(&parity, parity_at + 7, 1);
      EXPECT_FALSE(Parity::Decode(parity)->IsWhole());
      ExpectRepaired(sample, damaged, parity);
    }
  }
}

TEST(ParityTest, ACutOrLongerOrEmptyPack) {
  const Sample sample = Make(30'000, 10);
  ExpectRepaired(sample, sample.pack.substr(0, 29'000), sample.parity);
  ExpectRepaired(sample, sample.pack + "more", sample.parity);
  const Sample small = Make(300, 2);
  ExpectRepaired(small, "", small.parity);
}

TEST(ParityTest, MoreThanItRepairsIsRefused) {
  const Sample sample = Make(30'000, 2);
  const std::size_t stripe = sample.shape.stripe_bytes;
  Bytes damaged = sample.pack;
  for (const std::size_t row : {0u, 3u, 7u}) Spoil(&damaged, row * stripe, 1);
  const auto repaired = Parity::Decode(sample.parity)->Repair(damaged);
  EXPECT_EQ(KindOf(repaired.status()), ErrorKind::kIntegrity);

  // The parity of another pack of the same shape.
  const Sample other = Make(30'000, 2, 2);
  EXPECT_FALSE(Parity::Decode(other.parity)->Repair(sample.pack).ok());
}

TEST(ParityTest, WhatFitsTheParityButNotTheNameIsRefused) {
  const Sample sample = Make(30'000, 2);
  ParityBuilder builder(sample.shape);
  for (std::size_t at = 0; at < sample.pack.size(); at += sample.shape.stripe_bytes) {
    builder.AddRow(ByteView(sample.pack).substr(at, sample.shape.stripe_bytes));
  }
  const Bytes misnamed = builder.Finish(*PackName::From(Bytes(PackName::kSize, 'n')));
  const auto repaired = Parity::Decode(misnamed)->Repair(sample.pack);
  EXPECT_EQ(KindOf(repaired.status()), ErrorKind::kIntegrity);
  EXPECT_NE(MessageOf(repaired.status()).find("do not give its name"), std::string::npos);
}

TEST(ParityTest, EveryFlippedBitOfTheFileIsSeen) {
  const Sample sample = Make(5'000, 2);
  ASSERT_TRUE(Parity::Decode(sample.parity)->IsWhole());
  for (std::size_t at = 0; at < sample.parity.size(); ++at) {
    Bytes parity = sample.parity;
    parity[at] = static_cast<char>(parity[at] ^ (1 << (at % 8)));
    const auto decoded = Parity::Decode(parity);
    EXPECT_TRUE(!decoded.ok() || !decoded->IsWhole()) << at;
  }
  for (std::size_t cut = 0; cut < sample.parity.size(); cut += 97) {
    EXPECT_FALSE(Parity::Decode(sample.parity.substr(0, cut)).ok()) << cut;
  }
}

}  // namespace
}  // namespace holdfast
