// Goal: a change and the note of who made it are written together or not at all, notes outlive a
// restart, and a note that somebody changed by other means shows.
#include "controller/catalog/audit.h"

#include <sqlite3.h>

#include "tests/unit/controller/catalog/catalog_fixture.h"

namespace holdfast::catalog {
namespace {

class AuditTest : public CatalogTest {
 protected:
  AuditTest() { AddAgent(1); }

  static AuditEntry By(const std::string& name, std::uint64_t at_ms = 5) {
    return {at_ms, name, "schedule.set", "agent1/source1", "cron @daily (was not set)"};
  }
  absl::Status Set(const AuditEntry& entry, const std::string& value) {
    return catalog_->audit().Audited(entry, [&] {
      return catalog_->planning().SetSettings({{"scope", "key", value, entry.by, entry.at_ms}});
    });
  }
  std::string Value() {
    const auto settings = catalog_->planning().ListSettings().value();
    return settings.empty() ? "" : settings.front().value;
  }
  void RunSql(const char* sql) {
    catalog_.reset();
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
    Reopen();
  }
  AuditPage Page(std::uint32_t limit = 100) { return catalog_->audit().ReadAudit(limit).value(); }
  void SetFive() {
    for (int i = 1; i <= 5; ++i) {
      ASSERT_TRUE(Set(By("ann" + std::to_string(i), 5), std::to_string(i)).ok());
    }
  }
};

TEST_F(AuditTest, AChangeAndItsNoteAreThereTogetherAndOutliveARestart) {
  ASSERT_TRUE(Set(By("ann", 7), "1").ok());
  ASSERT_TRUE(Set(By("ben", 8), "2").ok());
  Reopen();
  EXPECT_EQ(Value(), "2");
  const AuditPage page = Page();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.total, 2u);
  EXPECT_EQ(page.rows[0].id, 2);
  EXPECT_EQ(page.rows[0].entry.by, "ben");
  EXPECT_EQ(page.rows[1].entry.at_ms, 7u);
  EXPECT_EQ(page.rows[1].entry.action, "schedule.set");
  EXPECT_EQ(page.rows[1].entry.object, "agent1/source1");
  EXPECT_EQ(page.rows[1].entry.detail, "cron @daily (was not set)");
  EXPECT_FALSE(page.broken_at.has_value());
  EXPECT_EQ(Page(1).rows.size(), 1u);
  EXPECT_EQ(Page(1).total, 2u);
}

TEST_F(AuditTest, AChangeThatIsRefusedLeavesNeither) {
  ASSERT_TRUE(Set(By("ann"), "1").ok());
  const absl::Status refused = catalog_->audit().Audited(By("ben"), [&]() -> absl::Status {
    RETURN_IF_ERROR(catalog_->planning().SetSettings({{"scope", "key", "2", "ben", 6}}));
    EXPECT_EQ(Value(), "2") << "what is inside sees itself";
    return Error(ErrorKind::kRefused, 1, "no");
  });
  EXPECT_EQ(KindOf(refused), ErrorKind::kRefused);
  EXPECT_EQ(Value(), "1");
  EXPECT_EQ(Page().total, 1u);
  ASSERT_TRUE(Set(By("ben"), "3").ok()) << "nothing is left open";
  EXPECT_EQ(Page().rows[0].id, 2);
}

TEST_F(AuditTest, WithoutItsNoteThereIsNoChange) {
  ASSERT_TRUE(Set(By("ann"), "1").ok());
  RunSql(
      "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT,'no more notes'); END");
  EXPECT_FALSE(Set(By("ben"), "2").ok());
  EXPECT_EQ(Value(), "1");
}

TEST_F(AuditTest, ARowThatWasChangedLeftOutOrPutInShows) {
  SetFive();
  EXPECT_FALSE(Page().broken_at.has_value());
  RunSql("UPDATE audit SET made_by=CAST('eve' AS BLOB) WHERE id=3");
  EXPECT_EQ(Page(1).broken_at, 3);
  RunSql("UPDATE audit SET made_by=CAST('ann3' AS BLOB) WHERE id=3");
  EXPECT_FALSE(Page().broken_at.has_value());
  RunSql("UPDATE audit SET at=6 WHERE id=1");
  EXPECT_EQ(Page().broken_at, 1);
  RunSql("UPDATE audit SET at=5 WHERE id=1; DELETE FROM audit WHERE id=2");
  EXPECT_EQ(Page().broken_at, 3);
}

TEST_F(AuditTest, ARowPutBehindTheLastShows) {
  SetFive();
  RunSql("INSERT INTO audit SELECT 6,at,made_by,action,object,detail,hash FROM audit WHERE id=5");
  EXPECT_EQ(Page().broken_at, 6);
}

TEST_F(AuditTest, TheOldestGoWhenThereAreTooManyAndTheRestStillHolds) {
  SetFive();
  RunSql("UPDATE audit SET id=100004 WHERE id=5; DELETE FROM audit WHERE id IN (2,4)");
  ASSERT_TRUE(Set(By("ann"), "6").ok());
  const AuditPage page = Page();
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[0].id, 100'005);
  EXPECT_EQ(page.rows[1].id, 100'004);
  EXPECT_FALSE(page.broken_at.has_value());
}

TEST_F(AuditTest, EachFieldHasItsPlaceInTheHash) {
  const AuditEntry entry{1, "ab", "c", "d", "e"};
  const Hash256 hash = AuditHash(Hash256(), 1, entry);
  EXPECT_NE(hash, AuditHash(hash, 1, entry));
  EXPECT_NE(hash, AuditHash(Hash256(), 2, entry));
  EXPECT_NE(hash, AuditHash(Hash256(), 1, {2, "ab", "c", "d", "e"}));
  EXPECT_NE(hash, AuditHash(Hash256(), 1, {1, "a", "bc", "d", "e"}));
  EXPECT_NE(hash, AuditHash(Hash256(), 1, {1, "ab", "c", "de", ""}));
}

}  // namespace
}  // namespace holdfast::catalog
