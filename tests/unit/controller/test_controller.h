// The controller's services on a real TLS port of 127.0.0.1, over a real catalog and store, with
// what tests need to look inside, to cut connections and to start it again.
//
// Every service is also registered where it does not belong (Operator for agents, Ingest for
// operators), so that only the access table keeps callers out.
// Threading: Start, Stop and the destructor on one thread; hooks run on gRPC threads.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "common/base/error.h"
#include "common/rpc/channel.h"
#include "controller/alert/alert_desk.h"
#include "controller/control/control_service.h"
#include "controller/daemon/authority.h"
#include "controller/daemon/scheduled_runs.h"
#include "controller/ingest/ingest_service.h"
#include "controller/ingest/recovered_packs.h"
#include "controller/operator/operator_service.h"
#include "controller/restore/restore_service.h"
#include "controller/scrub/scrubber.h"
#include "proto/ingest.pb.h"
#include "tests/support/agent_domain.h"
#include "tests/support/moved_clock.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {

class TestController {
 public:
  // Sees every reply of Ingest.Backup before it is sent; true cuts the stream instead.
  using CutReply = std::function<bool(const v1::BackupReply&)>;

  TestController() { Start(); }
  ~TestController() { Stop(); }

  void Start() {
    std::vector<store::RecoveredPack> recovered;
    // Without parity: damage that tests make stays.
    store_ = Value(store::Store::Open(env_, directory_.path(), &recovered, 0));
    catalog_ = Value(catalog::Catalog::Open(env_, directory_ / "catalog.db"));
    Check(ingest::AdoptRecoveredPacks(*catalog_, *store_, recovered));
    controller_id_ = Value(catalog_->GetInstallation()).controller_id;
    authority_ = std::make_unique<daemon::Authority>(
        Value(daemon::Authority::Open(env_, directory_.path(), controller_id_)));
    scrubber_ = std::make_unique<scrub::Scrubber>(
        env_, *catalog_, *store_, directory_ / "scrub.state", scrub::ScrubOptions());
    board_ = std::make_unique<control::JobBoard>(env_, [](const auto&, const auto&) {});
    collector_ = std::make_unique<retention::Collector>(
        env_, *catalog_, *store_, retention::CollectorOptions(),
        [this](const SourceId& source) { return board_->IsRead(source); });
    runs_ = std::make_unique<daemon::ScheduledRuns>(*board_);
    scheduler_ = std::make_unique<schedule::Scheduler>(env_, *catalog_, *runs_,
                                                       schedule::ScheduleConfig(), observer_);
    objectives_ =
        std::make_unique<objective::Objectives>(env_, *catalog_, objective::ObjectiveConfig());
    quotas_ = std::make_unique<quota::Quotas>(env_, *catalog_, quota::QuotaConfig());
    alerts_ = Value(alert::AlertDesk::Open(
        {env_, catalog_.get(), nullptr, {}, "test", directory_ / "alert.key", {}}));
    for (Side* side : {&agents_, &operators_}) MakeServices(*side);
    agents_.server = Listen(agents_, "127.0.0.1:" + std::to_string(port_), TlsCredentials());
    operators_.server =
        Listen(operators_, "unix:" + socket_path(), grpc::InsecureServerCredentials());
  }

  // At once, as a crash ends the connections; nothing is lost that was promised.
  void Stop() {
    for (Side* side : {&agents_, &operators_}) {
      if (side->server) {
        side->server->Shutdown(std::chrono::system_clock::time_point());
        side->server->Wait();
      }
      *side = {side->listener};
    }
    alerts_.reset();
    quotas_.reset();
    collector_.reset();
    objectives_.reset();
    scheduler_.reset();
    runs_.reset();
    board_.reset();
    authority_.reset();
    scrubber_.reset();
    catalog_.reset();
    store_.reset();
  }

  // Makes the installation belong to the agent's owner, on the first call, and adds the agent,
  // which has published nothing yet.
  rpc::TlsIdentity EnrolWithoutDomain(const AgentDomain& agent) {
    if (!Value(catalog_->GetInstallation()).owner) {
      Check(catalog_->SetOwner(agent.owner.public_key, agent.Recipients(), 1));
    }
    rpc::TlsIdentity identity = Certify(rpc::AgentUri(controller_id_, agent.identity.agent_id));
    const Bytes token = agent.identity.agent_id.bytes();
    const std::string& name = agent.identity.agent_name;
    Check(catalog_->AddToken({token, Sha256("secret"), name, 1000}));
    catalog::AgentRow row;
    row.id = agent.identity.agent_id;
    row.name = name;
    row.key_pin = Value(rpc::ReadCertificate(identity.certificate_pem)).key_pin;
    Check(catalog_->Enrol(token, "secret", row, 1).status());
    return identity;
  }
  // The same, and its domain and sources.
  rpc::TlsIdentity Enrol(const AgentDomain& agent, const std::vector<std::string>& sources) {
    rpc::TlsIdentity identity = EnrolWithoutDomain(agent);
    const AgentId& id = agent.identity.agent_id;
    Check(catalog_->SetAgentDomain(id, agent.secrets.domain));
    Check(store_->PutIdentity(agent.secrets.domain, id, agent.identity_document,
                              agent.secrets_document));
    std::vector<catalog::SourceRow> rows;
    for (const std::string& source : sources) {
      catalog::SourceRow source_row;
      source_row.id = agent.Source(source);
      source_row.agent = id;
      source_row.name = source;
      source_row.kind = "files";
      rows.push_back(source_row);
    }
    Check(catalog_->SetSources(id, rows));
    return identity;
  }

  // A certificate of this CA for any URI and use.
  rpc::TlsIdentity Certify(const std::string& uri,
                           rpc::CertificateUsage usage = rpc::CertificateUsage::kClient) {
    const rpc::CertifiedKey ca{
        authority_->ca_pem(), SecretBytes(Value(env_.fs.ReadFile(directory_ / "identity/ca.key")))};
    rpc::TlsIdentity identity;
    identity.authority_pem = ca.certificate_pem;
    identity.key_pem = rpc::MakeKeyPem();
    const absl::Time now = env_.clock.Now();
    identity.certificate_pem =
        Value(rpc::SignRequest(ca, Value(rpc::MakeRequest(identity.key_pem)),
                               {uri, usage, now - absl::Hours(1), now + absl::Hours(1)}));
    return identity;
  }

  std::shared_ptr<grpc::Channel> Connect(const rpc::TlsIdentity& identity) const {
    return rpc::OpenAgentChannel(address(), identity);
  }
  // Of a client that sends messages of any size.
  std::shared_ptr<grpc::Channel> ConnectUnlimited(const rpc::TlsIdentity& identity) const {
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(-1);
    arguments.SetSslTargetNameOverride(rpc::kServerName);
    return grpc::CreateCustomChannel(
        address(),
        grpc::SslCredentials(
            {identity.authority_pem, Bytes(identity.key_pem.view()), identity.certificate_pem}),
        arguments);
  }
  std::shared_ptr<grpc::Channel> ConnectOperator() const {
    return rpc::OpenLocalChannel(socket_path());
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string socket_path() const { return directory_ / "operator.sock"; }
  const std::string& data_directory() const { return directory_.path(); }
  const Bytes& controller_id() const { return controller_id_; }
  MovedClock& clock() { return clock_; }
  catalog::Catalog& catalog() { return *catalog_; }
  store::Store& store() { return *store_; }
  quota::Quotas& quotas() { return *quotas_; }
  control::JobBoard& board() { return *board_; }
  alert::AlertDesk& alerts() { return *alerts_; }

  void CutWhen(CutReply cut) {
    std::lock_guard lock(cut_->mutex);
    cut_->cut = std::move(cut);
  }

 private:
  struct Cutter {
    std::mutex mutex;
    CutReply cut;
    bool Wants(const v1::BackupReply& reply) {
      std::lock_guard lock(mutex);
      return cut && cut(reply);
    }
  };
  class Interceptor final : public grpc::experimental::Interceptor {
   public:
    Interceptor(grpc::experimental::ServerRpcInfo* info, std::shared_ptr<Cutter> cutter)
        : info_(info), cutter_(std::move(cutter)) {}
    void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
      using grpc::experimental::InterceptionHookPoints;
      if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE) &&
          std::string_view(info_->method()) == "/holdfast.v1.Ingest/Backup" &&
          cutter_->Wants(*static_cast<const v1::BackupReply*>(methods->GetSendMessage()))) {
        info_->server_context()->TryCancel();
      }
      methods->Proceed();
    }

   private:
    grpc::experimental::ServerRpcInfo* info_;
    std::shared_ptr<Cutter> cutter_;
  };
  class InterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
   public:
    explicit InterceptorFactory(std::shared_ptr<Cutter> cutter) : cutter_(std::move(cutter)) {}
    grpc::experimental::Interceptor* CreateServerInterceptor(
        grpc::experimental::ServerRpcInfo* info) override {
      return new Interceptor(info, cutter_);
    }

   private:
    std::shared_ptr<Cutter> cutter_;
  };

  // One listener with services that know only its kind of caller.
  struct Side {
    access::Listener listener;
    std::unique_ptr<access::Access> access = nullptr;
    std::vector<std::unique_ptr<grpc::Service>> services = {};
    std::unique_ptr<grpc::Server> server = nullptr;
  };

  static void Check(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }
  template <typename T>
  static T Value(absl::StatusOr<T> result) {
    EXPECT_TRUE(result.ok()) << result.status();
    return std::move(result).value();
  }

  void MakeServices(Side& side) {
    side.access =
        std::make_unique<access::Access>(clock_, *catalog_, controller_id_, side.listener);
    side.services.push_back(
        ingest::MakeIngestService(env_, *catalog_, *store_, *side.access, ingest_limit_, *quotas_));
    side.services.push_back(control::MakeControlService(
        {env_, catalog_.get(), store_.get(), side.access.get(), board_.get(),
         [this](const AgentId& agent, const std::string& csr) {
           return authority_->SignAgent(agent, csr);
         }}));
    side.services.push_back(
        restore_service::MakeRestoreService(*catalog_, *store_, *side.access, *board_));
    side.services.push_back(operator_service::MakeOperatorService(
        {env_, catalog_.get(), store_.get(), side.access.get(), board_.get(),
         authority_->ca_fingerprint(), "127.0.0.1:1", "127.0.0.1:2", env_.clock.Now(),
         [] { return false; }, scrubber_.get(), collector_.get(), scheduler_.get(),
         objectives_.get(), [] { return std::string(); }, "", alerts_.get(), quotas_.get()}));
  }

  std::shared_ptr<grpc::ServerCredentials> TlsCredentials() const {
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = authority_->ca_pem();
    tls.pem_key_cert_pairs.push_back(
        {Bytes(authority_->server().key_pem.view()), authority_->server().certificate_pem});
    return grpc::SslServerCredentials(tls);
  }

  std::unique_ptr<grpc::Server> Listen(Side& side, const std::string& where,
                                       std::shared_ptr<grpc::ServerCredentials> credentials) {
    grpc::ServerBuilder builder;
    rpc::ApplyServerSettings(builder);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    int port = 0;
    builder.AddListeningPort(where, credentials, &port);
    for (const auto& service : side.services) builder.RegisterService(service.get());
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
    creators.push_back(std::make_unique<InterceptorFactory>(cut_));
    builder.experimental().SetInterceptorCreators(std::move(creators));
    auto server = builder.BuildAndStart();
    EXPECT_TRUE(server != nullptr && port > 0) << "cannot listen on " << where;
    if (side.listener == access::Listener::kAgents) port_ = port;
    return server;
  }

  TempDir directory_;
  MovedClock clock_;
  const Env env_{clock_, RealRng(), RealFileSystem()};
  const std::shared_ptr<Cutter> cut_ = std::make_shared<Cutter>();
  std::atomic<int> port_{0};  // kept over restarts
  Bytes controller_id_;
  RateLimit ingest_limit_{clock_, {}};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<scrub::Scrubber> scrubber_;
  std::unique_ptr<daemon::Authority> authority_;
  std::unique_ptr<control::JobBoard> board_;
  std::unique_ptr<retention::Collector> collector_;
  schedule::ScheduleObserver observer_;
  std::unique_ptr<daemon::ScheduledRuns> runs_;
  std::unique_ptr<schedule::Scheduler> scheduler_;
  std::unique_ptr<objective::Objectives> objectives_;
  std::unique_ptr<quota::Quotas> quotas_;
  std::unique_ptr<alert::AlertDesk> alerts_;
  Side agents_{access::Listener::kAgents};
  Side operators_{access::Listener::kLocalSocket};
};

}  // namespace holdfast::test
