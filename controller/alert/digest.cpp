#include "controller/alert/digest.h"

#include "common/base/error.h"
#include "controller/alert/catalog_facts.h"
#include "controller/alert/words.h"
#include "fmt/format.h"

namespace holdfast::alert {
namespace {

std::string SourceLine(const std::string& label, const std::vector<catalog::SnapshotRow>& newest,
                       absl::Time now) {
  if (newest.empty()) return fmt::format("{}   never backed up\n", label);
  const catalog::SnapshotRow& snapshot = newest[0];
  const absl::Time at = absl::FromUnixMillis(static_cast<std::int64_t>(snapshot.committed_at_ms));
  return fmt::format("{}@{}   {}   {} ago ({}){}\n    head {}\n", label, snapshot.seq,
                     SizeWords(snapshot.content_bytes), SpanWords(now - at), TimeWords(at),
                     snapshot.partial ? "   INCOMPLETE" : "", snapshot.snapshot_id.hex());
}

}  // namespace

absl::Time DigestDue(const DigestConfig& config, absl::Time now) {
  const absl::CivilDay today = absl::ToCivilDay(now, config.zone);
  const auto due = [&](absl::CivilDay day) {
    return absl::FromCivil(absl::CivilMinute(day) + config.minute, config.zone);
  };
  return due(today) <= now ? due(today) : due(today - 1);
}

absl::StatusOr<notify::Message> MakeDigest(catalog::Catalog& catalog, absl::Time now) {
  ASSIGN_OR_RETURN(const auto sources, catalog.ListSources(true));
  ASSIGN_OR_RETURN(const auto open, catalog.alerts().OpenAlerts());
  notify::Message message;
  message.kind = "digest";
  message.subject = "backups";
  message.severity = notify::Severity::kInfo;
  message.at = now;
  std::size_t fresh = 0;
  for (const catalog::SourceRow& row : sources) {
    ASSIGN_OR_RETURN(const auto newest, catalog.ListSnapshots(row.id, 1));
    message.text += SourceLine(SourceLabel(catalog, row.id), newest, now);
    if (!newest.empty() &&
        now - absl::FromUnixMillis(static_cast<std::int64_t>(newest[0].committed_at_ms)) <
            absl::Hours(25)) {
      ++fresh;
    }
  }
  message.text += open.empty() ? "\nNo alert is open.\n" : "\nOpen alerts:\n";
  for (const catalog::AlertRow& alert : open) {
    message.text += fmt::format("  {}  {}{}\n", alert.id, alert.title,
                                alert.state == catalog::AlertState::kAcknowledged
                                    ? fmt::format(" (acknowledged by {})", alert.acknowledged_by)
                                    : "");
  }
  message.title = fmt::format("{} of {} sources backed up within 25 h, {} alerts open", fresh,
                              sources.size(), open.size());
  message.facts.push_back({"Sources", std::to_string(sources.size())});
  message.facts.push_back({"Open alerts", std::to_string(open.size())});
  return message;
}

}  // namespace holdfast::alert
