#include "controller/operator/quota_calls.h"

#include "common/base/error.h"
#include "controller/operator/schedule_calls.h"
#include "fmt/format.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::size_t kLongestSetter = 64;

}  // namespace

absl::Status ListQuotas(const OperatorServiceOptions& options, v1::ListQuotasReply* out) {
  ASSIGN_OR_RETURN(const auto quotas, options.quotas->List());
  for (const quota::AgentQuota& in : quotas) {
    v1::AgentQuota* one = out->add_quotas();
    one->set_agent_id(in.id.bytes());
    one->set_agent_name(in.name);
    FillSetting(in.limit, one->mutable_limit());
    one->set_limited(in.limit_bytes.has_value());
    one->set_limit_bytes(in.limit_bytes.value_or(0));
    one->set_stored_bytes(in.stored_bytes);
  }
  return absl::OkStatus();
}

absl::Status SetQuota(const OperatorServiceOptions& options, const v1::SetQuotaRequest& request) {
  return options.quotas->Set(request.agent_name(), request.limit(),
                             Escaped(request.set_by(), kLongestSetter));
}

absl::Status AddQuotaWarnings(const OperatorServiceOptions& options, v1::StatusReply* out) {
  ASSIGN_OR_RETURN(const auto quotas, options.quotas->List());
  for (const quota::AgentQuota& one : quotas) {
    if (!one.limit_bytes || one.stored_bytes / 9 < *one.limit_bytes / 10) continue;
    out->add_warnings(fmt::format("agent '{}' has used {} of its quota of {}", Escaped(one.name),
                                  one.stored_bytes < *one.limit_bytes ? "nine tenths" : "all",
                                  one.limit.text));
  }
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
