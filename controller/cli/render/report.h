// The reports of jobs in an operator's words.
//
// Hides:      the JSON of BackupReport, RestoreReport and VerifyReport. A field that is missing is
//             left out of the text; nothing is made up.
// Threading:  pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controller/cli/operator_values.h"

namespace holdfast::cli {

enum class JobKind { kBackup, kRestore, kVerify };

// One line for the row: "new 3.1 MiB (0.2 %)   done in 2.1 s   12 tables, 4,210,331 rows".
std::string OutcomeText(JobKind kind, const JobResult& result);
// What deserves lines of its own: skipped entries, mismatches, warnings, notes; each ends a line.
std::string DetailText(JobKind kind, const JobResult& result);

// OK when the job is done, else the job's error with its kind, code and hint.
absl::Status StatusOfResult(const JobResult& result);
// The exit code of several jobs: 0 when all are, else the most serious one.
int WorstExitCode(const std::vector<int>& codes);

}  // namespace holdfast::cli
