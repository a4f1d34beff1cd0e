// Who is calling, and may it call this method.
//
// Hides:      TLS properties, SPIFFE ids, key pins, the table method → who; the log of refusals.
// Invariants: I1  Every RPC handler calls Check first; a method that is not in the table is
//                 refused.
//             I2  An agent is who its certificate's URI says, if the row is there, not removed, and
//                 the certificate has the pinned key. Never the CN, never metadata. Looked up at
//                 every call: a removed agent's next call fails.
//             I3  The operator is whoever came through the local socket, which only the daemon's
//                 own user and root reach. An agent that is known from the store only gets the key
//                 of the first certificate of this CA that names it.
//             I4  A refused certificate is logged with its fingerprint, at most once a minute each.
// Threading:  any thread.
// Errors:     kPermission 6021 with one text for unknown, removed and foreign.
#pragma once

#include <string_view>
#include <vector>

#include "common/env/clock.h"
#include "common/log/throttle.h"
#include "controller/catalog/catalog.h"

namespace grpc {
class ServerContextBase;
}

namespace holdfast::access {

enum class PrincipalKind { kAgent, kRecovery, kOperator };

struct Principal {
  PrincipalKind kind = PrincipalKind::kAgent;
  catalog::AgentRow agent;  // kAgent only
};

enum class Listener { kAgents, kLocalSocket };

struct MethodRow {
  std::string_view method;  // "holdfast.v1.Ingest/Backup"
  bool agent = false;
  bool recovery = false;
  bool operator_ = false;
};
const std::vector<MethodRow>& MethodTable();

class Access {
 public:
  Access(Clock& clock, catalog::Catalog& catalog, Bytes controller_id, Listener listener)
      : clock_(clock),
        catalog_(catalog),
        controller_id_(std::move(controller_id)),
        listener_(listener) {}

  absl::StatusOr<Principal> Check(const grpc::ServerContextBase& context,
                                  std::string_view method) const;

 private:
  absl::StatusOr<Principal> Identify(const grpc::ServerContextBase& context) const;

  absl::Status Refuse(const grpc::ServerContextBase& context, std::string_view why,
                      const std::string& fingerprint) const;

  Clock& clock_;
  catalog::Catalog& catalog_;
  const Bytes controller_id_;
  const Listener listener_;
  mutable log::Throttle refused_{absl::Minutes(1)};
};

}  // namespace holdfast::access
