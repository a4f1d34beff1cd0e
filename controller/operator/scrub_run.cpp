#include "controller/operator/scrub_run.h"

#include "common/base/error.h"
#include "proto/operator.pb.h"

namespace holdfast::operator_service {
namespace {

constexpr int kListedPacks = 1000;

void FillReport(const scrub::ScrubReport& report, v1::ScrubReport* out) {
  out->set_packs(report.packs);
  out->set_bytes(report.bytes);
  out->set_repaired(report.repaired);
  out->set_parity_made(report.parity_made);
  out->set_bad_chunks(report.bad_chunks);
  out->set_revived_chunks(report.revived_chunks);
  for (const PackName& pack : report.damaged_packs) {
    if (out->damaged_packs_size() < kListedPacks) out->add_damaged_packs(pack.hex());
  }
  for (const catalog::DamagedSource& source : report.damage) {
    FillDamage(source, out->add_damage());
  }
  out->set_duration_ms(static_cast<std::uint64_t>(absl::ToInt64Milliseconds(report.duration)));
}

}  // namespace

void FillDamage(const catalog::DamagedSource& source, v1::ScrubDamage* out) {
  out->set_source_id(source.id.bytes());
  out->set_source_name(source.name);
  out->set_chunks(source.chunks);
  for (const std::uint64_t seq : source.seqs) out->add_seqs(seq);
}

absl::Status RunScrub(scrub::Scrubber& scrubber, scrub::ScrubScope scope,
                      const std::function<void(const v1::ScrubEvent&)>& write,
                      const std::function<bool()>& stopped) {
  std::uint64_t told = ~0ull;
  ASSIGN_OR_RETURN(const scrub::ScrubReport report,
                   scrubber.Run(scope, [&](const scrub::ScrubProgress& now) {
                     if (now.packs_done != told) {
                       told = now.packs_done;
                       v1::ScrubEvent event;
                       v1::ScrubProgress* progress = event.mutable_progress();
                       progress->set_packs_done(now.packs_done);
                       progress->set_packs_total(now.packs_total);
                       progress->set_bytes_done(now.bytes_done);
                       progress->set_bytes_total(now.bytes_total);
                       write(event);
                     }
                     return !stopped();
                   }));
  v1::ScrubEvent event;
  FillReport(report, event.mutable_report());
  write(event);
  return absl::OkStatus();
}

}  // namespace holdfast::operator_service
