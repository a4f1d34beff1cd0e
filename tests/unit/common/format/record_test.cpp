// Goal: a record is read, verified and opened as it was sealed; no byte of it can change unnoticed.
#include "common/format/record.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

class RecordTest : public testing::Test {
 protected:
  RecordTest() {
    clear_.domain = rng_.DrawFixed<DomainId>();
    clear_.source = rng_.DrawFixed<SourceId>();
    clear_.seq = 57;
    clear_.taken_at_ms = 1'767'751'200'000;
    clear_.previous = rng_.DrawFixed<Hash256>();
    clear_.partial = true;
    clear_.reference_list_hash = rng_.DrawFixed<Hash256>();
    clear_.key_ids = {rng_.DrawFixed<KeyId>(), rng_.DrawFixed<KeyId>()};
  }
  Bytes Seal() { return SealRecord(clear_, "the facts", run_key_, signer_, rng_); }

  test::SeededRng rng_{5};
  const KeyPair signer_ = Ed25519Generate(rng_);
  const SecretBytes run_key_ = SecretBytes(rng_.Draw(32));
  RecordClear clear_;
};

TEST_F(RecordTest, RoundTrip) {
  const Bytes record = Seal();
  const RecordClear read = ParseRecord(record).value();
  EXPECT_EQ(read.domain, clear_.domain);
  EXPECT_EQ(read.source, clear_.source);
  EXPECT_EQ(read.seq, clear_.seq);
  EXPECT_EQ(read.taken_at_ms, clear_.taken_at_ms);
  EXPECT_EQ(read.previous, clear_.previous);
  EXPECT_TRUE(read.partial);
  EXPECT_EQ(read.reference_list_hash, clear_.reference_list_hash);
  EXPECT_EQ(read.key_ids, clear_.key_ids);
  EXPECT_TRUE(VerifyRecord(record, signer_.public_key).ok());
  EXPECT_EQ(OpenRecord(record, run_key_).value(), "the facts");
  EXPECT_EQ(RecordHash(record), Sha256(record));
}

TEST_F(RecordTest, NoChangedByteVerifies) {
  const Bytes record = Seal();
  for (std::size_t i = 0; i < record.size(); ++i) {
    Bytes changed = record;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    ASSERT_EQ(ExitCodeOf(VerifyRecord(changed, signer_.public_key)), 5) << i;
    if (i < record.size() - Signature::kSize) {
      ASSERT_EQ(ExitCodeOf(OpenRecord(changed, run_key_).status()), 5) << i << ": bound as AAD";
    }
    ASSERT_EQ(ExitCodeOf(ParseRecord(record.substr(0, i)).status()), 5) << i;
  }
  EXPECT_EQ(ExitCodeOf(ParseRecord(record + "x").status()), 5);
}

TEST_F(RecordTest, WrongSignerAndWrongKeyAreRefused) {
  const Bytes record = Seal();
  EXPECT_EQ(CodeOf(VerifyRecord(record, Ed25519Generate(rng_).public_key)), 4051);
  EXPECT_EQ(ExitCodeOf(OpenRecord(record, SecretBytes(rng_.Draw(32))).status()), 5);
}

TEST_F(RecordTest, ImpossibleRecordsAreRefused) {
  const Bytes record = Seal();
  const std::size_t state_at = 8 + 16 + 16 + 8 + 8 + 32;
  Bytes unknown_state = record;
  unknown_state[state_at] = 3;
  EXPECT_EQ(ExitCodeOf(ParseRecord(unknown_state).status()), 5);
  Bytes no_number = record;
  no_number.replace(40, 8, Bytes(8, '\0'));
  EXPECT_EQ(ExitCodeOf(ParseRecord(no_number).status()), 5);
  Bytes many_keys = record;
  many_keys.replace(state_at + 1 + 32, 2, "\xff\xff");
  EXPECT_EQ(ExitCodeOf(ParseRecord(many_keys).status()), 5);
  EXPECT_EQ(ExitCodeOf(ParseRecord(record + Bytes(kMaxRecordBytes, 'x')).status()), 5);
}

}  // namespace
}  // namespace holdfast
