// A snapshot record: the small signed root of a snapshot, with a clear part for collection and
// recovery without keys and a sealed part with everything that has a name.
//
// Invariants: I1  The signature (Ed25519, the agent's signing key) covers every stored byte before
//                 it.
//             I2  prev is the SHA-256 of the record of seq − 1 (zero for seq 1): records form a
//                 chain.
//             I3  The sealed part opens only with the run data key key_ids[0], bound to the clear
//                 part as AAD.
// Threading:  values.
// Errors:     kIntegrity 4050… (damage, signature), kPermission 4029 (key).
// Layout:     "HFRECD1\n" ‖ domain 16 ‖ source 16 ‖ seq u64 ‖ taken_at_ms u64 ‖ prev 32 ‖ state u8
//             (1 complete, 2 partial) ‖ reference list hash 32 ‖ key count u16 ‖ key ids 16 × n ‖
//             salt 16 ‖ sealed_len u32 ‖ sealed ‖ signature 64.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "common/crypto/crypto.h"
#include "common/format/entry.h"

namespace holdfast {

struct RecordClear {
  DomainId domain;
  SourceId source;
  std::uint64_t seq = 0;
  std::uint64_t taken_at_ms = 0;
  Hash256 previous;
  bool partial = false;
  Hash256 reference_list_hash;
  std::vector<KeyId> key_ids;  // [0] seals this record; chunks name their own in their headers
};

constexpr std::size_t kMaxRecordBytes = 4u << 20;

// `facts` is a serialised holdfast.stored.SnapshotFacts.
Bytes SealRecord(const RecordClear& clear, ByteView facts, const SecretBytes& run_key,
                 const KeyPair& signer, Rng& rng);
absl::StatusOr<RecordClear> ParseRecord(ByteView record);             // no key, no signature check
absl::Status VerifyRecord(ByteView record, const PublicKey& signer);  // signature
absl::StatusOr<Bytes> OpenRecord(ByteView record, const SecretBytes& run_key);  // facts

Hash256 RecordHash(ByteView record);  // the snapshot id

}  // namespace holdfast
