#include "controller/access/access.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/server_context.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/log/log.h"
#include "common/rpc/tls.h"
#include "fmt/format.h"

namespace holdfast::access {
namespace {

std::string PropertyOf(const grpc::AuthContext& auth, const char* name) {
  const auto values = auth.FindPropertyValues(name);
  return values.size() == 1 ? std::string(values[0].data(), values[0].size()) : "";
}

}  // namespace

const std::vector<MethodRow>& MethodTable() {
  static const auto* const table = new std::vector<MethodRow>{
      {"holdfast.v1.Ingest/Backup", true, false, false},
      {"holdfast.v1.Control/Session", true, false, false},
      {"holdfast.v1.Control/PublishDomain", true, false, false},
      {"holdfast.v1.Control/GetRecipients", true, false, false},
      {"holdfast.v1.Control/RenewCertificate", true, false, false},
      {"holdfast.v1.Restore/ListSnapshots", true, true, true},
      {"holdfast.v1.Restore/GetSnapshot", true, true, true},
      {"holdfast.v1.Restore/GetEnvelopes", true, true, true},
      {"holdfast.v1.Restore/Fetch", true, true, true},
      {"holdfast.v1.Operator/GetInstallation", false, false, true},
      {"holdfast.v1.Operator/Initialize", false, false, true},
      {"holdfast.v1.Operator/PutRecipients", false, false, true},
      {"holdfast.v1.Operator/CreateJoinToken", false, false, true},
      {"holdfast.v1.Operator/ListAgents", false, false, true},
      {"holdfast.v1.Operator/RemoveAgent", false, false, true},
      {"holdfast.v1.Operator/Status", false, false, true},
      {"holdfast.v1.Operator/Scrub", false, false, true},
      {"holdfast.v1.Operator/StartBackup", false, false, true},
      {"holdfast.v1.Operator/StartRestore", false, false, true},
      {"holdfast.v1.Operator/StartVerify", false, false, true},
      {"holdfast.v1.Operator/CancelJob", false, false, true},
      {"holdfast.v1.Operator/WatchJobs", false, false, true},
      {"holdfast.v1.Operator/GetRetention", false, false, true},
      {"holdfast.v1.Operator/SetRetention", false, false, true},
      {"holdfast.v1.Operator/ConfirmRetention", false, false, true},
      {"holdfast.v1.Operator/ForgetSnapshots", false, false, true},
      {"holdfast.v1.Operator/UndeleteSnapshot", false, false, true},
      {"holdfast.v1.Operator/ListTrash", false, false, true},
      {"holdfast.v1.Operator/CollectGarbage", false, false, true},
      {"holdfast.v1.Operator/ListSchedules", false, false, true},
      {"holdfast.v1.Operator/SetSchedule", false, false, true},
      {"holdfast.v1.Operator/PauseSchedules", false, false, true},
      {"holdfast.v1.Operator/ListObjectives", false, false, true},
      {"holdfast.v1.Operator/SetObjective", false, false, true},
      {"holdfast.v1.Operator/ListQuotas", false, false, true},
      {"holdfast.v1.Operator/SetQuota", false, false, true},
      {"holdfast.v1.Operator/ListAlerts", false, false, true},
      {"holdfast.v1.Operator/TestAlerts", false, false, true},
      {"holdfast.v1.Operator/AcknowledgeAlert", false, false, true},
      {"holdfast.v1.Operator/SilenceAlerts", false, false, true},
      {"holdfast.v1.Operator/EndSilence", false, false, true},
      {"holdfast.v1.Operator/ListContacts", false, false, true},
      {"holdfast.v1.Operator/ListAudit", false, false, true},
  };
  return *table;
}

// The caller gets one text for all; the log says why.
absl::Status Access::Refuse(const grpc::ServerContextBase& context, std::string_view why,
                            const std::string& fingerprint) const {
  const auto others = refused_.Admit(fmt::format("{} {}", fingerprint, why), clock_.Monotonic());
  if (others) {
    log::Warn("refused a login from {}: {}; SHA-256 of its certificate: {}{}",
              Escaped(context.peer(), 100), why, fingerprint.empty() ? "unknown" : fingerprint,
              log::MoreLikeIt(*others));
  }
  return Error(ErrorKind::kPermission, 6021,
               "unable to log in: this certificate is not that of an enrolled agent",
               "See 'holdfast agent list'; enrol the host again if it was removed.");
}

absl::StatusOr<Principal> Access::Identify(const grpc::ServerContextBase& context) const {
  Principal principal;
  if (listener_ == Listener::kLocalSocket) {
    principal.kind = PrincipalKind::kOperator;
    return principal;
  }
  const auto auth = context.auth_context();
  if (!auth || !auth->IsPeerAuthenticated()) return Refuse(context, "it has no certificate", "");
  const auto facts = rpc::ReadCertificate(PropertyOf(*auth, GRPC_X509_PEM_CERT_PROPERTY_NAME));
  if (!facts.ok()) return Refuse(context, "its certificate does not read", "");
  const auto refuse = [&](std::string_view why) {
    return Refuse(context, why, facts->fingerprint.hex());
  };
  const auto uri = rpc::ParseUri(facts->uri);
  if (!uri || uri->controller_id != controller_id_) {
    return refuse("its certificate does not name an agent of this controller");
  }
  if (uri->kind == rpc::PeerUri::Kind::kRecovery) {
    principal.kind = PrincipalKind::kRecovery;
    return principal;
  }
  if (uri->kind != rpc::PeerUri::Kind::kAgent) return refuse("its certificate is not an agent's");
  auto agent = catalog_.GetAgent(uri->agent);
  if (absl::IsNotFound(agent.status())) return refuse("no agent has the id in its certificate");
  if (!agent.ok()) return agent.status();
  if (agent->removed) {
    return refuse(fmt::format("agent '{}' was removed", Escaped(agent->name, 64)));
  }
  if (agent->key_pin.IsZero()) {
    // The catalog was made anew from the store, which does not say the key. The CA never certified
    // another key for this id: a renewal has to have the same.
    RETURN_IF_ERROR(catalog_.audit().Audited(
        {static_cast<std::uint64_t>(absl::ToUnixMillis(clock_.Now())), "agent " + agent->name,
         "agent.adopt-key", agent->name, "the catalog was made anew"},
        [&] { return catalog_.AdoptAgentKey(agent->id, facts->key_pin); }));
    log::Info("took the key of agent '{}' from its certificate", Escaped(agent->name, 64));
    agent->key_pin = facts->key_pin;
  }
  if (agent->key_pin != facts->key_pin) {
    return refuse(fmt::format("it names agent '{}' and has another key than that agent",
                              Escaped(agent->name, 64)));
  }
  principal.agent = *std::move(agent);
  return principal;
}

absl::StatusOr<Principal> Access::Check(const grpc::ServerContextBase& context,
                                        std::string_view method) const {
  ASSIGN_OR_RETURN(Principal principal, Identify(context));
  const auto& table = MethodTable();
  const auto row = std::find_if(table.begin(), table.end(),
                                [&](const MethodRow& each) { return each.method == method; });
  const bool allowed =
      row != table.end() && ((principal.kind == PrincipalKind::kAgent && row->agent) ||
                             (principal.kind == PrincipalKind::kRecovery && row->recovery) ||
                             (principal.kind == PrincipalKind::kOperator && row->operator_));
  if (!allowed) {
    return Error(ErrorKind::kPermission, 6022,
                 "unable to do that: this identity may not call this method");
  }
  return principal;
}

}  // namespace holdfast::access
