#include "controller/daemon/enrollment.h"

#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "common/base/error.h"
#include "common/enrolment/enrolment_json.h"
#include "common/log/log.h"
#include "common/rpc/recovery_login.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t kMaxBodyBytes = 64 << 10;
constexpr int kStartMs = 5'000;
constexpr std::uint64_t kRecoveryWindowMs = 10 * 60'000;

// Tries that were refused, per address; the addresses themselves are bounded.
class TryLimit {
 public:
  bool Allowed(const std::string& address, absl::Duration now) {
    std::lock_guard lock(mutex_);
    Forget(now);
    const auto found = tries_.find(address);
    return found == tries_.end() || found->second.size() < kTriesPerMinute;
  }
  void Refused(const std::string& address, absl::Duration now) {
    std::lock_guard lock(mutex_);
    if (tries_.size() < 10'000) tries_[address].push_back(now);
  }

 private:
  void Forget(absl::Duration now) {
    for (auto each = tries_.begin(); each != tries_.end();) {
      while (!each->second.empty() && now - each->second.front() > absl::Minutes(1)) {
        each->second.pop_front();
      }
      each = each->second.empty() ? tries_.erase(each) : std::next(each);
    }
  }
  std::mutex mutex_;
  std::map<std::string, std::deque<absl::Duration>> tries_;
};

void Answer(httplib::Response& response, int code, const std::string& json) {
  response.status = code;
  response.set_content(json, "application/json");
}

absl::Status TooManyTries() {
  return Error(ErrorKind::kPermission, 6065, "too many tries; wait a minute",
               "A token that is good stays good until it expires.");
}

}  // namespace

struct EnrollmentServer::Impl {
  explicit Impl(Options server_options)
      : options(std::move(server_options)),
        server(options.authority->server_certificate_path().c_str(),
               options.authority->server_key_path().c_str()) {}

  ~Impl() {
    server.stop();
    if (thread.joinable()) thread.join();
  }

  absl::Status Start() {
    if (!server.is_valid()) {
      return Error(ErrorKind::kPermission, 6050,
                   "unable to start enrolment: bad server certificate");
    }
    server.new_task_queue = [] { return new httplib::ThreadPool(2); };
    server.set_payload_max_length(kMaxBodyBytes);
    server.set_read_timeout(10);
    server.set_write_timeout(10);
    server.set_keep_alive_max_count(4);
    server.Get("/v1/ca", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(options.authority->ca_pem(), "application/x-pem-file");
    });
    Route("/v1/enroll", &Impl::Enroll);
    Route("/v1/recover", &Impl::Recover);
    const HostPort& listen = options.listen;
    bound_port = listen.port == 0
                     ? server.bind_to_any_port(listen.host.c_str())
                     : (server.bind_to_port(listen.host.c_str(), listen.port) ? listen.port : -1);
    if (bound_port <= 0) {
      return Error(ErrorKind::kConflict, 6051,
                   fmt::format("unable to listen on '{}' for enrolment: the address is in use or "
                               "not this host's",
                               listen.text()),
                   "Set listen_enrollment in controller.yaml to a free address.");
    }
    thread = std::thread([this] { server.listen_after_bind(); });
    // stop() does nothing before the thread is at work, and then the thread would never end.
    for (int i = 0; i < kStartMs && !server.is_running(); ++i) {
      options.env.clock.SleepFor(absl::Milliseconds(1), {});
    }
    return absl::OkStatus();
  }

  using Handler = absl::StatusOr<enrolment::Grant> (Impl::*)(ByteView body);

  void Route(const char* path, Handler handler) {
    server.Post(path,
                [this, handler](const httplib::Request& request, httplib::Response& response) {
                  const absl::Duration now = options.env.clock.Monotonic();
                  if (!limit.Allowed(request.remote_addr, now)) {
                    return Answer(response, 429, enrolment::EncodeRefusal(TooManyTries()));
                  }
                  const absl::StatusOr<enrolment::Grant> grant = (this->*handler)(request.body);
                  if (grant.ok()) return Answer(response, 200, enrolment::Encode(*grant));
                  limit.Refused(request.remote_addr, now);
                  log::Warn("an enrolment from {} was refused: {}", Escaped(request.remote_addr),
                            MessageOf(grant.status()));
                  Answer(response, 403, enrolment::EncodeRefusal(grant.status()));
                });
  }

  absl::StatusOr<enrolment::Grant> Enroll(ByteView body) {
    ASSIGN_OR_RETURN(const enrolment::TokenRequest request, enrolment::DecodeTokenRequest(body));
    ASSIGN_OR_RETURN(const std::string certificate,
                     options.authority->SignAgent(request.agent_id, request.csr_pem));
    ASSIGN_OR_RETURN(const rpc::CertificateFacts facts, rpc::ReadCertificate(certificate));
    catalog::AgentRow agent;
    agent.id = request.agent_id;
    agent.name = request.agent_name;
    agent.key_pin = facts.key_pin;
    agent.certificate_not_after_ms =
        static_cast<std::uint64_t>(absl::ToUnixMillis(facts.not_after));
    agent.host = Escaped(request.host);
    const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now()));
    catalog::AgentRow enrolled;
    catalog::AuditEntry audit{now_ms, "the join token", "agent.enrol", agent.name,
                              "from host " + agent.host};
    RETURN_IF_ERROR(options.catalog->audit().Audited(audit, [&]() -> absl::Status {
      ASSIGN_OR_RETURN(
          enrolled, options.catalog->Enrol(request.token_id, request.secret.view(), agent, now_ms));
      audit.object = enrolled.name;
      return absl::OkStatus();
    }));
    log::Info("agent '{}' enrolled from host {}", Escaped(enrolled.name), agent.host);
    return Welcome(certificate);
  }

  absl::StatusOr<enrolment::Grant> Recover(ByteView body) {
    ASSIGN_OR_RETURN(const enrolment::RecoveryRequest request,
                     enrolment::DecodeRecoveryRequest(body));
    const std::uint64_t time_ms = request.time_ms;
    const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now()));
    ASSIGN_OR_RETURN(const catalog::Installation installation, options.catalog->GetInstallation());
    const std::uint64_t apart = time_ms > now_ms ? time_ms - now_ms : now_ms - time_ms;
    if (!installation.owner || apart > kRecoveryWindowMs ||
        !Ed25519Verify(*installation.owner, rpc::RecoverySignedText(request.csr_pem, time_ms),
                       request.signature)) {
      return Error(ErrorKind::kPermission, 6053,
                   "the recovery kit is not this installation's, or the clocks differ by more than "
                   "10 minutes");
    }
    ASSIGN_OR_RETURN(const std::string certificate,
                     options.authority->SignRecovery(request.csr_pem));
    log::Warn("a recovery certificate was given to the holder of the owner key");
    return Welcome(certificate);
  }

  absl::StatusOr<enrolment::Grant> Welcome(const std::string& certificate) {
    ASSIGN_OR_RETURN(const catalog::Installation installation, options.catalog->GetInstallation());
    return enrolment::Grant{certificate, options.authority->ca_pem(), installation.controller_id,
                            options.agent_port, options.advertise};
  }

  const Options options;
  httplib::SSLServer server;
  TryLimit limit;
  int bound_port = 0;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<EnrollmentServer>> EnrollmentServer::Start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<EnrollmentServer>(new EnrollmentServer(std::move(impl)));
}

EnrollmentServer::EnrollmentServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EnrollmentServer::~EnrollmentServer() = default;
int EnrollmentServer::port() const { return impl_->bound_port; }

}  // namespace holdfast::daemon
