// `holdfast agent list|remove`: who is enrolled, and taking an agent's access away.
//
// Exit status: 0; 4 remove without --yes; 6 no such agent; others in DESIGN 12.

#include "common/base/error.h"
#include "common/base/nearest.h"
#include "common/report/documents.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "controller/cli/snapshot_reference.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct ListOptions {
  bool all = false;
};
struct RemoveOptions {
  std::string agent;
  bool yes = false;
};

std::string SourceNames(const AgentInfo& agent) {
  std::string names;
  for (const SourceInfo& source : agent.sources) {
    names += (names.empty() ? "" : ", ") + Escaped(source.name);
  }
  return names.empty() ? "none" : names;
}

std::string StateOf(const AgentInfo& agent) {
  if (agent.removed) return "removed";
  return agent.connected ? "connected" : "away";
}

absl::Status List(Context& context, const ListOptions& options) {
  using Removed = OperatorClient::RemovedAgents;
  ASSIGN_OR_RETURN(
      const std::vector<AgentInfo> agents,
      Connect(context)->ListAgents(options.all ? Removed::kInclude : Removed::kLeaveOut));
  if (context.json) return WriteOut(context, JsonLine(AgentsJson(agents)));
  if (agents.empty()) {
    context.err << "No agent is enrolled yet. Make a token with: holdfast enroll AGENT\n";
    return absl::OkStatus();
  }
  Table table({{"AGENT"}, {"HOST"}, {"STATE"}, {"LAST SEEN"}, {"VERSION"}, {"SOURCES"}});
  for (const AgentInfo& agent : agents) {
    table.Add({Escaped(agent.name), Escaped(agent.host, 60), StateOf(agent),
               TimeText(agent.last_seen_ms, context.zone), Escaped(agent.software_version, 30),
               SourceNames(agent)});
  }
  return WriteOut(context, table.Render());
}

absl::Status Remove(Context& context, const RemoveOptions& options) {
  RETURN_IF_ERROR(CheckName("agent", options.agent));
  const auto client = Connect(context);
  ASSIGN_OR_RETURN(const std::vector<AgentInfo> agents,
                   client->ListAgents(OperatorClient::RemovedAgents::kLeaveOut));
  std::vector<std::string> names;
  const AgentInfo* found = nullptr;
  for (const AgentInfo& agent : agents) {
    names.push_back(Escaped(agent.name));
    if (agent.name == options.agent) found = &agent;
  }
  if (found == nullptr) {
    const std::vector<std::string> near = NearestNames(options.agent, names);
    return Error(ErrorKind::kNotFound, 1160,
                 fmt::format("unable to find agent '{}'", Escaped(options.agent)),
                 near.empty() ? "See 'holdfast agent list'."
                              : fmt::format("Did you mean {}?", near.front()));
  }
  if (!options.yes) {
    return Error(
        ErrorKind::kRefused, 1161,
        fmt::format("unable to remove agent '{}' without --yes: its sources ({}) would no "
                    "longer be backed up",
                    Escaped(found->name), SourceNames(*found)),
        fmt::format("holdfast agent remove {} --yes   (its snapshots stay)", Escaped(found->name)));
  }
  RETURN_IF_ERROR(client->RemoveAgent(options.agent));
  if (context.json) return WriteOut(context, JsonLine({{"removed", options.agent}}));
  context.err << fmt::format(
      "Agent '{}' is removed: its certificate is refused from now on. Its snapshots stay.\n",
      Escaped(options.agent));
  return absl::OkStatus();
}

}  // namespace

void AddAgent(Command& program, Context& context) {
  Command group = program.Verb("agent", "Agents of this installation");
  group.RequireVerb();
  group.Footer(Examples("holdfast agent list", "holdfast agent remove db-1 --yes"));

  auto list = std::make_shared<ListOptions>();
  Command listing = group.Verb("list", "Enrolled agents and their sources");
  listing.Flag("--all", list->all, "Removed agents too");
  listing.Footer(Examples("holdfast agent list", "holdfast agent list --all --json"));
  listing.Action([&context, list] { context.exit_code = Report(context, List(context, *list)); });

  auto remove = std::make_shared<RemoveOptions>();
  Command removal = group.Verb("remove", "Refuse an agent from now on");
  removal.Add("agent", remove->agent, "Name of the agent").Required();
  removal.Flag("--yes", remove->yes, "Do it");
  removal.Footer(Examples("holdfast agent remove db-1", "holdfast agent remove db-1 --yes --json"));
  removal.Action(
      [&context, remove] { context.exit_code = Report(context, Remove(context, *remove)); });
}

}  // namespace holdfast::cli
