// The cryptographic primitives Holdfast uses, over OpenSSL 3: thin, typed, hard to misuse.
//
// SHA-256 (FIPS 180-4), HMAC (RFC 2104), HKDF-SHA256 (RFC 5869), AES-256-GCM (NIST SP 800-38D),
// Ed25519 (RFC 8032), X25519 (RFC 7748), scrypt (RFC 7914).
// Invariants: a primitive that fails for another reason than a wrong key, tag or signature aborts:
//             OpenSSL without memory or algorithms is not a state to go on in.
// Threading:  free functions from any thread; a hasher belongs to one thread.
// Errors:     wrong key, tag, signature or length: kIntegrity (4001) or as stated.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"
#include "common/env/random.h"

namespace holdfast {

Hash256 Sha256(ByteView bytes);

class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  void Update(ByteView bytes);
  Hash256 Finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// HMAC-SHA256 with a fixed key, prepared once. Mac() may be called from any thread.
class HmacKey {
 public:
  explicit HmacKey(ByteView key);
  ~HmacKey();
  HmacKey(HmacKey&&) noexcept;
  Hash256 Mac(ByteView first, ByteView second = {}) const;  // of the concatenation

 private:
  struct State;
  std::unique_ptr<State> state_;
};

SecretBytes HkdfSha256(ByteView key, ByteView salt, ByteView info, std::size_t size);

// Appends ciphertext and the 16-byte tag to `out`.
constexpr std::size_t kGcmTagBytes = 16;
void AesGcmSeal(ByteView key32, ByteView iv12, ByteView aad, ByteView plaintext, Bytes* out);
absl::StatusOr<Bytes> AesGcmOpen(ByteView key32, ByteView iv12, ByteView aad, ByteView sealed);

using PublicKey = FixedBytes<struct PublicKeyTag, 32>;  // X25519 or Ed25519, raw
using Signature = FixedBytes<struct SignatureTag, 64>;

struct KeyPair {
  SecretBytes secret;  // 32 bytes: Ed25519 seed or X25519 scalar
  PublicKey public_key;
};

KeyPair Ed25519FromSeed(SecretBytes seed32);
KeyPair Ed25519Generate(Rng& rng);
Signature Ed25519Sign(const KeyPair& key, ByteView message);
bool Ed25519Verify(const PublicKey& key, ByteView message, ByteView signature);

KeyPair X25519FromSecret(SecretBytes secret32);
KeyPair X25519Generate(Rng& rng);

// Anonymous sealing to an X25519 key: ephemeral public key ‖ AES-256-GCM under
// HKDF(shared secret, salt = ephemeral ‖ recipient, info = context). Opens only with the same
// context.
Bytes SealTo(const PublicKey& recipient, ByteView context, ByteView plaintext, Rng& rng);
absl::StatusOr<SecretBytes> OpenSealed(const KeyPair& recipient, ByteView context, ByteView sealed);

// Passphrase encryption for key files: scrypt (N=2^15, r=8, p=1) and AES-256-GCM.
Bytes SealWithPassphrase(ByteView passphrase, ByteView context, ByteView plaintext, Rng& rng);
absl::StatusOr<SecretBytes> OpenWithPassphrase(ByteView passphrase, ByteView context,
                                               ByteView sealed);

}  // namespace holdfast
