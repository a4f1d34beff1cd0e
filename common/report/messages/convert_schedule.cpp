// Schedules and objectives out of their messages.
#include "common/report/messages/convert.h"
#include "proto/operator.pb.h"

namespace holdfast::report {
namespace {

SourceInfo InfoFromProto(const v1::SourceInfo& in) {
  return {SourceId::From(in.source_id()).value_or(SourceId()), in.name(), in.kind()};
}

Setting SettingFromProto(const v1::Setting& in) {
  return {in.text(), in.origin(), in.place(), in.set_by(), in.set_at_ms()};
}

ObjectiveStanding StandingFromProto(const v1::ObjectiveStanding& in) {
  ObjectiveStanding out;
  out.rpo = SettingFromProto(in.rpo());
  out.rto = SettingFromProto(in.rto());
  out.point_ms = in.point_ms();
  out.age_seconds = in.age_seconds();
  out.state = in.state();
  out.restore_seconds = in.restore_seconds();
  out.restore_measured = in.restore_measured();
  out.restore_too_slow = in.restore_too_slow();
  out.broken = in.broken();
  return out;
}

}  // namespace

SourceSchedule FromProto(const v1::SourceSchedule& in) {
  SourceSchedule out;
  out.source = InfoFromProto(in.source());
  out.agent_name = in.agent_name();
  out.group = in.group();
  out.cron = SettingFromProto(in.cron());
  out.zone = SettingFromProto(in.zone());
  out.jitter = SettingFromProto(in.jitter());
  out.problem = in.problem();
  out.next_ms.assign(in.next_ms().begin(), in.next_ms().end());
  out.paused_at_ms = in.paused_at_ms();
  out.paused_by = in.paused_by();
  out.last_due_ms = in.last_due_ms();
  out.waiting = in.waiting();
  out.running_since_ms = in.running_since_ms();
  out.skipped = in.skipped();
  out.skipped_in_row = in.skipped_in_row();
  out.missed = in.missed();
  out.retries = in.retries();
  out.most_retries = in.most_retries();
  out.retry_ms = in.retry_ms();
  return out;
}

SourceObjective FromProto(const v1::SourceObjective& in) {
  return {InfoFromProto(in.source()), in.agent_name(), StandingFromProto(in.standing()), in.seq(),
          in.restored_at_ms()};
}

SystemObjective FromProto(const v1::SystemObjective& in) {
  SystemObjective out;
  out.name = in.name();
  out.sources.assign(in.sources().begin(), in.sources().end());
  out.unknown.assign(in.unknown().begin(), in.unknown().end());
  out.standing = StandingFromProto(in.standing());
  return out;
}

ObjectiveReport FromProto(const v1::ListObjectivesReply& in) {
  ObjectiveReport out;
  for (const v1::SourceObjective& one : in.sources()) out.sources.push_back(FromProto(one));
  for (const v1::SystemObjective& one : in.systems()) out.systems.push_back(FromProto(one));
  return out;
}

AgentQuota FromProto(const v1::AgentQuota& in) {
  AgentQuota out;
  out.agent = AgentId::From(in.agent_id()).value_or(AgentId());
  out.agent_name = in.agent_name();
  out.limit = SettingFromProto(in.limit());
  if (in.limited()) out.limit_bytes = in.limit_bytes();
  out.stored_bytes = in.stored_bytes();
  return out;
}

}  // namespace holdfast::report
