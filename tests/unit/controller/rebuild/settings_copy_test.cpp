// Goal: what operators set by command is in the store once Follow returned, also when writing the
// copy was cut off, and a catalog that is made anew has it again; of a foreign key it is taken only
// when somebody says so.
#include "controller/rebuild/settings_copy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "controller/rebuild/rebuild.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/sealed_objects.h"
#include "tests/support/sealed_snapshot.h"
#include "tests/support/seeded_rng.h"
#include "tests/support/stepped_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::rebuild {
namespace {

class SettingsCopyTest : public testing::Test {
 protected:
  SettingsCopyTest() {
    snapshot_ = sealed_.Commit("uploads", {test::FileNamed("a", test::Compressible(20'000))}, {});
    Rebuild({});
  }

  struct Whose {
    std::optional<PublicKey> signer;
    bool accept = false;
  };
  RebuildReport Rebuild(const Whose& whose) {
    copy_.reset();
    catalog_.reset();
    store_.reset();
    RebuildOptions options;
    options.data_directory = sealed_.data_directory();
    options.controller_id = Bytes(16, 'c');
    options.settings_signer = whose.signer;
    options.accept_settings = whose.accept;
    auto report = RebuildCatalog(RealEnv(), options);
    EXPECT_TRUE(report.ok()) << report.status();
    std::vector<store::RecoveredPack> recovered;
    store_ = store::Store::Open(RealEnv(), sealed_.data_directory(), &recovered).value();
    catalog_ =
        catalog::Catalog::Open(RealEnv(), sealed_.data_directory() + "/catalog/catalog.db").value();
    return report.ok() ? *std::move(report) : RebuildReport();
  }
  SettingsCopy& Copy() {
    copy_ = std::make_unique<SettingsCopy>(RealEnv(), *catalog_, *store_, key_);
    return *copy_;
  }
  static void Check(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }
  const SourceId& source() const { return snapshot_.source; }

  void SetEverything() {
    const std::string scope = "source:" + source().hex();
    Check(catalog_->audit().Audited({5, "ann", "schedule.set", "web-1/uploads", "cron"}, [&] {
      return catalog_->planning().SetSettings({{scope, "schedule.cron", "@daily", "ann", 5},
                                               {"system:shop", "objective.rpo", "1h", "ben", 6}});
    }));
    Check(catalog_->collection().SetPolicy(source(), "last=3"));
    catalog::ScheduleRow row;
    row.source = source();
    row.paused_at_ms = 7;
    row.paused_by = "ann";
    Check(catalog_->planning().SetSchedule(row));
    catalog::AlertChange change;
    change.silence = catalog::SilenceRow{0, "uploads", 1, ~0ull >> 2, "ann", "moving"};
    Check(catalog_->alerts().Apply(&change));
  }
  void ExpectEverything() {
    const auto settings = catalog_->planning().ListSettings().value();
    ASSERT_EQ(settings.size(), 2u);
    EXPECT_EQ(settings[0].value, "@daily");
    EXPECT_EQ(settings[0].set_by, "ann");
    EXPECT_EQ(settings[0].set_at_ms, 5u);
    EXPECT_EQ(settings[1].scope, "system:shop");
    EXPECT_EQ(catalog_->collection().GetPolicy(source()).value(), "last=3");
    const auto schedules = catalog_->planning().ListSchedules().value();
    ASSERT_EQ(schedules.size(), 1u);
    EXPECT_EQ(schedules[0].paused_at_ms, 7u);
    EXPECT_EQ(schedules[0].paused_by, "ann");
    EXPECT_TRUE(schedules[0].run_id.empty());
    const auto silences = catalog_->alerts().SilencesAt(100).value();
    ASSERT_EQ(silences.size(), 1u);
    EXPECT_EQ(silences[0].reason, "moving");
    const auto audit = catalog_->audit().ReadAudit(10).value();
    EXPECT_FALSE(audit.broken_at.has_value());
    ASSERT_EQ(audit.rows.size(), 3u);
    EXPECT_EQ(audit.rows[0].entry.action, "catalog.rebuild");
    EXPECT_EQ(audit.rows[1].entry.by, "ann");
    EXPECT_EQ(audit.rows[2].entry.action, "catalog.rebuild");
  }
  std::string PathOf(std::uint64_t generation) const {
    return sealed_.Path(layout::SettingsPath(generation));
  }
  std::uint64_t NewestGeneration() const {
    std::vector<std::string> damage;
    const auto newest = NewestSettings(store_->GetSettings(), &damage);
    return newest ? newest->generation : 0;
  }

  test::TempDir directory_;
  test::SealedStore sealed_{directory_ / "data", 7};
  test::SeededRng rng_{9};
  KeyPair key_ = Ed25519Generate(rng_);
  test::CommittedSnapshot snapshot_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<SettingsCopy> copy_;
};

TEST_F(SettingsCopyTest, ACatalogThatIsMadeAnewHasWhatWasSetByCommand) {
  SetEverything();
  Check(Copy().Follow());
  const RebuildReport report = Rebuild({key_.public_key});
  ASSERT_TRUE(report.settings.has_value());
  EXPECT_TRUE(report.settings->taken);
  EXPECT_EQ(report.settings->imported.rows.at("setting"), 2u);
  EXPECT_EQ(report.settings->imported.left_out, 0u);
  EXPECT_TRUE(report.damage.empty());
  ExpectEverything();
}

TEST_F(SettingsCopyTest, WithoutACopyNothingExpiresAndNothingIsSet) {
  SetEverything();
  const RebuildReport report = Rebuild({key_.public_key});
  EXPECT_FALSE(report.settings.has_value());
  EXPECT_TRUE(catalog_->planning().ListSettings()->empty());
  EXPECT_EQ(catalog_->collection().GetPolicy(source()).value(), catalog::kKeepEverything);
}

TEST_F(SettingsCopyTest, SettingsOfAnotherControllerAreTakenOnlyWhenSomebodySaysSo) {
  SetEverything();
  Check(Copy().Follow());
  const KeyPair other = Ed25519Generate(rng_);
  for (const Whose& whose : {Whose{std::nullopt}, Whose{other.public_key}}) {
    const RebuildReport report = Rebuild(whose);
    ASSERT_TRUE(report.settings.has_value());
    EXPECT_FALSE(report.settings->taken);
    EXPECT_TRUE(catalog_->planning().ListSettings()->empty());
    EXPECT_EQ(catalog_->collection().GetPolicy(source()).value(), catalog::kKeepEverything);
  }
  EXPECT_TRUE(Rebuild({other.public_key, true}).settings->taken);
  ExpectEverything();
}

TEST_F(SettingsCopyTest, OnlyAChangeIsWrittenAndTheOneBeforeStays) {
  Check(Copy().Follow());
  EXPECT_EQ(NewestGeneration(), 1u);
  Check(copy_->Follow());
  Check(Copy().Follow());  // another process
  EXPECT_EQ(NewestGeneration(), 1u);
  SetEverything();
  Check(copy_->Follow());
  EXPECT_EQ(NewestGeneration(), 2u);
  const Bytes second = RealFileSystem().ReadFile(PathOf(2)).value();
  Check(catalog_->collection().SetPolicy(source(), "last=4"));
  Check(copy_->Follow());
  EXPECT_EQ(NewestGeneration(), 3u);
  EXPECT_EQ(RealFileSystem().ReadFile(PathOf(2)).value(), second);
}

TEST_F(SettingsCopyTest, ADamagedCopyIsNamedAndTheOneBeforeServes) {
  SetEverything();
  Check(Copy().Follow());
  Check(catalog_->collection().SetPolicy(source(), "last=4"));
  Check(copy_->Follow());
  Bytes bytes = RealFileSystem().ReadFile(PathOf(2)).value();
  bytes[bytes.size() / 2] ^= 1;
  Check(RealFileSystem().WriteAtomically(PathOf(2), bytes));
  const RebuildReport report = Rebuild({key_.public_key});
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_NE(report.damage[0].reason.find("damaged"), std::string::npos);
  EXPECT_EQ(catalog_->collection().GetPolicy(source()).value(), "last=3");
  // The next start mends it.
  Check(Copy().Follow());
  std::vector<std::string> damage;
  EXPECT_EQ(NewestSettings(store_->GetSettings(), &damage)->generation, 2u);
  EXPECT_TRUE(damage.empty());
}

TEST_F(SettingsCopyTest, AnotherKeySignsAnew) {
  SetEverything();
  Check(Copy().Follow());
  key_ = Ed25519Generate(rng_);
  Check(Copy().Follow());
  EXPECT_EQ(NewestGeneration(), 2u);
  EXPECT_TRUE(Rebuild({key_.public_key}).settings->taken);
}

TEST_F(SettingsCopyTest, AStoreThatTakesNoWritesIsAnErrorAndTriedAgain) {
  Check(Copy().Follow());
  SetEverything();
  const std::string area = sealed_.Path(layout::kSettings);
  std::filesystem::rename(area, area + ".away");
  Check(RealFileSystem().WriteAtomically(area, "in the way"));
  EXPECT_FALSE(copy_->Follow().ok());
  std::filesystem::remove(area);
  std::filesystem::rename(area + ".away", area);
  Check(store_->Probe());
  Check(copy_->Follow());
  EXPECT_EQ(NewestGeneration(), 2u);
}

TEST_F(SettingsCopyTest, TheKeyIsMadeOnceAndAFileThatIsNoneIsRefused) {
  const std::string path = directory_ / "settings.key";
  EXPECT_FALSE(FindSettingsSigner(RealFileSystem(), path)->has_value());
  const auto made = LoadOrMakeSettingsKey(RealEnv(), path);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(LoadOrMakeSettingsKey(RealEnv(), path)->public_key, made->public_key);
  EXPECT_EQ(FindSettingsSigner(RealFileSystem(), path)->value(), made->public_key);
  Check(RealFileSystem().WriteAtomically(path, "short", 0600));
  EXPECT_EQ(CodeOf(LoadOrMakeSettingsKey(RealEnv(), path).status()), 5098);
}

TEST_F(SettingsCopyTest, TheThreadFollowsAndOutlivesAFailure) {
  EXPECT_EQ(SettingsKeyPath("/data"), "/data/identity/settings.key");
  test::FaultyFileSystem fs;
  store_.reset();
  std::vector<store::RecoveredPack> recovered;
  store_ = store::Store::Open({RealClock(), RealRng(), fs}, sealed_.data_directory(), &recovered)
               .value();
  test::SteppedClock clock;
  copy_ = std::make_unique<SettingsCopy>(Env{clock, RealRng(), fs}, *catalog_, *store_, key_);
  copy_->Start();
  clock.Pass(1);
  const std::uint64_t before = NewestGeneration();
  SetEverything();
  fs.FailAt(0, test::Fault::kError);
  clock.Pass(2);
  EXPECT_EQ(NewestGeneration(), before);
  fs.Heal();
  ASSERT_TRUE(store_->Probe().ok());
  clock.Pass(1);
  EXPECT_EQ(NewestGeneration(), before + 1);
  copy_.reset();  // before its clock and its files
  store_.reset();
}

}  // namespace
}  // namespace holdfast::rebuild
