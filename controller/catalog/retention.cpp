// Run keys whose envelopes may go, the retention policy of each source, the clock seen last.
#include "controller/catalog/sqlite_catalog.h"

namespace holdfast::catalog {

absl::Status SqliteCatalog::AddKeyLeftovers(const std::vector<DomainKey>& keys) {
  return Write([&](SqliteDb& db) -> absl::Status {
    for (const DomainKey& key : keys) {
      RETURN_IF_ERROR(
          db.Run("INSERT OR IGNORE INTO key_leftover(domain,key) SELECT row,?2 FROM domain "
                 "WHERE id=?1",
                 key.domain, key.key));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<DomainKey>> SqliteCatalog::ListKeyLeftovers() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::vector<DomainKey>> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT d.id,k.key FROM key_leftover k JOIN domain "
                                               "d ON d.row=k.domain ORDER BY k.domain,k.key"));
    std::vector<DomainKey> keys;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return keys;
      DomainKey key;
      ASSIGN_OR_RETURN(key.domain, row.Id<DomainId>(0));
      ASSIGN_OR_RETURN(key.key, row.Id<KeyId>(1));
      keys.push_back(key);
    }
  });
}

absl::StatusOr<std::vector<PackWeight>> SqliteCatalog::ListPacksOfUnknownKeys(
    const DomainId& domain) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::vector<PackWeight>> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT p.row,p.name,p.size FROM pack p JOIN domain d ON d.row=p.domain "
                   "WHERE d.id=?1 AND p.state=2 AND "
                   "NOT EXISTS(SELECT 1 FROM pack_key k WHERE k.pack=p.row)"));
    row.Bind(domain);
    std::vector<PackWeight> packs;
    for (;;) {
      ASSIGN_OR_RETURN(const bool more, row.Step());
      if (!more) return packs;
      PackWeight pack;
      pack.pack_row = row.Integer(0);
      pack.domain = domain;
      ASSIGN_OR_RETURN(pack.name, row.Id<PackName>(1));
      pack.size_bytes = row.Unsigned(2);
      packs.push_back(pack);
    }
  });
}

absl::Status SqliteCatalog::SetPackKeys(std::int64_t pack_row, const std::vector<KeyId>& keys) {
  return Write([&](SqliteDb& db) -> absl::Status {
    for (const KeyId& key : keys) {
      RETURN_IF_ERROR(
          db.Run("INSERT OR IGNORE INTO pack_key(pack,key) SELECT row,?2 FROM pack WHERE row=?1",
                 pack_row, key));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> SqliteCatalog::KeyMayBeUsed(const DomainKey& key) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT EXISTS(SELECT 1 FROM pack p JOIN domain d ON d.row=p.domain "
                   "WHERE d.id=?1 AND (p.state=1 OR (p.state IN (2,4) AND "
                   "NOT EXISTS(SELECT 1 FROM pack_key k WHERE k.pack=p.row)) OR "
                   "EXISTS(SELECT 1 FROM pack_key k WHERE k.pack=p.row AND k.key=?2)))"));
    RETURN_IF_ERROR(row.Bind(key.domain, key.key).Step().status());
    return row.Integer(0) != 0;
  });
}

absl::Status SqliteCatalog::ForgetKeyLeftover(const DomainKey& key) {
  return Write([&](SqliteDb& db) {
    return db.Run(
        "DELETE FROM key_leftover WHERE domain=(SELECT row FROM domain WHERE id=?1) AND "
        "key=?2",
        key.domain, key.key);
  });
}

absl::StatusOr<Bytes> SqliteCatalog::GetPolicy(const SourceId& source) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<Bytes> {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT policy FROM retention WHERE source=?1"));
    ASSIGN_OR_RETURN(const bool set, row.Bind(found.source.row).Step());
    return set ? row.Blob(0) : Bytes();
  });
}

absl::Status SqliteCatalog::SetPolicy(const SourceId& source, ByteView policy) {
  return Write([&](SqliteDb& db) -> absl::Status {
    ASSIGN_OR_RETURN(const SourceState found, FindSource(db, source));
    if (policy.empty()) {
      return db.Run("DELETE FROM retention WHERE source=?1", found.source.row);
    }
    return db.Run("INSERT OR REPLACE INTO retention(source,policy) VALUES(?1,?2)", found.source.row,
                  policy);
  });
}

absl::StatusOr<std::uint64_t> SqliteCatalog::ClockSeen() {
  return Read([](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT clock_seen FROM collection"));
    ASSIGN_OR_RETURN(const bool found, row.Step());
    return found ? row.Unsigned(0) : 0;
  });
}

absl::Status SqliteCatalog::SetClockSeen(std::uint64_t now_ms) {
  return Write([&](SqliteDb& db) { return db.Run("UPDATE collection SET clock_seen=?1", now_ms); });
}

}  // namespace holdfast::catalog
