// All that the CLI asks of the controller: the service holdfast.v1.Operator.
//
// Hides:      initialisation rules, status assembly, starting and watching jobs.
// Invariants: I1  The owner is set once; recipient lists are accepted only when the owner signed
//                 them and their version is the stored one + 1.
//             I2  It sees and returns ciphertext and counts only.
// Threading:  a gRPC thread per call.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/env/env.h"
#include "controller/access/access.h"
#include "controller/alert/alert_desk.h"
#include "controller/control/job_board.h"
#include "controller/objective/objectives.h"
#include "controller/quota/quotas.h"
#include "controller/retention/collector.h"
#include "controller/schedule/scheduler.h"
#include "controller/scrub/scrubber.h"
#include "controller/store/store.h"

namespace grpc {
class Service;
}

namespace holdfast::operator_service {

struct OperatorServiceOptions {
  Env env;
  catalog::Catalog* catalog = nullptr;
  store::Store* store = nullptr;
  const access::Access* access = nullptr;
  control::JobBoard* board = nullptr;
  Hash256 ca_fingerprint;
  std::string enrollment_address;
  std::string agent_address;
  absl::Time started_at;
  std::function<bool()> stopping;  // watches end when the daemon stops
  scrub::Scrubber* scrubber = nullptr;
  retention::Collector* collector = nullptr;
  schedule::Scheduler* scheduler = nullptr;
  objective::Objectives* objectives = nullptr;
  std::function<std::string()> config_trouble = [] { return std::string(); };  // empty: none
  std::string mount_warning = "";  // of the data directory; empty: none
  alert::AlertDesk* alerts = nullptr;
  quota::Quotas* quotas = nullptr;
  // After a call that changed something, before its answer.
  std::function<void()> changed = [] {};
};
std::unique_ptr<grpc::Service> MakeOperatorService(OperatorServiceOptions options);

}  // namespace holdfast::operator_service
