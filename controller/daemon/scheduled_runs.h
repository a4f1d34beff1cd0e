// Backup runs as jobs on the board: what the scheduler starts.
// Threading: every method from any thread. Errors: of the board.
#pragma once

#include "controller/control/job_board.h"
#include "controller/schedule/backup_runs.h"

namespace holdfast::daemon {

class ScheduledRuns final : public schedule::BackupRuns {
 public:
  explicit ScheduledRuns(control::JobBoard& board) : board_(board) {}

  absl::StatusOr<Started> Start(const catalog::SourceRow& source, const Bytes& run_id) override;
  absl::Status Expect(const catalog::SourceRow& source, const Bytes& run_id) override;
  void Withdraw(const Bytes& run_id) override { board_.Withdraw(run_id); }
  schedule::RunState StateOf(const SourceId& source) override;
  void Settle() override { board_.FinishLost(); }

 private:
  control::JobBoard& board_;
};

}  // namespace holdfast::daemon
