// Goal: the primitives are the published ones (vectors of their RFCs), and nothing opens with a
// wrong key, a wrong context or a changed byte.
#include "common/crypto/crypto.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

Bytes Hex(std::string_view hex) { return FromHex(hex).value(); }

TEST(Sha256Test, KnownDigests) {
  EXPECT_EQ(Sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256Hasher hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
}

// RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
TEST(HmacTest, Rfc4231) {
  EXPECT_EQ(HmacKey(Bytes(20, '\x0b')).Mac("Hi There").hex(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  const HmacKey jefe("Jefe");
  EXPECT_EQ(jefe.Mac("what do ya want ", "for nothing?").hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(jefe.Mac("what do ya want for nothing?"), jefe.Mac("what do ya want ", "for nothing?"));
  EXPECT_EQ(HmacKey(Bytes(131, '\xaa'))
                .Mac("Test Using Larger Than Block-Size Key - Hash Key First")
                .hex(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, AKeyThatMovedStaysTheSame) {
  HmacKey made("Jefe");
  const HmacKey moved(std::move(made));
  EXPECT_EQ(moved.Mac("what do ya want for nothing?").hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// RFC 5869, appendix A.1 to A.3.
TEST(HkdfTest, Rfc5869) {
  EXPECT_EQ(ToHex(HkdfSha256(Bytes(22, '\x0b'), Hex("000102030405060708090a0b0c"),
                             Hex("f0f1f2f3f4f5f6f7f8f9"), 42)
                      .view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  const auto sequence = [](int first, int count) {
    Bytes result;
    for (int i = 0; i < count; ++i) result.push_back(static_cast<char>(first + i));
    return result;
  };
  EXPECT_EQ(
      ToHex(HkdfSha256(sequence(0x00, 80), sequence(0x60, 80), sequence(0xb0, 80), 82).view()),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
      "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(ToHex(HkdfSha256(Bytes(22, '\x0b'), "", "", 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 16 (AES-256).
TEST(AesGcmTest, PublishedVectors) {
  const Bytes zero_key(32, '\0');
  const Bytes zero_iv(12, '\0');
  Bytes out;
  AesGcmSeal(zero_key, zero_iv, "", "", &out);
  EXPECT_EQ(ToHex(out), "530f8afbc74536b9a963b4f1c4cb738b");
  out.clear();
  AesGcmSeal(zero_key, zero_iv, "", Bytes(16, '\0'), &out);
  EXPECT_EQ(ToHex(out), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  const Bytes key = Hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const Bytes iv = Hex("cafebabefacedbaddecaf888");
  const Bytes aad = Hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes plaintext =
      Hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  out.clear();
  AesGcmSeal(key, iv, aad, plaintext, &out);
  EXPECT_EQ(ToHex(out),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
            "76fc6ece0f4e1768cddf8853bb2d551b");
  EXPECT_EQ(AesGcmOpen(key, iv, aad, out).value(), plaintext);
}

TEST(AesGcmTest, EveryChangedByteIsFound) {
  const Bytes key(32, 'k');
  const Bytes iv(12, 'i');
  Bytes sealed = "kept";  // Seal appends
  AesGcmSeal(key, iv, "aad", "attack at dawn", &sealed);
  ASSERT_EQ(sealed.substr(0, 4), "kept");
  sealed.erase(0, 4);
  ASSERT_TRUE(AesGcmOpen(key, iv, "aad", sealed).ok());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    EXPECT_EQ(ExitCodeOf(AesGcmOpen(key, iv, "aad", changed).status()), 5) << i;
    EXPECT_FALSE(AesGcmOpen(key, iv, "aad", sealed.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(AesGcmOpen(key, iv, "aae", sealed).ok());
  EXPECT_FALSE(AesGcmOpen(Bytes(32, 'K'), iv, "aad", sealed).ok());
  EXPECT_FALSE(AesGcmOpen(key, Bytes(12, 'j'), "aad", sealed).ok());
}

// RFC 8032, section 7.1, tests 1 to 3.
TEST(Ed25519Test, Rfc8032) {
  struct Vector {
    const char *seed, *public_key, *message, *signature;
  };
  constexpr Vector kVectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
       "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
       "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  for (const Vector& vector : kVectors) {
    const KeyPair key = Ed25519FromSeed(SecretBytes(Hex(vector.seed)));
    EXPECT_EQ(key.public_key.hex(), vector.public_key);
    EXPECT_EQ(Ed25519Sign(key, Hex(vector.message)).hex(), vector.signature);
    EXPECT_TRUE(Ed25519Verify(key.public_key, Hex(vector.message), Hex(vector.signature)));
  }
}

TEST(Ed25519Test, ChangedMessageKeyOrSignatureDoesNotVerify) {
  test::SeededRng rng(1);
  const KeyPair key = Ed25519Generate(rng);
  const KeyPair other = Ed25519Generate(rng);
  const Bytes signature = Ed25519Sign(key, "message").bytes();
  ASSERT_TRUE(Ed25519Verify(key.public_key, "message", signature));
  EXPECT_FALSE(Ed25519Verify(key.public_key, "messagf", signature));
  EXPECT_FALSE(Ed25519Verify(other.public_key, "message", signature));
  EXPECT_FALSE(Ed25519Verify(PublicKey(), "message", signature));
  EXPECT_FALSE(Ed25519Verify(key.public_key, "message", signature.substr(1)));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    Bytes changed = signature;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(Ed25519Verify(key.public_key, "message", changed)) << i;
  }
}

// RFC 7748: Bob's key pair of section 6.1, and the first iteration of section 5.2.
TEST(X25519Test, Rfc7748PublicKeys) {
  EXPECT_EQ(
      X25519FromSecret(
          SecretBytes(Hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")))
          .public_key.hex(),
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  Bytes nine(32, '\0');
  nine[0] = 9;
  EXPECT_EQ(X25519FromSecret(SecretBytes(nine)).public_key.hex(),
            "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
}

class SealToTest : public testing::Test {
 protected:
  test::SeededRng rng_{7};
  const KeyPair ours_ = X25519Generate(rng_);
  const KeyPair theirs_ = X25519Generate(rng_);
};

TEST_F(SealToTest, OpensWithKeyAndContextOnly) {
  const Bytes sealed = SealTo(ours_.public_key, "context", "run key", rng_);
  EXPECT_EQ(OpenSealed(ours_, "context", sealed)->view(), "run key");
  EXPECT_FALSE(OpenSealed(theirs_, "context", sealed).ok());
  EXPECT_FALSE(OpenSealed(ours_, "contexT", sealed).ok());
  EXPECT_NE(SealTo(ours_.public_key, "context", "run key", rng_), sealed);
}

TEST_F(SealToTest, EveryChangedByteIsFound) {
  const Bytes sealed = SealTo(ours_.public_key, "context", "run key", rng_);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    for (const int bit : {0x01, 0x80}) {
      // RFC 7748, section 5: the top bit of a u-coordinate is ignored; here it is under the HKDF
      // salt.
      Bytes changed = sealed;
      changed[i] = static_cast<char>(changed[i] ^ bit);
      EXPECT_EQ(ExitCodeOf(OpenSealed(ours_, "context", changed).status()), 5) << i;
    }
    EXPECT_EQ(ExitCodeOf(OpenSealed(ours_, "context", sealed.substr(0, i)).status()), 5) << i;
  }
}

TEST_F(SealToTest, EphemeralKeyOfSmallOrderIsRefused) {
  Bytes sealed = SealTo(ours_.public_key, "context", "run key", rng_);
  sealed.replace(0, 32, Bytes(32, '\0'));
  EXPECT_EQ(ExitCodeOf(OpenSealed(ours_, "context", sealed).status()), 5);
}

// scrypt costs some 60 ms a call, so few bytes are tried.
TEST(PassphraseTest, OpensWithPassphraseAndContextOnly) {
  test::SeededRng rng(3);
  const Bytes sealed = SealWithPassphrase("correct horse", "owner key", "secret", rng);
  EXPECT_EQ(OpenWithPassphrase("correct horse", "owner key", sealed)->view(), "secret");
  EXPECT_EQ(ExitCodeOf(OpenWithPassphrase("Correct horse", "owner key", sealed).status()), 12);
  EXPECT_EQ(ExitCodeOf(OpenWithPassphrase("", "owner key", sealed).status()), 12);
  EXPECT_FALSE(OpenWithPassphrase("correct horse", "agent key", sealed).ok());
  for (const std::size_t i : {std::size_t{0}, std::size_t{16}, sealed.size() - 1}) {
    Bytes changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(OpenWithPassphrase("correct horse", "owner key", changed).ok()) << i;
  }
  EXPECT_FALSE(OpenWithPassphrase("correct horse", "owner key", sealed.substr(0, 31)).ok());
}

// The key is scrypt(N = 2^15, r = 8, p = 1) of RFC 7914 under the first 16 bytes: this text was
// sealed with Python's hashlib.scrypt and an independent AES-GCM.
TEST(PassphraseTest, KeyIsTheScryptOfRfc7914) {
  const Bytes sealed =
      Hex("000102030405060708090a0b0c0d0e0fbfcbd3648fafea9db3ac6c0993493788"
          "9700d452541f204f");
  EXPECT_EQ(OpenWithPassphrase("pleaseletmein", "ctx", sealed)->view(), "holdfast");
}

TEST(SecretBytesTest, MovedFromIsEmptyAndCopyIsIndependent) {
  SecretBytes a("secret");
  SecretBytes b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(b.view(), "secret");
  const SecretBytes copy = b;
  b = SecretBytes("other");
  EXPECT_EQ(copy.view(), "secret");
  Bytes source = "taken";
  EXPECT_EQ(SecretBytes::Take(std::move(source)).view(), "taken");
  EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(ConstantTimeEqualTest, ComparesContentAndLength) {
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
  EXPECT_TRUE(ConstantTimeEqual("", ""));
}

}  // namespace
}  // namespace holdfast
