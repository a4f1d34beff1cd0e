// Goal: whatever a disk does with what was not synced, and wherever the process or the power ends,
// what was acknowledged is there, what is listed is whole, and nothing stays behind for good.
// Method: random lives of the real store, catalog, commit and collector on a simulated disk
// (sim_disk.h says what it may do); then the same with one sync left out, which must be noticed.
//
// HOLDFAST_DISK_SEEDS=n runs so many schedules, HOLDFAST_DISK_FIRST=n begins with that seed,
// HOLDFAST_DISK_SEED=n runs one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"
#include "tests/fault/disk/sim_world.h"

namespace holdfast::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 300;
#else
constexpr std::uint64_t kSeeds = 2'000;
#endif
constexpr std::uint64_t kSeedsPerMutant = 2'000;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  std::uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

TEST(SimulatedDisk, NoSeedLosesOrLeaksAnything) {
  SimWorld world;
  if (const std::uint64_t only = FromEnvironment("HOLDFAST_DISK_SEED", 0); only != 0) {
    world.tells = true;
    EXPECT_EQ(world.Run(only), "");
    return;
  }
  const std::uint64_t seeds = FromEnvironment("HOLDFAST_DISK_SEEDS", kSeeds);
  const std::uint64_t first = FromEnvironment("HOLDFAST_DISK_FIRST", 1);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    ASSERT_EQ(world.Run(seed), "")
        << "replay with HOLDFAST_DISK_SEED=" << seed
        << " bin/test_fault_disk --gtest_filter=SimulatedDisk.NoSeedLosesOrLeaksAnything";
  }
  std::cout << "simulated disk: " << seeds << " seeds from " << first << ", " << world.disk_steps
            << " disk steps, " << world.commits << " commits, " << world.collections
            << " collections, " << world.kills << " kills, " << world.power_cuts << " power cuts, "
            << world.failures << " failing steps\n";
  // Else the schedules would prove nothing.
  EXPECT_GT(world.commits, seeds * 2);
  EXPECT_GT(world.power_cuts, seeds);
  EXPECT_GT(world.kills, seeds);
  EXPECT_GT(world.failures, seeds / 4);
}

struct Mutant {
  const char* name;
  SimLies lies;
};

bool EndsWith(const std::string& path, const char* end) { return path.ends_with(end); }

class SimulatedDiskMutant : public testing::TestWithParam<Mutant> {};

TEST_P(SimulatedDiskMutant, IsNoticed) {
  SimWorld world(GetParam().lies);
  for (std::uint64_t seed = 1; seed <= kSeedsPerMutant; ++seed) {
    const std::string what = world.Run(seed);
    if (what.empty()) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("what", what);
    return;
  }
  FAIL() << "this sync can be left out without anybody noticing";
}

INSTANTIATE_TEST_SUITE_P(
    Syncs, SimulatedDiskMutant,
    testing::Values(
        Mutant{"OpenPack", {[](const std::string& path) { return EndsWith(path, ".open"); }}},
        Mutant{"Record", {[](const std::string& path) { return EndsWith(path, ".record.tmp"); }}},
        Mutant{"ReferenceList",
               {[](const std::string& path) { return EndsWith(path, ".staged.tmp"); }}},
        Mutant{"Envelope",
               {[](const std::string& path) { return EndsWith(path, ".envelope.tmp"); }}},
        Mutant{"Log", {[](const std::string& path) { return EndsWith(path, "-wal"); }}},
        Mutant{"Database", {[](const std::string& path) { return EndsWith(path, ".db"); }}},
        Mutant{"StagingDirectory",
               {nullptr, [](const std::string& path) { return EndsWith(path, "/staging"); }}},
        Mutant{"FanDirectory",
               {nullptr,
                [](const std::string& path) { return path.find("/packs/") != std::string::npos; }}},
        Mutant{"PacksDirectory",
               {nullptr, [](const std::string& path) { return EndsWith(path, "/packs"); }}},
        Mutant{
            "RecordsOfASource",
            {nullptr,
             [](const std::string& path) { return path.find("/records/") != std::string::npos; }}},
        Mutant{"RecordsDirectory",
               {nullptr, [](const std::string& path) { return EndsWith(path, "/records"); }}},
        Mutant{"EnvelopesOfADomain",
               {nullptr,
                [](const std::string& path) {
                  return path.find("/envelopes/") != std::string::npos;
                }}},
        Mutant{"CatalogDirectory",
               {nullptr, [](const std::string& path) { return EndsWith(path, "/catalog"); }}}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace holdfast::test
