#include "controller/control/control_service.h"

#include <grpcpp/server_context.h>

#include <thread>

#include "common/base/error.h"
#include "common/base/version.h"
#include "common/concurrency/start_thread.h"
#include "common/format/trust.h"
#include "common/log/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"
#include "fmt/format.h"
#include "proto/control.grpc.pb.h"

namespace holdfast::control {
namespace {

constexpr std::int64_t kClockWarnMs = 60'000;
constexpr std::size_t kMaxSources = 1000;
constexpr std::size_t kMaxRunningJobs = 1000;
constexpr std::size_t kMaxText = 200;
constexpr absl::Duration kSeenEvery = absl::Seconds(15);

using Stream = grpc::ServerReaderWriter<v1::ControllerMessage, v1::AgentMessage>;

class ControlService final : public v1::Control::Service {
 public:
  explicit ControlService(ControlServiceOptions options) : options_(std::move(options)) {}

  grpc::Status Session(grpc::ServerContext* context, Stream* stream) override {
    return rpc::ToGrpc(ServeSession(*context, *stream));
  }

  grpc::Status PublishDomain(grpc::ServerContext* context, const v1::PublishDomainRequest* request,
                             v1::PublishDomainReply*) override {
    return rpc::ToGrpc(Publish(*context, *request));
  }

  grpc::Status GetRecipients(grpc::ServerContext* context, const v1::GetRecipientsRequest*,
                             v1::GetRecipientsReply* reply) override {
    auto principal = options_.access->Check(*context, "holdfast.v1.Control/GetRecipients");
    if (!principal.ok()) return rpc::ToGrpc(principal.status());
    auto installation = options_.catalog->GetInstallation();
    if (!installation.ok()) return rpc::ToGrpc(installation.status());
    reply->set_recipients(installation->recipients);
    return grpc::Status::OK;
  }

  grpc::Status RenewCertificate(grpc::ServerContext* context,
                                const v1::RenewCertificateRequest* request,
                                v1::RenewCertificateReply* reply) override {
    auto principal = options_.access->Check(*context, "holdfast.v1.Control/RenewCertificate");
    if (!principal.ok()) return rpc::ToGrpc(principal.status());
    auto certificate = options_.sign(principal->agent.id, request->csr_pem());
    if (!certificate.ok()) return rpc::ToGrpc(certificate.status());
    reply->set_certificate_pem(*certificate);
    return grpc::Status::OK;
  }

 private:
  std::int64_t NowMs() const { return absl::ToUnixMillis(options_.env.clock.Now()); }

  absl::Status ServeSession(grpc::ServerContext& context, Stream& stream) {
    ASSIGN_OR_RETURN(access::Principal principal,
                     options_.access->Check(context, "holdfast.v1.Control/Session"));
    v1::AgentMessage message;
    if (!stream.Read(&message) || !message.has_hello()) {
      return Error(ErrorKind::kUsage, 6031, "unable to open the session: no hello came first");
    }
    ASSIGN_OR_RETURN(const std::vector<Bytes> running, TakeHello(message.hello(), principal.agent));
    const auto link = options_.board->Attach(principal.agent.id, running);
    log::Info("agent '{}' connected from {}", Escaped(principal.agent.name),
              Escaped(principal.agent.host));
    v1::ControllerMessage welcome;
    FillWelcome(welcome.mutable_welcome());
    stream.Write(welcome);
    {
      // Ends when the link is closed: by Detach below, by a newer stream, or by the removal of the
      // agent.
      std::jthread writer;
      const absl::Status started = StartThread(&writer, [&](const std::stop_token&) {
        bool closed = false;
        while (!closed) {
          const auto next = link->Pop(&closed);
          if (next && !stream.Write(*next)) break;
        }
        context.TryCancel();
      });
      if (started.ok()) ReadMessages(stream, principal.agent);
      options_.board->Detach(principal.agent.id, link);
      RETURN_IF_ERROR(started);
    }
    log::Info("agent '{}' disconnected", Escaped(principal.agent.name));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Bytes>> TakeHello(const v1::Hello& hello, catalog::AgentRow& agent) {
    if (hello.protocol_version() != rpc::kProtocolVersion) {
      return Error(ErrorKind::kRefused, 6030,
                   fmt::format("unable to open the session: the agent speaks protocol {}, this "
                               "controller {}",
                               hello.protocol_version(), rpc::kProtocolVersion),
                   "Bring agent and controller to the same release; older backups stay as they "
                   "are.");
    }
    if (static_cast<std::size_t>(hello.sources_size()) > kMaxSources) {
      return Error(ErrorKind::kUsage, 6032, "unable to open the session: more than 1000 sources");
    }
    if (static_cast<std::size_t>(hello.running_jobs_size()) > kMaxRunningJobs) {
      return Error(ErrorKind::kUsage, 6032, "unable to open the session: more than 1000 jobs");
    }
    agent.host = hello.host().substr(0, kMaxText);
    agent.software_version = hello.software_version().substr(0, kMaxText);
    RETURN_IF_ERROR(Seen(agent, hello.clock_ms()));
    std::vector<catalog::SourceRow> sources;
    for (const v1::SourceInfo& info : hello.sources()) {
      const auto id = SourceId::From(info.source_id());
      if (!id || info.name().empty() || info.name().size() > kMaxText) {
        return Error(ErrorKind::kUsage, 6032, "unable to open the session: a source without name");
      }
      catalog::SourceRow row;
      row.id = *id;
      row.agent = agent.id;
      row.name = info.name();
      row.kind = info.kind().substr(0, kMaxText);
      sources.push_back(std::move(row));
    }
    RETURN_IF_ERROR(options_.catalog->SetSources(agent.id, sources));
    return std::vector<Bytes>(hello.running_jobs().begin(), hello.running_jobs().end());
  }

  void FillWelcome(v1::Welcome* welcome) {
    welcome->set_protocol_version(rpc::kProtocolVersion);
    welcome->set_software_version(kVersion);
    welcome->set_clock_ms(static_cast<std::uint64_t>(NowMs()));
    if (const auto installation = options_.catalog->GetInstallation(); installation.ok()) {
      welcome->set_controller_id(installation->controller_id);
    }
  }

  void ReadMessages(Stream& stream, catalog::AgentRow& agent) {
    v1::AgentMessage message;
    absl::Duration seen_at = options_.env.clock.Monotonic();
    while (stream.Read(&message)) {
      if (message.has_progress()) options_.board->Report(agent.id, message.progress());
      if (message.has_heartbeat()) {
        options_.board->NoteConfig(agent.id, message.heartbeat().config_refused());
      }
      if (message.has_result()) options_.board->Finish(agent.id, message.result());
      if (message.has_heartbeat() && options_.env.clock.Monotonic() - seen_at > kSeenEvery) {
        seen_at = options_.env.clock.Monotonic();
        if (const absl::Status status = Seen(agent, message.heartbeat().clock_ms()); !status.ok()) {
          log::Error("unable to note that agent '{}' is alive: {}", Escaped(agent.name),
                     MessageOf(status));
        }
      }
    }
  }

  absl::Status Seen(catalog::AgentRow& agent, std::uint64_t agent_clock_ms) {
    agent.last_seen_ms = static_cast<std::uint64_t>(NowMs());
    agent.clock_skew_ms = static_cast<std::int64_t>(agent_clock_ms) - NowMs();
    if (std::abs(agent.clock_skew_ms) > kClockWarnMs) {
      log::Warn("the clock of agent '{}' is {} s off", Escaped(agent.name),
                agent.clock_skew_ms / 1000);
    }
    return options_.catalog->SetAgentSeen(agent);
  }

  absl::Status Publish(grpc::ServerContext& context, const v1::PublishDomainRequest& request) {
    ASSIGN_OR_RETURN(const access::Principal principal,
                     options_.access->Check(context, "holdfast.v1.Control/PublishDomain"));
    const catalog::AgentRow& agent = principal.agent;
    ASSIGN_OR_RETURN(const catalog::Installation installation, options_.catalog->GetInstallation());
    if (!installation.owner) {
      return Error(ErrorKind::kRefused, 6033, "unable to publish the domain: no owner yet",
                   "Run 'holdfast init' on the controller's host.");
    }
    const auto domain = DomainId::From(request.domain_id());
    ASSIGN_OR_RETURN(const AgentIdentity identity,
                     OpenAgentIdentity(request.identity(), *installation.owner));
    const auto stored = domain ? options_.store->GetIdentity(*domain, agent.id) : Bytes();
    // Damaged: then the name in a catalog that was made from it is a stand-in.
    const bool damaged = stored.ok() && !OpenAgentIdentity(*stored, *installation.owner).ok();
    if (!domain || identity.domain != *domain || identity.agent_id != agent.id ||
        (identity.agent_name != agent.name && !damaged)) {
      return Error(ErrorKind::kPermission, 6034,
                   "unable to publish the domain: the identity is not the calling agent's");
    }
    RETURN_IF_ERROR(options_.catalog->SetAgentDomain(agent.id, *domain));
    if (damaged) {
      log::Warn("the stored identity of agent '{}' is damaged: replaced by the one it has",
                Escaped(identity.agent_name));
      RETURN_IF_ERROR(options_.store->ReplaceIdentity(*domain, agent.id, request.identity()));
      if (identity.agent_name != agent.name) {
        RETURN_IF_ERROR(options_.catalog->RenameAgent(agent.id, identity.agent_name));
      }
    }
    if (absl::IsNotFound(stored.status())) {
      return options_.store->PutIdentity(*domain, agent.id, request.identity(),
                                         request.domain_secrets());
    }
    RETURN_IF_ERROR(stored.status());
    return options_.store->ReplaceSecrets(*domain, agent.id, request.domain_secrets());
  }

  const ControlServiceOptions options_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeControlService(ControlServiceOptions options) {
  return std::make_unique<ControlService>(std::move(options));
}

}  // namespace holdfast::control
