// What alerts learn from schedules and objectives, which know nothing of alerts.
// Threading: as FactSource and ScheduleObserver.
#pragma once

#include "controller/alert/event_sink.h"
#include "controller/alert/facts.h"
#include "controller/objective/objectives.h"
#include "controller/schedule/schedule_observer.h"

namespace holdfast::daemon {

// Adds to each source how its objective stands.
class FactsWithObjectives final : public alert::FactSource {
 public:
  FactsWithObjectives(alert::FactSource& base, objective::Objectives& objectives)
      : base_(base), objectives_(objectives) {}
  absl::StatusOr<alert::Facts> Look() override;

 private:
  alert::FactSource& base_;
  objective::Objectives& objectives_;
};

// Runs that could not be, as events. One skip may be a long run; from the second on it is trouble.
// Times that passed while this program was down are made up for by one run, and no event: when that
// one fails too, its failure is.
class ScheduleAlerts final : public schedule::ScheduleObserver {
 public:
  // Before the first call of the scheduler.
  void Attach(alert::EventSink& sink) { sink_ = &sink; }
  void OnLate(const catalog::SourceRow& source) override;
  void OnSkipped(const catalog::SourceRow& source, std::uint64_t in_a_row) override;

 private:
  alert::EventSink* sink_ = nullptr;
};

}  // namespace holdfast::daemon
