#include "controller/retention/collector.h"

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/log/log.h"
#include "controller/retention/round.h"
#include "fmt/format.h"

namespace holdfast::retention {
namespace {

// A clock that is right keeps running; one that was set wrong is noticed within a day.
constexpr absl::Duration kClockTrustedAfter = absl::Hours(24);
constexpr std::size_t kMostNamed = 50;  // snapshots in one row of the audit trail

std::uint64_t Millis(absl::Time time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, absl::ToUnixMillis(time)));
}

std::vector<Snapshot> ForJudging(const std::vector<catalog::SnapshotRow>& rows) {
  std::vector<Snapshot> snapshots;
  for (const catalog::SnapshotRow& row : rows) {
    snapshots.push_back({row.seq,
                         absl::FromUnixMillis(static_cast<std::int64_t>(row.committed_at_ms)),
                         row.verified_at_ms != 0, row.content_bytes});
  }
  return snapshots;
}

std::string SnapshotsText(const std::vector<std::uint64_t>& seqs) {
  std::string text = seqs.size() == 1 ? "snapshot" : "snapshots";
  for (std::size_t i = 0; i < std::min(seqs.size(), kMostNamed); ++i) {
    text += fmt::format("{} {}", i == 0 ? "" : ",", seqs[i]);
  }
  if (seqs.size() > kMostNamed) text += fmt::format(" and {} more", seqs.size() - kMostNamed);
  return text;
}

std::vector<std::uint64_t> Expiring(const Explanation& found) {
  std::vector<std::uint64_t> seqs;
  for (const Verdict& verdict : found.verdicts) {
    if (!verdict.keep) seqs.push_back(verdict.seq);
  }
  return seqs;
}

}  // namespace

std::string NameOf(const catalog::SourceRow& source, std::uint64_t seq) {
  return fmt::format("{}@{}", Escaped(source.name), seq);
}

Collector::Collector(Env env, catalog::Catalog& catalog, store::Store& store,
                     CollectorOptions options, IsRead is_read)
    : env_(env),
      catalog_(catalog),
      store_(store),
      options_(options),
      is_read_(std::move(is_read)) {}

std::uint64_t Collector::NowMs() const { return Millis(env_.clock.Now()); }

absl::StatusOr<CollectionReport> Collector::Run(Pace pace, std::stop_token stop) {
  std::lock_guard lock(mutex_);
  if (!store_.writable()) {
    return Error(ErrorKind::kUnreachable, 5083,
                 "unable to collect garbage: the store refuses writes after a failed one",
                 "Look at the kernel log for disk errors.");
  }
  Round round{pace, std::move(stop), NowMs(), {}};
  ASSIGN_OR_RETURN(const std::string doubt, ClockDoubt());
  // Of a predecessor, first: a pack that is copied again may be one that it made and left unused.
  RETURN_IF_ERROR(RemoveRetiredPacks(&round));
  if (doubt.empty()) {
    RETURN_IF_ERROR(Expire(&round));
    RETURN_IF_ERROR(Purge(&round));
    RETURN_IF_ERROR(SweepChunks(&round));
  } else {
    round.report.notes.push_back(doubt);
  }
  RETURN_IF_ERROR(RemoveDocuments(&round));
  RETURN_IF_ERROR(RetireEmptyPacks(&round));
  RETURN_IF_ERROR(RemoveRetiredPacks(&round));
  RETURN_IF_ERROR(RepackPacks(&round));
  RETURN_IF_ERROR(RemoveRetiredPacks(&round));
  RETURN_IF_ERROR(RemoveEnvelopes(&round));
  round.report.freed_bytes -= std::min(round.report.freed_bytes, round.written_bytes);
  ASSIGN_OR_RETURN(round.report.waiting_bytes, catalog_.collection().UnreferencedBytes());
  return std::move(round.report);
}

absl::Status Collector::Breathe(Round* round) {
  if (stopping_ || round->stop.stop_requested()) {
    return absl::CancelledError("collection was stopped");
  }
  if (round->pace == Pace::kGentle) env_.clock.SleepFor(absl::Milliseconds(10), round->stop);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Collector::ClockDoubt() {
  ASSIGN_OR_RETURN(const std::uint64_t seen_ms, catalog_.collection().ClockSeen());
  const absl::Time now = env_.clock.Now();
  const absl::Time seen = absl::FromUnixMillis(static_cast<std::int64_t>(seen_ms));
  if (seen_ms != 0 && ClockLeapt(seen, now)) {
    const absl::Duration running = env_.clock.Monotonic();
    if (!clock_doubted_since_) clock_doubted_since_ = running;
    if (running - *clock_doubted_since_ < kClockTrustedAfter) {
      return fmt::format(
          "nothing expires: the clock says {}, and said {} when it was last looked at; it is "
          "trusted after 24 h, or at once by 'holdfast gc --accept-clock'",
          absl::FormatTime("%Y-%m-%d %H:%M UTC", now, absl::UTCTimeZone()),
          absl::FormatTime("%Y-%m-%d %H:%M UTC", seen, absl::UTCTimeZone()));
    }
  }
  clock_doubted_since_.reset();
  RETURN_IF_ERROR(catalog_.collection().SetClockSeen(Millis(now)));
  return std::string();
}

absl::Status Collector::AcceptClock(const std::string& by) {
  std::lock_guard lock(mutex_);
  clock_doubted_since_.reset();
  return catalog_.audit().Audited({NowMs(), by, "gc.accept-clock", "the controller's clock", ""},
                                  [&] { return catalog_.collection().SetClockSeen(NowMs()); });
}

absl::StatusOr<Explanation> Collector::Explain(const SourceId& source_id) {
  ASSIGN_OR_RETURN(const catalog::SourceRow source, catalog_.GetSource(source_id));
  Explanation found;
  ASSIGN_OR_RETURN(const Bytes text, catalog_.collection().GetPolicy(source_id));
  found.is_default = text.empty();
  if (found.is_default) {
    found.policy = DefaultPolicy(source.kind);
  } else {
    ASSIGN_OR_RETURN(found.policy, ParsePolicy(text));
  }
  ASSIGN_OR_RETURN(found.snapshots, catalog_.ListSnapshots(source_id, kEverySnapshot));
  found.verdicts = Judge(found.policy, ForJudging(found.snapshots), env_.clock.Now());
  ASSIGN_OR_RETURN(found.pause, PauseOf(source, found));
  return found;
}

absl::StatusOr<std::string> Collector::PauseOf(const catalog::SourceRow& source,
                                               const Explanation& found) {
  if (Expiring(found).empty()) return std::string();
  ASSIGN_OR_RETURN(const auto failure, catalog_.LastFailure(source.id));
  if (failure) return std::string("its last backup failed");
  return Doubt(ForJudging(found.snapshots), found.verdicts);
}

absl::Status Collector::SetPolicy(const SourceId& source, const std::optional<Policy>& policy,
                                  const std::string& by) {
  if (policy) RETURN_IF_ERROR(CheckPolicy(*policy));
  const std::string text = policy ? PolicyText(*policy) : "";
  ASSIGN_OR_RETURN(const Bytes before, catalog_.collection().GetPolicy(source));
  const auto words = [](const std::string& one) { return one.empty() ? "the default" : one; };
  return catalog_.audit().Audited(
      {NowMs(), by, "retention.set", catalog::QualifiedName(catalog_, source),
       fmt::format("{}; was {}", words(text), words(before))},
      [&] { return catalog_.collection().SetPolicy(source, text); });
}

absl::Status Collector::Confirm(const SourceId& source, std::uint64_t removals,
                                const std::string& by) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const Explanation found, Explain(source));
  const std::vector<std::uint64_t> seqs = Expiring(found);
  if (seqs.size() != removals) {
    return Error(ErrorKind::kConflict, 5082,
                 fmt::format("unable to apply the retention policy: it would remove {} snapshots, "
                             "not {}",
                             seqs.size(), removals),
                 "Look at 'holdfast retention explain' again.");
  }
  return ForgetAs("retention.confirm", source, seqs, by);
}

absl::Status Collector::Forget(const SourceId& source, const std::vector<std::uint64_t>& seqs,
                               const std::string& by) {
  return ForgetAs("snapshot.forget", source, seqs, by);
}

absl::Status Collector::ForgetAs(std::string_view action, const SourceId& source,
                                 const std::vector<std::uint64_t>& seqs, const std::string& by) {
  const absl::Time until = env_.clock.Now() + options_.trash_time;
  return catalog_.audit().Audited(
      {NowMs(), by, std::string(action), catalog::QualifiedName(catalog_, source),
       fmt::format("{}, in the trash until {}", SnapshotsText(seqs),
                   absl::FormatTime("%Y-%m-%d %H:%M UTC", until, absl::UTCTimeZone()))},
      [&] { return catalog_.collection().Forget(source, seqs, Millis(until)); });
}

absl::Status Collector::Expire(Round* round) {
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(false));
  for (const catalog::SourceRow& source : sources) {
    ASSIGN_OR_RETURN(const Explanation found, Explain(source.id));
    const std::vector<std::uint64_t> seqs = Expiring(found);
    if (seqs.empty()) continue;
    if (!found.pause.empty()) {
      round->report.notes.push_back(
          fmt::format("nothing of '{}' expires: {}", Escaped(source.name), Escaped(found.pause)));
      continue;
    }
    HOLDFAST_FAIL_POINT("gc.expire");
    RETURN_IF_ERROR(ForgetAs("snapshot.expire", source.id, seqs, "the retention policy"));
    for (const std::uint64_t seq : seqs) round->report.trashed.push_back(NameOf(source, seq));
  }
  return absl::OkStatus();
}

absl::Status Collector::Purge(Round* round) {
  ASSIGN_OR_RETURN(const auto trash, catalog_.collection().ListTrash());
  for (const catalog::TrashedSnapshot& one : trash) {
    const catalog::SnapshotRow& snapshot = one.snapshot;
    const bool due = one.purge_after_ms <= round->now_ms;
    if (!one.purging && (!due || is_read_(snapshot.source))) continue;
    ASSIGN_OR_RETURN(const catalog::SourceRow source, catalog_.GetSource(snapshot.source));
    std::uint64_t steps = 0;
    for (bool more = true; more; ++steps) {
      RETURN_IF_ERROR(Breathe(round));
      HOLDFAST_FAIL_POINT("gc.purge");
      ASSIGN_OR_RETURN(const catalog::Step step, catalog_.collection().PurgeStep(
                                                     snapshot.source, snapshot.seq, round->now_ms));
      more = step.more;
    }
    // One step that does nothing: it is the newest, or was undeleted meanwhile.
    if (steps > 1 || one.purging) round->report.purged.push_back(NameOf(source, snapshot.seq));
  }
  return absl::OkStatus();
}

absl::Status Collector::SweepChunks(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  for (bool more = true; more;) {
    RETURN_IF_ERROR(Breathe(round));
    HOLDFAST_FAIL_POINT("gc.condemn");
    ASSIGN_OR_RETURN(const catalog::Step step, collection.CondemnStep(round->now_ms));
    more = step.more;
  }
  const auto delay_ms = static_cast<std::uint64_t>(absl::ToInt64Milliseconds(options_.sweep_delay));
  const std::uint64_t before = round->now_ms - std::min(round->now_ms, delay_ms);
  for (bool more = true; more;) {
    RETURN_IF_ERROR(Breathe(round));
    HOLDFAST_FAIL_POINT("gc.sweep");
    ASSIGN_OR_RETURN(const catalog::Step step, collection.SweepStep(before));
    round->report.swept_chunks += step.rows;
    round->report.swept_bytes += step.bytes;
    more = step.more;
  }
  return absl::OkStatus();
}

absl::StatusOr<CollectionReport> Collector::Preview() {
  CollectionReport report;
  catalog::Collection& collection = catalog_.collection();
  const std::uint64_t now_ms = NowMs();
  std::vector<catalog::Collection::SnapshotName> going;
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(false));
  for (const catalog::SourceRow& source : sources) {
    ASSIGN_OR_RETURN(const Explanation found, Explain(source.id));
    if (!found.pause.empty()) {
      report.notes.push_back(fmt::format("nothing of '{}' would expire: {}", Escaped(source.name),
                                         Escaped(found.pause)));
      continue;
    }
    for (const std::uint64_t seq : Expiring(found)) report.trashed.push_back(NameOf(source, seq));
  }
  ASSIGN_OR_RETURN(const auto trash, collection.ListTrash());
  for (const catalog::TrashedSnapshot& one : trash) {
    if (!one.purging && one.purge_after_ms > now_ms) continue;
    ASSIGN_OR_RETURN(const catalog::SourceRow source, catalog_.GetSource(one.snapshot.source));
    report.purged.push_back(NameOf(source, one.snapshot.seq));
    going.push_back({one.snapshot.source, one.snapshot.seq});
  }
  ASSIGN_OR_RETURN(const std::uint64_t held, collection.ExclusiveBytes(going));
  ASSIGN_OR_RETURN(const std::uint64_t unreferenced, collection.UnreferencedBytes());
  report.waiting_bytes = held + unreferenced;
  ASSIGN_OR_RETURN(const auto packs, collection.WeighTouchedPacks());
  for (const catalog::PackWeight& pack : packs) {
    if (pack.has_bad || !IsLight(pack, options_.live_percent)) continue;
    ++(pack.live_bytes == 0 ? report.removed_packs : report.repacked_packs);
    report.freed_bytes += pack.size_bytes - std::min(pack.size_bytes, pack.live_bytes);
  }
  ASSIGN_OR_RETURN(const auto retired, collection.ListRetiredPacks());
  for (const catalog::PackWeight& pack : retired) report.freed_bytes += pack.size_bytes;
  return report;
}

}  // namespace holdfast::retention
