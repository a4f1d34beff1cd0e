// holdfast-agent: the daemon beside the stores; also `enroll` and, on a bare machine, `recover`.

#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>

#include "agent/daemon/agent.h"
#include "agent/daemon/check_config.h"
#include "agent/daemon/job_reports.h"
#include "agent/daemon/recover.h"
#include "agent/daemon/recover_output.h"
#include "common/base/error.h"
#include "common/base/version.h"
#include "common/config/command_line.h"
#include "common/env/serve.h"
#include "common/env/service.h"
#include "common/rpc/grpc_log.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

int Fail(const absl::Status& status) {
  std::fputs(Render(status).c_str(), stderr);
  return ExitCodeOf(status);
}

int RunDaemon(const std::string& config_path) {
  BlockTerminationSignals();
  ForbidCoreDumps();
  const Env env = RealEnv();
  const auto config = LoadAgentConfig(env.fs, config_path);
  if (!config.ok()) return Fail(config.status());
  if (const absl::Status status = log::Setup(config->log); !status.ok()) {
    return Fail(WithContext(status, config_path.empty() ? "configuration" : config_path));
  }
  SetNiceness(config->nice);
  // Why a handshake failed, the agent finds out by itself (rpc::DiagnoseConnection).
  rpc::TakeGrpcLog(env.clock, [](const std::string& reason) {
    log::Debug("a TLS handshake failed: {}", reason);
  });
  auto agent = Agent::Start(env, *config);
  if (!agent.ok()) return Fail(agent.status());
  log::Info("agent '{}' is running for the controller at {}", (*agent)->name(),
            (*agent)->controller());
  ServeUntilTerminated(
      env.clock, [&agent] { (*agent)->Probe(); },
      [&] {
        const absl::Status status = (*agent)->Reload(config_path);
        if (status.ok()) {
          log::Info("the configuration was read again");
        } else {
          log::Failure(WithContext(status, "the configuration stays as it was"));
        }
      });
  log::Info("stopping");
  agent->reset();
  return 0;
}

absl::StatusOr<std::string> ReadToken(const Env& env, const std::string& path) {
  if (path != "-") {
    ASSIGN_OR_RETURN(std::string token, env.fs.ReadSecret(path));
    return token;
  }
  std::string token(64 << 10, '\0');
  token.resize(std::fread(token.data(), 1, token.size(), stdin));
  return token;
}

int RunEnroll(const std::string& config_path, const std::string& token_path, bool keep_identity) {
  const Env env = RealEnv();
  const auto config = LoadAgentConfig(env.fs, config_path);
  if (!config.ok()) return Fail(config.status());
  const auto token = ReadToken(env, token_path);
  if (!token.ok()) return Fail(token.status());
  const auto state = keep_identity ? EnrollAgain(env, config->data_directory, *token)
                                   : Enroll(env, config->data_directory, *token);
  if (!state.ok()) return Fail(state.status());
  fmt::print(stderr, "enrolled as '{}' at the controller {}; now start holdfast-agent\n",
             state->keys.identity.agent_name, state->agent_address);
  return 0;
}

int RunCheckConfig(const std::string& config_path, bool json) {
  const absl::Status status = CheckAgentConfig(
      RealFileSystem(), config_path, json ? CheckForm::kJson : CheckForm::kText, std::cout);
  std::cout.flush();
  if (status.ok()) return 0;
  std::fputs((json ? ErrorJson(status) : Render(status)).c_str(), stderr);
  return ExitCodeOf(status);
}

// Steps on stderr, so that a person sees that something happens.
class StderrProgress final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string text) override { fmt::print(stderr, "{}\n", text); }
};

struct RecoverCommand {
  RecoverOptions access;
  RestoreRequest restore;
  RestoreServers servers;
  bool list = false;
  bool json = false;
  source::PostgresConnection postgres;
  redis::RedisAddress redis;
  std::string sql_path;
  std::string rdb_path;
};

int FailRecover(const RecoverCommand& command, const absl::Status& status) {
  if (!command.json) return Fail(status);
  std::fputs(ErrorJson(status).c_str(), stderr);
  return ExitCodeOf(status);
}

int ListSnapshots(const RecoverCommand& command, RecoveryAccess& access) {
  const auto snapshots = access.List();
  if (!snapshots.ok()) return FailRecover(command, snapshots.status());
  const std::string text = command.json ? ListJson(*snapshots) : ListText(*snapshots);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int RunRecover(RecoverCommand& command) {
  const Env env = RealEnv();
  const auto access = RecoveryAccess::Open(env, command.access);
  if (!access.ok()) return FailRecover(command, access.status());
  if (command.list) return ListSnapshots(command, **access);
  if (command.access.source.empty()) {
    return FailRecover(command, Error(ErrorKind::kUsage, 3013, "unable to recover: no source named",
                                      "Add --source NAME, or --list to see what is there."));
  }
  const auto snapshot = FindSnapshot(**access, command.access);
  if (!snapshot.ok()) return FailRecover(command, snapshot.status());
  if (!command.sql_path.empty()) {
    command.restore.as_sql = true;
    command.restore.target = command.sql_path;
  }
  if (!command.rdb_path.empty()) command.restore.target = command.rdb_path;
  command.servers.postgres = command.postgres;
  command.servers.redis = command.redis;
  if (!command.access.store_directory.empty()) {
    command.servers.forbidden_roots.push_back(command.access.store_directory);
  }
  StderrProgress progress;
  const absl::Duration started = env.clock.Monotonic();
  const auto report =
      RunRestore(env, *snapshot, command.restore, command.servers, progress, std::stop_token());
  if (!report.ok()) return FailRecover(command, report.status());
  const double seconds = absl::ToDoubleSeconds(env.clock.Monotonic() - started);
  if (command.json) {
    fmt::print("{}\n", ToJson(*report, seconds));
  } else {
    fmt::print("restored {} entries ({} bytes) of {}@{} to {}; compared {}\n",
               report->restored_entries, report->restored_bytes,
               Escaped(snapshot->facts.info.source_name), snapshot->clear.seq,
               Escaped(report->target), report->compared_what);
    for (const std::string& warning : report->warnings) fmt::print("warning: {}\n", warning);
  }
  const absl::Status status = restore::StatusOf(*report);
  return status.ok() ? 0 : FailRecover(command, status);
}

// What of a server differs from the snapshot's own source.
void AddServers(Command& verb, RecoverCommand& command) {
  command.postgres.host = "/var/run/postgresql";
  command.postgres.user = "postgres";
  command.redis.host = "127.0.0.1";
  verb.Add("--postgres-host", command.postgres.host, "Server or socket directory").ShowDefault();
  verb.Add("--postgres-port", command.postgres.port, "Its port").ShowDefault();
  verb.Add("--postgres-user", command.postgres.user, "Role that restores").ShowDefault();
  verb.Add("--postgres-password-file", command.postgres.password_file, "Its password (mode 0600)");
  verb.Add("--redis-host", command.redis.host, "Server to load into").ShowDefault();
  verb.Add("--redis-port", command.redis.port, "Its port").ShowDefault();
}

void AddRecover(Command& verb, RecoverCommand& command) {
  verb.Add("--kit", command.access.kit_path, "The recovery kit file (mode 0600)").Required();
  const CommandOption store = verb.Add("--store", command.access.store_directory,
                                       "A copy of the controller's data directory or of its store");
  CommandOption bucket =
      verb.Add("--bucket", command.access.bucket_config,
               "A file with the section 'store' of controller.yaml: the store is in that bucket");
  bucket.Excludes(store);
  verb.Add("--controller", command.access.controller_address,
           "host:port of a living controller's enrolment; default: the one in the kit")
      .Excludes(store)
      .Excludes(bucket);
  verb.Add("--source", command.access.source, "Name (or id) of the source to bring back");
  verb.Add("--seq", command.access.seq, "Snapshot number; default: the newest")
      .Between(1, std::numeric_limits<int>::max());
  verb.Flag("--list", command.list, "Show what can be brought back, and stop");
  verb.Flag("--json", command.json, "Report as JSON");
  verb.Add("--target", command.restore.target, "Files: the directory to restore into");
  verb.Add("--path", command.restore.paths, "Files: only these paths or patterns");
  verb.Add("--overwrite", command.restore.overwrite, {{"refuse", 0}, {"changed", 1}, {"all", 2}},
           "Files: refuse, changed or all");
  verb.Flag("--preserve-privileged", command.restore.preserve_privileged,
            "Files: setuid bits, capabilities, security attributes");
  verb.Flag("--allow-devices", command.restore.allow_devices, "Files: make device nodes");
  verb.Flag("--skip-bad", command.restore.skip_bad, "Files: go on without damaged entries");
  verb.Flag("--numeric-ids", command.restore.numeric_ids, "Files: owners by number");
  verb.Add("--database", command.restore.database, "PostgreSQL: the database to create");
  verb.Add("--table", command.restore.table, "PostgreSQL: only this table");
  verb.Add("--into-table", command.restore.into_table, "PostgreSQL: its new name");
  verb.Add("--sql", command.sql_path, "PostgreSQL: write one SQL script instead");
  verb.Add("--rdb", command.rdb_path, "Redis: write this RDB file");
  verb.Flag("--into-server", command.restore.into_server, "Redis: load into an empty server");
  AddServers(verb, command);
  verb.Footer(Examples(
      "holdfast-agent recover --kit holdfast-recovery-kit.txt --store /mnt/copy --list",
      "holdfast-agent recover --kit holdfast-recovery-kit.txt --store /mnt/copy --source uploads "
      "--target /srv/restore"));
}

int Main(const std::vector<std::string>& arguments) {
  KeepBuffersForReuse();
  CommandLine line(
      "holdfast-agent",
      "Holdfast agent: backs up the stores of this host. Without a command it runs as daemon.",
      kVersion);
  Command program = line.program();
  program.Footer(Examples("holdfast-agent --config /etc/holdfast/agent.yaml",
                          "holdfast-agent enroll --token-file join.token"));
  std::string config_path;
  program.Add("--config", config_path,
              "Configuration file (default: /etc/holdfast/agent.yaml if it exists)");
  std::function<int()> run = [&] { return RunDaemon(config_path); };

  std::string token_path;
  Command enroll = program.Verb("enroll", "Join a controller with a token");
  enroll.Add("--token-file", token_path, "File with the token (mode 0600), or - for stdin")
      .Required();
  bool keep_identity = false;
  enroll.Flag("--keep-identity", keep_identity,
              "Keep this agent's keys: its controller was set up anew on the old store");
  enroll.Footer(Examples("holdfast-agent enroll --token-file join.token",
                         "holdfast-agent --config agent.yaml enroll --token-file - < join.token"));
  enroll.Action([&] { run = [&] { return RunEnroll(config_path, token_path, keep_identity); }; });

  RecoverCommand command;
  Command recover = program.Verb("recover", "Restore on a bare machine with the recovery kit");
  AddRecover(recover, command);
  recover.Action([&] { run = [&] { return RunRecover(command); }; });

  bool json = false;
  Command check = program.Verb("check-config", "Is the configuration in order?");
  check.Flag("--json", json, "Answer and error as JSON");
  check.Footer(Examples("holdfast-agent check-config",
                        "holdfast-agent --config new.yaml check-config --json"));
  check.Action([&] { run = [&] { return RunCheckConfig(config_path, json); }; });

  const auto outcome = line.Read(arguments, std::cout);
  if (!outcome.ok()) return Fail(outcome.status());
  return *outcome == CommandLine::Outcome::kPrinted ? 0 : run();
}

}  // namespace
}  // namespace holdfast::daemon

int main(int argc, char** argv) {
  return holdfast::daemon::Main(std::vector<std::string>(argv + 1, argv + argc));
}
