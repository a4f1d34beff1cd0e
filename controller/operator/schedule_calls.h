// Schedules and objectives as operators ask for them.
// Threading: any. Errors: of scheduler, objectives and catalog.
#pragma once

#include "controller/operator/operator_service.h"

namespace holdfast::v1 {
class ListObjectivesReply;
class ListSchedulesReply;
class ListSchedulesRequest;
class PauseSchedulesRequest;
class SetObjectiveRequest;
class SetScheduleRequest;
class Setting;
class SourceObjective;
class SourceSchedule;
class SystemObjective;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

void FillSetting(const schedule::Setting& in, v1::Setting* out);
void FillSchedule(const schedule::SourceSchedule& in, v1::SourceSchedule* out);
void FillObjective(const objective::SourceStanding& in, v1::SourceObjective* out);
void FillObjective(const objective::SystemStanding& in, v1::SystemObjective* out);

absl::Status ListSchedules(const OperatorServiceOptions& options,
                           const v1::ListSchedulesRequest& request, v1::ListSchedulesReply* out);
absl::Status SetSchedule(const OperatorServiceOptions& options,
                         const v1::SetScheduleRequest& request);
absl::Status PauseSchedules(const OperatorServiceOptions& options,
                            const v1::PauseSchedulesRequest& request);
absl::Status ListObjectives(const OperatorServiceOptions& options, v1::ListObjectivesReply* out);
absl::Status SetObjective(const OperatorServiceOptions& options,
                          const v1::SetObjectiveRequest& request);

}  // namespace holdfast::operator_service
