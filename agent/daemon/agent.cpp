#include "agent/daemon/agent.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <atomic>

#include "agent/daemon/dead_man.h"
#include "agent/daemon/enrollment_client.h"
#include "agent/daemon/job_runner.h"
#include "agent/transport/control_client.h"
#include "common/base/error.h"
#include "common/base/version.h"
#include "common/env/mount.h"
#include "common/format/join_token.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "fmt/format.h"
#include "proto/control.grpc.pb.h"

namespace holdfast::daemon {
namespace {

constexpr std::chrono::seconds kCallDeadline(30);

}  // namespace

struct Agent::Impl {
  Impl(Env agent_env, AgentConfig agent_config)
      : env(agent_env),
        config(std::make_shared<const AgentConfig>(std::move(agent_config))),
        upload_limit(env.clock, config->upload) {}

  absl::Status Start() {
    const std::string& directory = config->data_directory;
    if (!IsEnrolled(env.fs, directory)) return LoadState(env.fs, directory).status();
    ASSIGN_OR_RETURN(lock, DirectoryLock::Acquire(JoinPath(directory, "lock")));
    ASSIGN_OR_RETURN(const MountKind mount, FindMountKind(directory));
    if (mount != MountKind::kLocal) log::Warn("{}", MountWarning(mount, directory));
    ASSIGN_OR_RETURN(state, LoadState(env.fs, directory));
    RETURN_IF_ERROR(rpc::CheckClientIdentity(state.tls, env.clock.Now()));
    address = config->controller.empty() ? state.agent_address : config->controller;
    DeadManOptions alarm{env,
                         config->alerts,
                         state.keys.identity.agent_name,
                         JoinPath(config->data_directory, "dead-man.state"),
                         !config->sources.empty(),
                         {}};
    for (const notify::ChannelConfig& channel : config->alerts.channels) {
      alarm.channels.push_back(notify::MakeChannel(env, channel));
    }
    dead_man = std::make_unique<DeadMan>(std::move(alarm));
    jobs = std::make_unique<JobRunner>(JobRunner::Options{
        env, [this] { return Config(); }, &state, [this] { return Connect(); },
        [this] { return Diagnose(); }, [this] { return Readers(); },
        [this](const v1::JobProgress& progress) { control->SendProgress(progress); },
        [this](const v1::JobResult& result) { control->SendResult(result); },
        [this] { dead_man->BackupSucceeded(); },
        [this](std::string what) { dead_man->Suspect(std::move(what)); }, &upload_limit});
    dead_man->Start();
    control = std::make_unique<transport::ControlClient>(transport::ControlClient::Options{
        env, [this] { return Connect(); }, [this] { return Diagnose(); },
        [this](v1::Hello* hello) { FillHello(hello); },
        [this](const v1::Job& job) { jobs->Start(job); },
        [this](const Bytes& id) { jobs->Cancel(id); },
        [this](grpc::Channel& channel) { return Introduce(channel); },
        [this](const absl::Status& status) { Trouble(status); }, absl::Seconds(20),
        [this](v1::Heartbeat* beat) { beat->set_config_refused(config_refused); }});
    return absl::OkStatus();
  }

  std::shared_ptr<const AgentConfig> Config() {
    std::lock_guard guard(mutex);
    return config;
  }

  absl::Status Reload(const std::string& path) {
    absl::StatusOr<AgentConfig> fresh = LoadAgentConfig(env.fs, path);
    config_refused = !fresh.ok();
    if (!fresh.ok()) {
      control->SendHeartbeat();
      return fresh.status();
    }
    const std::shared_ptr<const AgentConfig> old = Config();
    if (fresh->data_directory != old->data_directory || fresh->controller != old->controller ||
        fresh->nice != old->nice || fresh->log.level != old->log.level ||
        fresh->log.format != old->log.format) {
      log::Warn("data_directory, controller, nice, alerts and log change with a restart only");
    }
    upload_limit.Set(fresh->upload);
    {
      std::lock_guard guard(mutex);
      config = std::make_shared<const AgentConfig>(*std::move(fresh));
    }
    control->Reconnect();
    return absl::OkStatus();
  }

  rpc::TlsIdentity Tls() {
    std::lock_guard guard(mutex);
    return state.tls;
  }
  std::shared_ptr<grpc::Channel> Connect() { return rpc::OpenAgentChannel(address, Tls()); }
  absl::Status Diagnose() { return rpc::DiagnoseConnection(address, Tls(), env.clock.Now()); }

  std::vector<Recipient> Readers() {
    std::lock_guard guard(mutex);
    return readers;
  }

  void FillHello(v1::Hello* hello) {
    hello->set_software_version(kVersion);
    hello->set_host(HostName());
    hello->set_domain_id(state.keys.secrets.domain.bytes());
    hello->set_clock_ms(static_cast<std::uint64_t>(absl::ToUnixMillis(env.clock.Now())));
    const std::shared_ptr<const AgentConfig> now = Config();
    for (const SourceConfig& source : now->sources) {
      v1::SourceInfo* info = hello->add_sources();
      info->set_source_id(DeriveSourceId(state.keys.secrets, source.name).bytes());
      info->set_name(source.name);
      info->set_kind(source.kind());
    }
    for (const Bytes& id : jobs->Unfinished()) hello->add_running_jobs(id);
    log::Info("connecting to {} with {} sources", address, now->sources.size());
  }

  // Before jobs: identity and sealed domain secrets for today's recipients, and a fresh certificate
  // when it is time.
  absl::Status Introduce(grpc::Channel& channel) {
    // The stub needs a shared channel; this one outlives it.
    const std::shared_ptr<grpc::Channel> shared(&channel, [](grpc::Channel*) {});
    const auto stub = v1::Control::NewStub(shared);
    v1::GetRecipientsReply recipients;
    {
      grpc::ClientContext context;
      rpc::SetDeadline(context, kCallDeadline);
      RETURN_IF_ERROR(
          rpc::FromGrpc(stub->GetRecipients(&context, v1::GetRecipientsRequest(), &recipients)));
    }
    ASSIGN_OR_RETURN(RecipientList list,
                     OpenRecipientList(recipients.recipients(), state.keys.owner));
    {
      std::lock_guard guard(mutex);
      readers = list.recipients;
    }
    list.recipients.push_back(
        {RecipientRole::kAgent, state.keys.identity.agent_name, state.keys.recipient.public_key});
    v1::PublishDomainRequest publish;
    publish.set_domain_id(state.keys.secrets.domain.bytes());
    publish.set_identity(state.identity_document);
    publish.set_domain_secrets(SealDomainSecrets(state.keys.secrets, list.recipients, env.rng));
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCallDeadline);
    v1::PublishDomainReply reply;
    RETURN_IF_ERROR(rpc::FromGrpc(stub->PublishDomain(&context, publish, &reply)));
    RETURN_IF_ERROR(RenewIfDue(*stub));
    dead_man->Reached();
    return absl::OkStatus();
  }

  absl::Status RenewIfDue(v1::Control::Stub& stub) {
    ASSIGN_OR_RETURN(const rpc::CertificateFacts facts,
                     rpc::ReadCertificate(state.tls.certificate_pem));
    const absl::Time now = env.clock.Now();
    if (facts.not_after - now > (facts.not_after - facts.not_before) / 3) return absl::OkStatus();
    v1::RenewCertificateRequest request;
    ASSIGN_OR_RETURN(*request.mutable_csr_pem(), rpc::MakeRequest(state.tls.key_pem));
    v1::RenewCertificateReply reply;
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCallDeadline);
    RETURN_IF_ERROR(rpc::FromGrpc(stub.RenewCertificate(&context, request, &reply)));
    rpc::TlsIdentity renewed = state.tls;
    renewed.certificate_pem = reply.certificate_pem();
    RETURN_IF_ERROR(rpc::CheckClientIdentity(renewed, now));
    std::lock_guard guard(mutex);
    RETURN_IF_ERROR(SaveCertificate(env.fs, &state, reply.certificate_pem()));
    log::Info("the certificate was renewed");
    return absl::OkStatus();
  }

  void Trouble(const absl::Status& status) {
    dead_man->Lost();
    // Once per kind of trouble, not once per try.
    const std::string text = MessageOf(status);
    if (text == last_trouble) return;
    last_trouble = text;
    log::Failure(status);
  }

  Env env;
  std::shared_ptr<const AgentConfig> config;
  std::unique_ptr<DirectoryLock> lock;
  AgentState state;
  RateLimit upload_limit;
  std::atomic<bool> config_refused = false;
  std::mutex mutex;                // guards config, state.tls.certificate_pem and readers
  std::vector<Recipient> readers;  // of the newest recipient list
  std::string address;
  std::string last_trouble;
  std::unique_ptr<DeadMan> dead_man;  // outlives those that report to it
  std::unique_ptr<transport::ControlClient> control;
  std::unique_ptr<JobRunner> jobs;  // destroyed first: its results go through `control`
};

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(Env env, AgentConfig config) {
  auto impl = std::make_unique<Impl>(env, std::move(config));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;
const std::string& Agent::name() const { return impl_->state.keys.identity.agent_name; }
const std::string& Agent::controller() const { return impl_->address; }
absl::Status Agent::Reload(const std::string& config_path) { return impl_->Reload(config_path); }
void Agent::Probe() const { static_cast<void>(impl_->jobs->Unfinished()); }

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

namespace {

absl::StatusOr<AgentState> RedeemToken(Env env, const JoinToken& token, AgentState state) {
  state.enrollment_address = token.enrollment_address;
  EnrollRequest request;
  request.address = token.enrollment_address;
  request.ca_fingerprint = token.ca_fingerprint;
  request.token_id = token.token_id;
  request.secret = token.secret;
  request.agent_id = state.keys.identity.agent_id;
  request.agent_name = state.keys.identity.agent_name;
  request.host = HostName();
  ASSIGN_OR_RETURN(request.csr_pem, rpc::MakeRequest(state.tls.key_pem));
  ASSIGN_OR_RETURN(const CertificateGrant grant, RequestEnrollment(request));
  state.tls.certificate_pem = grant.certificate_pem;
  state.tls.authority_pem = grant.authority_pem;
  state.controller_id = grant.controller_id;
  state.agent_address = grant.agent_address;
  RETURN_IF_ERROR(rpc::CheckClientIdentity(state.tls, env.clock.Now()));
  RETURN_IF_ERROR(SaveState(env.fs, state));
  return state;
}

}  // namespace

absl::StatusOr<AgentState> Enroll(Env env, const std::string& data_directory,
                                  std::string_view token_text) {
  if (IsEnrolled(env.fs, data_directory)) {
    return Error(
        ErrorKind::kConflict, 6067,
        fmt::format("unable to enrol: '{}' holds the identity of an agent already", data_directory),
        "Start holdfast-agent, or choose another data_directory. When the controller was set up "
        "anew on the old store: --keep-identity.");
  }
  ASSIGN_OR_RETURN(const JoinToken token, DecodeJoinToken(token_text));
  RETURN_IF_ERROR(env.fs.MakeDirectories(data_directory));
  AgentState state;
  state.directory = data_directory;
  state.tls.key_pem = rpc::MakeKeyPem();

  pipeline::AgentKeys& keys = state.keys;
  keys.owner = token.owner;
  keys.signing = Ed25519Generate(env.rng);
  keys.recipient = X25519Generate(env.rng);
  keys.secrets = MakeDomainSecrets(env.rng);
  keys.identity.agent_id = env.rng.DrawFixed<AgentId>();
  keys.identity.agent_name = token.grant.agent_name;
  keys.identity.domain = keys.secrets.domain;
  keys.identity.signing_key = keys.signing.public_key;
  keys.identity.recipient_key = keys.recipient.public_key;
  state.identity_document =
      SignAgentIdentity(keys.identity, token.grant, Ed25519FromSeed(token.grant_seed));
  // A token whose grant the owner did not sign is found out here, before the controller is asked.
  RETURN_IF_ERROR(OpenAgentIdentity(state.identity_document, keys.owner).status());
  return RedeemToken(env, token, std::move(state));
}

absl::StatusOr<AgentState> EnrollAgain(Env env, const std::string& data_directory,
                                       std::string_view token_text) {
  ASSIGN_OR_RETURN(AgentState state, LoadState(env.fs, data_directory));
  ASSIGN_OR_RETURN(const JoinToken token, DecodeJoinToken(token_text));
  if (token.owner != state.keys.owner || token.grant.agent_name != state.keys.identity.agent_name) {
    return Error(
        ErrorKind::kPermission, 6069,
        fmt::format("unable to enrol again: the token is for '{}', and this agent is '{}' "
                    "(or the owner is another one)",
                    Escaped(token.grant.agent_name), Escaped(state.keys.identity.agent_name)),
        "Make a token for this name with the owner key of the old installation.");
  }
  return RedeemToken(env, token, std::move(state));
}

}  // namespace holdfast::daemon
