#include "common/format/trust.h"

#include "common/base/error.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "tests/fuzz/targets.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::fuzz {
namespace {

struct Keys {
  test::SeededRng rng{1};
  KeyPair owner = Ed25519Generate(rng);
  KeyPair recipient = X25519Generate(rng);
};

}  // namespace

void Trust(ByteView input) {
  static Keys keys;
  const auto record = ParseRecord(input);
  if (record.ok()) {
    HOLDFAST_CHECK(record->seq > 0 && !record->key_ids.empty());
    // Nobody guesses a signature or a tag.
    HOLDFAST_CHECK(!VerifyRecord(input, keys.owner.public_key).ok());
    HOLDFAST_CHECK(!OpenRecord(input, SecretBytes(Bytes(32, 'k'))).ok());
  }
  const auto list = DecodeReferenceList(input);
  if (list.ok()) HOLDFAST_CHECK(EncodeReferenceList(*list) == input);
  const auto grant = DecodeEnrolmentGrant(input);
  if (grant.ok()) HOLDFAST_CHECK(EncodeEnrolmentGrant(*grant) == input);

  // These may open: the corpus holds documents of these very keys.
  const auto recipients = OpenRecipientList(input, keys.owner.public_key);
  if (recipients.ok()) HOLDFAST_CHECK(SignRecipientList(*recipients, keys.owner) == input);
  const auto identity = OpenAgentIdentity(input, keys.owner.public_key);
  HOLDFAST_CHECK(!identity.ok() || PeekAgentIdentity(input).ok());
  const auto run_key = OpenKeyEnvelope(input, keys.recipient);
  HOLDFAST_CHECK(!run_key.ok() || (run_key->size() == 32 && PeekKeyEnvelope(input).ok()));
  const auto secrets = OpenDomainSecrets(input, keys.recipient);
  HOLDFAST_CHECK(!secrets.ok() || secrets->chunker_key.size() == 32);
}

}  // namespace holdfast::fuzz
