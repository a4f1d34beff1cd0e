// Opening the catalog; the installation's own row; totals.
#include "controller/catalog/sqlite_catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {

absl::StatusOr<std::unique_ptr<Catalog>> Catalog::Open(Env env, const std::string& path) {
  return SqliteCatalog::Open(env, path);
}

SqliteCatalog::SqliteCatalog(Clock& clock, std::string path, std::unique_ptr<DirectoryLock> lock,
                             std::unique_ptr<SqliteDb> writer)
    : clock_(clock),
      path_(std::move(path)),
      lock_(std::move(lock)),
      one_connection_(path_.empty()),
      writer_(std::move(writer)) {
  if (!one_connection_) writer_->OnLargeLog([this] { checkpointer_.Wake(); });
}

absl::StatusOr<std::unique_ptr<Catalog>> SqliteCatalog::Open(Env env, const std::string& path) {
  RETURN_IF_ERROR(env.fs.MakeDirectories(ParentPath(path)));
  ASSIGN_OR_RETURN(auto lock, DirectoryLock::Acquire(path + ".lock"));
  if (!env.fs.Exists(path)) {
    // Made here and not by SQLite, for its mode and so that the name is durable.
    RETURN_IF_ERROR(env.fs.Create(path).status());
    RETURN_IF_ERROR(env.fs.SyncDirectory(ParentPath(path)));
  }
  {
    ASSIGN_OR_RETURN(const auto looking, SqliteDb::Open(path, SqliteDb::Mode::kReader));
    RETURN_IF_ERROR(CheckVersion(*looking));
  }
  ASSIGN_OR_RETURN(auto writer, SqliteDb::Open(path, SqliteDb::Mode::kWriter));
  RETURN_IF_ERROR(QuickCheck(*writer));
  // A predecessor whose sync failed may have left what is in the kernel's memory and not on the
  // disk; no later sync of the log would bring it there. In the database it is written anew. On a
  // full disk restores come first.
  const absl::Status written_anew = writer->CheckpointAll();
  if (!written_anew.ok() && KindOf(written_anew) != ErrorKind::kNoSpace) return written_anew;
  RETURN_IF_ERROR(Migrate(*writer));
  std::unique_ptr<SqliteCatalog> catalog(
      new SqliteCatalog(env.clock, path, std::move(lock), std::move(writer)));
  RETURN_IF_ERROR(catalog->EnsureInstallation(env.rng));
  RETURN_IF_ERROR(catalog->RollBackCutCommits());
  RETURN_IF_ERROR(catalog->ReadEpoch());
  return std::unique_ptr<Catalog>(std::move(catalog));
}

absl::StatusOr<std::unique_ptr<SqliteCatalog>> SqliteCatalog::OpenInMemory(
    Env env, std::unique_ptr<SqliteDb> connection) {
  if (!connection) {
    ASSIGN_OR_RETURN(connection, SqliteDb::Open(":memory:", SqliteDb::Mode::kWriter));
  }
  RETURN_IF_ERROR(Migrate(*connection));
  std::unique_ptr<SqliteCatalog> catalog(
      new SqliteCatalog(env.clock, "", nullptr, std::move(connection)));
  RETURN_IF_ERROR(catalog->EnsureInstallation(env.rng));
  RETURN_IF_ERROR(catalog->RollBackCutCommits());
  RETURN_IF_ERROR(catalog->ReadEpoch());
  return catalog;
}

absl::Status SqliteCatalog::EnsureInstallation(Rng& rng) {
  return Write([&](SqliteDb& db) {
    return db.Run("INSERT OR IGNORE INTO installation(id,controller_id) VALUES(1,?1)",
                  rng.Draw(16));
  });
}

absl::StatusOr<Installation> SqliteCatalog::GetInstallation() {
  return Read([](SqliteDb& db) -> absl::StatusOr<Installation> {
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT controller_id,owner,recipients,recipients_version FROM installation"));
    ASSIGN_OR_RETURN(const bool found, row.Step());
    HOLDFAST_CHECK(found);
    Installation installation;
    installation.controller_id = row.Blob(0);
    if (!row.IsNull(1)) {
      ASSIGN_OR_RETURN(installation.owner, row.Id<PublicKey>(1));
    }
    installation.recipients = row.Blob(2);
    installation.recipients_version = row.Unsigned(3);
    return installation;
  });
}

absl::Status SqliteCatalog::SetOwner(const PublicKey& owner, ByteView recipients,
                                     std::uint64_t version) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(
        db.Run("UPDATE installation SET owner=?1,recipients=?2,recipients_version=?3 "
               "WHERE owner IS NULL",
               owner, recipients, version));
    if (db.Changes() == 1) return absl::OkStatus();
    return Error(ErrorKind::kConflict, 5060,
                 "unable to set the owner: this controller has one already");
  });
}

absl::Status SqliteCatalog::SetRecipients(ByteView recipients, std::uint64_t version) {
  return Write([&](SqliteDb& db) -> absl::Status {
    RETURN_IF_ERROR(
        db.Run("UPDATE installation SET recipients=?1,recipients_version=?2 "
               "WHERE owner IS NOT NULL AND recipients_version+1=?2",
               recipients, version));
    if (db.Changes() == 1) return absl::OkStatus();
    return Error(
        ErrorKind::kConflict, 5061,
        fmt::format("unable to set recipient list {}: it does not follow the stored one", version),
        "Somebody else changed the recipients, or there is no owner yet: look again.");
  });
}

absl::StatusOr<Totals> SqliteCatalog::GetTotals() {
  return Read([](SqliteDb& db) -> absl::StatusOr<Totals> {
    Totals totals;
    ASSIGN_OR_RETURN(Statement row, db.Prepare("SELECT (SELECT count(*) FROM pack WHERE state<3),"
                                               "(SELECT total(size) FROM pack WHERE state<3),"
                                               "(SELECT count(*) FROM chunk)-"
                                               "(SELECT count(*) FROM chunk WHERE state<>1)"));
    RETURN_IF_ERROR(row.Step().status());
    totals.pack_count = row.Unsigned(0);
    totals.pack_bytes = row.Unsigned(1);
    totals.chunk_count = row.Unsigned(2);
    return totals;
  });
}

absl::StatusOr<std::uint64_t> SqliteCatalog::StoredBytes(const DomainId& domain) {
  return Read([&](SqliteDb& db) -> absl::StatusOr<std::uint64_t> {
    // An open pack has no size yet: what counts is the chunks that lie in it.
    ASSIGN_OR_RETURN(
        Statement row,
        db.Prepare("SELECT coalesce(sum(CASE p.state WHEN ?2 THEN p.size ELSE "
                   "(SELECT coalesce(sum(c.len),0) FROM chunk c WHERE c.pack=p.row) END),0) "
                   "FROM pack p JOIN domain d ON d.row=p.domain "
                   "WHERE d.id=?1 AND p.state IN (?2,?3)"));
    RETURN_IF_ERROR(row.Bind(domain, kPackSealed, kPackOpen).Step().status());
    return row.Unsigned(0);
  });
}

}  // namespace holdfast::catalog
