// What operators set by command, out of the catalog and into another one.
#include <span>

#include "controller/catalog/catalog_builder.h"
#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {
namespace {

struct SettingsTable {
  const char* name;
  std::size_t columns;
  const char* select;
  const char* insert;  // no row: it belongs to a source that is not there
};

// Numbers travel as text. Of the audit trail the newest rows, in order.
constexpr SettingsTable kSettingsTables[] = {
    {"setting", 5,
     "SELECT scope,key,value,set_by,CAST(set_at AS TEXT) FROM setting ORDER BY scope,key",
     "INSERT OR REPLACE INTO setting(scope,key,value,set_by,set_at) "
     "VALUES(?1,?2,?3,?4,CAST(?5 AS INT))"},
    {kRetentionTable, 2,
     "SELECT s.id,r.policy FROM retention r JOIN source s ON s.row=r.source ORDER BY s.id",
     "INSERT OR REPLACE INTO retention(source,policy) SELECT row,?2 FROM source WHERE id=?1"},
    {"pause", 3,
     "SELECT s.id,CAST(p.paused_at AS TEXT),p.paused_by FROM schedule p JOIN source s ON "
     "s.row=p.source WHERE p.paused_at<>0 ORDER BY s.id",
     "INSERT OR REPLACE INTO schedule(source,first_seen,due,fired,run_id,skipped,skipped_in_row,"
     "missed,paused_at,paused_by) SELECT row,0,0,0,x'',0,0,0,CAST(?2 AS INT),?3 FROM source "
     "WHERE id=?1"},
    {"silence", 5,
     "SELECT subject,CAST(since AS TEXT),CAST(until AS TEXT),made_by,reason FROM silence "
     "ORDER BY id",
     "INSERT INTO silence(subject,since,until,made_by,reason) "
     "VALUES(?1,CAST(?2 AS INT),CAST(?3 AS INT),?4,?5)"},
    {"audit", 7,
     "SELECT CAST(id AS TEXT),CAST(at AS TEXT),made_by,action,object,detail,hash FROM "
     "(SELECT * FROM audit ORDER BY id DESC LIMIT 1000) ORDER BY id",
     "INSERT OR REPLACE INTO audit(id,at,made_by,action,object,detail,hash) "
     "VALUES(CAST(?1 AS INT),CAST(?2 AS INT),?3,?4,?5,?6,?7)"},
};

absl::Status RunWith(SqliteDb& db, const char* sql, std::span<const Bytes> cells) {
  switch (cells.size()) {
    case 2:
      return db.Run(sql, cells[0], cells[1]);
    case 3:
      return db.Run(sql, cells[0], cells[1], cells[2]);
    case 5:
      return db.Run(sql, cells[0], cells[1], cells[2], cells[3], cells[4]);
    default:
      HOLDFAST_CHECK(cells.size() == 7);
      return db.Run(sql, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6]);
  }
}

}  // namespace

absl::StatusOr<SettingTables> SqlitePlanning::ExportSettings() {
  return catalog_.Read([](SqliteDb& db) -> absl::StatusOr<SettingTables> {
    SettingTables tables;
    for (const SettingsTable& table : kSettingsTables) {
      ASSIGN_OR_RETURN(Statement row, db.Prepare(table.select));
      std::vector<std::vector<Bytes>>& rows = tables[table.name];
      for (;;) {
        ASSIGN_OR_RETURN(const bool more, row.Step());
        if (!more) break;
        std::vector<Bytes>& cells = rows.emplace_back();
        for (std::size_t i = 0; i < table.columns; ++i) {
          cells.push_back(row.Blob(static_cast<int>(i)));
        }
      }
    }
    return tables;
  });
}

absl::StatusOr<CatalogBuilder::Imported> CatalogBuilder::ImportSettings(
    const SettingTables& tables) {
  Imported imported;
  for (const SettingsTable& table : kSettingsTables) {
    const auto found = tables.find(table.name);
    if (found == tables.end()) continue;
    for (const std::vector<Bytes>& row : found->second) {
      // A later version may have more columns.
      if (row.size() >= table.columns) {
        RETURN_IF_ERROR(
            RunWith(*db_, table.insert, std::span<const Bytes>(row).first(table.columns)));
      }
      const bool is_in = row.size() >= table.columns && db_->Changes() == 1;
      ++(is_in ? imported.rows[table.name] : imported.left_out);
    }
  }
  return imported;
}

absl::Status CatalogBuilder::NoteRebuild(const AuditEntry& entry) {
  return WriteAudit(*db_, entry);
}

}  // namespace holdfast::catalog
