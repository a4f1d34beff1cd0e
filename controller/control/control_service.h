// The agents' long-lived stream and their documents: the service holdfast.v1.Control.
//
// Hides:      hello and welcome, last-seen bookkeeping, delivery of jobs, certificate renewal.
// Invariants: a Session's sources replace what the agent said before; an identity is stored only
//             when its chain to the owner holds and it names the calling agent.
// Threading:  a gRPC thread and a writer thread per stream.
#pragma once

#include <functional>
#include <memory>

#include "common/env/env.h"
#include "controller/access/access.h"
#include "controller/control/job_board.h"
#include "controller/store/store.h"

namespace grpc {
class Service;
}

namespace holdfast::control {

struct ControlServiceOptions {
  Env env;
  catalog::Catalog* catalog = nullptr;
  store::Store* store = nullptr;
  const access::Access* access = nullptr;
  JobBoard* board = nullptr;
  // Signs a client certificate for this agent; sets what the catalog must pin.
  std::function<absl::StatusOr<std::string>(const AgentId&, const std::string& csr_pem)> sign;
};
std::unique_ptr<grpc::Service> MakeControlService(ControlServiceOptions options);

}  // namespace holdfast::control
