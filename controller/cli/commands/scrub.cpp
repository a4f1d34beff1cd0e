// `holdfast scrub [--all]`: the controller reads its packs now, repairs them from their parity, and
// says which snapshots need what is lost.
//
// Exit status: 0 everything is whole, also after repairs; 5 something is lost; others in DESIGN 12.

#include "common/base/count_text.h"
#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kListedSeqs = 20;
constexpr absl::Duration kTellEvery = absl::Seconds(2);

struct ScrubOptions {
  bool all = false;
};

std::string SeqsText(const Damage& damage) {
  std::string text;
  for (std::size_t i = 0; i < damage.seqs.size() && i < kListedSeqs; ++i) {
    text +=
        fmt::format("{}{}@{}", i == 0 ? "" : ", ", Escaped(damage.source_name, 60), damage.seqs[i]);
  }
  if (damage.seqs.size() > kListedSeqs) {
    text += fmt::format(" and {} more", damage.seqs.size() - kListedSeqs);
  }
  return text;
}

Json ToJson(const ScrubReport& report) {
  Json damage = Json::array();
  for (const Damage& one : report.damage) {
    damage.push_back({{"source", Escaped(one.source_name)},
                      {"source_id", one.source_id.hex()},
                      {"chunks", one.chunks},
                      {"seqs", one.seqs}});
  }
  return {{"packs", report.packs},
          {"bytes", report.bytes},
          {"repaired", report.repaired},
          {"parity_made", report.parity_made},
          {"bad_chunks", report.bad_chunks},
          {"revived_chunks", report.revived_chunks},
          {"damaged_packs", report.damaged_packs},
          {"damage", std::move(damage)},
          {"seconds", static_cast<double>(report.duration_ms) / 1000}};
}

std::string ToText(const ScrubReport& report) {
  std::string text =
      fmt::format("read {} packs, {}, in {:.1f} s\n", CountText(report.packs),
                  SizeText(report.bytes), static_cast<double>(report.duration_ms) / 1000);
  if (report.repaired > 0) text += fmt::format("repaired from parity: {} packs\n", report.repaired);
  if (report.parity_made > 0) text += fmt::format("parity made: {} packs\n", report.parity_made);
  if (report.revived_chunks > 0) {
    text += fmt::format("whole again: {} chunks\n", report.revived_chunks);
  }
  for (const std::string& pack : report.damaged_packs) {
    text += fmt::format("damaged beyond repair: pack {}\n", Escaped(pack, 64));
  }
  for (const Damage& one : report.damage) {
    text += fmt::format("lost: {} chunks that {} need{}\n", one.chunks, SeqsText(one),
                        one.seqs.size() == 1 ? "s" : "");
  }
  if (report.damage.empty() && report.damaged_packs.empty()) text += "nothing is lost\n";
  return text;
}

absl::Status Scrub(Context& context, const ScrubOptions& options) {
  absl::Duration told = context.env.clock.Monotonic();
  const auto tell = [&](const ScrubProgress& now) {
    if (context.env.clock.Monotonic() - told < kTellEvery) return;
    told = context.env.clock.Monotonic();
    context.err << (context.json
                        ? JsonLine({{"event", "progress"},
                                    {"packs_done", now.packs_done},
                                    {"packs_total", now.packs_total},
                                    {"bytes_done", now.bytes_done},
                                    {"bytes_total", now.bytes_total}})
                        : fmt::format("{} of {} packs, {} of {}\n", now.packs_done, now.packs_total,
                                      SizeText(now.bytes_done), SizeText(now.bytes_total)))
                << std::flush;
  };
  const auto scope =
      options.all ? OperatorClient::ScrubScope::kAll : OperatorClient::ScrubScope::kRestOfRound;
  ASSIGN_OR_RETURN(const ScrubReport report,
                   Connect(context)->Scrub(scope, tell, context.interrupts.first()));
  RETURN_IF_ERROR(WriteOut(context, context.json ? JsonLine(ToJson(report)) : ToText(report)));
  if (report.damage.empty() && report.damaged_packs.empty()) return absl::OkStatus();
  return Error(ErrorKind::kIntegrity, 1185,
               fmt::format("{} packs are damaged beyond repair; snapshots of {} sources need what "
                           "is lost",
                           report.damaged_packs.size(), report.damage.size()),
               "Back up these sources: what they still have is stored again, also for the older "
               "snapshots.");
}

}  // namespace

void AddScrub(Command& program, Context& context) {
  auto options = std::make_shared<ScrubOptions>();
  Command command = program.Verb("scrub", "Read the stored packs, repair them, name what is lost");
  command.Flag("--all", options->all, "Every pack; by default those left of the current round");
  command.Footer(Examples("holdfast scrub", "holdfast scrub --all --json"));
  command.Action(
      [&context, options] { context.exit_code = Report(context, Scrub(context, *options)); });
}

}  // namespace holdfast::cli
