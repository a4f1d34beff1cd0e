// `holdfast backup [SOURCE...]`: backs up now, and shows how it goes.
//
// Exit status: 0 all are committed; 3 some entries were left out; 10 a source failed; of several
// the most serious; others in DESIGN 12.

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/follow_jobs.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct BackupOptions {
  std::vector<std::string> sources;
};

absl::StatusOr<std::vector<ResolvedSource>> Chosen(OperatorClient& client,
                                                   const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const std::vector<ResolvedSource> all, ListSources(client));
  if (names.empty()) {
    if (!all.empty()) return all;
    return Error(ErrorKind::kNotFound, 1170, "unable to back up: no agent has a source",
                 "Enrol one with 'holdfast enroll AGENT', or add sources to its agent.yaml.");
  }
  std::vector<ResolvedSource> chosen;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(ResolvedSource source, ResolveSource(all, name));
    const bool again = std::any_of(chosen.begin(), chosen.end(), [&](const auto& one) {
      return one.source.id == source.source.id;
    });
    if (!again) chosen.push_back(std::move(source));
  }
  return chosen;
}

int Backup(Context& context, const BackupOptions& options) {
  const auto client = Connect(context);
  const auto chosen = Chosen(*client, options.sources);
  if (!chosen.ok()) return Report(context, chosen.status());
  std::vector<SourceId> ids;
  for (const ResolvedSource& one : *chosen) ids.push_back(one.source.id);
  const auto started = client->StartBackup(ids);
  if (!started.ok()) return Report(context, started.status());
  std::vector<FollowedJob> jobs;
  for (const StartedJob& job : *started) {
    std::string label = job.source_id.hex();
    for (const ResolvedSource& one : *chosen) {
      if (one.source.id == job.source_id) label = one.source.name;
    }
    jobs.push_back({job.job_id, std::move(label)});
  }
  return FollowJobs(context, *client, JobKind::kBackup, jobs);
}

}  // namespace

void AddBackup(Command& program, Context& context) {
  auto options = std::make_shared<BackupOptions>();
  Command command = program.Verb("backup", "Back up now: all sources, or the named ones");
  command.Add("sources", options->sources, "Names of sources; none: all");
  command.Footer(Examples("holdfast backup", "holdfast backup db uploads"));
  command.Action([&context, options] { context.exit_code = Backup(context, *options); });
}

}  // namespace holdfast::cli
