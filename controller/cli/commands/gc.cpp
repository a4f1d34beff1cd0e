// `holdfast gc`: applies retention now, and frees what nothing needs any more.
//
// Exit status: 0; 8 the store refuses writes; others in DESIGN 12.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

struct GcOptions {
  bool dry_run = false;
  bool accept_clock = false;
};

Json ReportJson(const Collected& report, bool dry_run) {
  return {{"dry_run", dry_run},
          {"trashed", report.trashed},
          {"purged", report.purged},
          {"swept_chunks", report.swept_chunks},
          {"swept_bytes", report.swept_bytes},
          {"removed_packs", report.removed_packs},
          {"repacked_packs", report.repacked_packs},
          {"removed_documents", report.removed_documents},
          {"freed_bytes", report.freed_bytes},
          {"waiting_bytes", report.waiting_bytes},
          {"notes", report.notes}};
}

std::string Names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) text += " " + Escaped(names[i]);
  return names.size() > kShown ? text + fmt::format(" and {} more", names.size() - kShown) : text;
}

std::string ReportText(const Collected& report, bool dry_run) {
  std::string text;
  const char* would = dry_run ? "would be " : "";
  if (!report.trashed.empty()) {
    text += fmt::format("{}moved to the trash:{}\n", would, Names(report.trashed));
  }
  if (!report.purged.empty()) text += fmt::format("{}purged:{}\n", would, Names(report.purged));
  text += fmt::format("{}freed: {} ({} removed, {} copied together)\n", would,
                      SizeText(report.freed_bytes), Plural(report.removed_packs, "pack"),
                      CountText(report.repacked_packs));
  text +=
      fmt::format("of no use, kept until its time is over: {}\n", SizeText(report.waiting_bytes));
  return text;
}

absl::Status Collect(Context& context, const GcOptions& options) {
  ASSIGN_OR_RETURN(const Collected report,
                   Connect(context)->Collect({options.dry_run, options.accept_clock}));
  if (context.json) return WriteOut(context, JsonLine(ReportJson(report, options.dry_run)));
  RETURN_IF_ERROR(WriteOut(context, ReportText(report, options.dry_run)));
  for (const std::string& note : report.notes) {
    context.err << fmt::format("warning: {}\n", Escaped(note, 1000));
  }
  return absl::OkStatus();
}

}  // namespace

void AddGc(Command& program, Context& context) {
  auto options = std::make_shared<GcOptions>();
  Command command = program.Verb("gc", "Apply retention now and free space");
  command.Flag("--dry-run", options->dry_run, "Say what would happen; change nothing");
  command.Flag("--accept-clock", options->accept_clock,
               "The controller's clock is right, although it leapt");
  command.Footer(Examples("holdfast gc --dry-run", "holdfast gc --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Collect(context, *options)); });
}

}  // namespace holdfast::cli
