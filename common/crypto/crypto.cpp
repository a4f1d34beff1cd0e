#include "common/crypto/crypto.h"

#include <openssl/evp.h>

#include "common/base/error.h"
#include "common/base/uninitialized.h"

namespace holdfast {
namespace {

const unsigned char* U(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* U(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

struct CipherDelete {
  void operator()(EVP_CIPHER_CTX* ctx) const { EVP_CIPHER_CTX_free(ctx); }
};
struct KeyDelete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct KeyContextDelete {
  void operator()(EVP_PKEY_CTX* ctx) const { EVP_PKEY_CTX_free(ctx); }
};
struct DigestDelete {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherDelete>;
using Key = std::unique_ptr<EVP_PKEY, KeyDelete>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, KeyContextDelete>;
using Digest = std::unique_ptr<EVP_MD_CTX, DigestDelete>;

Key PrivateKey(int type, ByteView secret) {
  Key key(EVP_PKEY_new_raw_private_key(type, nullptr, U(secret), secret.size()));
  HOLDFAST_CHECK(key != nullptr);
  return key;
}

KeyPair PairFrom(int type, SecretBytes secret) {
  HOLDFAST_CHECK(secret.size() == 32);
  KeyPair pair;
  const Key key = PrivateKey(type, secret.view());
  std::size_t size = PublicKey::kSize;
  HOLDFAST_CHECK(EVP_PKEY_get_raw_public_key(key.get(), U(pair.public_key.data()), &size) == 1);
  pair.secret = std::move(secret);
  return pair;
}

// X25519 shared secret; kIntegrity for a public key of small order (all-zero result, RFC 7748
// section 6.1).
absl::StatusOr<SecretBytes> Agree(const KeyPair& ours, const PublicKey& theirs) {
  const Key secret = PrivateKey(EVP_PKEY_X25519, ours.secret.view());
  const Key peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, U(theirs.view()), PublicKey::kSize));
  HOLDFAST_CHECK(peer != nullptr);
  const KeyContext context(EVP_PKEY_CTX_new(secret.get(), nullptr));
  HOLDFAST_CHECK(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1);
  Bytes shared(32, '\0');
  std::size_t size = shared.size();
  if (EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), U(shared.data()), &size) != 1) {
    return Error(ErrorKind::kIntegrity, 4001,
                 "unable to agree on a key: the public key is not valid");
  }
  return SecretBytes::Take(std::move(shared));
}

SecretBytes SealingKey(const SecretBytes& shared, const PublicKey& ephemeral,
                       const PublicKey& recipient, ByteView context) {
  return HkdfSha256(shared.view(), ephemeral.bytes() + recipient.bytes(), context, 32);
}

const Bytes& ZeroIv() {
  static const Bytes iv(12, '\0');
  return iv;
}

constexpr std::size_t kSaltBytes = 16;

SecretBytes PassphraseKey(ByteView passphrase, ByteView salt) {
  Bytes key(32, '\0');
  HOLDFAST_CHECK(EVP_PBE_scrypt(passphrase.data(), passphrase.size(), U(salt), salt.size(), 1 << 15,
                                8, 1, 64u << 20, U(key.data()), key.size()) == 1);
  return SecretBytes::Take(std::move(key));
}

}  // namespace

Hash256 Sha256(ByteView bytes) {
  Hash256 result;
  unsigned int size = 0;
  HOLDFAST_CHECK(
      EVP_Digest(bytes.data(), bytes.size(), U(result.data()), &size, EVP_sha256(), nullptr) == 1);
  return result;
}

struct Sha256Hasher::State {
  Digest context{EVP_MD_CTX_new()};
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  HOLDFAST_CHECK(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}
Sha256Hasher::~Sha256Hasher() = default;

void Sha256Hasher::Update(ByteView bytes) {
  HOLDFAST_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Hash256 Sha256Hasher::Finish() {
  Hash256 result;
  HOLDFAST_CHECK(EVP_DigestFinal_ex(state_->context.get(), U(result.data()), nullptr) == 1);
  return result;
}

// HMAC = H(key ^ opad ‖ H(key ^ ipad ‖ text)): both inner states are prepared once and copied per
// call.
struct HmacKey::State {
  Digest inner{EVP_MD_CTX_new()};
  Digest outer{EVP_MD_CTX_new()};
};

HmacKey::HmacKey(ByteView key) : state_(std::make_unique<State>()) {
  constexpr std::size_t kBlock = 64;
  Bytes block(key.size() > kBlock ? Sha256(key).bytes() : Bytes(key));
  block.resize(kBlock, '\0');
  for (const auto& [context, pad] :
       {std::pair{state_->inner.get(), 0x36}, std::pair{state_->outer.get(), 0x5c}}) {
    Bytes padded = block;
    for (char& c : padded) c = static_cast<char>(c ^ pad);
    HOLDFAST_CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
    HOLDFAST_CHECK(EVP_DigestUpdate(context, padded.data(), padded.size()) == 1);
    SecretBytes::Take(std::move(padded));
  }
  SecretBytes::Take(std::move(block));
}
HmacKey::~HmacKey() = default;
HmacKey::HmacKey(HmacKey&&) noexcept = default;

Hash256 HmacKey::Mac(ByteView first, ByteView second) const {
  const Digest context(EVP_MD_CTX_new());
  Hash256 inner;
  HOLDFAST_CHECK(EVP_MD_CTX_copy_ex(context.get(), state_->inner.get()) == 1);
  HOLDFAST_CHECK(EVP_DigestUpdate(context.get(), first.data(), first.size()) == 1);
  HOLDFAST_CHECK(EVP_DigestUpdate(context.get(), second.data(), second.size()) == 1);
  HOLDFAST_CHECK(EVP_DigestFinal_ex(context.get(), U(inner.data()), nullptr) == 1);
  Hash256 result;
  HOLDFAST_CHECK(EVP_MD_CTX_copy_ex(context.get(), state_->outer.get()) == 1);
  HOLDFAST_CHECK(EVP_DigestUpdate(context.get(), inner.data(), Hash256::kSize) == 1);
  HOLDFAST_CHECK(EVP_DigestFinal_ex(context.get(), U(result.data()), nullptr) == 1);
  return result;
}

// RFC 5869 section 2.
SecretBytes HkdfSha256(ByteView key, ByteView salt, ByteView info, std::size_t size) {
  HOLDFAST_CHECK(size <= 255 * 32);
  const Bytes zero_salt(32, '\0');
  const Hash256 pseudo_random_key = HmacKey(salt.empty() ? ByteView(zero_salt) : salt).Mac(key);
  const HmacKey expand(pseudo_random_key.view());
  Bytes output;
  Bytes block;
  for (int counter = 1; output.size() < size; ++counter) {
    Bytes text = block;
    text.append(info);
    text.push_back(static_cast<char>(counter));
    block = expand.Mac(text).bytes();
    output.append(block);
  }
  output.resize(size);
  return SecretBytes::Take(std::move(output));
}

void AesGcmSeal(ByteView key32, ByteView iv12, ByteView aad, ByteView plaintext, Bytes* out) {
  HOLDFAST_CHECK(key32.size() == 32 && iv12.size() == 12);
  const Cipher context(EVP_CIPHER_CTX_new());
  int size = 0;
  HOLDFAST_CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, U(key32), U(iv12)) ==
                 1);
  HOLDFAST_CHECK(
      EVP_EncryptUpdate(context.get(), nullptr, &size, U(aad), static_cast<int>(aad.size())) == 1);
  const std::size_t begin = out->size();
  ResizeUninitialized(out, begin + plaintext.size() + kGcmTagBytes);
  char* target = out->data() + begin;
  HOLDFAST_CHECK(EVP_EncryptUpdate(context.get(), U(target), &size, U(plaintext),
                                   static_cast<int>(plaintext.size())) == 1);
  target += plaintext.size();
  HOLDFAST_CHECK(EVP_EncryptFinal_ex(context.get(), U(target), &size) == 1);
  HOLDFAST_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, target) ==
                 1);
}

absl::StatusOr<Bytes> AesGcmOpen(ByteView key32, ByteView iv12, ByteView aad, ByteView sealed) {
  HOLDFAST_CHECK(key32.size() == 32 && iv12.size() == 12);
  const auto failed = [] {
    return Error(ErrorKind::kIntegrity, 4001,
                 "unable to decrypt: the authentication tag does not match");
  };
  if (sealed.size() < kGcmTagBytes) return failed();
  const ByteView body = sealed.substr(0, sealed.size() - kGcmTagBytes);
  Bytes tag(sealed.substr(body.size()));
  const Cipher context(EVP_CIPHER_CTX_new());
  int size = 0;
  HOLDFAST_CHECK(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, U(key32), U(iv12)) ==
                 1);
  HOLDFAST_CHECK(
      EVP_DecryptUpdate(context.get(), nullptr, &size, U(aad), static_cast<int>(aad.size())) == 1);
  Bytes plaintext = UninitializedBytes(body.size());
  HOLDFAST_CHECK(EVP_DecryptUpdate(context.get(), U(plaintext.data()), &size, U(body),
                                   static_cast<int>(body.size())) == 1);
  HOLDFAST_CHECK(
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kGcmTagBytes, tag.data()) == 1);
  char nothing[16];
  if (EVP_DecryptFinal_ex(context.get(), U(nothing), &size) != 1) {
    SecretBytes::Take(std::move(plaintext));
    return failed();
  }
  return plaintext;
}

KeyPair Ed25519FromSeed(SecretBytes seed32) {
  return PairFrom(EVP_PKEY_ED25519, std::move(seed32));
}
KeyPair Ed25519Generate(Rng& rng) { return Ed25519FromSeed(SecretBytes::Take(rng.Draw(32))); }
KeyPair X25519FromSecret(SecretBytes secret32) {
  return PairFrom(EVP_PKEY_X25519, std::move(secret32));
}
KeyPair X25519Generate(Rng& rng) { return X25519FromSecret(SecretBytes::Take(rng.Draw(32))); }

Signature Ed25519Sign(const KeyPair& key, ByteView message) {
  const Key secret = PrivateKey(EVP_PKEY_ED25519, key.secret.view());
  const Digest context(EVP_MD_CTX_new());
  Signature signature;
  std::size_t size = Signature::kSize;
  HOLDFAST_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, secret.get()) == 1);
  HOLDFAST_CHECK(
      EVP_DigestSign(context.get(), U(signature.data()), &size, U(message), message.size()) == 1);
  return signature;
}

bool Ed25519Verify(const PublicKey& key, ByteView message, ByteView signature) {
  if (signature.size() != Signature::kSize) return false;
  const Key peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, U(key.view()), PublicKey::kSize));
  if (peer == nullptr) return false;
  const Digest context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, peer.get()) == 1 &&
         EVP_DigestVerify(context.get(), U(signature), signature.size(), U(message),
                          message.size()) == 1;
}

Bytes SealTo(const PublicKey& recipient, ByteView context, ByteView plaintext, Rng& rng) {
  const KeyPair ephemeral = X25519Generate(rng);
  const absl::StatusOr<SecretBytes> shared = Agree(ephemeral, recipient);
  HOLDFAST_CHECK(shared.ok());  // a recipient key is checked when its document is made
  const SecretBytes key = SealingKey(*shared, ephemeral.public_key, recipient, context);
  Bytes out = ephemeral.public_key.bytes();
  AesGcmSeal(key.view(), ZeroIv(), context, plaintext, &out);
  return out;
}

absl::StatusOr<SecretBytes> OpenSealed(const KeyPair& recipient, ByteView context,
                                       ByteView sealed) {
  const auto ephemeral =
      PublicKey::From(sealed.substr(0, std::min<std::size_t>(32, sealed.size())));
  if (!ephemeral)
    return Error(ErrorKind::kIntegrity, 4001, "unable to open a sealed key: it is too short");
  ASSIGN_OR_RETURN(const SecretBytes shared, Agree(recipient, *ephemeral));
  const SecretBytes key = SealingKey(shared, *ephemeral, recipient.public_key, context);
  ASSIGN_OR_RETURN(Bytes plaintext, AesGcmOpen(key.view(), ZeroIv(), context, sealed.substr(32)));
  return SecretBytes::Take(std::move(plaintext));
}

Bytes SealWithPassphrase(ByteView passphrase, ByteView context, ByteView plaintext, Rng& rng) {
  Bytes out = rng.Draw(kSaltBytes);
  const SecretBytes key = PassphraseKey(passphrase, out);
  AesGcmSeal(key.view(), ZeroIv(), context, plaintext, &out);
  return out;
}

absl::StatusOr<SecretBytes> OpenWithPassphrase(ByteView passphrase, ByteView context,
                                               ByteView sealed) {
  const auto wrong = [] {
    return Error(ErrorKind::kPermission, 4003,
                 "unable to open the key file: the passphrase does not fit");
  };
  if (sealed.size() < kSaltBytes + kGcmTagBytes) return wrong();
  const SecretBytes key = PassphraseKey(passphrase, sealed.substr(0, kSaltBytes));
  auto plaintext = AesGcmOpen(key.view(), ZeroIv(), context, sealed.substr(kSaltBytes));
  if (!plaintext.ok()) return wrong();
  return SecretBytes::Take(*std::move(plaintext));
}

}  // namespace holdfast
