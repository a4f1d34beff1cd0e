// What monitors ask over HTTP: health, metrics, and read-only JSON of what the command line shows.
//
//   GET /health           {"status":"ready"} 200, or "starting", "stopping" 503
//   GET /health/backup    see health.h; 200 healthy, 503 degraded
//   GET /metrics          see metrics.h
//   GET /api/v1/{status,snapshots,sources,agents}
//   GET, POST /ack/TOKEN  the page of a link that acknowledges an alert, see acknowledge_page.h
// Hides:      the HTTP library, TLS, who may ask what.
// Invariants: I1  Everything but /health, /health/backup and /ack/ needs the bearer token; without
//                 one in the configuration it is refused.
//             I2  Nothing can be changed here but that somebody acknowledges an alert, by POST to
//                 its link. Other methods than GET and HEAD are refused elsewhere; no body is read.
//             I3  A request costs the catalog nothing unless the facts are too old, see
//                 fact_cache.h (the API asks it, for holders of the token; a link does, for one
//                 that was not forged).
// Threading:  Start, SetReady, SetStopping and the destructor on one thread; ServeOne from any.
// Errors:     kConflict 6090 for the address, kPermission 6091 for certificate and key.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"
#include "common/env/env.h"
#include "controller/http/facts.h"

namespace holdfast::http {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 7445;
  std::string certificate_path;  // PEM with its chain; empty: no TLS
  std::string key_path;
  SecretBytes token;  // empty: only health is told
};

enum class ApiDocument { kStatus, kSnapshots, kSources, kAgents };

struct ApiRequest {
  ApiDocument document = ApiDocument::kStatus;
  std::string source;        // snapshots: of this one only
  std::uint32_t limit = 20;  // snapshots: per source
};

struct HttpContent {
  std::function<absl::StatusOr<Facts>()> gather;
  std::function<absl::StatusOr<std::string>(const ApiRequest&)> api;  // one line of JSON
  // Acknowledges the alert of a link's token; its title.
  std::function<absl::StatusOr<std::string>(const std::string&)> acknowledge;
};

class HttpServer {
 public:
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Env env, HttpOptions options);
  ~HttpServer();

  int port() const;
  void SetReady(HttpContent content);
  // From now on nothing in the content is called; returns when nobody uses it any more.
  void SetStopping();
  // As a worker serves a connection that was accepted. The descriptor is non-blocking and stays
  // open.
  void ServeOne(int connection);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::http
