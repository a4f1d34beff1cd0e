#include "controller/http/http_server.h"

#include <openssl/ssl.h>

#include <array>
#include <shared_mutex>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/log/log.h"
#include "common/report/json.h"
#include "controller/http/acknowledge_page.h"
#include "controller/http/connection.h"
#include "controller/http/fact_cache.h"
#include "controller/http/health.h"
#include "controller/http/health_page.h"
#include "controller/http/listener.h"
#include "controller/http/metrics.h"
#include "fmt/format.h"

namespace holdfast::http {
namespace {

constexpr char kJsonType[] = "application/json";
constexpr char kHtmlType[] = "text/html; charset=utf-8";
constexpr std::uint32_t kMostSnapshots = 1000;
constexpr absl::Duration kPatienceForNext = absl::Seconds(5);

using Leave = Listener::Leave;

enum class Phase { kStarting, kReady, kStopping };

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeContext>;

absl::StatusOr<TlsContext> MakeTls(const HttpOptions& options) {
  if (options.certificate_path.empty()) return TlsContext();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  HOLDFAST_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_path.c_str()) == 1 &&
      SSL_CTX_use_PrivateKey_file(context.get(), options.key_path.c_str(), SSL_FILETYPE_PEM) == 1 &&
      SSL_CTX_check_private_key(context.get()) == 1) {
    return context;
  }
  return Error(
      ErrorKind::kPermission, 6091,
      fmt::format("unable to use certificate '{}' with key '{}' for HTTP: not readable, no "
                  "PEM, or they do not fit",
                  options.certificate_path, options.key_path),
      "Both must be readable by the controller's user.");
}

// Nothing of this request follows its headers, and the client wants to go on.
bool MayBeFollowed(const httplib::Request& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool has_body = request.has_header("Content-Length") ||
                        request.has_header("Transfer-Encoding") || request.has_header("Expect");
  return reads && !has_body && request.version == "HTTP/1.1" &&
         !absl::EqualsIgnoreCase(request.get_header_value("Connection"), "close");
}

// The library's parser and writer; connections come from the Listener.
class Parser final : public httplib::Server {
 public:
  Parser() { set_keep_alive_timeout(absl::ToInt64Seconds(kPatienceForNext)); }

  // One request; true: another one may follow on this connection.
  bool Serve(Connection& connection, bool may_stay) {
    bool closed = false;
    bool stays = false;  // also when what came is no request
    const bool answered =
        process_request(connection, !may_stay, closed, [&](httplib::Request& request) {
          // Ranges of a page of text serve nobody, and many of them would make a large answer.
          request.ranges.clear();
          // Asked for often, and short: compressing it costs a third of the answer.
          if (request.path.starts_with("/health")) request.headers.erase("Accept-Encoding");
          stays = may_stay && MayBeFollowed(request);
          if (stays) return;
          request.headers.erase("Connection");
          request.headers.emplace("Connection", "close");  // said in the answer too
        });
    return answered && stays;
  }
};

void Answer(httplib::Response& response, int code, const std::string& text,
            const char* type = kJsonType) {
  response.status = code;
  response.set_content(text, type);
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Content-Type-Options", "nosniff");
}

void AnswerError(httplib::Response& response, int code, const absl::Status& status) {
  Answer(response, code, report::JsonLine(report::ErrorJson(status)));
}

int CodeFor(const absl::Status& status) {
  switch (KindOf(status)) {
    case ErrorKind::kUsage:
      return 400;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kPermission:
      return 403;
    case ErrorKind::kConflict:
      return 409;
    default:
      return 503;
  }
}

std::optional<ApiDocument> DocumentAt(const std::string& path) {
  constexpr std::array<std::pair<std::string_view, ApiDocument>, 4> kDocuments{
      {{"/api/v1/status", ApiDocument::kStatus},
       {"/api/v1/snapshots", ApiDocument::kSnapshots},
       {"/api/v1/sources", ApiDocument::kSources},
       {"/api/v1/agents", ApiDocument::kAgents}}};
  for (const auto& [at, document] : kDocuments) {
    if (path == at) return document;
  }
  return std::nullopt;
}

}  // namespace

struct HttpServer::Impl {
  Impl(Env server_env, HttpOptions server_options)
      : env(server_env), options(std::move(server_options)) {}

  absl::Status Start() {
    ASSIGN_OR_RETURN(tls, MakeTls(options));
    parser.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          Route(request, response);
          return httplib::Server::HandlerResponse::Handled;
        });
    ASSIGN_OR_RETURN(listener,
                     Listener::Start(env.clock, options.host, options.port,
                                     [this](int connection, const std::function<Leave()>& leave) {
                                       Serve(connection, leave);
                                     }));
    return absl::OkStatus();
  }

  void Serve(int fd, const std::function<Leave()>& leave) {
    Leave now = leave();
    Connection connection(fd, tls.get(), env.clock, env.clock.Monotonic() + now.request_time);
    if (!connection.Greet()) return;
    try {
      while (parser.Serve(connection, now.may_stay)) {
        now = leave();
        const absl::Duration patience = std::min(kPatienceForNext, now.request_time);
        if (!connection.WaitForNext(patience, now.request_time)) break;
      }
    } catch (const std::exception& error) {  // of the library, on a request that it did not expect
      log::Warn("an HTTP request was dropped: {}", Escaped(error.what(), 200));
    }
    connection.Finish();
  }

  void Route(const httplib::Request& request, httplib::Response& response) {
    const bool is_link = request.path.starts_with(kAcknowledgePath);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (!reads && !(is_link && request.method == "POST")) {
      response.set_header("Allow", is_link ? "GET, HEAD, POST" : "GET, HEAD");
      return AnswerError(response, 405, Error(ErrorKind::kUsage, 6092, "this cannot be done here"));
    }
    const std::shared_lock lock(phase_mutex);
    if (is_link) return AcknowledgeLink(request, response);
    if (request.path == "/health") return Health(response);
    if (request.path == "/health/backup") return HealthOfBackups(response);
    const auto document = DocumentAt(request.path);
    if (!document && request.path != "/metrics") {
      return AnswerError(response, 404,
                         Error(ErrorKind::kNotFound, 6093, "there is nothing at this path"));
    }
    if (!MayAsk(request, response)) return;
    if (phase != Phase::kReady) {
      return AnswerError(response, 503, Error(ErrorKind::kUnreachable, 6094, PhaseText()));
    }
    if (document) return Api(*document, request, response);
    Metrics(response);
  }

  // A mail scanner opens links: only the button of the page acknowledges. The token in the path is
  // checked then, and is the only login.
  void AcknowledgeLink(const httplib::Request& request, httplib::Response& response) const {
    for (const auto& [name, value] : kPageHeaders) response.set_header(name, value);
    if (request.method != "POST") return Answer(response, 200, AskToAcknowledge(), kHtmlType);
    absl::StatusOr<std::string> title = Error(ErrorKind::kUnreachable, 6094, PhaseText());
    if (phase == Phase::kReady) {
      title = content.acknowledge(request.path.substr(kAcknowledgePath.size()));
    }
    Answer(response, title.ok() ? 200 : CodeFor(title.status()), AcknowledgedPage(title),
           kHtmlType);
  }

  bool MayAsk(const httplib::Request& request, httplib::Response& response) const {
    if (options.token.empty()) {
      AnswerError(response, 403,
                  Error(ErrorKind::kPermission, 6095, "no token is configured",
                        "Set http.token_file in controller.yaml."));
      return false;
    }
    const SecretBytes given(request.get_header_value("Authorization"));
    const SecretBytes wanted("Bearer " + std::string(options.token.view()));
    if (ConstantTimeEqual(given.view(), wanted.view())) return true;
    response.set_header("WWW-Authenticate", "Bearer");
    AnswerError(response, 401,
                Error(ErrorKind::kPermission, 6096, "the bearer token is missing or wrong"));
    return false;
  }

  const char* PhaseText() const {
    return phase == Phase::kStarting ? "the controller is starting" : "the controller is stopping";
  }

  void Health(httplib::Response& response) const {
    if (phase == Phase::kReady) return Answer(response, 200, "{\"status\":\"ready\"}\n");
    Answer(
        response, 503,
        phase == Phase::kStarting ? "{\"status\":\"starting\"}\n" : "{\"status\":\"stopping\"}\n");
  }

  void HealthOfBackups(httplib::Response& response) const {
    if (phase != Phase::kReady) return Answer(response, 503, HealthJsonWithout(PhaseText()));
    const auto facts = cache->Get();
    if (!facts.ok()) {
      return Answer(response, 503, HealthJsonWithout(MessageOf(facts.status())));
    }
    const auto answer = health_page.Get(*facts);
    Answer(response, answer->code, answer->text);
  }

  void Metrics(httplib::Response& response) const {
    const auto facts = cache->Get();
    if (!facts.ok()) return AnswerError(response, 503, facts.status());
    Answer(response, 200, MetricsText(**facts), kMetricsType);
  }

  void Api(ApiDocument document, const httplib::Request& request,
           httplib::Response& response) const {
    ApiRequest asked;
    asked.document = document;
    asked.source = request.get_param_value("source");
    const std::string limit = request.get_param_value("limit");
    if (!limit.empty() && (!absl::SimpleAtoi(limit, &asked.limit) || asked.limit == 0 ||
                           asked.limit > kMostSnapshots)) {
      return AnswerError(response, 400,
                         Error(ErrorKind::kUsage, 6097, "limit must be from 1 to 1000"));
    }
    const auto text = content.api(asked);
    if (!text.ok()) return AnswerError(response, CodeFor(text.status()), text.status());
    Answer(response, 200, *text);
  }

  const Env env;
  const HttpOptions options;
  TlsContext tls;
  Parser parser;
  std::shared_mutex phase_mutex;  // guards all below; shared by those who answer
  Phase phase = Phase::kStarting;
  HttpContent content;
  std::unique_ptr<FactCache> cache;
  mutable HealthPage health_page;
  std::unique_ptr<Listener> listener;  // destroyed first
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Env env, HttpOptions options) {
  auto impl = std::make_unique<Impl>(env, std::move(options));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return impl_->listener->port(); }

void HttpServer::ServeOne(int connection) {
  impl_->Serve(connection, [] { return Leave{kRequestTime, true}; });
}

void HttpServer::SetReady(HttpContent content) {
  const std::unique_lock lock(impl_->phase_mutex);
  impl_->content = std::move(content);
  impl_->cache = std::make_unique<FactCache>(impl_->env.clock, impl_->content.gather);
  impl_->phase = Phase::kReady;
}

void HttpServer::SetStopping() {
  const std::unique_lock lock(impl_->phase_mutex);
  impl_->phase = Phase::kStopping;
  impl_->cache.reset();
}

}  // namespace holdfast::http
