#include "controller/rebuild/source_history.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/format/commit_facts.h"
#include "common/format/layout.h"
#include "common/format/reference_list.h"
#include "fmt/format.h"

namespace holdfast::rebuild {
namespace {

constexpr std::uint64_t kMaxListBytes = 1ull << 30;
constexpr std::size_t kRunIdBytes = 16;

absl::Status Bad(std::string_view why) {
  return Error(ErrorKind::kIntegrity, 5074, fmt::format("unable to use the record: {}", why));
}

}  // namespace

absl::StatusOr<SourceHistory::Known> SourceHistory::ReadRecord(
    std::uint64_t seq, const std::vector<KnownAgent>& agents, AgentId* signer) const {
  ASSIGN_OR_RETURN(
      const Bytes bytes,
      fs_.ReadFile(JoinPath(root_, layout::RecordPath(source_, seq)), kMaxRecordBytes));
  Known known;
  ASSIGN_OR_RETURN(known.clear, ParseRecord(bytes));
  known.hash = RecordHash(bytes);
  if (known.clear.source != source_ || known.clear.seq != seq) {
    return Bad("it is of another source or number");
  }
  const KnownAgent* unverified = nullptr;
  for (const KnownAgent& agent : agents) {
    if (agent.identity.domain != known.clear.domain) continue;
    if (!agent.verified) unverified = &agent;
    if (agent.verified && VerifyRecord(bytes, agent.identity.signing_key).ok()) {
      *signer = agent.identity.agent_id;
      return known;
    }
  }
  if (unverified == nullptr) return Bad("no agent of this owner signed it, or it is damaged");
  *signer = unverified->identity.agent_id;
  return known;
}

bool SourceHistory::ReadRecords(const std::vector<KnownAgent>& agents,
                                std::vector<Finding>* damage) {
  for (const std::uint64_t seq : files_.records) {
    AgentId signer;
    auto known = ReadRecord(seq, agents, &signer);
    if (!known.ok()) {
      damage->push_back({layout::RecordPath(source_, seq), MessageOf(known.status())});
      continue;
    }
    const auto before = records_.find(seq - 1);
    if (before != records_.end() && known->clear.previous != before->second.hash) {
      damage->push_back({layout::RecordPath(source_, seq), "it does not follow the one before"});
    }
    records_.emplace(seq, *std::move(known));
    agent_ = signer;
  }
  return !records_.empty();
}

std::uint64_t SourceHistory::newest_taken_at_ms() const {
  return records_.empty() ? 0 : records_.rbegin()->second.clear.taken_at_ms;
}

// True: the set is exactly that of snapshot `seq` now.
absl::StatusOr<bool> SourceHistory::ApplyList(catalog::CatalogBuilder& builder, std::uint64_t seq,
                                              const Known* record, std::uint64_t exact_seq,
                                              std::vector<Finding>* damage) const {
  const std::string path = layout::ReferencesPath(source_, seq);
  const auto refuse = [&](std::string_view why) {
    damage->push_back({path, fmt::format("{}; until the next full list every chunk of the domain "
                                         "counts as referenced",
                                         why)});
    return false;
  };
  const auto bytes = fs_.ReadFile(JoinPath(root_, path), kMaxListBytes);
  if (!bytes.ok()) return refuse(MessageOf(bytes.status()));
  if (record != nullptr && record->clear.reference_list_hash != Sha256(*bytes)) {
    return refuse("it is not the list that its record names");
  }
  const auto list = DecodeReferenceList(*bytes);
  if (!list.ok()) return refuse(MessageOf(list.status()));
  if (!list->full && (list->base_seq == 0 || list->base_seq != exact_seq)) {
    // A list that it builds on was named already, or is not there.
    if (exact_seq != 0 || !files_.lists.contains(list->base_seq)) {
      return refuse("it builds on a list that is not there");
    }
    return false;
  }
  if (record == nullptr) {
    // Nothing signs it: a changed id shows as a chunk that is not there.
    ASSIGN_OR_RETURN(const bool fits, builder.Fits(list->added, list->removed));
    if (!fits) return refuse("it names chunks that are not there, and has no record");
  }
  if (list->full) {
    RETURN_IF_ERROR(builder.ApplyFull(list->added));
  } else {
    RETURN_IF_ERROR(builder.ApplyDifference(list->added, list->removed));
  }
  return true;
}

catalog::FoundSnapshot SourceHistory::Describe(const Known& record, RebuildReport* report) const {
  catalog::FoundSnapshot found;
  catalog::SnapshotRow& row = found.row;
  row.seq = record.clear.seq;
  row.snapshot_id = record.hash;
  row.taken_at_ms = record.clear.taken_at_ms;
  row.partial = record.clear.partial;
  const std::string path = layout::CommitFactsPath(source_, row.seq);
  const auto bytes = fs_.ReadFile(JoinPath(root_, path), 4096);
  const auto facts = bytes.ok() ? DecodeCommitFacts(*bytes) : bytes.status();
  if (facts.ok() && facts->snapshot_id == record.hash) {
    found.run_id = facts->run_id;
    row.committed_at_ms = facts->committed_at_ms;
    row.content_bytes = facts->content_bytes;
    row.entry_count = facts->entry_count;
    row.stored_bytes = facts->stored_bytes;
    row.duration_ms = facts->duration_ms;
    return found;
  }
  report->notes.push_back(fmt::format(
      "{}: not there or not readable; size and counts of this snapshot are shown as 0", path));
  found.run_id = Bytes(record.hash.view().substr(0, kRunIdBytes));
  row.committed_at_ms = row.taken_at_ms;
  return found;
}

void SourceHistory::CheckEnvelopes(const Known& record, RebuildReport* report) const {
  for (const KeyId& key : record.clear.key_ids) {
    const std::string path = layout::EnvelopePath(record.clear.domain, key);
    const auto bytes = fs_.ReadFile(JoinPath(root_, path));
    const auto id = bytes.ok() ? PeekKeyEnvelope(*bytes) : bytes.status();
    if (id.ok() && *id == key) continue;
    report->damage.push_back(
        {path, fmt::format("snapshot {} of source {} needs it: {}", record.clear.seq, source_.hex(),
                           id.ok() ? "it is of another key" : MessageOf(id.status()))});
  }
}

absl::Status SourceHistory::Build(catalog::CatalogBuilder& builder, RebuildReport* report) const {
  std::set<std::uint64_t> seqs = files_.lists;
  seqs.insert(files_.records.begin(), files_.records.end());
  catalog::SourceRow row;
  row.id = source_;
  row.agent = agent_;
  row.name = "source-" + source_.hex().substr(0, 8);
  row.kind = "unknown";
  RETURN_IF_ERROR(builder.BeginSource(row, *seqs.rbegin()));
  std::uint64_t exact_seq = 0;  // whose set is exact; 0: none
  for (const std::uint64_t seq : seqs) {
    const auto found = records_.find(seq);
    const Known* record = found == records_.end() ? nullptr : &found->second;
    ASSIGN_OR_RETURN(const bool exact, ApplyList(builder, seq, record, exact_seq, &report->damage));
    exact_seq = exact ? seq : 0;
    if (!exact) RETURN_IF_ERROR(builder.ApplyUnknown());
    if (record == nullptr) continue;
    CheckEnvelopes(*record, report);
    RETURN_IF_ERROR(builder.Keep(Describe(*record, report)));
    ++report->snapshots;
  }
  return builder.EndSource();
}

}  // namespace holdfast::rebuild
