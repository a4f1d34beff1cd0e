// Goal: an agent stores no more than its quota, loses nothing by it, and hinders nobody; what adds
// nothing needs no room (fault row 54).
#include "fmt/format.h"
#include "tests/unit/controller/ingest/ingest_fixture.h"

namespace holdfast::ingest {
namespace {

class IngestQuotaTest : public IngestTest {
 protected:
  void Limit(const std::string& text) {
    const absl::Status set = controller_.quotas().Set("web-1", text, "test");
    ASSERT_TRUE(set.ok()) << set;
  }
  std::uint64_t Stored() {
    return controller_.catalog().StoredBytes(agent_.secrets.domain).value();
  }
};

TEST_F(IngestQuotaTest, ABackupBeyondTheQuotaIsRefusedAndTheOneBeforeStays) {
  ASSERT_TRUE(Run().ok());
  const Files first = source_.files;
  const std::uint64_t stored = Stored();
  Limit(std::to_string(stored + 100'000));

  source_.files["large"] = agent_.rng.Draw(3 << 20);
  const auto refused = Run();
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kNoSpace) << refused.status();
  EXPECT_EQ(CodeOf(refused.status()), 5036);
  EXPECT_NE(HintOf(refused.status()).find("quota set"), std::string::npos);
  EXPECT_EQ(controller_.catalog().GetSource(agent_.Source("uploads"))->head_seq, 1u);
  EXPECT_LE(Stored(), stored + 100'000);
  ExpectRestores(1, first);

  Limit("none");
  const auto report = Run();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->seq, 2u);
  ExpectRestores(1, first);
  ExpectRestores(2, source_.files);
}

TEST_F(IngestQuotaTest, ABackupThatAddsNothingNeedsNoRoom) {
  ASSERT_TRUE(Run().ok());
  Limit("0");
  const auto same = Run();
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->seq, 2u);
  ExpectRestores(2, source_.files);
  source_.files["small"] = "new";
  EXPECT_EQ(CodeOf(Run().status()), 5036);
}

TEST_F(IngestQuotaTest, TinyObjectsThatAreNeverCommittedEndAtTheQuota) {
  Limit("200kB");
  test::AgentDomain other(92, "web-2");
  const rpc::TlsIdentity theirs = controller_.Enrol(other, {"theirs"});
  // Four sessions at once; each has more to send than all of them may store.
  std::vector<std::unique_ptr<RawStream>> open;
  for (const char* source : {"other", "s3", "s4", "s5"}) {
    open.push_back(std::make_unique<RawStream>(controller_.Connect(identity_)));
    ASSERT_TRUE(open.back()->Open(agent_.Source(source), NewRunId()));
  }
  for (int round = 0; round < 100; ++round) {
    for (std::size_t stream = 0; stream < open.size(); ++stream) {
      std::vector<Bytes> objects;
      std::uint64_t bytes = 0;
      for (int i = 0; bytes < 2200; ++i) {
        objects.push_back(SealedObject(fmt::format("{} {} {}", stream, round, i)));
        bytes += objects.back().size();
      }
      open[stream]->SendObjects(objects);  // a stream that has ended takes no more
    }
  }
  for (const auto& stream : open) EXPECT_EQ(CodeOf(stream->End()), 5036);
  // How much of what was admitted is stored before the refusal ends the sessions is their race.
  EXPECT_LE(Stored(), 200'000u + 4 * 64) << "packs have a header each";

  RawStream stream(controller_.Connect(theirs));
  ASSERT_TRUE(stream.Open(other.Source("theirs"), NewRunId()));
  EXPECT_TRUE(stream.SendObjects({SealedObject("theirs", other.secrets.domain)}));
  EXPECT_TRUE(stream.End().ok()) << "another agent has room of its own";
}

}  // namespace
}  // namespace holdfast::ingest
