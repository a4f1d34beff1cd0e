#include "common/format/commit_facts.h"

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/format/wire.h"

namespace holdfast {
namespace {

constexpr ByteView kMagic{"HFCMIT1\n", 8};
constexpr std::size_t kRunIdBytes = 16;

}  // namespace

Bytes EncodeCommitFacts(const CommitFacts& facts) {
  HOLDFAST_CHECK(facts.run_id.size() == kRunIdBytes);
  Writer writer;
  writer.Raw(kMagic);
  writer.Raw(facts.snapshot_id.view());
  writer.Raw(facts.run_id);
  writer.U64(facts.committed_at_ms);
  writer.U64(facts.content_bytes);
  writer.U64(facts.entry_count);
  writer.U64(facts.stored_bytes);
  writer.U64(facts.duration_ms);
  writer.Raw(Sha256(writer.bytes()).view());
  return writer.Take();
}

absl::StatusOr<CommitFacts> DecodeCommitFacts(ByteView bytes) {
  Reader reader(bytes);
  CommitFacts facts;
  const bool begins_right = reader.Magic(kMagic);
  facts.snapshot_id = reader.Id<Hash256>();
  facts.run_id = Bytes(reader.Raw(kRunIdBytes));
  facts.committed_at_ms = reader.U64();
  facts.content_bytes = reader.U64();
  facts.entry_count = reader.U64();
  facts.stored_bytes = reader.U64();
  facts.duration_ms = reader.U64();
  const auto sum = reader.Id<Hash256>();
  if (!begins_right || !reader.AtEnd() ||
      Sha256(bytes.substr(0, bytes.size() - Hash256::kSize)) != sum) {
    return Error(ErrorKind::kIntegrity, 4045, "unable to read commit facts: they are damaged");
  }
  return facts;
}

}  // namespace holdfast
