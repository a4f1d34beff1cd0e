#include "controller/daemon/controller.h"

#include <fcntl.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <atomic>
#include <optional>

#include "common/base/error.h"
#include "common/env/mount.h"
#include "common/env/tcp_listen.h"
#include "common/rpc/channel.h"
#include "controller/access/access.h"
#include "controller/alert/alert_desk.h"
#include "controller/alert/catalog_facts.h"
#include "controller/catalog/catalog.h"
#include "controller/control/control_service.h"
#include "controller/control/summaries.h"
#include "controller/daemon/accept_loop.h"
#include "controller/daemon/alert_wiring.h"
#include "controller/daemon/api_documents.h"
#include "controller/daemon/authority.h"
#include "controller/daemon/data_directory.h"
#include "controller/daemon/enrollment.h"
#include "controller/daemon/local_socket.h"
#include "controller/daemon/monitor_views.h"
#include "controller/daemon/scheduled_runs.h"
#include "controller/daemon/store_place.h"
#include "controller/http/gather.h"
#include "controller/http/http_server.h"
#include "controller/ingest/ingest_service.h"
#include "controller/ingest/recovered_packs.h"
#include "controller/operator/operator_service.h"
#include "controller/quota/quotas.h"
#include "controller/rebuild/settings_copy.h"
#include "controller/restore/restore_service.h"
#include "controller/retention/collector_thread.h"
#include "controller/schedule/retry.h"
#include "controller/schedule/scheduler_thread.h"
#include "controller/scrub/scrubber.h"
#include "fmt/format.h"
#include "proto/common.pb.h"
#include "proto/control.pb.h"

namespace holdfast::daemon {
namespace {

constexpr int kStopSeconds = 5;
constexpr int kAgentBacklog = 128;

// By its result, or by the catalog: an agent may be lost after its snapshot was committed.
bool MadeSnapshot(catalog::Catalog& catalog, const v1::Job& job, const v1::JobResult& result) {
  if (result.exit_code() == 0 ||
      result.exit_code() == static_cast<std::uint32_t>(ErrorKind::kPartial)) {
    return true;
  }
  const auto committed =
      catalog.FindRun(SourceId::From(job.source_id()).value_or(SourceId()), job.job_id());
  return committed.ok() && committed->has_value();
}

}  // namespace

struct Controller::Impl {
  Impl(Env env_with_store, ControllerConfig controller_config,
       std::unique_ptr<StorePlace> store_place)
      : place(std::move(store_place)), env(env_with_store), config(std::move(controller_config)) {}

  ~Impl() {
    stopping = true;
    if (http) http->SetStopping();
    if (collector) collector->Stop();
    place->Stop();
    socket.reset();
    agent_connections.reset();
    enrollment.reset();
    const auto deadline = std::chrono::system_clock::time_point() +
                          std::chrono::milliseconds(
                              absl::ToUnixMillis(env.clock.Now() + absl::Seconds(kStopSeconds)));
    if (agent_server) agent_server->Shutdown(deadline);
    if (operator_server) operator_server->Shutdown(deadline);
  }

  absl::Status Start() {
    RETURN_IF_ERROR(env.fs.MakeDirectories(config.data_directory));
    ASSIGN_OR_RETURN(lock, DirectoryLock::Acquire(JoinPath(config.data_directory, "lock")));
    RETURN_IF_ERROR(CheckCatalogIsThere(env.fs, config.data_directory));
    ASSIGN_OR_RETURN(const MountKind mount, FindMountKind(config.data_directory));
    mount_warning = MountWarning(mount, config.data_directory);
    if (!mount_warning.empty()) log::Warn("{}", mount_warning);
    if (config.http) {
      ASSIGN_OR_RETURN(http, http::HttpServer::Start(env, *config.http));
    }
    RETURN_IF_ERROR(OpenState());
    ASSIGN_OR_RETURN(const catalog::Installation installation, catalog->GetInstallation());
    RETURN_IF_ERROR(CheckBelongsTogether(env.fs, config.data_directory, installation));
    ASSIGN_OR_RETURN(Authority opened,
                     Authority::Open(env, config.data_directory, installation.controller_id));
    authority = std::make_unique<Authority>(std::move(opened));
    RETURN_IF_ERROR(OpenSettingsCopy());
    board = std::make_unique<control::JobBoard>(
        env, [this](const v1::Job& job, const v1::JobResult& result) {
          const absl::Status status = NoteResult(job, result);
          if (!status.ok()) log::Failure(status);
        });
    collector = std::make_unique<retention::Collector>(
        env, *catalog, *store, config.retention,
        [this](const SourceId& source) { return board->IsRead(source); });
    collector_thread = std::make_unique<retention::CollectorThread>(env.clock, *collector);
    objectives = std::make_unique<objective::Objectives>(env, *catalog, config.objectives);
    quotas = std::make_unique<quota::Quotas>(env, *catalog, config.quota);
    RETURN_IF_ERROR(OpenAlerts(installation));
    schedule_observer.Attach(alerts->engine());
    runs = std::make_unique<ScheduledRuns>(*board);
    scheduler = std::make_unique<schedule::Scheduler>(env, *catalog, *runs, config.schedule,
                                                      schedule_observer);
    RETURN_IF_ERROR(scheduler->Load());
    RETURN_IF_ERROR(StartAgentServer(installation));
    ASSIGN_OR_RETURN(enrollment, EnrollmentServer::Start({env, catalog.get(), authority.get(),
                                                          config.listen_enrollment, agent_port,
                                                          config.advertise}));
    RETURN_IF_ERROR(StartOperatorServer(installation));
    scrubber->Start();
    scheduler_thread = std::make_unique<schedule::SchedulerThread>(env.clock, *scheduler);
    alerts->Start();
    return TellMonitors();
  }

  absl::Status OpenSettingsCopy() {
    ASSIGN_OR_RETURN(KeyPair key, rebuild::LoadOrMakeSettingsKey(
                                      env, rebuild::SettingsKeyPath(config.data_directory)));
    settings = std::make_unique<rebuild::SettingsCopy>(env, *catalog, *store, std::move(key));
    FollowSettings();
    settings->Start();
    return absl::OkStatus();
  }

  // The change is made; a copy that fails now is tried again every few seconds.
  void FollowSettings() {
    const absl::Status status = settings->Follow();
    if (!status.ok()) {
      log::Failure(WithContext(status, "unable to copy the settings into the store"));
    }
  }

  // From here on what is asked over HTTP has answers.
  absl::Status TellMonitors() {
    if (!http) return absl::OkStatus();
    http::GatherOptions gather{env, catalog.get(), store.get(), CatalogPath()};
    gather.started_at = operator_options->started_at;
    ASSIGN_OR_RETURN(const auto server, rpc::ReadCertificate(authority->server().certificate_pem));
    ASSIGN_OR_RETURN(const auto ca, rpc::ReadCertificate(authority->ca_pem()));
    gather.server_certificate_ends = server.not_after;
    gather.authority_ends = ca.not_after;
    gather.scrubbed_at = [this] { return scrubber->completed(); };
    gather.views = MonitorViews(*operator_options);
    http->SetReady({[gather] { return http::Gather(gather); },
                    [this](const http::ApiRequest& request) {
                      return ApiDocumentText(*operator_options, request);
                    },
                    [this](const std::string& token) -> absl::StatusOr<std::string> {
                      ASSIGN_OR_RETURN(const catalog::AlertRow alert,
                                       alerts->engine().AcknowledgeByToken(token));
                      return alert.title;
                    }});
    return absl::OkStatus();
  }

  // Before the servers: the board's first result is an event.
  absl::Status OpenAlerts(const catalog::Installation& installation) {
    std::vector<alert::CertificateFacts> certificates;
    for (const auto& [name, pem] :
         {std::pair("the controller", authority->server().certificate_pem),
          std::pair("the controller's CA", authority->ca_pem())}) {
      ASSIGN_OR_RETURN(const rpc::CertificateFacts read, rpc::ReadCertificate(pem));
      certificates.push_back({name, read.not_after});
    }
    facts = std::make_unique<alert::CatalogFacts>(alert::CatalogFactsOptions{
        env, catalog.get(), store.get(), collector.get(),
        [this](const AgentId& agent) { return board->IsConnected(agent); }, std::move(certificates),
        nullptr});
    all_facts = std::make_unique<FactsWithObjectives>(*facts, *objectives);
    alert::DeskOptions options{env, catalog.get(), all_facts.get(), config.alerts, "", "", {}};
    options.origin = config.advertise.empty()
                         ? "holdfast-" + ToHex(ByteView(installation.controller_id).substr(0, 4))
                         : config.advertise;
    options.key_path = JoinPath(config.data_directory, "alert.key");
    ASSIGN_OR_RETURN(alerts, alert::AlertDesk::Open(std::move(options)));
    return absl::OkStatus();
  }

  absl::Status Reload(const std::string& path) {
    const auto fresh = LoadControllerConfig(env.fs, path);
    {
      std::lock_guard guard(reload_mutex);
      config_trouble = fresh.ok() ? "" : MessageOf(fresh.status());
    }
    if (!fresh.ok()) {
      alerts->engine().Report({alert::EventKind::kReloadFailed, {}, MessageOf(fresh.status())});
      return fresh.status();
    }
    const std::vector<std::string_view> waiting = ChangesThatNeedARestart(config, *fresh);
    if (!waiting.empty()) {
      log::Warn("these changes of the configuration need a restart: {}", fmt::join(waiting, ", "));
    }
    scheduler->Reconfigure(fresh->schedule);
    objectives->Reconfigure(fresh->objectives);
    ingest_limit.Set(fresh->ingest);
    quotas->Reconfigure(fresh->quota);
    RETURN_IF_ERROR(alerts->Reconfigure(fresh->alerts));
    alerts->engine().Report({alert::EventKind::kReloadSucceeded, {}, ""});
    return catalog->audit().Audited({NowMs(), "SIGHUP", "configuration.reload", path, ""},
                                    [] { return absl::OkStatus(); });
  }

  std::string ConfigTrouble() {
    std::lock_guard guard(reload_mutex);
    return config_trouble;
  }

  // What a finished job leaves in the catalog, whom it concerns, and what it means for schedules,
  // retention and objectives.
  absl::Status NoteResult(const v1::Job& job, const v1::JobResult& result) {
    const SourceId source = SourceId::From(job.source_id()).value_or(SourceId());
    if (job.kind() == v1::JOB_KIND_BACKUP) return NoteBackup(source, job, result);
    if (result.exit_code() != 0) return absl::OkStatus();
    if (job.kind() == v1::JOB_KIND_VERIFY) return catalog->SetVerified(source, job.seq(), NowMs());
    if (job.kind() != v1::JOB_KIND_RESTORE) return absl::OkStatus();
    return objectives->NoteRestore(
        source, result.restored_bytes(),
        absl::Milliseconds(static_cast<std::int64_t>(result.duration_ms())));
  }

  absl::Status NoteBackup(const SourceId& source, const v1::Job& job, const v1::JobResult& result) {
    using Outcome = schedule::Scheduler::Outcome;
    const bool good = MadeSnapshot(*catalog, job, result);
    const catalog::RunFailure failure{NowMs(), result.exit_code(), result.error_code(),
                                      control::FailureText(result)};
    const absl::Status noted =
        good ? catalog->ClearFailure(source) : catalog->RecordFailure(source, failure);
    alerts->engine().Report(
        {good ? alert::EventKind::kBackupSucceeded : alert::EventKind::kBackupFailed, source,
         good ? "" : alert::FailureWords(failure)});
    if (good) collector_thread->Wake();
    if (!noted.ok()) log::Failure(noted);
    const Outcome outcome = good                                    ? Outcome::kDone
                            : schedule::MayPass(result.exit_code()) ? Outcome::kFailed
                                                                    : Outcome::kFailedForGood;
    return scheduler->Finished(source, job.job_id(), outcome);
  }

  std::uint64_t NowMs() { return static_cast<std::uint64_t>(absl::ToUnixMillis(env.clock.Now())); }

  std::string CatalogPath() const {
    return JoinPath(JoinPath(config.data_directory, "catalog"), "catalog.db");
  }

  absl::Status OpenState() {
    std::vector<store::RecoveredPack> recovered;
    ASSIGN_OR_RETURN(
        store, store::Store::Open(env, config.data_directory, &recovered, config.parity_percent));
    const std::string directory = JoinPath(config.data_directory, "catalog");
    RETURN_IF_ERROR(env.fs.MakeDirectories(directory));
    ASSIGN_OR_RETURN(catalog, catalog::Catalog::Open(env, CatalogPath()));
    RETURN_IF_ERROR(ingest::AdoptRecoveredPacks(*catalog, *store, recovered));
    scrubber = std::make_unique<scrub::Scrubber>(
        env, *catalog, *store, JoinPath(config.data_directory, "scrub.state"), config.scrub);
    return absl::OkStatus();
  }

  absl::Status StartAgentServer(const catalog::Installation& installation) {
    agent_access = std::make_unique<access::Access>(env.clock, *catalog, installation.controller_id,
                                                    access::Listener::kAgents);
    ingest_service =
        ingest::MakeIngestService(env, *catalog, *store, *agent_access, ingest_limit, *quotas);
    control_service = control::MakeControlService(
        {env, catalog.get(), store.get(), agent_access.get(), board.get(),
         [this](const AgentId& agent, const std::string& csr) { return Renew(agent, csr); }});
    agent_restore = restore_service::MakeRestoreService(*catalog, *store, *agent_access, *board);

    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = authority->ca_pem();
    tls.pem_key_cert_pairs.push_back(
        {Bytes(authority->server().key_pem.view()), authority->server().certificate_pem});
    grpc::ServerBuilder builder;
    rpc::ApplyServerSettings(builder);
    agent_acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::SslServerCredentials(tls));
    builder.RegisterService(ingest_service.get());
    builder.RegisterService(control_service.get());
    builder.RegisterService(agent_restore.get());
    agent_server = builder.BuildAndStart();
    if (!agent_server) return Error(ErrorKind::kFailed, 6057, "unable to start the agents' server");
    absl::StatusOr<UniqueFd> listener =
        ListenTcp(config.listen.host, config.listen.port, kAgentBacklog);
    if (!listener.ok()) {
      return Error(ErrorKind::kConflict, 6055,
                   fmt::format("unable to listen on '{}' for agents: {}", config.listen.text(),
                               MessageOf(listener.status())),
                   "Set `listen` in controller.yaml to a free address of this host.");
    }
    const int listener_fd = listener->get();
    agent_port = LocalPort(listener_fd);
    agent_connections.emplace(env.clock, *std::move(listener), "agents", [=, this](int fd) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
      connection.listener_fd = listener_fd;
      connection.fd = fd;
      agent_acceptor->HandleNewConnection(&connection);
    });
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Renew(const AgentId& agent, const std::string& csr) {
    ASSIGN_OR_RETURN(const std::string certificate, authority->SignAgent(agent, csr));
    ASSIGN_OR_RETURN(const rpc::CertificateFacts facts, rpc::ReadCertificate(certificate));
    ASSIGN_OR_RETURN(const catalog::AgentRow row, catalog->GetAgent(agent));
    // The same key: else a reply that is lost would lock the agent out.
    if (row.key_pin != facts.key_pin) {
      return Error(ErrorKind::kPermission, 6056,
                   "unable to renew the certificate: the request has another key");
    }
    RETURN_IF_ERROR(catalog->SetAgentCertificate(
        agent, facts.key_pin, static_cast<std::uint64_t>(absl::ToUnixMillis(facts.not_after))));
    return certificate;
  }

  absl::Status StartOperatorServer(const catalog::Installation& installation) {
    operator_access = std::make_unique<access::Access>(
        env.clock, *catalog, installation.controller_id, access::Listener::kLocalSocket);
    operator_restore =
        restore_service::MakeRestoreService(*catalog, *store, *operator_access, *board);
    const std::string host = config.advertise.empty() ? config.listen.host : config.advertise;
    operator_options.emplace(operator_service::OperatorServiceOptions{
        env, catalog.get(), store.get(), operator_access.get(), board.get(),
        authority->ca_fingerprint(), HostPort{host, enrollment->port()}.text(),
        HostPort{host, agent_port}.text(), env.clock.Now(), [this] { return stopping.load(); },
        scrubber.get(), collector.get(), scheduler.get(), objectives.get(),
        [this] { return ConfigTrouble(); }, mount_warning, alerts.get(), quotas.get(),
        [this] { FollowSettings(); }});
    operator_service_ = operator_service::MakeOperatorService(*operator_options);
    grpc::ServerBuilder builder;
    rpc::ApplyServerSettings(builder);
    builder.RegisterService(operator_service_.get());
    builder.RegisterService(operator_restore.get());
    operator_server = builder.BuildAndStart();
    if (!operator_server) {
      return Error(ErrorKind::kFailed, 6057, "unable to start the operators' server");
    }
    ASSIGN_OR_RETURN(socket, LocalSocket::Listen(env.clock, config.socket_path, [this](int fd) {
                       grpc::AddInsecureChannelFromFd(operator_server.get(), fd);
                     }));
    return absl::OkStatus();
  }

  std::unique_ptr<StorePlace> place;  // outlives all that uses `env`
  Env env;
  ControllerConfig config;
  std::atomic<bool> stopping{false};
  std::mutex reload_mutex;     // guards config_trouble
  std::string config_trouble;  // why the changed file is not used; empty: it is
  std::string mount_warning;   // empty: none
  std::unique_ptr<DirectoryLock> lock;
  std::unique_ptr<http::HttpServer> http;  // answers until all else is down
  std::unique_ptr<store::Store> store;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<rebuild::SettingsCopy> settings;
  std::unique_ptr<scrub::Scrubber> scrubber;  // its thread ends before catalog and store
  std::unique_ptr<Authority> authority;
  std::unique_ptr<control::JobBoard> board;
  std::unique_ptr<retention::Collector> collector;
  std::unique_ptr<retention::CollectorThread>
      collector_thread;  // outlives the servers that wake it
  std::unique_ptr<objective::Objectives> objectives;
  std::unique_ptr<quota::Quotas> quotas;
  std::unique_ptr<alert::CatalogFacts> facts;
  std::unique_ptr<FactsWithObjectives> all_facts;
  std::unique_ptr<alert::AlertDesk> alerts;  // outlives the servers that report to it
  ScheduleAlerts schedule_observer;
  std::unique_ptr<ScheduledRuns> runs;
  std::unique_ptr<schedule::Scheduler> scheduler;  // outlives the servers that bring results
  std::unique_ptr<access::Access> agent_access;
  std::unique_ptr<access::Access> operator_access;
  RateLimit ingest_limit{env.clock, config.ingest};
  std::unique_ptr<grpc::Service> ingest_service;
  std::unique_ptr<grpc::Service> control_service;
  std::unique_ptr<grpc::Service> agent_restore;
  std::unique_ptr<grpc::Service> operator_restore;
  std::optional<operator_service::OperatorServiceOptions> operator_options;
  std::unique_ptr<grpc::Service> operator_service_;
  int agent_port = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> agent_acceptor;
  std::unique_ptr<grpc::Server> agent_server;
  std::optional<AcceptLoop> agent_connections;
  std::unique_ptr<grpc::Server> operator_server;
  std::unique_ptr<EnrollmentServer> enrollment;
  std::unique_ptr<LocalSocket> socket;
  std::unique_ptr<schedule::SchedulerThread> scheduler_thread;  // first to go
};

absl::StatusOr<std::unique_ptr<Controller>> Controller::Start(Env env, ControllerConfig config) {
  ASSIGN_OR_RETURN(auto place, StorePlace::Open(env, config));
  const Env with_store = place->env();
  auto impl = std::make_unique<Impl>(with_store, std::move(config), std::move(place));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Controller>(new Controller(std::move(impl)));
}

Controller::Controller(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Controller::~Controller() = default;
absl::Status Controller::Reload(const std::string& config_path) {
  return impl_->Reload(config_path);
}
int Controller::agent_port() const { return impl_->agent_port; }
int Controller::enrollment_port() const { return impl_->enrollment->port(); }
int Controller::http_port() const { return impl_->http ? impl_->http->port() : 0; }
void Controller::Probe() const { static_cast<void>(impl_->catalog->GetInstallation()); }

}  // namespace holdfast::daemon
