#include "common/report/messages/convert.h"
#include "proto/operator.pb.h"

namespace holdfast::report {

AlertDelivery FromProto(const v1::AlertDeliveryInfo& in) {
  return {in.channel(),           in.action(), in.state(), in.attempts(), in.last_attempt_at_ms(),
          in.possibly_repeated(), in.error()};
}

AlertInfo FromProto(const v1::AlertInfo& in) {
  AlertInfo out;
  out.id = in.id();
  out.kind = in.kind();
  out.subject = in.subject();
  out.severity = in.severity();
  out.title = in.title();
  out.detail = in.detail();
  out.hint = in.hint();
  out.state = in.state();
  out.count = in.count();
  out.opened_at_ms = in.opened_at_ms();
  out.last_at_ms = in.last_at_ms();
  out.acknowledged_at_ms = in.acknowledged_at_ms();
  out.acknowledged_by = in.acknowledged_by();
  out.resolved_at_ms = in.resolved_at_ms();
  out.silenced = in.silenced();
  for (const v1::AlertDeliveryInfo& one : in.deliveries()) {
    out.deliveries.push_back(FromProto(one));
  }
  return out;
}

SilenceInfo FromProto(const v1::SilenceInfo& in) {
  return {in.id(), in.subject(), in.since_ms(), in.until_ms(), in.by(), in.reason()};
}

AlertList FromProto(const v1::ListAlertsReply& in) {
  AlertList out;
  for (const v1::AlertInfo& one : in.alerts()) out.alerts.push_back(FromProto(one));
  for (const v1::SilenceInfo& one : in.silences()) out.silences.push_back(FromProto(one));
  for (const v1::AlertChannelInfo& one : in.channels()) {
    out.channels.push_back({one.name(), one.kind(), one.target(), one.least()});
  }
  return out;
}

ContactList FromProto(const v1::ListContactsReply& in) {
  ContactList out;
  for (const v1::ContactInfo& one : in.contacts()) {
    out.contacts.push_back({one.name(),
                            one.role(),
                            one.phone(),
                            one.time_zone(),
                            one.on_call(),
                            {one.channels().begin(), one.channels().end()},
                            one.hours()});
  }
  for (const v1::ProviderInfo& one : in.providers()) {
    out.providers.push_back({one.name(), one.service(), one.support(), one.phone()});
  }
  for (const v1::EscalationStepInfo& one : in.steps()) {
    out.steps.push_back({one.after_seconds(),
                         {one.contacts().begin(), one.contacts().end()},
                         {one.channels().begin(), one.channels().end()}});
  }
  return out;
}

AuditList FromProto(const v1::ListAuditReply& in) {
  AuditList out;
  for (const v1::AuditRow& row : in.rows()) {
    out.rows.push_back({row.id(), row.at_ms(), row.by(), row.action(), row.object(), row.detail()});
  }
  out.total = in.total();
  out.broken_at = in.broken_at();
  out.newest_hash = in.newest_hash();
  return out;
}

}  // namespace holdfast::report
