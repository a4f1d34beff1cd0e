// Goal: settings come back as they were written, no changed byte passes, and a count that lies
// costs an error.
#include "common/format/settings.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/format/wire.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

class SettingsDocumentTest : public testing::Test {
 protected:
  SettingsDocumentTest() {
    document_.controller_id = Bytes(16, 'c');
    document_.generation = 7;
    document_.written_at_ms = 1'767'751'200'000;
    document_.tables = {{"setting", {{"source:ab", "schedule.cron", "@daily", "ann", "12"}}},
                        {"silence", {}},
                        {"pause", {{Bytes("\0\xff", 2), "1", ""}, {"b", "2", "ben"}}}};
  }
  // Signed as it should be, with these tables.
  Bytes Signed(const Bytes& tables) const {
    Writer writer;
    writer.Raw("HFSETT1\n");
    writer.Raw(document_.controller_id);
    writer.U64(1);
    writer.U64(2);
    writer.Raw(key_.public_key.view());
    writer.Raw(tables);
    const Signature signature = Ed25519Sign(key_, Bytes("holdfast signature ") + writer.bytes());
    return writer.bytes() + signature.bytes();
  }

  test::SeededRng rng_{5};
  KeyPair key_ = Ed25519Generate(rng_);
  SettingsDocument document_;
};

TEST_F(SettingsDocumentTest, ComeBackAsTheyWere) {
  const auto opened = OpenSettings(SignSettings(document_, key_));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->controller_id, document_.controller_id);
  EXPECT_EQ(opened->generation, 7u);
  EXPECT_EQ(opened->written_at_ms, document_.written_at_ms);
  EXPECT_EQ(opened->signer, key_.public_key);
  EXPECT_EQ(opened->tables, document_.tables);
  document_.tables.clear();
  EXPECT_TRUE(OpenSettings(SignSettings(document_, key_))->tables.empty());
}

TEST_F(SettingsDocumentTest, NoChangedByteAndNoCutPasses) {
  const Bytes bytes = SignSettings(document_, key_);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x01);
    EXPECT_EQ(CodeOf(OpenSettings(changed).status()), 4046) << "byte " << i;
    EXPECT_EQ(CodeOf(OpenSettings(ByteView(bytes).substr(0, i)).status()), 4046) << "cut at " << i;
  }
  EXPECT_FALSE(OpenSettings(bytes + "x").ok());
}

TEST_F(SettingsDocumentTest, TablesThatDoNotFitAreRefusedAlsoWhenTheyAreSigned) {
  const auto tables = [](std::uint16_t count, std::uint16_t columns, std::uint32_t rows,
                         const Bytes& cells) {
    Writer writer;
    writer.U16(count);
    writer.Field("t");
    writer.U16(columns);
    writer.U32(rows);
    writer.Raw(cells);
    return writer.Take();
  };
  Writer cell;
  cell.Field("x");
  EXPECT_TRUE(OpenSettings(Signed(tables(1, 1, 1, cell.bytes()))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(2, 1, 1, cell.bytes()))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(1, 2, 1, cell.bytes()))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(1, 1, 0xffffffff, cell.bytes()))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(1, 0, 0xffffffff, ""))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(1, 1, 1, cell.bytes() + "x"))).ok());
  EXPECT_FALSE(OpenSettings(Signed(tables(1, 1, 1, Bytes(4, '\xff')))).ok());
}

}  // namespace
}  // namespace holdfast
