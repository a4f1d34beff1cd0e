// `holdfast quota list|set|clear`: how many bytes each agent may keep in the store.
//
// Exit status: 0; 2 a size that cannot be read; 6 no such agent; others in DESIGN 12.

#include <algorithm>

#include "common/base/error.h"
#include "common/report/plans.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/plan_text.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

std::uint64_t LeftOf(const AgentQuota& quota) {
  const std::uint64_t limit = quota.limit_bytes.value_or(0);
  return limit - std::min(limit, quota.stored_bytes);
}

Json QuotaJson(const AgentQuota& quota) {
  Json row = {{"agent", quota.agent_name},          {"agent_id", quota.agent.hex()},
              {"limit", SettingJson(quota.limit)},  {"limit_bytes", nullptr},
              {"stored_bytes", quota.stored_bytes}, {"left_bytes", nullptr}};
  if (quota.limit_bytes) {
    row["limit_bytes"] = *quota.limit_bytes;
    row["left_bytes"] = LeftOf(quota);
  }
  return row;
}

absl::Status PrintQuotas(Context& context, const std::vector<AgentQuota>& quotas) {
  if (context.json) {
    Json list = Json::array();
    for (const AgentQuota& one : quotas) list.push_back(QuotaJson(one));
    return WriteOut(context, JsonLine({{"quotas", std::move(list)}}));
  }
  Table table({{"AGENT"}, {"QUOTA"}, {"FROM"}, {"STORED", Align::kRight}, {"LEFT", Align::kRight}});
  for (const AgentQuota& one : quotas) {
    table.Add({Escaped(one.agent_name, 60), Escaped(one.limit.text, 60),
               OriginText(one.limit, context.zone), SizeText(one.stored_bytes),
               one.limit_bytes ? SizeText(LeftOf(one)) : "-"});
  }
  RETURN_IF_ERROR(WriteOut(context, table.Render()));
  for (const AgentQuota& one : quotas) {
    if (!one.limit_bytes || one.stored_bytes < *one.limit_bytes) continue;
    context.err << fmt::format("warning: agent '{}' may store nothing new: its quota is used up\n",
                               Escaped(one.agent_name));
  }
  return absl::OkStatus();
}

absl::Status ListQuotas(Context& context) {
  ASSIGN_OR_RETURN(const auto quotas, Connect(context)->ListQuotas());
  return PrintQuotas(context, quotas);
}

absl::Status ChangeQuota(Context& context, QuotaChange change) {
  change.by = OperatorName(context);
  const auto client = Connect(context);
  RETURN_IF_ERROR(client->SetQuota(change));
  ASSIGN_OR_RETURN(auto quotas, client->ListQuotas());
  std::erase_if(quotas, [&](const AgentQuota& one) { return one.agent_name != change.agent_name; });
  return PrintQuotas(context, quotas);
}

absl::Status SetQuota(Context& context, const QuotaChange& change) {
  if (change.limit.empty()) {
    return Error(ErrorKind::kUsage, 1196, "unable to set the quota: the size is empty",
                 "Write for example 500GiB, or none; 'holdfast quota clear' forgets it.");
  }
  return ChangeQuota(context, change);
}

}  // namespace

void AddQuota(Command& program, Context& context) {
  Command group = program.Verb("quota", "How many bytes each agent may keep in the store");
  group.RequireVerb();
  group.Footer(Examples("holdfast quota list", "holdfast quota set web-1 500GiB"));
  Command listing = group.Verb("list", "Quotas, where they come from, and what is stored");
  listing.Footer(Examples("holdfast quota list", "holdfast quota list --json"));
  listing.Action([&context] { context.exit_code = Report(context, ListQuotas(context)); });
  auto change = std::make_shared<QuotaChange>();
  Command setting = group.Verb("set", "Change what an agent may keep");
  setting.Add("agent", change->agent_name, "Name of the agent").Required();
  setting.Add("size", change->limit, "For example 500GiB or 2TB; none: no limit").Required();
  setting.Footer(
      Examples("holdfast quota set web-1 500GiB", "holdfast quota set web-1 none --json"));
  setting.Action(
      [&context, change] { context.exit_code = Report(context, SetQuota(context, *change)); });
  auto cleared = std::make_shared<QuotaChange>();
  Command clearing = group.Verb("clear", "Back to what controller.yaml says, or no limit");
  clearing.Add("agent", cleared->agent_name, "Name of the agent").Required();
  clearing.Footer(Examples("holdfast quota clear web-1", "holdfast quota clear web-1 --json"));
  clearing.Action(
      [&context, cleared] { context.exit_code = Report(context, ChangeQuota(context, *cleared)); });
}

}  // namespace holdfast::cli
