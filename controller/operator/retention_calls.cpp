#include "controller/operator/retention_calls.h"

#include "common/base/error.h"
#include "controller/control/summaries.h"
#include "fmt/format.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::uint64_t kMaxWithinSeconds = 100ull * 366 * 86'400;
constexpr std::uint32_t kMaxCount = 1'000'000;

SourceId IdOf(const Bytes& bytes) { return SourceId::From(bytes).value_or(SourceId()); }

absl::StatusOr<retention::Policy> FromProto(const v1::RetentionPolicy& in) {
  retention::Policy policy;
  policy.last = in.last();
  policy.hourly = in.hourly();
  policy.daily = in.daily();
  policy.weekly = in.weekly();
  policy.monthly = in.monthly();
  policy.yearly = in.yearly();
  policy.verified = in.verified();
  for (const std::uint32_t count : {policy.last, policy.hourly, policy.daily, policy.weekly,
                                    policy.monthly, policy.yearly, policy.verified}) {
    if (count <= kMaxCount) continue;
    return Error(ErrorKind::kUsage, 5081,
                 "unable to use the retention policy: a number is larger "
                 "than 1,000,000");
  }
  if (in.within_seconds() > kMaxWithinSeconds) {
    return Error(ErrorKind::kUsage, 5081,
                 "unable to use the retention policy: longer than 100 years");
  }
  policy.within = absl::Seconds(static_cast<std::int64_t>(in.within_seconds()));
  RETURN_IF_ERROR(retention::CheckPolicy(policy));
  return policy;
}

void ToProto(const retention::Policy& in, v1::RetentionPolicy* out) {
  out->set_within_seconds(static_cast<std::uint64_t>(absl::ToInt64Seconds(in.within)));
  out->set_last(in.last);
  out->set_hourly(in.hourly);
  out->set_daily(in.daily);
  out->set_weekly(in.weekly);
  out->set_monthly(in.monthly);
  out->set_yearly(in.yearly);
  out->set_verified(in.verified);
}

}  // namespace

absl::Status FillRetention(const OperatorServiceOptions& options, const Bytes& source,
                           v1::Retention* out) {
  ASSIGN_OR_RETURN(const retention::Explanation found, options.collector->Explain(IdOf(source)));
  ToProto(found.policy, out->mutable_policy());
  out->set_is_default(found.is_default);
  out->set_pause(found.pause);
  for (std::size_t i = 0; i < found.verdicts.size(); ++i) {
    v1::RetentionVerdict* verdict = out->add_verdicts();
    verdict->set_seq(found.verdicts[i].seq);
    verdict->set_committed_at_ms(found.snapshots[i].committed_at_ms);
    verdict->set_keep(found.verdicts[i].keep);
    verdict->set_reason(found.verdicts[i].reason);
  }
  return absl::OkStatus();
}

absl::Status SetRetention(const OperatorServiceOptions& options,
                          const v1::SetRetentionRequest& request, const std::string& by,
                          v1::Retention* out) {
  std::optional<retention::Policy> policy;
  if (request.has_policy()) {
    ASSIGN_OR_RETURN(policy, FromProto(request.policy()));
  }
  RETURN_IF_ERROR(options.collector->SetPolicy(IdOf(request.source_id()), policy, by));
  return FillRetention(options, request.source_id(), out);
}

absl::Status Forget(const OperatorServiceOptions& options,
                    const v1::ForgetSnapshotsRequest& request, const std::string& by,
                    v1::ForgetSnapshotsReply* out) {
  const std::vector<std::uint64_t> seqs(request.seqs().begin(), request.seqs().end());
  RETURN_IF_ERROR(options.collector->Forget(IdOf(request.source_id()), seqs, by));
  out->set_purge_after_ms(static_cast<std::uint64_t>(
      absl::ToUnixMillis(options.env.clock.Now() + options.collector->options().trash_time)));
  return absl::OkStatus();
}

absl::Status Undelete(const OperatorServiceOptions& options,
                      const v1::UndeleteSnapshotRequest& request, const std::string& by) {
  const SourceId source = IdOf(request.source_id());
  const catalog::AuditEntry audit{
      static_cast<std::uint64_t>(absl::ToUnixMillis(options.env.clock.Now())), by,
      "snapshot.undelete", catalog::QualifiedName(*options.catalog, source),
      fmt::format("snapshot {}", request.seq())};
  return options.catalog->audit().Audited(
      audit, [&] { return options.catalog->collection().Undelete(source, request.seq()); });
}

absl::Status FillTrash(const OperatorServiceOptions& options, v1::ListTrashReply* out) {
  ASSIGN_OR_RETURN(const auto trash, options.catalog->collection().ListTrash());
  for (const catalog::TrashedSnapshot& one : trash) {
    if (one.purging) continue;
    ASSIGN_OR_RETURN(const catalog::SourceRow source,
                     options.catalog->GetSource(one.snapshot.source));
    const auto agent = options.catalog->GetAgent(source.agent);
    v1::TrashedSnapshot* row = out->add_snapshots();
    control::FillSummary(one.snapshot, source, agent.ok() ? agent->name : "",
                         row->mutable_summary());
    row->set_purge_after_ms(one.purge_after_ms);
  }
  return absl::OkStatus();
}

absl::Status Collect(const OperatorServiceOptions& options,
                     const v1::CollectGarbageRequest& request, const std::string& by,
                     v1::CollectGarbageReply* out) {
  if (request.accept_clock()) RETURN_IF_ERROR(options.collector->AcceptClock(by));
  ASSIGN_OR_RETURN(const retention::CollectionReport report,
                   request.dry_run()
                       ? options.collector->Preview()
                       : options.collector->Run(retention::Collector::Pace::kFast, {}));
  *out->mutable_trashed() = {report.trashed.begin(), report.trashed.end()};
  *out->mutable_purged() = {report.purged.begin(), report.purged.end()};
  out->set_swept_chunks(report.swept_chunks);
  out->set_swept_bytes(report.swept_bytes);
  out->set_removed_packs(report.removed_packs);
  out->set_repacked_packs(report.repacked_packs);
  out->set_freed_bytes(report.freed_bytes);
  out->set_waiting_bytes(report.waiting_bytes);
  out->set_removed_documents(report.removed_documents);
  *out->mutable_notes() = {report.notes.begin(), report.notes.end()};
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
