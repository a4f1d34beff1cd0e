#include "controller/daemon/rebuild_command.h"

#include "common/base/error.h"
#include "controller/daemon/data_directory.h"
#include "controller/daemon/store_place.h"
#include "controller/rebuild/rebuild.h"
#include "controller/rebuild/settings_copy.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

constexpr std::size_t kListed = 200;

// True: some source has the policy that was set for it.
bool PrintSettings(const rebuild::RebuildReport& report, std::ostream& out) {
  if (!report.settings) {
    out << "No settings are in the store: what was set by command has to be set again.\n";
    return false;
  }
  const rebuild::FoundSettings& found = *report.settings;
  const std::string at =
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", found.written_at, absl::UTCTimeZone());
  if (!found.taken) {
    out << fmt::format(
        "The settings of {} in the store were not taken: the controller's own keys do not say that "
        "it wrote them. If this store is yours, run this again with --accept-settings, before the "
        "controller is started.\n",
        at);
    return false;
  }
  std::string rows;
  for (const auto& [table, count] : found.imported.rows) {
    rows += fmt::format("{}{} {}", rows.empty() ? "" : ", ", table, count);
  }
  out << fmt::format("what was set by command is as it was at {} ({})\n", at,
                     rows.empty() ? "nothing" : rows);
  if (found.imported.left_out > 0) {
    out << fmt::format("{} settings of sources without a snapshot are left out\n",
                       found.imported.left_out);
  }
  return found.imported.rows.contains(catalog::kRetentionTable);
}

void Print(const rebuild::RebuildReport& report, std::ostream& out) {
  out << fmt::format(
      "rebuilt the catalog in {:.1f} s: {} packs ({:.1f} MiB) with {} objects; {} chunks, {} "
      "sources, {} snapshots, {} agents\n",
      absl::ToDoubleSeconds(report.seconds), report.packs,
      static_cast<double>(report.pack_bytes) / (1 << 20), report.objects, report.chunks.chunks,
      report.sources, report.snapshots, report.agents);
  if (!report.moved_aside.empty()) {
    out << fmt::format("the old catalog is kept as {}\n", report.moved_aside);
  }
  if (report.chunks.unreferenced > 0) {
    out << fmt::format("{} chunks that no snapshot needs are not listed\n",
                       report.chunks.unreferenced);
  }
  if (report.chunks.lost_chunks > 0) {
    out << fmt::format(
        "{} chunks that snapshots need are lost or damaged; the next backup stores again what its "
        "source still has\n",
        report.chunks.lost_chunks);
  }
  std::size_t listed = 0;
  for (const rebuild::Finding& finding : report.damage) {
    if (++listed > kListed) break;
    out << fmt::format("damaged: {}: {}\n", Escaped(finding.what), Escaped(finding.reason, 400));
  }
  if (report.damage.size() > kListed) {
    out << fmt::format("damaged: {} more\n", report.damage.size() - kListed);
  }
  listed = 0;
  for (const std::string& note : report.notes) {
    if (++listed > kListed) break;
    out << "note: " << Escaped(note, 400) << '\n';
  }
  const bool has_policies = PrintSettings(report, out);
  out << fmt::format(
      "Nothing expires until 'holdfast retention set SOURCE ...' is said again{}, and the "
      "snapshots "
      "of the trash are back.\n",
      has_policies ? ", but of the sources whose policy was set by command" : "");
  out << "Names of sources, hosts and versions come back when their agents connect. Join tokens "
         "and "
         "the dates of verification are gone. An agent that was removed by a release older than "
         "this one is enrolled again: remove it again.\n";
}

}  // namespace

absl::Status RunRebuild(Env real_env, const ControllerConfig& config, SettingsOfOthers others,
                        std::ostream& out) {
  ASSIGN_OR_RETURN(const auto lock,
                   DirectoryLock::Acquire(JoinPath(config.data_directory, "lock")));
  ASSIGN_OR_RETURN(const auto place, StorePlace::Open(real_env, config));
  const Env env = place->env();
  rebuild::RebuildOptions options;
  options.data_directory = config.data_directory;
  options.controller_id = IdentityController(env.fs, config.data_directory);
  options.parity_percent = config.parity_percent;
  options.accept_settings = others == SettingsOfOthers::kTake;
  ASSIGN_OR_RETURN(
      options.settings_signer,
      rebuild::FindSettingsSigner(env.fs, rebuild::SettingsKeyPath(config.data_directory)));
  options.progress = [&](const std::string& text) { out << text << std::endl; };
  ASSIGN_OR_RETURN(const rebuild::RebuildReport report, rebuild::RebuildCatalog(env, options));
  Print(report, out);
  if (options.controller_id.empty()) {
    out << "The controller's own keys (identity/) are not there: at its next start it is a new "
           "controller on the old store. Give every agent a token with 'holdfast enroll "
           "--replaced-controller NAME' and "
           "run 'holdfast-agent enroll --keep-identity --token-file FILE' on its host.\n";
  }
  if (report.damage.empty() && report.chunks.lost_chunks == 0) return absl::OkStatus();
  return Error(
      ErrorKind::kPartial, 5076,
      fmt::format("rebuilt the catalog of '{}', but something in the store is damaged (see "
                  "above)",
                  Escaped(config.data_directory)),
      "Start the controller, run 'holdfast scrub --all', then back up every source.");
}

}  // namespace holdfast::daemon
