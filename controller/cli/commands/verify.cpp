// `holdfast verify SNAPSHOT [--sample-percent N]`: an agent fetches, opens and checks the
// snapshot's chunks, as a restore would.
//
// Exit status: 0 all checked chunks are sound; 5 damage found; others in DESIGN 12.

#include "common/base/error.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/follow_jobs.h"
#include "controller/cli/snapshot_reference.h"

namespace holdfast::cli {
namespace {

struct VerifyOptions {
  std::string snapshot;
  std::string agent;
  std::uint32_t sample_percent = 100;
};

int Verify(Context& context, const VerifyOptions& options) {
  const auto client = Connect(context);
  if (!options.agent.empty()) {
    if (const absl::Status status = CheckName("agent", options.agent); !status.ok()) {
      return Report(context, status);
    }
  }
  const auto snapshot = ResolveSnapshot(*client, options.snapshot, context.zone);
  if (!snapshot.ok()) return Report(context, snapshot.status());
  const auto started = client->StartVerify({snapshot->source_id, snapshot->seq, options.agent},
                                           options.sample_percent);
  if (!started.ok()) return Report(context, started.status());
  std::vector<FollowedJob> jobs;
  for (const StartedJob& job : *started) jobs.push_back({job.job_id, SnapshotName(*snapshot)});
  return FollowJobs(context, *client, JobKind::kVerify, jobs);
}

}  // namespace

void AddVerify(Command& program, Context& context) {
  auto options = std::make_shared<VerifyOptions>();
  Command command = program.Verb("verify", "Fetch, open and check what a snapshot is made of");
  command.Add("snapshot", options->snapshot, "SOURCE, SOURCE@57, or an id").Required();
  command.Add("--sample-percent", options->sample_percent, "Share of entries to read")
      .Between(1, 100)
      .ShowDefault();
  command.Add("--on", options->agent, "Agent that does it; by default the source's own")
      .Called("AGENT");
  command.Footer(
      Examples("holdfast verify db@latest", "holdfast verify uploads --sample-percent 10"));
  command.Action([&context, options] { context.exit_code = Verify(context, *options); });
}

}  // namespace holdfast::cli
