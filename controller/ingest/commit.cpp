#include "controller/ingest/commit.h"

#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/format/commit_facts.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "common/format/trust.h"
#include "fmt/format.h"

namespace holdfast::ingest {
namespace {

absl::Status Refused(std::string_view why) {
  return Error(ErrorKind::kIntegrity, 5030, fmt::format("unable to commit the snapshot: {}", why));
}

absl::Status CheckSigner(catalog::Catalog& catalog, store::Store& store, const CommitInput& input,
                         const DomainId& domain) {
  ASSIGN_OR_RETURN(const catalog::Installation installation, catalog.GetInstallation());
  if (!installation.owner) return Refused("the installation has no owner yet");
  ASSIGN_OR_RETURN(const Bytes document, store.GetIdentity(domain, input.agent.id));
  ASSIGN_OR_RETURN(const AgentIdentity identity, OpenAgentIdentity(document, *installation.owner));
  return VerifyRecord(input.record, identity.signing_key);
}

absl::Status CheckPlace(catalog::Catalog& catalog, store::Store& store, const CommitInput& input,
                        const RecordClear& clear) {
  ASSIGN_OR_RETURN(const catalog::SourceRow source, catalog.GetSource(input.source));
  if (clear.seq != source.head_seq + 1) {
    return Error(ErrorKind::kConflict, 5031,
                 fmt::format("unable to commit snapshot {} of '{}': the newest is {}", clear.seq,
                             Escaped(source.name), source.head_seq),
                 "Run the backup again.");
  }
  if (source.head_seq == 0) {
    return clear.previous.IsZero() ? absl::OkStatus() : Refused("the first record names another");
  }
  ASSIGN_OR_RETURN(const Bytes head, store.GetRecord(input.source, source.head_seq));
  if (clear.previous != RecordHash(head)) return Refused("it does not follow the newest record");
  return absl::OkStatus();
}

absl::StatusOr<ReferenceListReader> ReadList(const store::StagedDocument& document) {
  return ReferenceListReader::Open(document.size_bytes(),
                                   [&document](std::uint64_t offset, std::size_t size) {
                                     return document.ReadAt(offset, size);
                                   });
}

}  // namespace

absl::StatusOr<catalog::CommitResult> CommitRun(Env env, catalog::Catalog& catalog,
                                                store::Store& store, const CommitInput& input) {
  RETURN_IF_ERROR(catalog.SettleDoubt());
  ASSIGN_OR_RETURN(const auto before, catalog.FindRun(input.source, input.run_id));
  if (before) return catalog::CommitResult{*before, {}};

  ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(input.record));
  if (!input.agent.domain || clear.domain != *input.agent.domain || clear.source != input.source) {
    return Refused("its record is of another domain or source");
  }
  RETURN_IF_ERROR(CheckSigner(catalog, store, input, clear.domain));
  RETURN_IF_ERROR(CheckPlace(catalog, store, input, clear));
  if (clear.reference_list_hash != input.references->hash()) {
    return Refused("the reference list is not the one that the record names");
  }
  ASSIGN_OR_RETURN(const ReferenceListReader list, ReadList(*input.references));
  if (!list.full() && list.base_seq() + 1 != clear.seq) {
    return Refused("its reference list builds on another snapshot than the one before");
  }
  for (const KeyId& key : clear.key_ids) {
    RETURN_IF_ERROR(WithContext(store.GetEnvelope(clear.domain, key).status(),
                                "unable to commit the snapshot: its key envelope is not stored"));
  }

  catalog::SnapshotCommit commit;
  commit.source = input.source;
  commit.run_id = input.run_id;
  commit.seq = clear.seq;
  commit.snapshot_id = RecordHash(input.record);
  commit.taken_at_ms = clear.taken_at_ms;
  commit.partial = clear.partial;
  commit.content_bytes = input.content_bytes;
  commit.entry_count = input.entry_count;
  commit.stored_bytes = input.stored_bytes;
  commit.duration_ms = input.duration_ms;
  commit.full = list.full();
  commit.added = {list.added_count(),
                  [&list](catalog::IdSequence::Visit visit) { return list.ForEachAdded(visit); }};
  commit.removed = {list.removed_count(), [&list](catalog::IdSequence::Visit visit) {
                      return list.ForEachRemoved(visit);
                    }};

  // A record of this number that is not in the catalog is what a crash left between the two steps
  // below.
  HOLDFAST_FAIL_POINT("commit.clear");
  RETURN_IF_ERROR(store.RemoveRecord(input.source, clear.seq));
  HOLDFAST_FAIL_POINT("commit.record");
  RETURN_IF_ERROR(store.PutRecord(input.source, clear.seq, input.record, *input.references));
  const auto now_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(env.clock.Now()));
  HOLDFAST_FAIL_POINT("commit.facts");
  RETURN_IF_ERROR(store.PutCommitFacts(
      input.source, clear.seq,
      EncodeCommitFacts({commit.snapshot_id, commit.run_id, now_ms, commit.content_bytes,
                         commit.entry_count, commit.stored_bytes, commit.duration_ms})));
  HOLDFAST_FAIL_POINT("commit.catalog");
  auto result = catalog.CommitSnapshot(commit, now_ms);
  HOLDFAST_FAIL_POINT("commit.answer");
  // After an error the catalog may hold the snapshot all the same: the commit was done, and what
  // came after it failed. Then its record is needed; else the next commit of the number replaces
  // it.
  if (!result.ok() || result->missing.empty()) return result;
  RETURN_IF_ERROR(store.RemoveRecord(input.source, clear.seq));
  return result;
}

}  // namespace holdfast::ingest
