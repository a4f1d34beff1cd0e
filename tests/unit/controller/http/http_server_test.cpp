// Goal: monitors get their answers in every phase of the controller, strangers get nothing else,
// and no client, however slow, large or odd, keeps the others out (fault row 101).
#include "controller/http/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "controller/http/connection.h"
#include "controller/http/listener.h"
#include "tests/unit/controller/http/facts_fixture.h"

namespace holdfast::http {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kToken[] = "0123456789abcdef";

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() { Start(kToken); }

  void Start(const std::string& token) {
    HttpOptions options;
    options.port = 0;
    options.token = SecretBytes(token);
    auto server = HttpServer::Start(RealEnv(), std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void SetReady() {
    server_->SetReady({[this]() -> absl::StatusOr<Facts> {
                         ++gathered_;
                         if (!broken_.ok()) return broken_;
                         return facts_;
                       },
                       [this](const ApiRequest& request) -> absl::StatusOr<std::string> {
                         asked_ = request;
                         if (!broken_.ok()) return broken_;
                         return "{\"answer\":1}\n";
                       },
                       [this](const std::string& token) -> absl::StatusOr<std::string> {
                         ++acknowledged_;
                         if (token == "over")
                           return Error(ErrorKind::kConflict, 5503, "it is over");
                         if (token == "good") return "no backup of <db>";
                         return Error(ErrorKind::kPermission, 5510, "the link is not good",
                                      "Log in.");
                       }});
  }

  UniqueFd Connect() const {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval limit{30, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
  }
  static void Send(const UniqueFd& fd, const std::string& text) {
    ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  // All up to the end of the connection.
  static std::string Receive(const UniqueFd& fd) {
    std::string all;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }
  // One answer of a connection that stays.
  static std::string ReceiveOne(const UniqueFd& fd) {
    std::string all;
    char byte = 0;
    while (all.find("\r\n\r\n") == std::string::npos && ::recv(fd.get(), &byte, 1, 0) == 1) {
      all += byte;
    }
    const std::size_t at = all.find("Content-Length: ");
    const std::size_t length = at == std::string::npos ? 0 : std::stoul(all.substr(at + 16));
    const std::size_t whole = all.size() + length;
    while (all.size() < whole && ::recv(fd.get(), &byte, 1, 0) == 1) all += byte;
    return all;
  }
  static int CountOf(const std::string& text, const std::string& part) {
    int count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++count;
    }
    return count;
  }
  std::string Raw(const std::string& request) const {
    const UniqueFd fd = Connect();
    Send(fd, request);
    return Receive(fd);
  }
  std::string Get(const std::string& path, const std::string& headers = "") const {
    return Raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
  }
  std::string GetWithToken(const std::string& path) const {
    return Get(path, std::string("Authorization: Bearer ") + kToken + "\r\n");
  }
  static std::string Body(const std::string& answer) {
    return answer.substr(std::min(answer.find("\r\n\r\n") + 4, answer.size()));
  }

  Facts facts_ = test::WellFacts();
  absl::Status broken_;
  std::atomic<int> gathered_{0};
  std::atomic<int> acknowledged_{0};
  ApiRequest asked_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, EveryPhaseHasItsAnswer) {
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(Body(Get("/health")), "{\"status\":\"starting\"}\n");
  EXPECT_EQ(json::parse(Body(Get("/health/backup")))["backup_system"], "degraded");
  EXPECT_THAT(GetWithToken("/metrics"), StartsWith("HTTP/1.1 503"));
  SetReady();
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(Body(Get("/health")), "{\"status\":\"ready\"}\n");
  EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(json::parse(Body(Get("/health/backup")))["backup_system"], "healthy");
  server_->SetStopping();
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(Body(Get("/health")), "{\"status\":\"stopping\"}\n");
  EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get("/health/backup"), HasSubstr("the controller is stopping"));
  EXPECT_THAT(GetWithToken("/api/v1/status"), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, DegradedIs503) {
  facts_.sources[0].newest.reset();
  SetReady();
  EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200")) << "the process is well";
}

TEST_F(HttpServerTest, ACatalogThatDoesNotReadIsDegraded) {
  broken_ = Error(ErrorKind::kIntegrity, 5001, "it is damaged");
  SetReady();
  EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get("/health/backup"), HasSubstr("it is damaged"));
  EXPECT_THAT(GetWithToken("/metrics"), StartsWith("HTTP/1.1 503"));
}

TEST_F(HttpServerTest, AllButHealthNeedsTheToken) {
  SetReady();
  for (const char* path :
       {"/metrics", "/api/v1/status", "/api/v1/snapshots", "/api/v1/sources", "/api/v1/agents"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 401")) << path;
    EXPECT_THAT(Get(path), HasSubstr("WWW-Authenticate: Bearer")) << path;
    for (const char* wrong : {"Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer ",
                              "bearer", "Basic MDEyMzQ1Njc4OWFiY2RlZg=="}) {
      EXPECT_THAT(Get(path, "Authorization: " + std::string(wrong) + "\r\n"),
                  StartsWith("HTTP/1.1 401"))
          << path << wrong;
    }
    EXPECT_THAT(GetWithToken(path), StartsWith("HTTP/1.1 200")) << path;
  }
  server_.reset();
  Start("");
  SetReady();
  EXPECT_THAT(Get("/metrics", "Authorization: Bearer \r\n"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Get("/metrics"), HasSubstr("http.token_file"));
  EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, MetricsAreText) {
  SetReady();
  const std::string answer = GetWithToken("/metrics");
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\nholdfast_backup_healthy 1\n"));
}

TEST_F(HttpServerTest, TheApiIsAskedWhatWasAsked) {
  SetReady();
  EXPECT_EQ(Body(GetWithToken("/api/v1/snapshots?source=db%201&limit=7")), "{\"answer\":1}\n");
  EXPECT_EQ(asked_.document, ApiDocument::kSnapshots);
  EXPECT_EQ(asked_.source, "db 1");
  EXPECT_EQ(asked_.limit, 7u);
  for (const char* limit : {"0", "-1", "1001", "many", "1e3"}) {
    EXPECT_THAT(GetWithToken(std::string("/api/v1/snapshots?limit=") + limit),
                StartsWith("HTTP/1.1 400"))
        << limit;
  }
  broken_ = Error(ErrorKind::kNotFound, 6098, "unable to find source 'x'");
  const std::string missing = GetWithToken("/api/v1/snapshots?source=x");
  EXPECT_THAT(missing, StartsWith("HTTP/1.1 404"));
  EXPECT_EQ(json::parse(Body(missing))["error"]["code"], "HF-6098");
}

TEST_F(HttpServerTest, NothingCanBeChangedAndNothingElseIsThere) {
  SetReady();
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
    EXPECT_THAT(Raw(std::string(method) + " /health HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
                StartsWith("HTTP/1.1 4"))
        << method;
  }
  EXPECT_THAT(
      Raw("POST /health HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x')),
      StartsWith("HTTP/1.1 405"));
  for (const char* path : {"/", "/health/", "/healthx", "/api/v1", "/../etc/passwd", "/api/v1/x"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 404")) << path;
  }
  const std::string head = Raw("HEAD /health HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(Body(head), "");
}

TEST_F(HttpServerTest, OnlyTheButtonOfALinkAcknowledges) {
  const auto post = [this](const std::string& path) {
    return Raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  };
  EXPECT_THAT(post("/ack/good"), StartsWith("HTTP/1.1 503"));
  SetReady();
  const std::string asked = Get("/ack/good");
  EXPECT_THAT(asked, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(asked, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(asked, HasSubstr("Content-Security-Policy: default-src 'none'"));
  EXPECT_THAT(asked, HasSubstr("Referrer-Policy: no-referrer"));
  EXPECT_THAT(asked, HasSubstr("<form method=\"post\"><button>"));
  EXPECT_THAT(Raw("HEAD /ack/good HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(acknowledged_, 0) << "scanners open links";
  EXPECT_THAT(post("/ack/good"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(post("/ack/good"), HasSubstr("no backup of &lt;db&gt;"));
  EXPECT_THAT(post("/ack/over"), StartsWith("HTTP/1.1 409"));
  for (const char* token : {"", "other", "%2e%2e%2fhealth", "good/"}) {
    const std::string refused = post(std::string("/ack/") + token);
    EXPECT_THAT(refused, StartsWith("HTTP/1.1 403")) << token;
    EXPECT_THAT(refused, HasSubstr("the link is not good")) << token;
  }
  const int before = acknowledged_;
  for (const char* method : {"PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_THAT(Raw(std::string(method) + " /ack/good HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
                StartsWith("HTTP/1.1 405"))
        << method;
  }
  EXPECT_THAT(post("/ack"), StartsWith("HTTP/1.1 405"));
  server_->SetStopping();
  EXPECT_THAT(post("/ack/good"), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(acknowledged_, before);
}

TEST_F(HttpServerTest, OddRequestsCostNothing) {
  SetReady();
  const std::string huge(kMaxRequestBytes, 'a');
  Raw(huge + huge);                           // no line end
  Raw("GET /" + huge + " HTTP/1.1\r\n\r\n");  // a long path
  Get("/health", "X: " + huge + "\r\n");      // a long header
  Raw(std::string("\0\xff\r\n\r\n", 6));      // no HTTP
  Raw("GET /health HTTP/9.9\r\n\r\n");        // no such version
  Raw("GET /health HTTP/1.1\r\nContent-Length: -5\r\n\r\n");
  Raw("GET /%zz%00 HTTP/1.1\r\n\r\n");
  std::string many;
  for (int i = 0; i < 500; ++i) many += "A: b\r\n";
  Get("/health", many);
  // Many ranges of one page do not make a large answer.
  std::string ranges = "0-";
  for (int i = 0; i < 1'000; ++i) ranges += ",0-";
  EXPECT_LT(Get("/health/backup", "Range: bytes=" + ranges + "\r\n").size(), 10'000u);
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200"));
  EXPECT_LE(gathered_, 1);
}

TEST_F(HttpServerTest, OneConnectionAsksAgainAndAgain) {
  SetReady();
  const UniqueFd fd = Connect();
  for (int i = 0; i < 50; ++i) {
    Send(fd, "GET /health/backup HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = ReceiveOne(fd);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(answer, testing::Not(HasSubstr("Connection: close")));
    EXPECT_EQ(json::parse(Body(answer))["backup_system"], "healthy");
  }
  // Several at once are answered in their order; the last one ends it.
  Send(fd,
       "GET /health HTTP/1.1\r\n\r\nHEAD /nothing HTTP/1.1\r\n\r\n"
       "GET /health/backup HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answers = Receive(fd);
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answers, HasSubstr("HTTP/1.1 404"));
  EXPECT_THAT(answers, HasSubstr("\"backup_system\""));
  EXPECT_EQ(CountOf(answers, "HTTP/1.1 "), 3);
  EXPECT_LE(gathered_, 2);
}

// What follows the headers is never taken for another request.
TEST_F(HttpServerTest, ARequestWithABodyIsTheLast) {
  SetReady();
  const std::string inner = "GET /health HTTP/1.1\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(inner.size()) + "\r\n";
  for (const std::string& request :
       {"POST /ack/good HTTP/1.1\r\n" + length + "\r\n" + inner,
        "GET /health HTTP/1.1\r\n" + length + "\r\n" + inner,
        "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + inner,
        "GET /health HTTP/1.0\r\n\r\n" + inner,
        "GET /health HTTP/1.1\r\nconnection: Close\r\n\r\n" + inner}) {
    const std::string answers = Raw(request);
    EXPECT_EQ(CountOf(answers, "HTTP/1.1 "), 1) << request;
    EXPECT_THAT(answers, HasSubstr("Connection: close\r\n")) << request;
  }
}

TEST_F(HttpServerTest, ConnectionsThatStayDoNotKeepOthersOut) {
  SetReady();
  std::vector<UniqueFd> staying;
  for (int i = 0; i < 3 * kWorkers; ++i) {
    staying.push_back(Connect());
    Send(staying.back(), "GET /health HTTP/1.1\r\n\r\n");
  }
  const absl::Duration begin = RealClock().Monotonic();
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200"));
  EXPECT_LT(RealClock().Monotonic() - begin, kRequestTime);
  for (const UniqueFd& fd : staying) EXPECT_THAT(Receive(fd), StartsWith("HTTP/1.1 200"));
  EXPECT_LT(RealClock().Monotonic() - begin, absl::Seconds(20)) << "an idle one was not ended";
}

TEST_F(HttpServerTest, SlowClientsDoNotKeepOthersOut) {
  SetReady();
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 3 * kWorkers; ++i) {
    slow.push_back(Connect());
    Send(slow.back(), "GET /health HTTP/1.1\r\n");  // and nothing more
  }
  const absl::Duration begin = RealClock().Monotonic();
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200"));
  EXPECT_LT(RealClock().Monotonic() - begin, kRequestTime);
}

TEST_F(HttpServerTest, AClientThatDripsIsCutAtItsDeadline) {
  SetReady();
  const UniqueFd dripping = Connect();
  Send(dripping, "GET /health HTTP/1.1\r\nX: ");
  const absl::Duration begin = RealClock().Monotonic();
  std::jthread drip([&](std::stop_token stop) {
    while (RealClock().SleepFor(absl::Milliseconds(100), stop)) Send(dripping, "a");
  });
  Receive(dripping);
  const absl::Duration took = RealClock().Monotonic() - begin;
  EXPECT_GE(took, kRequestTime - absl::Seconds(1));
  EXPECT_LT(took, kRequestTime + absl::Seconds(3));
}

TEST_F(HttpServerTest, ManyAtOnceAskTheCatalogOnce) {
  SetReady();
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 32; ++i) {
      clients.emplace_back([this] {
        for (int j = 0; j < 20; ++j) {
          EXPECT_THAT(Get("/health/backup"), StartsWith("HTTP/1.1 200"));
        }
      });
    }
  }
  EXPECT_LE(gathered_, 5) << "once in two seconds";
}

TEST_F(HttpServerTest, TheEndDoesNotWaitForClients) {
  SetReady();
  const UniqueFd idle = Connect();
  Send(idle, "GET /health HTTP/1.1\r\n");
  EXPECT_THAT(Get("/health"), StartsWith("HTTP/1.1 200"));  // so that the idle one is being served
  const absl::Duration begin = RealClock().Monotonic();
  server_.reset();
  EXPECT_LT(RealClock().Monotonic() - begin, absl::Seconds(5));
  EXPECT_EQ(Receive(idle).find("200"), std::string::npos);
}

TEST_F(HttpServerTest, AnAddressInUseIsAConflict) {
  HttpOptions options;
  options.port = server_->port();
  const auto second = HttpServer::Start(RealEnv(), options);
  EXPECT_EQ(CodeOf(second.status()), 6090) << second.status();
  options.port = 0;
  options.host = "192.0.2.1";
  EXPECT_EQ(CodeOf(HttpServer::Start(RealEnv(), options).status()), 6090);
  options.host = "127.0.0.1";
  options.certificate_path = "/absent.pem";
  options.key_path = "/absent.key";
  EXPECT_EQ(CodeOf(HttpServer::Start(RealEnv(), options).status()), 6091);
}

}  // namespace
}  // namespace holdfast::http
