// The collector's work on files: packs, records, reference lists, envelopes.
#include <map>
#include <set>

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/format/record.h"
#include "common/log/log.h"
#include "controller/retention/collector.h"
#include "controller/retention/repacker.h"
#include "controller/retention/round.h"
#include "fmt/format.h"

namespace holdfast::retention {
namespace {}  // namespace

absl::Status Collector::RetireEmptyPacks(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto packs, collection.WeighTouchedPacks());
  for (const catalog::PackWeight& pack : packs) {
    if (pack.live_bytes > 0 || pack.has_bad) continue;
    RETURN_IF_ERROR(Breathe(round));
    HOLDFAST_FAIL_POINT("gc.retire");
    RETURN_IF_ERROR(collection.RetirePack(pack.pack_row).status());
  }
  return absl::OkStatus();
}

absl::Status Collector::RemoveRetiredPacks(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto packs, collection.ListRetiredPacks());
  for (const catalog::PackWeight& pack : packs) {
    RETURN_IF_ERROR(Breathe(round));
    HOLDFAST_FAIL_POINT("gc.unlink");
    RETURN_IF_ERROR(store_.RemovePack(pack.name));
    HOLDFAST_FAIL_POINT("gc.unlinked");
    RETURN_IF_ERROR(collection.ForgetRetiredPack(pack.pack_row));
    ++round->report.removed_packs;
    round->report.freed_bytes += pack.size_bytes;
  }
  return absl::OkStatus();
}

absl::Status Collector::RepackPacks(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto packs, collection.WeighTouchedPacks());
  std::map<DomainId, std::vector<catalog::PackWeight>> light;
  std::vector<catalog::PackWeight> well_used;
  for (const catalog::PackWeight& pack : packs) {
    if (!pack.has_bad && IsLight(pack, options_.live_percent)) {
      light[pack.domain].push_back(pack);
    } else {
      well_used.push_back(pack);
    }
  }
  RETURN_IF_ERROR(collection.SetWeighed(well_used));
  for (const auto& [domain, of_domain] : light) {
    Repacker repacker(catalog_, store_);
    absl::Status status;
    for (const catalog::PackWeight& pack : of_domain) {
      RETURN_IF_ERROR(Breathe(round));
      status = repacker.Add(pack);
      if (!status.ok()) break;
    }
    if (status.ok()) status = repacker.Finish();
    for (const ChunkId& id : repacker.damaged()) {
      round->report.notes.push_back(fmt::format(
          "chunk {} is damaged; the next backup sends it again if it is still there", id.hex()));
    }
    round->written_bytes += repacker.written_bytes();
    if (KindOf(status) == ErrorKind::kNoSpace || absl::IsNotFound(status)) {
      // Packs that are empty go all the same, and make room.
      round->report.notes.push_back(
          fmt::format("not everything was copied together: {}", MessageOf(status)));
    } else {
      RETURN_IF_ERROR(status);
    }
    for (const catalog::PackWeight& pack : of_domain) {
      ASSIGN_OR_RETURN(const bool retired, collection.RetirePack(pack.pack_row));
      round->report.repacked_packs += retired ? 1 : 0;
    }
  }
  return absl::OkStatus();
}

absl::Status Collector::RemoveDocuments(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto leftovers, collection.ListLeftovers());
  for (const catalog::Leftover& leftover : leftovers) {
    RETURN_IF_ERROR(Breathe(round));
    HOLDFAST_FAIL_POINT("gc.record");
    if (!leftover.record_gone) RETURN_IF_ERROR(RemoveRecord(leftover, round));
    if (leftover.list_needed) continue;
    HOLDFAST_FAIL_POINT("gc.list");
    RETURN_IF_ERROR(store_.RemovePurgedReferences(leftover.source, leftover.seq));
    RETURN_IF_ERROR(collection.ForgetLeftover(leftover.source, leftover.seq));
    ++round->report.removed_documents;
  }
  return absl::OkStatus();
}

// The record names the run's key: noted before it goes, so that the envelope can follow.
absl::Status Collector::RemoveRecord(const catalog::Leftover& leftover, Round* round) {
  catalog::Collection& collection = catalog_.collection();
  const auto record = store_.GetRecord(leftover.source, leftover.seq);
  if (record.ok()) {
    // A damaged one names no key that could be trusted: its envelope stays.
    if (const auto clear = ParseRecord(*record); clear.ok()) {
      std::vector<catalog::DomainKey> keys;
      for (const KeyId& key : clear->key_ids) keys.push_back({clear->domain, key});
      RETURN_IF_ERROR(collection.AddKeyLeftovers(keys));
    }
    HOLDFAST_FAIL_POINT("gc.remove-record");
    RETURN_IF_ERROR(store_.RemovePurgedRecord(leftover.source, leftover.seq));
    ++round->report.removed_documents;
  } else if (!absl::IsNotFound(record.status())) {
    return record.status();
  }
  return collection.SetRecordGone(leftover.source, leftover.seq);
}

absl::Status Collector::LearnPackKeys(const DomainId& domain, Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto packs, collection.ListPacksOfUnknownKeys(domain));
  for (const catalog::PackWeight& pack : packs) {
    RETURN_IF_ERROR(Breathe(round));
    const auto keys = store_.PackKeys(pack.name);
    // A pack that does not read keeps every envelope of its domain.
    if (!keys.ok()) {
      log::Warn("unable to tell the keys of pack {}: {}", pack.name.hex(),
                MessageOf(keys.status()));
      continue;
    }
    RETURN_IF_ERROR(collection.SetPackKeys(pack.pack_row, *keys));
  }
  return absl::OkStatus();
}

// An envelope goes when no object in any pack of the domain is sealed under its key, and no record
// that is kept names it.
absl::Status Collector::RemoveEnvelopes(Round* round) {
  catalog::Collection& collection = catalog_.collection();
  ASSIGN_OR_RETURN(const auto leftovers, collection.ListKeyLeftovers());
  std::map<DomainId, std::set<KeyId>> named;
  for (const catalog::DomainKey& one : leftovers) {
    if (named.contains(one.domain)) continue;
    RETURN_IF_ERROR(LearnPackKeys(one.domain, round));
    ASSIGN_OR_RETURN(named[one.domain], KeysNamedIn(one.domain));
  }
  for (const catalog::DomainKey& one : leftovers) {
    RETURN_IF_ERROR(Breathe(round));
    ASSIGN_OR_RETURN(const bool used, collection.KeyMayBeUsed(one));
    if (used || named[one.domain].contains(one.key)) continue;
    HOLDFAST_FAIL_POINT("gc.envelope");
    RETURN_IF_ERROR(store_.RemoveEnvelope(one.domain, one.key));
    RETURN_IF_ERROR(collection.ForgetKeyLeftover(one));
    ++round->report.removed_documents;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<KeyId>> Collector::KeysNamedIn(const DomainId& domain) {
  std::set<KeyId> keys;
  const auto add = [&](const SourceId& source, std::uint64_t seq) -> absl::Status {
    ASSIGN_OR_RETURN(const Bytes record, store_.GetRecord(source, seq));
    ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(record));
    keys.insert(clear.key_ids.begin(), clear.key_ids.end());
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const auto sources, catalog_.ListSources(false));
  for (const catalog::SourceRow& source : sources) {
    ASSIGN_OR_RETURN(const auto snapshots, catalog_.ListSnapshots(source.id, kEverySnapshot));
    for (const catalog::SnapshotRow& row : snapshots) {
      if (row.domain == domain) RETURN_IF_ERROR(add(source.id, row.seq));
    }
  }
  ASSIGN_OR_RETURN(const auto trash, catalog_.collection().ListTrash());
  for (const catalog::TrashedSnapshot& one : trash) {
    if (!one.purging && one.snapshot.domain == domain) {
      RETURN_IF_ERROR(add(one.snapshot.source, one.snapshot.seq));
    }
  }
  return keys;
}

}  // namespace holdfast::retention
