#include "controller/catalog/audit.h"

#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {
namespace {

void AppendNumber(std::uint64_t number, Bytes* out) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(number >> static_cast<unsigned>(shift)));
  }
}

void AppendText(const std::string& text, Bytes* out) {
  AppendNumber(text.size(), out);
  *out += text;
}

absl::StatusOr<AuditRow> RowIn(const Statement& row) {
  AuditRow audit;
  audit.id = row.Integer(0);
  audit.entry = {row.Unsigned(1), row.Blob(2), row.Blob(3), row.Blob(4), row.Blob(5)};
  ASSIGN_OR_RETURN(audit.hash, row.Id<Hash256>(6));
  return audit;
}

// The oldest that is kept is the beginning: what was before it is gone.
absl::StatusOr<std::optional<std::int64_t>> FindBreak(SqliteDb& db) {
  ASSIGN_OR_RETURN(
      Statement row,
      db.Prepare("SELECT id,at,made_by,action,object,detail,hash FROM audit ORDER BY id"));
  std::optional<AuditRow> before;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, row.Step());
    if (!more) return std::optional<std::int64_t>();
    ASSIGN_OR_RETURN(AuditRow audit, RowIn(row));
    const bool is_first = audit.id == 1;
    const bool follows =
        before ? audit.id == before->id + 1 &&
                     audit.hash == AuditHash(before->hash, audit.id, audit.entry)
               : !is_first || audit.hash == AuditHash(Hash256(), audit.id, audit.entry);
    if (!follows) return std::optional<std::int64_t>(audit.id);
    before = std::move(audit);
  }
}

}  // namespace

Hash256 AuditHash(const Hash256& before, std::int64_t id, const AuditEntry& entry) {
  Bytes text = before.bytes();
  AppendNumber(static_cast<std::uint64_t>(id), &text);
  AppendNumber(entry.at_ms, &text);
  for (const std::string* part : {&entry.by, &entry.action, &entry.object, &entry.detail}) {
    AppendText(*part, &text);
  }
  return Sha256(text);
}

absl::Status WriteAudit(SqliteDb& db, const AuditEntry& entry) {
  AuditRow last;
  {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT id,at,made_by,action,object,detail,hash "
                                               "FROM audit ORDER BY id DESC LIMIT 1"));
    ASSIGN_OR_RETURN(const bool found, row.Step());
    if (found) {
      ASSIGN_OR_RETURN(last, RowIn(row));
    }
  }
  const std::int64_t id = last.id + 1;
  RETURN_IF_ERROR(
      db.Run("INSERT INTO audit(id,at,made_by,action,object,detail,hash) "
             "VALUES(?1,?2,?3,?4,?5,?6,?7)",
             id, entry.at_ms, entry.by, entry.action, entry.object, entry.detail,
             AuditHash(last.hash, id, entry)));
  return db.Run("DELETE FROM audit WHERE id<=?1", id - kAuditRowsKept);
}

std::string QualifiedName(Catalog& catalog, const SourceId& source) {
  const auto row = catalog.GetSource(source);
  if (!row.ok()) return source.hex();
  const auto agent = catalog.GetAgent(row->agent);
  return (agent.ok() ? agent->name : row->agent.hex()) + "/" + row->name;
}

absl::Status SqliteAudit::Audited(const AuditEntry& entry,
                                  absl::FunctionRef<absl::Status()> change) {
  return catalog_.Write([&](SqliteDb& db) -> absl::Status {
    inside_ = std::this_thread::get_id();
    const absl::Status status = change();
    inside_ = std::thread::id();
    RETURN_IF_ERROR(status);
    return WriteAudit(db, entry);
  });
}

absl::StatusOr<AuditPage> SqliteAudit::ReadAudit(std::uint32_t limit) {
  return catalog_.Read([&](SqliteDb& db) -> absl::StatusOr<AuditPage> {
    AuditPage page;
    ASSIGN_OR_RETURN(const std::int64_t total, db.Number("SELECT count(*) FROM audit"));
    page.total = static_cast<std::uint64_t>(total);
    ASSIGN_OR_RETURN(page.broken_at, FindBreak(db));
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT id,at,made_by,action,object,detail,hash "
                                               "FROM audit ORDER BY id DESC LIMIT ?1"));
    row.Bind(limit);
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return page;
      ASSIGN_OR_RETURN(AuditRow audit, RowIn(row));
      page.rows.push_back(std::move(audit));
    }
  });
}

}  // namespace holdfast::catalog
