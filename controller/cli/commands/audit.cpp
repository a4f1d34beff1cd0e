// `holdfast audit list`: who changed what, and what was deleted.
//
// Exit status: 0; 5 a row was changed, left out or put in between; others in DESIGN 12.

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct AuditOptions {
  int limit = 100;
};

Json AuditJson(const AuditList& list) {
  Json rows = Json::array();
  for (const AuditRow& row : list.rows) {
    rows.push_back({{"id", row.id},
                    {"at", JsonTime(row.at_ms)},
                    {"by", row.by},
                    {"action", row.action},
                    {"object", row.object},
                    {"detail", row.detail}});
  }
  return {{"audit", std::move(rows)},
          {"total", list.total},
          {"newest_hash", ToHex(list.newest_hash)},
          {"broken_at", list.broken_at}};
}

absl::Status PrintTable(Context& context, const AuditList& list) {
  if (list.rows.empty()) {
    context.err << "Nothing was changed or deleted yet.\n";
    return absl::OkStatus();
  }
  Table table({{"ID"}, {"WHEN"}, {"WHO"}, {"WHAT"}, {"OF"}, {"DETAIL"}});
  for (const AuditRow& row : list.rows) {
    table.Add({std::to_string(row.id), TimeText(row.at_ms, context.zone), Escaped(row.by, 64),
               Escaped(row.action, 40), Escaped(row.object, 130), Escaped(row.detail, 400)});
  }
  RETURN_IF_ERROR(WriteOut(context, table.Render()));
  if (list.rows.size() < list.total) {
    context.err << fmt::format("The newest {} of {}; see --limit.\n", list.rows.size(), list.total);
  }
  return absl::OkStatus();
}

absl::Status ListAudit(Context& context, const AuditOptions& options) {
  ASSIGN_OR_RETURN(const AuditList list,
                   Connect(context)->ListAudit(static_cast<std::uint32_t>(options.limit)));
  RETURN_IF_ERROR(context.json ? WriteOut(context, JsonLine(AuditJson(list)))
                               : PrintTable(context, list));
  if (list.broken_at == 0) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 5097,
               fmt::format("unable to trust the audit trail: row {} does not follow from the row "
                           "before it",
                           list.broken_at),
               "Somebody changed the catalog by other means than Holdfast. Compare with a copy of "
               "it.");
}

}  // namespace

void AddAudit(Command& program, Context& context) {
  Command group = program.Verb("audit", "Who changed what, and what was deleted");
  group.RequireVerb();
  group.Footer(Examples("holdfast audit list", "holdfast audit list --limit 1000 --json"));
  auto options = std::make_shared<AuditOptions>();
  Command list = group.Verb("list", "Changes by command, by policy and by enrolment, newest first");
  list.Add("--limit", options->limit, "So many rows").Between(1, 10'000).ShowDefault();
  list.Footer(Examples("holdfast audit list", "holdfast audit list --limit 1000 --json"));
  list.Action(
      [&context, options] { context.exit_code = Report(context, ListAudit(context, *options)); });
}

}  // namespace holdfast::cli
