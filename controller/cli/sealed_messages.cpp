#include "controller/cli/sealed_messages.h"

#include "common/base/error.h"
#include "common/report/messages/convert.h"
#include "proto/common.pb.h"
#include "proto/operator.pb.h"

namespace holdfast::cli {
namespace {

absl::StatusOr<v1::JobDetail> OpenDetail(const OperatorKeys& keys, ByteView sealed) {
  ASSIGN_OR_RETURN(const KeyPair reader, keys.reader());
  ASSIGN_OR_RETURN(const SecretBytes text, OpenText(kJobDetailContext, sealed, reader));
  v1::JobDetail detail;
  if (detail.ParseFromArray(text.view().data(), static_cast<int>(text.size()))) return detail;
  return Error(ErrorKind::kIntegrity, 4066, "unable to read the agent's report: it is damaged");
}

}  // namespace

absl::StatusOr<Bytes> SealRestoreOptions(const OperatorKeys& keys, ByteView agent_identity,
                                         const SourceId& source, const RestoreOptions& options) {
  ASSIGN_OR_RETURN(const PublicKey owner, keys.owner());
  ASSIGN_OR_RETURN(const AgentIdentity identity, OpenAgentIdentity(agent_identity, owner));
  v1::RestoreOptions message;
  ToProto(options, &message);
  return SealText(Bytes(kRestoreOptionsContext) + source.bytes(), message.SerializeAsString(),
                  {{RecipientRole::kAgent, identity.agent_name, identity.recipient_key}},
                  *keys.rng);
}

JobResult OpenResult(const OperatorKeys& keys, const v1::JobResult& result) {
  JobResult out = FromProto(result);
  if (result.sealed_detail().empty()) return out;
  const auto detail = OpenDetail(keys, result.sealed_detail());
  if (detail.ok() && detail->job_id() == result.job_id()) {
    out.message = detail->message();
    out.hint = detail->hint();
    out.report_json = detail->report_json();
  } else if (out.message.empty()) {
    out.message = "the agent's report is sealed, and this operator's key does not open it";
    out.hint = "See the agent's log.";
  }
  return out;
}

SourceStatus OpenStatus(const OperatorKeys& keys, const v1::SourceStatus& status) {
  SourceStatus out = FromProto(status);
  if (status.last_error_sealed().empty()) return out;
  const auto detail = OpenDetail(keys, status.last_error_sealed());
  out.last_error = detail.ok() ? detail->message() : "see the agent's log for the reason";
  return out;
}

}  // namespace holdfast::cli
