// One installation with one enrolled agent, as values: every key, and the documents signed by them.
//
// Everything comes from a seed. Tests of the engine and of the transport take from here what a real
// agent keeps on its disk, and what a real controller hands out.
#pragma once

#include <string>
#include <vector>

#include "common/format/trust.h"
#include "tests/support/seeded_rng.h"

namespace holdfast::test {

struct AgentDomain {
  explicit AgentDomain(std::uint64_t seed, std::string agent_name = "web-1") : rng(seed) {
    owner = Ed25519Generate(rng);
    recovery = X25519Generate(rng);
    signing = Ed25519Generate(rng);
    recipient = X25519Generate(rng);
    secrets = MakeDomainSecrets(rng);
    identity = {rng.DrawFixed<AgentId>(), std::move(agent_name), secrets.domain, signing.public_key,
                recipient.public_key};
    const KeyPair grant_secret = Ed25519Generate(rng);
    const EnrolmentGrant grant =
        MakeEnrolmentGrant(owner, grant_secret.public_key, identity.agent_name, 1);
    identity_document = SignAgentIdentity(identity, grant, grant_secret);
    secrets_document =
        SealDomainSecrets(secrets,
                          {{RecipientRole::kRecovery, "recovery", recovery.public_key},
                           {RecipientRole::kAgent, identity.agent_name, recipient.public_key}},
                          rng);
  }

  // The owner's list of this version: the recovery key alone.
  Bytes Recipients(std::uint64_t version = 1) const {
    return SignRecipientList(
        {version, {{RecipientRole::kRecovery, "recovery", recovery.public_key}}}, owner);
  }
  SourceId Source(std::string_view name) const { return DeriveSourceId(secrets, name); }

  SeededRng rng;
  KeyPair owner, recovery, signing, recipient;
  DomainSecrets secrets;
  AgentIdentity identity;
  Bytes identity_document, secrets_document;
};

}  // namespace holdfast::test
