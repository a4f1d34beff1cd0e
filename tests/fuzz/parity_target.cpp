#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/parity.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {

// Two bytes say how long the parity file is; what follows it is left of its pack.
void Parity(ByteView input) {
  if (input.size() < 2) return;
  const std::size_t length = static_cast<unsigned char>(input[0]) |
                             static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8;
  input.remove_prefix(2);
  const std::size_t file_bytes = std::min(length, input.size());
  const auto parity = holdfast::Parity::Decode(Bytes(input.substr(0, file_bytes)));
  if (!parity.ok()) return;
  const bool whole = parity->IsWhole();
  const auto pack = parity->Repair(Bytes(input.substr(file_bytes)));
  HOLDFAST_CHECK(whole == parity->IsWhole());
  if (!pack.ok()) return;
  HOLDFAST_CHECK(pack->size() == parity->shape().pack_bytes);
  HOLDFAST_CHECK(PackName::From(Sha256(*pack).view()) == parity->pack());
}

}  // namespace holdfast::fuzz
