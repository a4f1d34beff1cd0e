#include "common/base/error.h"
#include "common/format/join_token.h"
#include "common/format/key_text.h"
#include "common/format/recovery_kit.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {

void Text(ByteView input) {
  const auto token = DecodeJoinToken(input);
  if (token.ok()) HOLDFAST_CHECK(DecodeJoinToken(EncodeJoinToken(*token)).ok());
  const auto kit = ParseRecoveryKit(input);
  if (kit.ok()) HOLDFAST_CHECK(ParseRecoveryKit(RenderRecoveryKit(*kit)).ok());
  for (const std::string_view prefix : {kRecoveryKeyPrefix, kOwnerKeyPrefix}) {
    const auto secret = DecodeKeyText(prefix, input);
    if (secret.ok()) HOLDFAST_CHECK(SameKeyText(EncodeKeyText(prefix, secret->view()), input));
    (void)KeyTextGroups(prefix, input);
  }
  HOLDFAST_CHECK(SameKeyText(input, input));
  (void)FromHex(input);
  const std::string shown = Escaped(input, 50);
  for (const char c : shown) HOLDFAST_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

}  // namespace holdfast::fuzz
