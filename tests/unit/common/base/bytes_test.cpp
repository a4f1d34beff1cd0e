// Goal: hexadecimal and fixed-size bytes refuse what does not fit; untrusted text is shown
// harmless.
#include "common/base/bytes.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(HexTest, RoundTripAndRefusals) {
  const Bytes all("\x00\x01\x7f\x80\xff", 5);
  EXPECT_EQ(ToHex(all), "00017f80ff");
  EXPECT_EQ(FromHex("00017F80fF"), all);
  EXPECT_EQ(FromHex(""), "");
  for (const char* bad : {"0", "0g", "g0", "0x00", " 00", "00 "}) {
    EXPECT_EQ(FromHex(bad), std::nullopt) << bad;
  }
}

TEST(FixedBytesTest, SizeIsExact) {
  EXPECT_TRUE(KeyId::From(Bytes(16, 'x')).has_value());
  EXPECT_FALSE(KeyId::From(Bytes(15, 'x')).has_value());
  EXPECT_FALSE(KeyId::From(Bytes(17, 'x')).has_value());
  EXPECT_FALSE(KeyId::FromHexText("00").has_value());
  EXPECT_EQ(KeyId::FromHexText(std::string(32, 'a'))->hex(), std::string(32, 'a'));
  EXPECT_TRUE(KeyId().IsZero());
}

TEST(FixedBytesTest, OrderIsThatOfUnsignedBytes) {
  const auto id = [](char c) { return *KeyId::From(Bytes(16, c)); };
  EXPECT_LT(id('a'), id('b'));
  EXPECT_LT(id('\x7f'), id('\x80'));
  EXPECT_EQ(id('a'), id('a'));
}

TEST(EscapedTest, TerminalsAreNotCommanded) {
  EXPECT_EQ(Escaped("plain text"), "plain text");
  EXPECT_EQ(Escaped("a\x1b[31m\n\t\x7f\\"), "a\\x1b[31m\\x0a\\x09\\x7f\\x5c");
  EXPECT_EQ(Escaped(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Escaped("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x91");
}

TEST(EscapedTest, InvalidUtf8IsShownAsBytes) {
  EXPECT_EQ(Escaped("\xff"), "\\xff");
  EXPECT_EQ(Escaped("\xc3"), "\\xc3") << "cut";
  EXPECT_EQ(Escaped("\xc0\x80"), "\\xc0\\x80") << "overlong";
  EXPECT_EQ(Escaped("\xe0\x80\x80"), "\\xe0\\x80\\x80") << "overlong";
  EXPECT_EQ(Escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond Unicode";
  EXPECT_EQ(Escaped("\xc2\x9b"), "\\xc2\\x9b") << "C1 control";
}

TEST(EscapedTest, LengthIsBounded) {
  EXPECT_EQ(Escaped("abcdef", 3), "abc…");
  EXPECT_EQ(Escaped("abc", 3), "abc");
  EXPECT_LE(Escaped(std::string(100'000, '\n')).size(), 210u);
}

}  // namespace
}  // namespace holdfast
