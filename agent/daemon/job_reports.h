// Reports of jobs as the JSON that travels in JobResult.report_json (docs/ARCHITECTURE.md,
// reports). Bytes that are no UTF-8 are shown escaped.
// Threading:  pure functions.
#pragma once

#include <string>

#include "agent/pipeline/backup_run.h"
#include "agent/restore/restore_report.h"
#include "common/snapshot/opener.h"

namespace holdfast::daemon {

std::string ToJson(const pipeline::BackupReport& report);
std::string ToJson(const restore::RestoreReport& report, double seconds);
std::string ToJson(const ChunkCheck& check, double seconds);

}  // namespace holdfast::daemon
