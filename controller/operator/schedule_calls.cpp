#include "controller/operator/schedule_calls.h"

#include <algorithm>

#include "common/base/error.h"
#include "controller/control/summaries.h"
#include "controller/schedule/retry.h"
#include "controller/schedule/times.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr std::uint32_t kMostRunsAhead = 1000;
constexpr std::size_t kLongestBy = 64;

SourceId NamedSource(const Bytes& bytes) { return SourceId::From(bytes).value_or(SourceId()); }

std::string_view OriginText(schedule::Origin origin) {
  switch (origin) {
    case schedule::Origin::kDefault:
      return "default";
    case schedule::Origin::kFile:
      return "file";
    case schedule::Origin::kCommand:
      return "command";
  }
  return "";
}

std::string_view StateText(objective::State state) {
  switch (state) {
    case objective::State::kMet:
      return "met";
    case objective::State::kLate:
      return "late";
    case objective::State::kBroken:
      return "broken";
  }
  return "";
}

void FillStanding(const objective::Standing& in, v1::ObjectiveStanding* out) {
  FillSetting(in.rpo, out->mutable_rpo());
  FillSetting(in.rto, out->mutable_rto());
  if (in.point) out->set_point_ms(schedule::ToMillis(*in.point));
  out->set_age_seconds(static_cast<std::uint64_t>(absl::ToInt64Seconds(in.age)));
  out->set_state(std::string(StateText(in.state)));
  out->set_restore_seconds(static_cast<std::uint64_t>(absl::ToInt64Seconds(in.restore.time)));
  out->set_restore_measured(in.restore.measured);
  out->set_restore_too_slow(in.restore_too_slow);
  out->set_broken(in.broken());
}

std::optional<std::string> GivenText(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace

void FillSetting(const schedule::Setting& in, v1::Setting* out) {
  out->set_text(in.text);
  out->set_origin(std::string(OriginText(in.origin)));
  out->set_place(in.place);
  out->set_set_by(in.set_by);
  out->set_set_at_ms(in.set_at_ms);
}

void FillSchedule(const schedule::SourceSchedule& in, v1::SourceSchedule* out) {
  control::FillSource(in.source, out->mutable_source());
  out->set_agent_name(in.agent_name);
  out->set_group(in.group);
  FillSetting(in.cron, out->mutable_cron());
  FillSetting(in.zone, out->mutable_zone());
  FillSetting(in.jitter, out->mutable_jitter());
  out->set_problem(in.problem);
  for (const absl::Time next : in.next) out->add_next_ms(schedule::ToMillis(next));
  out->set_paused_at_ms(in.row.paused_at_ms);
  out->set_paused_by(in.row.paused_by);
  out->set_last_due_ms(in.row.fired_ms);
  out->set_waiting(in.run.kind == schedule::RunState::Kind::kWaiting);
  if (in.run.kind == schedule::RunState::Kind::kRunning) {
    out->set_running_since_ms(schedule::ToMillis(in.run.since));
  }
  out->set_skipped(in.row.skipped);
  out->set_skipped_in_row(in.row.skipped_in_row);
  out->set_missed(in.row.missed);
  out->set_retries(in.row.retries);
  out->set_most_retries(schedule::kMostRetries);
  if (in.retry) out->set_retry_ms(schedule::ToMillis(*in.retry));
}

void FillObjective(const objective::SourceStanding& in, v1::SourceObjective* out) {
  control::FillSource(in.source, out->mutable_source());
  out->set_agent_name(in.agent_name);
  FillStanding(in.standing, out->mutable_standing());
  out->set_seq(in.seq.value_or(0));
  out->set_restored_at_ms(in.restored_at_ms);
}

void FillObjective(const objective::SystemStanding& in, v1::SystemObjective* out) {
  out->set_name(in.name);
  *out->mutable_sources() = {in.sources.begin(), in.sources.end()};
  *out->mutable_unknown() = {in.unknown.begin(), in.unknown.end()};
  FillStanding(in.standing, out->mutable_standing());
}

absl::Status ListSchedules(const OperatorServiceOptions& options,
                           const v1::ListSchedulesRequest& request, v1::ListSchedulesReply* out) {
  ASSIGN_OR_RETURN(const auto schedules,
                   options.scheduler->List(std::min(request.runs_ahead(), kMostRunsAhead)));
  const auto& ids = request.source_ids();
  for (const schedule::SourceSchedule& one : schedules) {
    const bool wanted =
        ids.empty() || std::find(ids.begin(), ids.end(), one.source.id.bytes()) != ids.end();
    if (wanted) FillSchedule(one, out->add_schedules());
  }
  return absl::OkStatus();
}

absl::Status SetSchedule(const OperatorServiceOptions& options,
                         const v1::SetScheduleRequest& request) {
  schedule::Scheduler::Change change;
  change.plan = {GivenText(request.cron()), GivenText(request.zone()), GivenText(request.jitter())};
  change.use_default = request.use_default();
  change.by = Escaped(request.set_by(), kLongestBy);
  if (!request.group().empty()) return options.scheduler->SetForGroup(request.group(), change);
  return options.scheduler->SetForSource(NamedSource(request.source_id()), change);
}

absl::Status PauseSchedules(const OperatorServiceOptions& options,
                            const v1::PauseSchedulesRequest& request) {
  const std::string by = Escaped(request.set_by(), kLongestBy);
  for (const Bytes& id : request.source_ids()) {
    const SourceId source = NamedSource(id);
    RETURN_IF_ERROR(request.resume() ? options.scheduler->Resume(source, by)
                                     : options.scheduler->Pause(source, by));
  }
  return absl::OkStatus();
}

absl::Status ListObjectives(const OperatorServiceOptions& options, v1::ListObjectivesReply* out) {
  ASSIGN_OR_RETURN(const objective::Report report, options.objectives->Judge());
  for (const auto& source : report.sources) FillObjective(source, out->add_sources());
  for (const auto& system : report.systems) FillObjective(system, out->add_systems());
  return absl::OkStatus();
}

absl::Status SetObjective(const OperatorServiceOptions& options,
                          const v1::SetObjectiveRequest& request) {
  objective::Objectives::Change change;
  change.targets = {GivenText(request.rpo()), GivenText(request.rto())};
  change.use_default = request.use_default();
  change.by = Escaped(request.set_by(), kLongestBy);
  if (!request.system().empty()) return options.objectives->SetForSystem(request.system(), change);
  return options.objectives->SetForSource(NamedSource(request.source_id()), change);
}

}  // namespace holdfast::operator_service
