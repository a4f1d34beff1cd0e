// What the holder of the owner key signs to read from a living controller (POST /v1/recover).
// Threading: pure.
#pragma once

#include "common/base/bytes.h"
#include "fmt/format.h"

namespace holdfast::rpc {

inline Bytes RecoverySignedText(std::string_view csr_pem, std::uint64_t time_ms) {
  return fmt::format("holdfast recovery login\n{}\n{}", time_ms, csr_pem);
}

}  // namespace holdfast::rpc
