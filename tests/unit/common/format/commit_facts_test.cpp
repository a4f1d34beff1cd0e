// Goal: what was noted of a commit comes back as it was, and no changed byte of it is believed.
#include "common/format/commit_facts.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tests/support/seeded_rng.h"

namespace holdfast {
namespace {

CommitFacts MakeFacts() {
  test::SeededRng rng(5);
  return {rng.DrawFixed<Hash256>(), rng.Draw(16), 1'767'751'200'000, 1ull << 40, 12, 345, 678};
}

TEST(CommitFactsTest, ComeBackWhole) {
  const CommitFacts facts = MakeFacts();
  const auto back = DecodeCommitFacts(EncodeCommitFacts(facts));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->snapshot_id, facts.snapshot_id);
  EXPECT_EQ(back->run_id, facts.run_id);
  EXPECT_EQ(back->committed_at_ms, facts.committed_at_ms);
  EXPECT_EQ(back->content_bytes, facts.content_bytes);
  EXPECT_EQ(back->entry_count, facts.entry_count);
  EXPECT_EQ(back->stored_bytes, facts.stored_bytes);
  EXPECT_EQ(back->duration_ms, facts.duration_ms);
}

TEST(CommitFactsTest, NoChangedOrMissingByteIsBelieved) {
  const Bytes facts = EncodeCommitFacts(MakeFacts());
  for (std::size_t i = 0; i < facts.size(); ++i) {
    Bytes changed = facts;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    const absl::Status status = DecodeCommitFacts(changed).status();
    EXPECT_EQ(ExitCodeOf(status), 5) << i;
    EXPECT_EQ(CodeOf(status), 4045) << i;
    EXPECT_FALSE(DecodeCommitFacts(facts.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(DecodeCommitFacts(facts + "x").ok());
}

}  // namespace
}  // namespace holdfast
