// Generated messages to the CLI's own values and back.
//
// An id of a wrong length becomes the zero id: it matches nothing, so a controller that sends one
// gets no further than an error.
// Threading: pure functions.
#pragma once

#include "common/report/alert_types.h"
#include "common/report/audit_types.h"
#include "common/report/operator_types.h"
#include "common/report/quota_types.h"
#include "common/report/retention_types.h"

namespace holdfast::v1 {
class AgentInfo;
class AgentQuota;
class AlertDeliveryInfo;
class AlertInfo;
class CollectGarbageReply;
class Installation;
class ListObjectivesReply;
class JobProgress;
class ListAlertsReply;
class ListAuditReply;
class ListContactsReply;
class SilenceInfo;
class JobResult;
class RestoreOptions;
class ScrubProgress;
class ScrubReport;
class Retention;
class RetentionPolicy;
class SnapshotSummary;
class SourceObjective;
class SourceSchedule;
class SourceStatus;
class StatusReply;
class SystemObjective;
}  // namespace holdfast::v1

namespace holdfast::report {

Installation FromProto(const v1::Installation& in);
AgentInfo FromProto(const v1::AgentInfo& in);
SnapshotSummary FromProto(const v1::SnapshotSummary& in);
SourceStatus FromProto(const v1::SourceStatus& in);
StatusReport FromProto(const v1::StatusReply& in);  // without sources: see sealed_messages.h
ScrubProgress FromProto(const v1::ScrubProgress& in);
ScrubReport FromProto(const v1::ScrubReport& in);
JobProgress FromProto(const v1::JobProgress& in);
JobResult FromProto(const v1::JobResult& in);
void ToProto(const RestoreOptions& in, v1::RestoreOptions* out);
Retention FromProto(const v1::Retention& in);
Collected FromProto(const v1::CollectGarbageReply& in);
SourceSchedule FromProto(const v1::SourceSchedule& in);
SourceObjective FromProto(const v1::SourceObjective& in);
SystemObjective FromProto(const v1::SystemObjective& in);
ObjectiveReport FromProto(const v1::ListObjectivesReply& in);
AgentQuota FromProto(const v1::AgentQuota& in);
void ToProto(const RetentionPolicy& in, v1::RetentionPolicy* out);

AlertDelivery FromProto(const v1::AlertDeliveryInfo& in);
AlertInfo FromProto(const v1::AlertInfo& in);
SilenceInfo FromProto(const v1::SilenceInfo& in);
AlertList FromProto(const v1::ListAlertsReply& in);
ContactList FromProto(const v1::ListContactsReply& in);
AuditList FromProto(const v1::ListAuditReply& in);

}  // namespace holdfast::report
