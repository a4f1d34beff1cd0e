// Bytes that are wiped when they go away: keys, passphrases, seeds.
//
// Invariants: never printed, never compared with ==; memory is cleansed on destruction, move and
//             assignment.
// Threading:  a value with one owner.
#pragma once

#include "common/base/bytes.h"

namespace holdfast {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(ByteView bytes) : bytes_(bytes) {}
  // Takes over `bytes` and wipes what is left of it.
  static SecretBytes Take(Bytes&& bytes);
  SecretBytes(const SecretBytes& other) = default;
  SecretBytes& operator=(const SecretBytes& other);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes();

  ByteView view() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  void Wipe();
  Bytes bytes_;
};

// Equal content, in time that depends on the lengths only.
bool ConstantTimeEqual(ByteView a, ByteView b);

}  // namespace holdfast
