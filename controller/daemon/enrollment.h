// Enrolment over HTTPS: how a host without a certificate gets one.
//
//   GET  /v1/ca       the CA certificate; the client compares it with the fingerprint in its token
//   or kit POST /v1/enroll   {token_id, secret, agent_id, agent_name, csr_pem, host} →
//   {certificate_pem, ca_pem, controller_id, agent_port, advertise} POST /v1/recover  {csr_pem,
//   time_ms, signature} → the same; signed by the owner's key: reads, for a day
// Hides:      the HTTP server, the limit of tries per address.
// Invariants: I1  One text for every refusal: unknown, used, expired, wrong secret.
//             I2  At most kTriesPerMinute refused tries per client address and minute; then 429.
// Threading:  the server's own threads; Stop from any thread.
#pragma once

#include <memory>
#include <string>

#include "controller/catalog/catalog.h"
#include "controller/daemon/authority.h"
#include "controller/daemon/controller_config.h"

namespace holdfast::daemon {

inline constexpr int kTriesPerMinute = 5;

class EnrollmentServer {
 public:
  struct Options {
    Env env;
    catalog::Catalog* catalog = nullptr;
    const Authority* authority = nullptr;
    HostPort listen;
    int agent_port = 0;
    std::string advertise;
  };
  static absl::StatusOr<std::unique_ptr<EnrollmentServer>> Start(Options options);
  ~EnrollmentServer();
  int port() const;

 private:
  struct Impl;
  explicit EnrollmentServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::daemon
