// `holdfast restore SNAPSHOT …`: an agent brings a snapshot back and compares it with what was
// backed up.
//
// Exit status: 0 restored and compared; 3 in part; 4 refused before anything changed; 5 what came
// back differs; others in DESIGN 12. What is safe to overwrite is the agent's decision, not ours.

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/follow_jobs.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct RestoreArguments {
  std::string snapshot;
  std::string agent;
  std::string sql_file;
  std::string rdb_file;
  std::string overwrite = "no";
  RestoreOptions restore;
};

absl::Status Unfit(std::string cause, std::string hint) {
  return Error(ErrorKind::kUsage, 1180, "unable to restore: " + std::move(cause), std::move(hint));
}

// A relative path would mean the agent's working directory: nobody wants that.
absl::Status CheckPlace(const char* option, const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return Unfit(fmt::format("{} '{}' is no absolute path", option, Escaped(path)),
                 "The path is one on the agent's host: begin it with '/'.");
  }
  if (path.find('\0') != std::string::npos || path.size() > 4000) {
    return Unfit(fmt::format("{} '{}' is no usable path", option, Escaped(path)), "");
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const RestoreArguments& options) {
  const RestoreOptions& restore = options.restore;
  if (!restore.database.empty() || !restore.table.empty() || !options.sql_file.empty() ||
      !options.rdb_file.empty() || restore.into_server) {
    return Unfit("a snapshot of files goes into a directory", "Give --target DIRECTORY only.");
  }
  return CheckPlace("--target", restore.target);
}

absl::Status CheckPostgres(const RestoreArguments& options) {
  const RestoreOptions& restore = options.restore;
  constexpr const char* kHint =
      "Give --database NAME, --table SCHEMA.TABLE [--into-table NAME], or --sql FILE.";
  if (!restore.target.empty() || !options.rdb_file.empty() || restore.into_server ||
      !restore.paths.empty()) {
    return Unfit("a snapshot of PostgreSQL goes into a database, a table or an SQL file", kHint);
  }
  if (!restore.into_table.empty() && restore.table.empty()) {
    return Unfit("--into-table needs --table", kHint);
  }
  const bool into_database = !restore.database.empty() || !restore.table.empty();
  if (into_database == !options.sql_file.empty()) {
    return Unfit(
        into_database ? "--sql excludes --database and --table" : "it is not said where to", kHint);
  }
  return options.sql_file.empty() ? absl::OkStatus() : CheckPlace("--sql", options.sql_file);
}

absl::Status CheckRedis(const RestoreArguments& options) {
  const RestoreOptions& restore = options.restore;
  constexpr const char* kHint = "Give --rdb FILE or --into-server.";
  if (!restore.target.empty() || !restore.database.empty() || !restore.table.empty() ||
      !options.sql_file.empty() || !restore.paths.empty()) {
    return Unfit("a snapshot of Redis goes into an RDB file or an empty server", kHint);
  }
  if (restore.into_server == !options.rdb_file.empty()) {
    return Unfit(restore.into_server ? "--rdb and --into-server exclude each other"
                                     : "it is not said where to",
                 kHint);
  }
  return restore.into_server ? absl::OkStatus() : CheckPlace("--rdb", options.rdb_file);
}

absl::Status CheckOptions(const SnapshotSummary& snapshot, const RestoreArguments& options) {
  if (snapshot.kind == "files") return CheckFiles(options);
  if (snapshot.kind == "postgres") return CheckPostgres(options);
  if (snapshot.kind == "redis") return CheckRedis(options);
  return Error(ErrorKind::kRefused, 1181,
               fmt::format("unable to restore a snapshot of kind '{}': this version does not know "
                           "it",
                           Escaped(snapshot.kind)));
}

RestoreOptions ToRequest(const RestoreArguments& options) {
  RestoreOptions request = options.restore;
  request.overwrite = options.overwrite == "all"       ? Overwrite::kAll
                      : options.overwrite == "changed" ? Overwrite::kChanged
                                                       : Overwrite::kRefuse;
  if (!options.sql_file.empty()) {
    request.target = options.sql_file;
    request.as_sql = true;
  }
  if (!options.rdb_file.empty()) request.target = options.rdb_file;
  return request;
}

int Restore(Context& context, const RestoreArguments& options) {
  if (!options.agent.empty()) {
    if (const absl::Status status = CheckName("agent", options.agent); !status.ok()) {
      return Report(context, status);
    }
  }
  const auto client = Connect(context);
  const auto snapshot = ResolveSnapshot(*client, options.snapshot, context.zone);
  if (!snapshot.ok()) return Report(context, snapshot.status());
  if (const absl::Status status = CheckOptions(*snapshot, options); !status.ok()) {
    return Report(context, status);
  }
  const auto started =
      client->StartRestore({snapshot->source_id, snapshot->seq, options.agent}, ToRequest(options));
  if (!started.ok()) return Report(context, started.status());
  std::vector<FollowedJob> jobs;
  for (const StartedJob& job : *started) jobs.push_back({job.job_id, SnapshotName(*snapshot)});
  return FollowJobs(context, *client, JobKind::kRestore, jobs);
}

void AddOptions(Command& command, RestoreArguments& options) {
  RestoreOptions& restore = options.restore;
  command.Add("snapshot", options.snapshot, "SOURCE, SOURCE@57, 'SOURCE@TIME', or an id")
      .Required();
  command.Add("--on", options.agent, "Agent that does it; by default the source's own")
      .Called("AGENT");
  command.Add("--target", restore.target, "Files: directory to restore into").Called("DIR");
  command.Add("--path", restore.paths, "Files: only this path or pattern (repeatable)")
      .OneValueEach();
  command.Add("--overwrite", options.overwrite, "Files: what may be replaced")
      .OneOf({"no", "changed", "all"})
      .ShowDefault();
  command.Flag("--preserve-privileged", restore.preserve_privileged,
               "Files: keep setuid, setgid and capabilities");
  command.Flag("--allow-devices", restore.allow_devices, "Files: make device nodes");
  command.Flag("--skip-bad", restore.skip_bad, "Files: go on past damaged entries, list them");
  command.Flag("--numeric-ids", restore.numeric_ids, "Files: owners by number, not by name");
  command.Add("--database", restore.database, "PostgreSQL: name of the new database");
  command.Add("--table", restore.table, "PostgreSQL: one table").Called("SCHEMA.TABLE");
  command.Add("--into-table", restore.into_table, "PostgreSQL: under this name")
      .Called("SCHEMA.TABLE");
  command.Add("--sql", options.sql_file, "PostgreSQL: write one SQL script").Called("FILE");
  command.Flag("--no-globals", restore.no_globals, "PostgreSQL: do not create roles");
  command.Add("--rdb", options.rdb_file, "Redis: write an RDB file").Called("FILE");
  command.Flag("--into-server", restore.into_server, "Redis: load into the empty server");
  command.Flag("--apply-acl", restore.apply_acl, "Redis: users and passwords too");
  command.Add("--connection", restore.connection, "Use the server of this source of the agent")
      .Called("SOURCE");
}

}  // namespace

void AddRestore(Command& program, Context& context) {
  auto options = std::make_shared<RestoreArguments>();
  Command command = program.Verb("restore", "Bring a snapshot back, and compare it");
  AddOptions(command, *options);
  command.Footer(
      Examples("holdfast restore db@latest --database shop_restored --on db-1",
               "holdfast restore uploads@41 --target /srv/restore --path receipts/2025"));
  command.Action([&context, options] { context.exit_code = Restore(context, *options); });
}

}  // namespace holdfast::cli
