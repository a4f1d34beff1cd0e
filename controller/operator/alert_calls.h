// Alerts, silences and contacts for operators: the controller's own values to messages.
//
// Hides:      generated code.
// Threading:  as operator_service.h.
// Errors:     of the engine and the catalog.
#pragma once

#include <functional>

#include "controller/operator/operator_service.h"

namespace holdfast::v1 {
class AcknowledgeAlertRequest;
class AlertInfo;
class ListAlertsReply;
class ListAlertsRequest;
class ListContactsReply;
class SilenceAlertsRequest;
class SilenceInfo;
class StatusReply;
class TestAlertsReply;
class TestAlertsRequest;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status FillAlerts(alert::AlertDesk& desk, const v1::ListAlertsRequest& request,
                        v1::ListAlertsReply* out);
// Until every message is delivered or refused, or half a minute is over.
absl::Status TestChannels(const OperatorServiceOptions& options,
                          const v1::TestAlertsRequest& request,
                          const std::function<bool()>& stopped, v1::TestAlertsReply* out);
absl::Status Acknowledge(alert::AlertDesk& desk, const v1::AcknowledgeAlertRequest& request,
                         v1::AlertInfo* out);
absl::Status Silence(alert::AlertDesk& desk, const v1::SilenceAlertsRequest& request,
                     v1::SilenceInfo* out);
void FillContacts(const alert::AlertConfig& config, absl::Time now, v1::ListContactsReply* out);
absl::Status FillAlertStatus(alert::AlertDesk& desk, v1::StatusReply* out);

}  // namespace holdfast::operator_service
