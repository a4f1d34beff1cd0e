// Goal:   a recovery kit that was printed and typed in again gives the same keys, and a mistake in
//         typing is named, never used.
// Method: every symbol of every key is mistyped once; the page is re-cased and re-wrapped.
#include "common/format/recovery_kit.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

RecoveryKit MakeKit(std::uint64_t seed = 11) {
  test::SeededRng rng(seed);
  RecoveryKit kit;
  KeyPair owner = Ed25519Generate(rng);
  kit.owner_public = owner.public_key;
  kit.owner_seed = owner.secret;
  kit.recovery_secret = X25519Generate(rng).secret;
  kit.enrollment_address = "backup-1.example.org:8443";
  kit.ca_fingerprint = rng.DrawFixed<Hash256>();
  kit.controller_id = rng.Draw(16);
  return kit;
}

void ExpectSame(const RecoveryKit& a, const RecoveryKit& b) {
  EXPECT_EQ(a.owner_public, b.owner_public);
  EXPECT_EQ(a.owner_seed.view(), b.owner_seed.view());
  EXPECT_EQ(a.recovery_secret.view(), b.recovery_secret.view());
  EXPECT_EQ(a.enrollment_address, b.enrollment_address);
  EXPECT_EQ(a.ca_fingerprint, b.ca_fingerprint);
  EXPECT_EQ(a.controller_id, b.controller_id);
}

TEST(KeyTextTest, IsTwelveGroupsOfFive) {
  const std::string text = EncodeKeyText(kRecoveryKeyPrefix, Bytes(32, '\x5a'));
  EXPECT_EQ(text.rfind("hf-rec1-", 0), 0u);
  const auto groups = KeyTextGroups(kRecoveryKeyPrefix, text);
  ASSERT_EQ(groups.size(), 12u);
  for (const std::string& group : groups) EXPECT_EQ(group.size(), 5u);
}

TEST(KeyTextTest, EveryLengthComesBack) {
  test::SeededRng rng(3);
  for (std::size_t size = 1; size <= 40; ++size) {
    const Bytes secret = rng.Draw(size);
    const auto back = DecodeKeyText("hf-x1-", EncodeKeyText("hf-x1-", secret));
    ASSERT_TRUE(back.ok()) << size << back.status();
    EXPECT_EQ(back->view(), secret);
  }
}

TEST(KeyTextTest, EverySingleTypoIsFound) {
  test::SeededRng rng(5);
  const std::string text = EncodeKeyText(kOwnerKeyPrefix, rng.Draw(32));
  int tried = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char other : std::string("0123456789ABCDEFGHJKMNPQRSTVWXYZU!")) {
      std::string changed = text;
      changed[i] = other;
      if (SameKeyText(changed, text)) continue;
      ++tried;
      ASSERT_FALSE(DecodeKeyText(kOwnerKeyPrefix, changed).ok()) << i << " to " << other;
    }
    if (text[i] == '-') continue;
    std::string cut = text;
    cut.erase(i, 1);
    ASSERT_FALSE(DecodeKeyText(kOwnerKeyPrefix, cut).ok()) << "without " << i;
    std::string longer = text;
    longer.insert(i, 1, text[i]);
    ASSERT_FALSE(DecodeKeyText(kOwnerKeyPrefix, longer).ok()) << "doubled " << i;
  }
  EXPECT_GT(tried, 60 * 30);
}

TEST(KeyTextTest, LookAlikesCaseAndSpacingAreForgiven) {
  const Bytes secret(32, '\0');  // its text begins with zeros
  std::string text = EncodeKeyText(kOwnerKeyPrefix, secret);
  std::string typed = "HF-OWN1 ";
  for (const char c : text.substr(8)) {
    typed += c == '0' ? 'o' : c == '1' ? 'l' : static_cast<char>(std::tolower(c));
  }
  const auto back = DecodeKeyText(kOwnerKeyPrefix, typed);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->view(), secret);
  EXPECT_TRUE(SameKeyText("ab-1o", "AB IO"));
  EXPECT_FALSE(SameKeyText("ab12", "ab13"));
}

TEST(KeyTextTest, AKeyOfAnotherPurposeIsRefusedWithoutShowingIt) {
  const std::string text = EncodeKeyText(kOwnerKeyPrefix, Bytes(32, '\x77'));
  const auto result = DecodeKeyText(kRecoveryKeyPrefix, text);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(ExitCodeOf(result.status()), 2);
  EXPECT_EQ(Render(result.status()).find(text.substr(8, 5)), std::string::npos);
  std::string renamed = std::string(kRecoveryKeyPrefix) + text.substr(8);
  EXPECT_FALSE(DecodeKeyText(kRecoveryKeyPrefix, renamed).ok());
}

TEST(RecoveryKitTest, ComesBackWhole) {
  const RecoveryKit kit = MakeKit();
  const std::string page = RenderRecoveryKit(kit);
  const auto back = ParseRecoveryKit(page);
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, kit);
  EXPECT_NE(page.find("holdfast-agent recover --kit FILE --store DIR"), std::string::npos);
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at);
    EXPECT_LE(end - at, 80u) << "a line too wide for paper";
    at = end + 1;
  }
}

TEST(RecoveryKitTest, TypedAgainWithOtherCaseAndSpacing) {
  const RecoveryKit kit = MakeKit();
  std::string typed;
  for (const char c : RenderRecoveryKit(kit)) {
    if (c == '\n')
      typed += " \r\n";
    else
      typed += static_cast<char>(std::tolower(c));
  }
  const auto back = ParseRecoveryKit(typed);
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, kit);
}

TEST(RecoveryKitTest, WhateverTheKeysSpellTheKitComesBack) {
  // Base32 text may contain what prefixes begin with: one kit of twenty has a group ending in HF.
  int looking_like_prefixes = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const RecoveryKit kit = MakeKit(seed);
    const std::string page = RenderRecoveryKit(kit);
    looking_like_prefixes += page.find("HF-") != std::string::npos;
    const auto back = ParseRecoveryKit(page);
    ASSERT_TRUE(back.ok()) << "seed " << seed << ": " << back.status();
    ExpectSame(*back, kit);
  }
  EXPECT_GT(looking_like_prefixes, 5);
}

TEST(RecoveryKitTest, AnEmptyAddressIsAllowed) {
  RecoveryKit kit = MakeKit();
  kit.enrollment_address.clear();
  const auto back = ParseRecoveryKit(RenderRecoveryKit(kit));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->enrollment_address, "");
}

TEST(RecoveryKitTest, EveryTypoInTheKeysIsFoundAndItsLineNamed) {
  const std::string page = RenderRecoveryKit(MakeKit());
  const std::size_t keys = page.find("hf-rec1-");
  int tried = 0;
  int line = 1 + static_cast<int>(std::count(page.begin(), page.begin() + keys, '\n'));
  for (std::size_t i = keys; i < page.size(); ++i) {
    if (page[i] == '\n') ++line;
    if (!std::isalnum(static_cast<unsigned char>(page[i]))) continue;
    std::string changed = page;
    changed[i] = page[i] == '7' ? '8' : '7';
    const auto result = ParseRecoveryKit(changed);
    if (result.ok()) {  // only the words of labels may change without harm
      const std::size_t begin = page.rfind('\n', i) + 1;
      EXPECT_NE(page.substr(begin, page.find('\n', i) - begin).find(':'), std::string::npos)
          << "position " << i << " line " << line;
      ExpectSame(*result, MakeKit());
      continue;
    }
    ++tried;
    EXPECT_EQ(ExitCodeOf(result.status()), 2);
    EXPECT_NE(MessageOf(result.status()).find("line"), std::string::npos)
        << MessageOf(result.status());
  }
  EXPECT_GT(tried, 240);
}

TEST(RecoveryKitTest, PartsOfTwoKitsAreNotMixed) {
  const RecoveryKit kit = MakeKit();
  RecoveryKit other = MakeKit();
  other.recovery_secret = SecretBytes(Bytes(32, '\x21'));
  std::string page = RenderRecoveryKit(kit);
  const std::string mine = EncodeKeyText(kRecoveryKeyPrefix, kit.recovery_secret.view());
  const std::string theirs = EncodeKeyText(kRecoveryKeyPrefix, other.recovery_secret.view());
  const std::size_t begin = page.find("hf-rec1-");
  const std::size_t end = page.find("\n\n", begin);
  page.replace(begin, end - begin, theirs);
  const auto result = ParseRecoveryKit(page);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(CodeOf(result.status()), 4110);
  page.replace(begin, theirs.size(), mine);
  EXPECT_TRUE(ParseRecoveryKit(page).ok());
}

// Puts the text of `bytes` into the place of the key that begins with `prefix`.
std::string WithKey(std::string page, std::string_view prefix, ByteView bytes) {
  const std::size_t begin = page.find(prefix);
  EXPECT_NE(begin, std::string::npos) << prefix;
  const std::size_t end = page.find("\n\n", begin);
  return page.replace(begin, end - begin, EncodeKeyText(prefix, bytes));
}

TEST(RecoveryKitTest, AKeyOfAnotherLengthIsRefused) {
  const std::string page = RenderRecoveryKit(MakeKit());
  const auto result = ParseRecoveryKit(WithKey(page, kOwnerKeyPrefix, Bytes(31, 'k')));
  EXPECT_EQ(ExitCodeOf(result.status()), 2);
  EXPECT_NE(MessageOf(result.status()).find("has the wrong length"), std::string::npos);
}

TEST(RecoveryKitTest, AnOwnerKeyOfAnotherInstallationIsRefused) {
  const std::string page = RenderRecoveryKit(MakeKit());
  const auto result =
      ParseRecoveryKit(WithKey(page, kOwnerKeyPrefix, MakeKit(12).owner_seed.view()));
  EXPECT_EQ(ExitCodeOf(result.status()), 2);
  EXPECT_NE(MessageOf(result.status()).find("of different installations"), std::string::npos);
}

TEST(RecoveryKitTest, AKeyThatStandsTwiceIsRefused) {
  const std::string page = RenderRecoveryKit(MakeKit());
  const auto result = ParseRecoveryKit(page + page);
  EXPECT_EQ(ExitCodeOf(result.status()), 2);
  EXPECT_NE(MessageOf(result.status()).find("holds a second"), std::string::npos);
}

TEST(RecoveryKitTest, GarbageIsRefused) {
  EXPECT_FALSE(ParseRecoveryKit("").ok());
  EXPECT_FALSE(ParseRecoveryKit(std::string(100'000, 'x')).ok());
  EXPECT_FALSE(ParseRecoveryKit("hf-rec1-\nhf-own1-\nhf-pub1-:").ok());
}

}  // namespace
}  // namespace holdfast
