#include "controller/daemon/enrollment.h"

#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/error.h"
#include "common/log/log.h"
#include "common/rpc/recovery_login.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t kMaxBodyBytes = 64 << 10;
constexpr int kStartMs = 5'000;
constexpr std::uint64_t kRecoveryWindowMs = 10 * 60'000;

using Json = nlohmann::json;

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

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

void Answer(httplib::Response& response, int code, const Json& body) {
  response.status = code;
  response.set_content(body.dump(), "application/json");
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

  using Handler = absl::StatusOr<Json> (Impl::*)(const Json&);

  void Route(const char* path, Handler handler) {
    server.Post(
        path, [this, handler](const httplib::Request& request, httplib::Response& response) {
          const absl::Duration now = options.env.clock.Monotonic();
          if (!limit.Allowed(request.remote_addr, now)) {
            return Answer(response, 429, {{"error", "too many tries; wait a minute"}});
          }
          const Json body = Json::parse(request.body, nullptr, false);
          const absl::StatusOr<Json> reply =
              body.is_object() ? (this->*handler)(body)
                               : Error(ErrorKind::kUsage, 6052, "the request is not a JSON object");
          if (reply.ok()) return Answer(response, 200, *reply);
          limit.Refused(request.remote_addr, now);
          log::Warn("an enrolment from {} was refused: {}", Escaped(request.remote_addr),
                    MessageOf(reply.status()));
          Answer(response, 403,
                 {{"error", MessageOf(reply.status())},
                  {"hint", HintOf(reply.status())},
                  {"code", CodeOf(reply.status())},
                  {"exit", ExitCodeOf(reply.status())}});
        });
  }

  absl::StatusOr<Json> Enroll(const Json& body) {
    const auto token_id = FromHex(TextOf(body, "token_id"));
    const auto secret = FromHex(TextOf(body, "secret"));
    const auto agent_id = AgentId::FromHexText(TextOf(body, "agent_id"));
    if (!token_id || !secret || !agent_id || agent_id->IsZero()) {
      return Error(ErrorKind::kPermission, 6020, "the join token is not valid");
    }
    ASSIGN_OR_RETURN(const std::string certificate,
                     options.authority->SignAgent(*agent_id, TextOf(body, "csr_pem")));
    ASSIGN_OR_RETURN(const rpc::CertificateFacts facts, rpc::ReadCertificate(certificate));
    catalog::AgentRow agent;
    agent.id = *agent_id;
    agent.name = TextOf(body, "agent_name");
    agent.key_pin = facts.key_pin;
    agent.certificate_not_after_ms =
        static_cast<std::uint64_t>(absl::ToUnixMillis(facts.not_after));
    agent.host = Escaped(TextOf(body, "host"));
    const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now()));
    catalog::AgentRow enrolled;
    catalog::AuditEntry audit{now_ms, "the join token", "agent.enrol", agent.name,
                              "from host " + agent.host};
    RETURN_IF_ERROR(options.catalog->audit().Audited(audit, [&]() -> absl::Status {
      ASSIGN_OR_RETURN(enrolled, options.catalog->Enrol(*token_id, *secret, agent, now_ms));
      audit.object = enrolled.name;
      return absl::OkStatus();
    }));
    log::Info("agent '{}' enrolled from host {}", Escaped(enrolled.name), agent.host);
    return Welcome(certificate);
  }

  absl::StatusOr<Json> Recover(const Json& body) {
    const std::string csr = TextOf(body, "csr_pem");
    const auto signature = FromHex(TextOf(body, "signature"));
    const auto time = body.find("time_ms");
    const std::uint64_t time_ms =
        time != body.end() && time->is_number_unsigned() ? time->get<std::uint64_t>() : 0;
    const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now()));
    ASSIGN_OR_RETURN(const catalog::Installation installation, options.catalog->GetInstallation());
    const std::uint64_t apart = time_ms > now_ms ? time_ms - now_ms : now_ms - time_ms;
    if (!installation.owner || !signature || apart > kRecoveryWindowMs ||
        !Ed25519Verify(*installation.owner, rpc::RecoverySignedText(csr, time_ms), *signature)) {
      return Error(ErrorKind::kPermission, 6053,
                   "the recovery kit is not this installation's, or the clocks differ by more than "
                   "10 minutes");
    }
    ASSIGN_OR_RETURN(const std::string certificate, options.authority->SignRecovery(csr));
    log::Warn("a recovery certificate was given to the holder of the owner key");
    return Welcome(certificate);
  }

  absl::StatusOr<Json> Welcome(const std::string& certificate) {
    ASSIGN_OR_RETURN(const catalog::Installation installation, options.catalog->GetInstallation());
    return Json{{"certificate_pem", certificate},
                {"ca_pem", options.authority->ca_pem()},
                {"controller_id", ToHex(installation.controller_id)},
                {"agent_port", options.agent_port},
                {"advertise", options.advertise}};
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
