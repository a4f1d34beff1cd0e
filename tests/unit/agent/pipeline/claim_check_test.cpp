// Goal: a controller that says it has what it does not give is found out (fault row 63), and one
// that only cannot be reached is not accused.
#include "agent/pipeline/claim_check.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/unit/agent/pipeline/backup_run_fixture.h"

namespace holdfast::pipeline {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// What the controller gives, as `alter` changes it.
class AlteringFetcher final : public ChunkFetcher {
 public:
  using Alter = std::function<absl::StatusOr<Bytes>(const ChunkId&, Bytes)>;
  AlteringFetcher(test::FakeController& controller, Alter alter)
      : controller_(controller), alter_(std::move(alter)) {}
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override {
    asked.insert(ids.begin(), ids.end());
    ASSIGN_OR_RETURN(std::vector<Bytes> objects, controller_.Fetch(domain, ids));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ASSIGN_OR_RETURN(objects[i], alter_(ids[i], std::move(objects[i])));
    }
    return objects;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key_id) override {
    return controller_.FetchEnvelope(domain, key_id);
  }
  std::set<ChunkId> asked;

 private:
  test::FakeController& controller_;
  const Alter alter_;
};

class ClaimCheckTest : public BackupRunTest {
 protected:
  BackupReport RunAsking(const std::shared_ptr<AlteringFetcher>& fetcher) {
    BackupRun::Options options = Options();
    options.claims = fetcher;
    test::FakeIngestSession session(controller_);
    RunProgress progress;
    const auto report = BackupRun(options).Run(source_, session, progress, {});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : BackupReport();
  }
  std::shared_ptr<AlteringFetcher> Giving(AlteringFetcher::Alter alter) {
    return std::make_shared<AlteringFetcher>(controller_, std::move(alter));
  }
};

TEST_F(ClaimCheckTest, AnHonestControllerIsAskedForAFewChunks) {
  const auto fetcher = Giving([](const ChunkId&, Bytes object) { return object; });
  EXPECT_THAT(RunAsking(fetcher).broken_claims, IsEmpty());
  EXPECT_FALSE(fetcher->asked.empty());
  EXPECT_LE(fetcher->asked.size(), kContentClaims + kManifestClaims);
  fetcher->asked.clear();
  EXPECT_THAT(RunAsking(fetcher).broken_claims, IsEmpty()) << "chunks of an older run";
  EXPECT_FALSE(fetcher->asked.empty());
}

TEST_F(ClaimCheckTest, WhatIsNotGivenOrIsAnotherChunkIsABrokenClaim) {
  const auto withheld = Giving([](const ChunkId& id, Bytes) -> absl::StatusOr<Bytes> {
    return Error(ErrorKind::kNotFound, 5040, "unable to find " + id.hex());
  });
  BackupReport report = RunAsking(withheld);
  EXPECT_THAT(report.broken_claims, SizeIs(withheld->asked.size()));
  EXPECT_EQ(report.seq, 1u) << "the snapshot is committed all the same";

  const auto flipped = Giving([](const ChunkId&, Bytes object) {
    object.back() = static_cast<char>(object.back() ^ 1);
    return object;
  });
  report = RunAsking(flipped);
  EXPECT_THAT(report.broken_claims, SizeIs(flipped->asked.size()));

  const Bytes other = controller_.objects.begin()->second;
  const ChunkId other_id = controller_.objects.begin()->first;
  const auto swapped =
      Giving([&](const ChunkId& id, Bytes object) { return id == other_id ? object : other; });
  report = RunAsking(swapped);
  EXPECT_EQ(report.broken_claims.size() + swapped->asked.count(other_id), swapped->asked.size());
}

TEST_F(ClaimCheckTest, WhatWasBrokenIsReadAndStoredAgainByTheNextRun) {
  std::set<ChunkId> lost;
  const auto losing = Giving([&](const ChunkId& id, Bytes) -> absl::StatusOr<Bytes> {
    lost.insert(id);
    return Error(ErrorKind::kNotFound, 5040, "unable to find " + id.hex());
  });
  RunAsking(losing);
  for (const ChunkId& id : lost) controller_.objects.erase(id);  // as it is marked then
  const auto giving = Giving([](const ChunkId&, Bytes object) { return object; });
  EXPECT_THAT(RunAsking(giving).broken_claims, IsEmpty());
  for (const ChunkId& id : lost) EXPECT_TRUE(controller_.objects.contains(id));
  ExpectRestores(1, source_.files);
  ExpectRestores(2, source_.files);
  EXPECT_LE(RunAsking(giving).sent_objects, 1u) << "at most the manifest: nothing is read anew";
}

TEST_F(ClaimCheckTest, AControllerThatCannotBeReachedBreaksNoClaim) {
  const auto away = Giving([](const ChunkId&, Bytes) -> absl::StatusOr<Bytes> {
    return Error(ErrorKind::kUnreachable, 6001, "the controller is away");
  });
  EXPECT_THAT(RunAsking(away).broken_claims, IsEmpty());
  EXPECT_LE(away->asked.size(), 2u) << "it was asked on though it is away";
}

TEST_F(ClaimCheckTest, DrawsAreEvenAndBounded) {
  std::vector<ChunkId> claimed;
  for (int i = 0; i < 50; ++i) claimed.push_back(agent_.rng.DrawFixed<ChunkId>());
  EXPECT_THAT(DrawClaims({}, 4, agent_.rng), IsEmpty());
  EXPECT_THAT(DrawClaims({claimed[0], claimed[0]}, 4, agent_.rng), SizeIs(1));
  std::set<ChunkId> drawn;
  for (int i = 0; i < 200; ++i) {
    const std::vector<ChunkId> some = DrawClaims(claimed, 4, agent_.rng);
    EXPECT_LE(some.size(), 4u);
    EXPECT_EQ(std::set<ChunkId>(some.begin(), some.end()).size(), some.size());
    drawn.insert(some.begin(), some.end());
  }
  EXPECT_EQ(drawn.size(), claimed.size()) << "some chunk is never asked for";
}

}  // namespace
}  // namespace holdfast::pipeline
