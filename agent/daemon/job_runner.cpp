#include "agent/daemon/job_runner.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "agent/daemon/job_reports.h"
#include "agent/daemon/restore_job.h"
#include "agent/source/transient.h"
#include "agent/transport/backoff.h"
#include "agent/transport/grpc_fetcher.h"
#include "agent/transport/grpc_ingest_session.h"
#include "common/base/error.h"
#include "common/concurrency/start_thread.h"
#include "fmt/format.h"
#include "proto/control.pb.h"

namespace holdfast::daemon {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(500);
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr int kBackupTries = 3;
constexpr absl::Duration kFirstRetryPause = absl::Seconds(2);

RestoreRequest FromProto(const v1::RestoreOptions& options) {
  RestoreRequest request;
  request.target = options.target();
  request.overwrite = static_cast<int>(options.overwrite());
  request.paths.assign(options.paths().begin(), options.paths().end());
  request.preserve_privileged = options.preserve_privileged();
  request.allow_devices = options.allow_devices();
  request.skip_bad = options.skip_bad();
  request.numeric_ids = options.numeric_ids();
  request.database = options.database();
  request.table = options.table();
  request.into_table = options.into_table();
  request.no_globals = options.no_globals();
  request.as_sql = options.as_sql();
  request.into_server = options.into_server();
  request.apply_acl = options.apply_acl();
  return request;
}

// The servers a restore may use: those of the named source, else the snapshot's own, else the first
// of the kind.
absl::StatusOr<RestoreServers> ServersOf(const AgentConfig& config, const AgentState& state,
                                         const std::string& connection, const SourceConfig* own) {
  RestoreServers servers;
  servers.forbidden_roots.push_back(state.directory);
  if (!connection.empty() && config.Find(connection) == nullptr) {
    return Error(ErrorKind::kNotFound, 3010,
                 fmt::format("unable to restore: this agent has no source '{}' to take the server "
                             "from",
                             Escaped(connection)),
                 "See 'holdfast source list'.");
  }
  std::vector<const SourceConfig*> candidates;
  if (connection.empty() && own != nullptr) candidates.push_back(own);
  for (const SourceConfig& source : config.sources) {
    if (connection.empty() || source.name == connection) candidates.push_back(&source);
  }
  for (const SourceConfig* source : candidates) {
    if (const auto* postgres = std::get_if<source::PostgresOptions>(&source->options)) {
      if (servers.postgres) continue;
      servers.postgres = postgres->connection;
      servers.postgres_database = postgres->connection.database;
      servers.postgres->database.clear();  // it may be the very one that is gone
    } else if (const auto* redis = std::get_if<redis::RedisOptions>(&source->options)) {
      if (!servers.redis) servers.redis = redis->address;
    }
  }
  return servers;
}

}  // namespace

struct JobRunner::Running : restore::RestoreProgress, pipeline::RunProgress {
  void ExpectTotal(std::uint64_t bytes, std::uint64_t entries) override {
    bytes_total = bytes;
    items_total = entries;
  }
  void Progressed(std::uint64_t bytes, std::uint64_t entries) override {
    bytes_done += bytes;
    items_done += entries;
  }
  void Step(std::string text) override {
    std::lock_guard lock(step_mutex);
    step = std::move(text);
  }
  void Fill(v1::JobProgress* out) {
    out->set_bytes_done(bytes_done);
    out->set_bytes_total(bytes_total);
    out->set_items_done(items_done);
    out->set_items_total(items_total);
    out->set_new_bytes(new_bytes);
    out->set_stored_bytes(stored_bytes);
    std::lock_guard lock(step_mutex);
    out->set_step(step);
  }

  std::stop_source stop;
  std::mutex step_mutex;
  std::string step;
};

JobRunner::JobRunner(Options options) : options_(std::move(options)) {
  for (Lane* lane : {&backups_, &restores_}) {
    lane->worker = std::jthread([this, lane](std::stop_token stop) { Work(*lane, stop); });
  }
}

JobRunner::~JobRunner() {
  for (Lane* lane : {&backups_, &restores_}) lane->worker.request_stop();
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, running] : unfinished_) running->stop.request_stop();
  }
  changed_.notify_all();
}

void JobRunner::Start(const v1::Job& job) {
  std::lock_guard lock(mutex_);
  if (unfinished_.contains(job.job_id())) return;  // sent again after a reconnect
  unfinished_[job.job_id()] = std::make_shared<Running>();
  Lane& lane = job.kind() == v1::JOB_KIND_RESTORE ? restores_ : backups_;
  lane.waiting.push_back(std::make_unique<v1::Job>(job));
  changed_.notify_all();
}

void JobRunner::Cancel(const Bytes& job_id) {
  std::lock_guard lock(mutex_);
  const auto found = unfinished_.find(job_id);
  if (found != unfinished_.end()) found->second->stop.request_stop();
}

std::vector<Bytes> JobRunner::Unfinished() const {
  std::lock_guard lock(mutex_);
  std::vector<Bytes> ids;
  for (const auto& [id, running] : unfinished_) ids.push_back(id);
  return ids;
}

void JobRunner::Work(Lane& lane, const std::stop_token& stop) {
  for (;;) {
    std::unique_ptr<v1::Job> job;
    std::shared_ptr<Running> running;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !lane.waiting.empty(); });
      if (stop.stop_requested()) return;
      job = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      running = unfinished_[job->job_id()];
    }
    Execute(*job, *running);
    std::lock_guard lock(mutex_);
    unfinished_.erase(job->job_id());
  }
}

void JobRunner::Execute(const v1::Job& job, Running& running) {
  std::jthread ticker;
  absl::Status status = StartThread(&ticker, [&](const std::stop_token& stop) {
    do {
      v1::JobProgress progress;
      progress.set_job_id(job.job_id());
      running.Fill(&progress);
      options_.on_progress(progress);
    } while (options_.env.clock.SleepFor(kTick, stop));
  });
  v1::JobResult result;
  v1::JobDetail detail;
  if (!status.ok()) {
    status = WithContext(status, "unable to begin the job");
  } else if (running.stop.stop_requested()) {
    status = Error(ErrorKind::kFailed, 2010, "the job was cancelled before it began");
  } else if (job.kind() == v1::JOB_KIND_BACKUP) {
    status = Backup(job, running, &detail);
    if (status.ok() || KindOf(status) == ErrorKind::kPartial) options_.on_backup();
  } else if (job.kind() == v1::JOB_KIND_RESTORE) {
    status = Restore(job, running, &detail, &result);
  } else if (job.kind() == v1::JOB_KIND_VERIFY) {
    status = Verify(job, running, &detail);
  } else {
    status = Error(ErrorKind::kUsage, 2017, "the controller sent a job of unknown kind");
  }
  ticker = {};  // stops and joins
  result.set_job_id(job.job_id());
  result.set_exit_code(static_cast<std::uint32_t>(ExitCodeOf(status)));
  result.set_error_code(static_cast<std::uint32_t>(CodeOf(status)));
  detail.set_job_id(job.job_id());
  detail.set_message(MessageOf(status));
  detail.set_hint(HintOf(status));
  // The controller learns how a job ended, not what it was about.
  result.set_sealed_detail(SealText(kJobDetailContext, detail.SerializeAsString(),
                                    options_.readers(), options_.env.rng));
  if (status.ok()) {
    log::Info("job {} done", ToHex(job.job_id()));
  } else {
    log::Failure(status);
  }
  options_.on_result(result);
}

const SourceConfig* JobRunner::FindSource(const AgentConfig& config, const SourceId& id) const {
  for (const SourceConfig& source : config.sources) {
    if (DeriveSourceId(options_.state->keys.secrets, source.name) == id) return &source;
  }
  return nullptr;
}

std::optional<std::uint64_t> JobRunner::ExpectedDevice(const SourceId& id) const {
  const std::string path = options_.state->DevicePath(id);
  if (!options_.env.fs.Exists(path)) return std::nullopt;
  const auto text = options_.env.fs.ReadFile(path, 64);
  std::uint64_t device = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &device)) return std::nullopt;
  return device;
}

absl::Status JobRunner::Backup(const v1::Job& job, Running& running, v1::JobDetail* detail) {
  const SourceId id = SourceId::From(job.source_id()).value_or(SourceId());
  const std::shared_ptr<const AgentConfig> all = options_.config();
  const SourceConfig* config = FindSource(*all, id);
  if (config == nullptr) {
    return Error(ErrorKind::kNotFound, 2018,
                 "unable to back up: this agent has no such source in its configuration",
                 "See agent.yaml on that host; after a change the agent needs a SIGHUP.");
  }
  const auto report = BackupBetweenHooks(job, running, *config);
  if (!report.ok()) {
    return WithContext(report.status(), fmt::format("unable to back up source '{}'", config->name));
  }
  if (const auto device = report->attributes.find("device"); device != report->attributes.end()) {
    const absl::Status kept =
        options_.env.fs.WriteAtomically(options_.state->DevicePath(id), device->second);
    if (!kept.ok()) log::Failure(kept);
  }
  detail->set_report_json(ToJson(*report));
  log::Info("backed up source '{}' as snapshot {}: {} bytes, {} new, {} sent ({} of {} as deltas)",
            config->name, report->seq, report->content_bytes, report->new_bytes,
            report->stored_bytes, report->sent_deltas, report->sent_objects);
  if (!report->broken_claims.empty()) return BrokenClaims(*config, *report);
  if (!report->partial) return absl::OkStatus();
  return Error(ErrorKind::kPartial, 2019,
               fmt::format("source '{}' was backed up in part: {} entries were left out or changed "
                           "while they were read",
                           config->name, report->problem_count),
               "The report lists them; the snapshot is committed and restorable.");
}

// The snapshot is committed, and not to be relied on before somebody has looked.
absl::Status JobRunner::BrokenClaims(const SourceConfig& config,
                                     const pipeline::BackupReport& report) {
  const std::string text = fmt::format(
      "the controller does not give {} of the chunks of snapshot {} of source '{}' that it says it "
      "has: {}",
      report.broken_claims.size(), report.seq, config.name, report.broken_claims.front().reason);
  options_.on_suspicion(text);
  return Error(ErrorKind::kIntegrity, 4067, text,
               "Run 'holdfast verify' on the snapshot and look at the controller's log. What is "
               "found damaged is stored again by the next backup.");
}

absl::StatusOr<pipeline::BackupReport> JobRunner::BackupBetweenHooks(const v1::Job& job,
                                                                     Running& running,
                                                                     const SourceConfig& config) {
  RunFacts facts{config.name, config.kind(), ToHex(job.job_id()), "", 0, 0};
  if (!config.hooks.before.argv.empty()) running.Step("running the command before the backup");
  const absl::Status before =
      RunHook(config.hooks.before, "before", facts, running.stop.get_token());
  absl::StatusOr<pipeline::BackupReport> report =
      before.ok() ? BackupWithRetries(job, running, config)
                  : absl::StatusOr<pipeline::BackupReport>(before);
  if (config.hooks.after.argv.empty()) return report;
  facts.outcome = !report.ok() ? "failed" : report->partial ? "partial" : "done";
  facts.exit_code = !report.ok()      ? ExitCodeOf(report.status())
                    : report->partial ? static_cast<int>(ErrorKind::kPartial)
                                      : 0;
  if (report.ok()) facts.seq = report->seq;
  running.Step("running the command after the backup");
  // Also after a run that was cancelled: what `before` stopped shall go on.
  const absl::Status after = RunHook(config.hooks.after, "after", facts, std::stop_token());
  if (after.ok()) return report;
  log::Warn("source '{}': {}", config.name, Escaped(MessageOf(after)));
  if (report.ok()) report->notes.push_back(MessageOf(after));
  return report;
}

absl::StatusOr<pipeline::BackupReport> JobRunner::BackupWithRetries(const v1::Job& job,
                                                                    Running& running,
                                                                    const SourceConfig& config) {
  transport::Backoff backoff(options_.env, kFirstRetryPause);
  auto report = BackupOnce(job, running, config);
  for (int tries = 1; tries < kBackupTries && !report.ok() && source::IsTransient(report.status());
       ++tries) {
    log::Failure(report.status());
    log::Info("source '{}' is read again from the start: what was stored is not sent again",
              config.name);
    running.Step("waiting to read again");
    if (!backoff.Wait(running.stop.get_token())) break;
    running.bytes_done = running.items_done = running.new_bytes = running.stored_bytes = 0;
    report = BackupOnce(job, running, config);
  }
  return report;
}

absl::StatusOr<pipeline::BackupReport> JobRunner::BackupOnce(const v1::Job& job, Running& running,
                                                             const SourceConfig& config) {
  const SourceId id = SourceId::From(job.source_id()).value_or(SourceId());
  running.Step("reading");
  const auto source = MakeSource(options_.env, config, ExpectedDevice(id));
  transport::GrpcIngestSession session({options_.env, options_.connect, options_.diagnose, id,
                                        job.job_id(), kPatience, options_.upload_limit},
                                       running.stop.get_token());
  auto fetcher = std::make_shared<transport::GrpcFetcher>(options_.env, options_.connect());
  const pipeline::AgentKeys& keys = options_.state->keys;
  pipeline::BackupRun run(
      {options_.env,
       &keys,
       options_.state->LastPath(id),
       options_.state->RecipientsVersionPath(),
       id,
       config.name,
       2,
       [&](std::uint64_t seq) -> absl::StatusOr<OpenedSnapshot> {
         ASSIGN_OR_RETURN(const SnapshotDocuments documents, fetcher->Documents(id, seq));
         return OpenSnapshot(documents, {id, seq}, keys.owner, keys.recipient, fetcher);
       },
       {config.delta, options_.state->DeltaPath(id), options_.state->BasesDirectory(id),
        config.delta_cache_bytes, !std::holds_alternative<source::FilesOptions>(config.options),
        fetcher},
       fetcher});
  return run.Run(*source, session, running, running.stop.get_token());
}

absl::Status JobRunner::Restore(const v1::Job& job, Running& running, v1::JobDetail* detail,
                                v1::JobResult* result) {
  const auto sealed = OpenText(Bytes(kRestoreOptionsContext) + job.source_id(),
                               job.sealed_restore(), options_.state->keys.recipient);
  if (!sealed.ok()) {
    options_.on_suspicion("the controller sent a restore that was not sealed for its source");
    return sealed.status();
  }
  v1::RestoreOptions restore_options;
  if (!restore_options.ParseFromArray(sealed->view().data(), static_cast<int>(sealed->size()))) {
    options_.on_suspicion("the controller sent a restore whose options are not readable");
    return Error(ErrorKind::kUsage, 3015, "unable to restore: the options are not readable");
  }
  const RestoreRequest request = FromProto(restore_options);
  const std::shared_ptr<const AgentConfig> config = options_.config();
  if (!request.target.empty()) {
    const absl::Status allowed = CheckTargetAllowed(*config, request.target);
    // An operator's slip, or a controller that wants to write where it must not.
    if (KindOf(allowed) == ErrorKind::kPermission) options_.on_suspicion(MessageOf(allowed));
    RETURN_IF_ERROR(allowed);
  }
  ASSIGN_OR_RETURN(
      const RestoreServers servers,
      ServersOf(*config, *options_.state, restore_options.connection(),
                FindSource(*config, SourceId::From(job.source_id()).value_or(SourceId()))));
  const absl::Duration started = options_.env.clock.Monotonic();
  const SourceId id = SourceId::From(job.source_id()).value_or(SourceId());
  auto fetcher = std::make_shared<transport::GrpcFetcher>(options_.env, options_.connect());
  running.Step("opening");
  ASSIGN_OR_RETURN(const SnapshotDocuments documents, fetcher->Documents(id, job.seq()));
  ASSIGN_OR_RETURN(const OpenedSnapshot snapshot,
                   OpenSnapshot(documents, {id, job.seq()}, options_.state->keys.owner,
                                options_.state->keys.recipient, fetcher));
  running.Step("restoring");
  ASSIGN_OR_RETURN(
      const restore::RestoreReport report,
      RunRestore(options_.env, snapshot, request, servers, running, running.stop.get_token()));
  const absl::Duration took = options_.env.clock.Monotonic() - started;
  detail->set_report_json(ToJson(report, absl::ToDoubleSeconds(took)));
  // How much and how fast, in clear: objectives rest on it.
  result->set_restored_bytes(report.restored_bytes);
  result->set_duration_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(took)));
  return restore::StatusOf(report);
}

absl::Status JobRunner::Verify(const v1::Job& job, Running& running, v1::JobDetail* detail) {
  const absl::Duration started = options_.env.clock.Monotonic();
  const SourceId id = SourceId::From(job.source_id()).value_or(SourceId());
  auto fetcher = std::make_shared<transport::GrpcFetcher>(options_.env, options_.connect());
  ASSIGN_OR_RETURN(const SnapshotDocuments documents, fetcher->Documents(id, job.seq()));
  ASSIGN_OR_RETURN(const OpenedSnapshot snapshot,
                   OpenSnapshot(documents, {id, job.seq()}, options_.state->keys.owner,
                                options_.state->keys.recipient, fetcher));
  running.Step("checking");
  const int sample = std::clamp<int>(static_cast<int>(job.verify().sample_percent()), 1, 100);
  std::uint64_t seed = 0;
  options_.env.rng.Fill(reinterpret_cast<char*>(&seed), sizeof seed);
  ASSIGN_OR_RETURN(
      const ChunkCheck check,
      CheckSnapshot(snapshot, sample, seed, [&](std::uint64_t done, std::uint64_t total) {
        running.items_done = done;
        running.items_total = total;
        return !running.stop.stop_requested();
      }));
  detail->set_report_json(
      ToJson(check, absl::ToDoubleSeconds(options_.env.clock.Monotonic() - started)));
  if (check.damaged.empty()) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 4082,
               fmt::format("snapshot {} is damaged: {} of {} entries do not read", job.seq(),
                           check.damaged.size(), check.checked),
               "The next backup stores the damaged chunks again if the source still has them.");
}

}  // namespace holdfast::daemon
