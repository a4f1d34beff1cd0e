#include <sys/socket.h>

#include <thread>

#include "common/base/error.h"
#include "common/env/unique_fd.h"
#include "controller/alert/ack_token.h"
#include "controller/http/http_server.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

constexpr std::size_t kMostInputBytes = 64 << 10;
constexpr char kToken[] = "0123456789abcdef";
// Told to holders of the token only: by the API, by /metrics.
constexpr char kDocument[] = "what the API tells";
constexpr char kMetric[] = "holdfast_source_";
constexpr char kTitle[] = "nobody may read this title";

absl::Time TimeOfFacts() { return absl::FromUnixSeconds(1'767'787'200); }

http::Facts FactsOfOneSource() {
  http::Facts facts;
  facts.at = TimeOfFacts();
  facts.started_at = TimeOfFacts() - absl::Hours(1);
  facts.server_certificate_ends = facts.authority_ends = TimeOfFacts() + absl::Hours(1000);
  facts.scrubbed_at = absl::InfinitePast();
  facts.sources.resize(1);
  facts.sources.front().name = "db";
  facts.sources.front().agent = "web-1";
  return facts;
}

class Monitored {
 public:
  Monitored() {
    http::HttpOptions options;
    options.port = 0;
    options.token = SecretBytes(ByteView(kToken));
    server_ = http::HttpServer::Start(RealEnv(), std::move(options)).value();
    server_->SetReady({[]() -> absl::StatusOr<http::Facts> { return FactsOfOneSource(); },
                       [](const http::ApiRequest& request) -> absl::StatusOr<std::string> {
                         HOLDFAST_CHECK(request.limit >= 1 && request.limit <= 1000);
                         if (request.source.empty()) return std::string(kDocument);
                         return Error(ErrorKind::kNotFound, 5001,
                                      "there is no source '" + Escaped(request.source, 200) + "'");
                       },
                       [this](const std::string& token) -> absl::StatusOr<std::string> {
                         const auto taken = tokens_.Check(token, TimeOfFacts());
                         if (!taken.ok()) return taken.status();
                         return std::string(kTitle);
                       }});
  }

  // All that comes back when `request` is all that is sent.
  Bytes Ask(ByteView request) {
    int ends[2] = {-1, -1};
    const int made = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    HOLDFAST_CHECK(made == 0);
    const UniqueFd client(ends[0]);
    const UniqueFd served(ends[1]);
    const ssize_t sent = ::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL);
    HOLDFAST_CHECK(sent == static_cast<ssize_t>(request.size()));
    ::shutdown(client.get(), SHUT_WR);
    Bytes answer;
    {
      const std::jthread reader([&] {
        char buffer[4096];
        for (ssize_t got = 0; (got = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;) {
          answer.append(buffer, static_cast<std::size_t>(got));
        }
      });
      server_->ServeOne(served.get());
      ::shutdown(served.get(), SHUT_WR);
    }
    return answer;
  }

 private:
  const alert::AckTokens tokens_{Bytes(32, 'k')};  // the key of acknowledge_target.cpp
  std::unique_ptr<http::HttpServer> server_;
};

// Whoever reads a secret out of it may have written it in any of HTTP's ways.
Bytes Unquoted(ByteView text) {
  Bytes plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? FromHex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      plain += *byte;
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool Contains(ByteView text, ByteView part) { return text.find(part) != ByteView::npos; }

}  // namespace

// Whatever is sent, it is answered by HTTP or not at all; only who has the token is told more than
// health, and only who has a good link acknowledges.
void Http(ByteView input) {
  static Monitored monitored;
  static const Bytes good_link =
      alert::AckTokens(Bytes(32, 'k')).Make({7, "ops", TimeOfFacts() + absl::Hours(1)});
  input = input.substr(0, kMostInputBytes);
  const Bytes answer = monitored.Ask(input);
  HOLDFAST_CHECK(answer.empty() || answer.starts_with("HTTP/1.1 "));
  const Bytes asked = Unquoted(input);
  const bool told = Contains(answer, kDocument) || Contains(answer, kMetric);
  HOLDFAST_CHECK(!told || Contains(asked, kToken));
  const ByteView mac = ByteView(good_link).substr(good_link.find('.'));
  HOLDFAST_CHECK(Contains(asked, mac) || !Contains(answer, kTitle));
}

}  // namespace holdfast::fuzz
