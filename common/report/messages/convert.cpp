#include "common/report/messages/convert.h"

#include "proto/operator.pb.h"

namespace holdfast::report {
namespace {

template <typename Id>
Id IdOf(const std::string& bytes) {
  return Id::From(bytes).value_or(Id());
}

SourceInfo SourceFromProto(const v1::SourceInfo& in) {
  return {IdOf<SourceId>(in.source_id()), in.name(), in.kind()};
}

}  // namespace

Installation FromProto(const v1::Installation& in) {
  Installation out;
  out.controller_id = in.controller_id();
  out.software_version = in.software_version();
  out.initialized = in.initialized();
  out.owner_public_key = in.owner_public_key();
  out.ca_fingerprint = in.ca_fingerprint();
  out.enrollment_address = in.enrollment_address();
  out.agent_address = in.agent_address();
  out.recipients = in.recipients();
  out.started_at_ms = in.started_at_ms();
  return out;
}

AgentInfo FromProto(const v1::AgentInfo& in) {
  AgentInfo out;
  out.id = IdOf<AgentId>(in.agent_id());
  out.name = in.name();
  out.domain = IdOf<DomainId>(in.domain_id());
  out.connected = in.connected();
  out.last_seen_ms = in.last_seen_ms();
  out.host = in.host();
  out.software_version = in.software_version();
  out.certificate_not_after_ms = in.certificate_not_after_ms();
  out.removed = in.removed();
  for (const v1::SourceInfo& source : in.sources()) out.sources.push_back(SourceFromProto(source));
  out.clock_skew_ms = in.clock_skew_ms();
  return out;
}

SnapshotSummary FromProto(const v1::SnapshotSummary& in) {
  SnapshotSummary out;
  out.source_id = IdOf<SourceId>(in.source_id());
  out.source_name = in.source_name();
  out.kind = in.kind();
  out.agent_id = IdOf<AgentId>(in.agent_id());
  out.agent_name = in.agent_name();
  out.domain = IdOf<DomainId>(in.domain_id());
  out.seq = in.seq();
  out.snapshot_id = IdOf<Hash256>(in.snapshot_id());
  out.taken_at_ms = in.taken_at_ms();
  out.committed_at_ms = in.committed_at_ms();
  out.partial = in.partial();
  out.content_bytes = in.content_bytes();
  out.entry_count = in.entry_count();
  out.stored_bytes = in.stored_bytes();
  out.chunk_count = in.chunk_count();
  out.verified_at_ms = in.verified_at_ms();
  out.duration_ms = in.duration_ms();
  return out;
}

SourceStatus FromProto(const v1::SourceStatus& in) {
  SourceStatus out;
  out.source = SourceFromProto(in.source());
  out.agent_id = IdOf<AgentId>(in.agent_id());
  out.agent_name = in.agent_name();
  out.connected = in.connected();
  if (in.has_newest()) out.newest = FromProto(in.newest());
  out.snapshot_count = in.snapshot_count();
  out.last_error = in.last_error();
  out.last_error_code = in.last_error_code();
  out.last_error_at_ms = in.last_error_at_ms();
  out.failures_in_row = in.failures_in_row();
  out.newest_verified_ms = in.newest_verified_ms();
  if (in.has_schedule()) out.schedule = FromProto(in.schedule());
  if (in.has_objective()) out.objective = FromProto(in.objective());
  return out;
}

namespace {

Damage DamageFromProto(const v1::ScrubDamage& in) {
  Damage out;
  out.source_id = SourceId::From(in.source_id()).value_or(SourceId());
  out.source_name = in.source_name();
  out.chunks = in.chunks();
  out.seqs.assign(in.seqs().begin(), in.seqs().end());
  return out;
}

}  // namespace

StatusReport FromProto(const v1::StatusReply& in) {
  StatusReport out;
  out.installation = FromProto(in.installation());
  for (const v1::AgentInfo& agent : in.agents()) out.agents.push_back(FromProto(agent));
  out.store_bytes = in.store_bytes();
  out.store_free_bytes = in.store_free_bytes();
  out.pack_count = in.pack_count();
  out.chunk_count = in.chunk_count();
  out.warnings.assign(in.warnings().begin(), in.warnings().end());
  for (const v1::ScrubDamage& one : in.damage()) out.damage.push_back(DamageFromProto(one));
  out.scrubbed_at_ms = in.scrubbed_at_ms();
  for (const v1::SystemObjective& one : in.systems()) out.systems.push_back(FromProto(one));
  out.open_alerts = in.open_alerts();
  out.acknowledged_alerts = in.acknowledged_alerts();
  out.gravest_alert = in.gravest_alert();
  out.undelivered_alerts = in.undelivered_alerts();
  out.alert_channels = in.alert_channels();
  return out;
}

ScrubProgress FromProto(const v1::ScrubProgress& in) {
  return {in.packs_done(), in.packs_total(), in.bytes_done(), in.bytes_total()};
}

ScrubReport FromProto(const v1::ScrubReport& in) {
  ScrubReport out;
  out.packs = in.packs();
  out.bytes = in.bytes();
  out.repaired = in.repaired();
  out.parity_made = in.parity_made();
  out.bad_chunks = in.bad_chunks();
  out.revived_chunks = in.revived_chunks();
  out.damaged_packs.assign(in.damaged_packs().begin(), in.damaged_packs().end());
  for (const v1::ScrubDamage& one : in.damage()) out.damage.push_back(DamageFromProto(one));
  out.duration_ms = in.duration_ms();
  return out;
}

JobProgress FromProto(const v1::JobProgress& in) {
  JobProgress out;
  out.job_id = in.job_id();
  out.step = in.step();
  out.bytes_done = in.bytes_done();
  out.bytes_total = in.bytes_total();
  out.items_done = in.items_done();
  out.items_total = in.items_total();
  out.new_bytes = in.new_bytes();
  out.stored_bytes = in.stored_bytes();
  return out;
}

JobResult FromProto(const v1::JobResult& in) {
  return {in.job_id(), in.exit_code(), in.error_code(), in.message(), in.hint(), ""};
}

void ToProto(const RestoreOptions& in, v1::RestoreOptions* out) {
  out->set_target(in.target);
  out->set_overwrite(static_cast<std::uint32_t>(in.overwrite));
  for (const std::string& path : in.paths) out->add_paths(path);
  out->set_preserve_privileged(in.preserve_privileged);
  out->set_allow_devices(in.allow_devices);
  out->set_skip_bad(in.skip_bad);
  out->set_numeric_ids(in.numeric_ids);
  out->set_database(in.database);
  out->set_table(in.table);
  out->set_into_table(in.into_table);
  out->set_connection(in.connection);
  out->set_no_globals(in.no_globals);
  out->set_as_sql(in.as_sql);
  out->set_into_server(in.into_server);
  out->set_apply_acl(in.apply_acl);
}

Retention FromProto(const v1::Retention& in) {
  Retention out;
  const v1::RetentionPolicy& policy = in.policy();
  out.policy = {policy.within_seconds(), policy.last(),    policy.hourly(), policy.daily(),
                policy.weekly(),         policy.monthly(), policy.yearly(), policy.verified()};
  out.is_default = in.is_default();
  for (const v1::RetentionVerdict& verdict : in.verdicts()) {
    out.verdicts.push_back(
        {verdict.seq(), verdict.committed_at_ms(), verdict.keep(), verdict.reason()});
  }
  out.pause = in.pause();
  return out;
}

Collected FromProto(const v1::CollectGarbageReply& in) {
  Collected out;
  out.trashed.assign(in.trashed().begin(), in.trashed().end());
  out.purged.assign(in.purged().begin(), in.purged().end());
  out.swept_chunks = in.swept_chunks();
  out.swept_bytes = in.swept_bytes();
  out.removed_packs = in.removed_packs();
  out.repacked_packs = in.repacked_packs();
  out.freed_bytes = in.freed_bytes();
  out.waiting_bytes = in.waiting_bytes();
  out.removed_documents = in.removed_documents();
  out.notes.assign(in.notes().begin(), in.notes().end());
  return out;
}

void ToProto(const RetentionPolicy& in, v1::RetentionPolicy* out) {
  out->set_within_seconds(in.within_seconds);
  out->set_last(in.last);
  out->set_hourly(in.hourly);
  out->set_daily(in.daily);
  out->set_weekly(in.weekly);
  out->set_monthly(in.monthly);
  out->set_yearly(in.yearly);
  out->set_verified(in.verified);
}

}  // namespace holdfast::report
