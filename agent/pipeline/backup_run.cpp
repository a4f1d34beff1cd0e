#include "agent/pipeline/backup_run.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "agent/pipeline/chunk_pipeline.h"
#include "agent/pipeline/claim_check.h"
#include "agent/pipeline/manifest_writer.h"
#include "common/base/error.h"
#include "common/env/fail_point.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "common/snapshot/facts.h"
#include "common/snapshot/run_keys.h"
#include "fmt/format.h"

namespace holdfast::pipeline {
namespace {

constexpr std::size_t kAskBatch = 4096;
constexpr int kAttempts = 3;  // the controller may lack chunks that were known from the last run

constexpr int kListDoesNotFit =
    5024;  // of the controller: a difference to another set than its own

absl::Status Rollback(std::string_view what) {
  return Error(
      ErrorKind::kIntegrity, 4065, fmt::format("ROLLBACK or FORK detected: {}", what),
      "The controller's history is not the one this agent wrote. Find out whether it was "
      "restored from an old copy before you trust it; see docs/ARCHITECTURE.md, rollback.");
}

ContentWriter::Offer OfferOfLane(delta::DeltaRun* delta, ChunkPipeline& pipeline) {
  if (delta == nullptr) {
    return [&pipeline](ObjectType type, const ChunkId& id, ByteView plaintext) {
      return pipeline.Offer(type, id, plaintext);
    };
  }
  auto lane = std::make_shared<delta::DeltaRun::Lane>(*delta);
  return [lane, &pipeline](ObjectType type, const ChunkId& id, ByteView plaintext) {
    return pipeline.Offer(type, id, plaintext, lane->Next(type, id, plaintext));
  };
}

std::vector<ChunkId> SortedUnique(std::vector<ChunkId> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

ReferenceList ListOf(const std::vector<ChunkId>& now, const std::vector<ChunkId>& before,
                     std::uint64_t seq, bool before_is_known) {
  ReferenceList list;
  list.full = seq == 1 || seq % kFullReferenceEvery == 1 || !before_is_known;
  if (list.full) {
    list.added = now;
    return list;
  }
  list.base_seq = seq - 1;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(list.added));
  std::set_difference(before.begin(), before.end(), now.begin(), now.end(),
                      std::back_inserter(list.removed));
  return list;
}

}  // namespace

absl::Status BackupRun::CheckHead(const SessionStart& start) const {
  const Head& remembered = previous_.head;  // of a whole state file; a damaged one says nothing
  if (start.head_seq < remembered.seq) {
    return Rollback(fmt::format("this agent committed snapshot {}, the controller's newest is {}",
                                remembered.seq, start.head_seq));
  }
  if (start.head_seq == 0) return absl::OkStatus();
  RETURN_IF_ERROR(VerifyRecord(start.head_record, options_.keys->identity.signing_key));
  ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(start.head_record));
  if (clear.source != options_.source_id || clear.seq != start.head_seq) {
    return Rollback("its newest record is of another source or number");
  }
  const Hash256 hash = RecordHash(start.head_record);
  if (start.head_seq == remembered.seq && hash != remembered.record_hash) {
    return Rollback(fmt::format("snapshot {} is not the one this agent wrote", clear.seq));
  }
  if (remembered.seq != 0 && start.head_seq == remembered.seq + 1 &&
      clear.previous != remembered.record_hash) {
    return Rollback(fmt::format("snapshot {} does not follow the one this agent wrote", clear.seq));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Recipient>> BackupRun::Recipients(const SessionStart& start) const {
  ASSIGN_OR_RETURN(RecipientList list, OpenRecipientList(start.recipients, options_.keys->owner));
  FileSystem& fs = options_.env.fs;
  std::uint64_t seen = 0;
  if (fs.Exists(options_.recipients_version_path)) {
    ASSIGN_OR_RETURN(const Bytes text, fs.ReadFile(options_.recipients_version_path, 64));
    if (!absl::SimpleAtoi(text, &seen)) seen = 0;
  }
  if (list.version < seen) {
    return Rollback(fmt::format("its recipient list is version {}, this agent has seen {}",
                                list.version, seen));
  }
  if (list.version > seen) {
    RETURN_IF_ERROR(
        fs.WriteAtomically(options_.recipients_version_path, std::to_string(list.version)));
  }
  const AgentIdentity& self = options_.keys->identity;
  list.recipients.push_back({RecipientRole::kAgent, self.agent_name, self.recipient_key});
  return std::move(list.recipients);
}

// What is remembered must be the controller's head exactly; else it is read again from the
// controller.
absl::Status BackupRun::LoadPrevious(const SessionStart& start) {
  if (start.head_seq == 0) {
    previous_.Clear();
    return absl::OkStatus();
  }
  const Hash256 hash = RecordHash(start.head_record);
  if (previous_.head.seq == start.head_seq && previous_.head.record_hash == hash) {
    return absl::OkStatus();
  }
  previous_.Clear();
  ASSIGN_OR_RETURN(const OpenedSnapshot snapshot, options_.open_snapshot(start.head_seq));
  RETURN_IF_ERROR(snapshot.view->ForEachEntry([this](const Entry& entry) {
    previous_.Add(entry.path, EncodeEntry(entry));
    return absl::OkStatus();
  }));
  // Without the bases of deltas: enough to know what need not be sent, not to tell a difference.
  ASSIGN_OR_RETURN(previous_.references, ReferencedChunks(snapshot));
  references_known_ = false;
  previous_.head = {start.head_seq, hash};
  return absl::OkStatus();
}

std::unique_ptr<delta::DeltaRun> BackupRun::BeginDeltas(const SessionStart& start) const {
  const DeltaPlaces& places = options_.delta;
  if (places.state_path.empty()) return nullptr;
  const AgentKeys& keys = *options_.keys;
  auto id_key = std::make_shared<const HmacKey>(keys.secrets.id_key.view());
  auto run = std::make_unique<delta::DeltaRun>(delta::DeltaRun::Options{
      options_.env,
      places.enabled,
      places.state_path,
      places.cache_directory,
      places.cache_bytes,
      places.keep_new,
      {keys.secrets.domain, std::move(id_key), places.fetcher, keys.recipient}});
  run->Begin(start.head_seq == 0 ? Hash256() : RecordHash(start.head_record));
  return run;
}

absl::StatusOr<std::vector<ChunkId>> BackupRun::References(const std::vector<ChunkId>& content,
                                                           const std::vector<Slice>& manifest,
                                                           IngestSession& session) const {
  std::vector<ChunkId> references = content;
  if (delta_) {
    const std::vector<ChunkId> unknown = delta_->Unknown(content);
    for (std::size_t begin = 0; begin < unknown.size(); begin += kAskBatch) {
      const std::size_t end = std::min(unknown.size(), begin + kAskBatch);
      // What it lacks is found at commit.
      RETURN_IF_ERROR(
          AskAll(session, {unknown.begin() + begin, unknown.begin() + end}, delta_.get()).status());
    }
    const std::vector<ChunkId> bases = delta_->BasesOf(content);
    references.insert(references.end(), bases.begin(), bases.end());
  }
  for (const Slice& slice : manifest) references.push_back(slice.chunk);
  return SortedUnique(std::move(references));
}

absl::StatusOr<CommitRequest> BackupRun::Assemble(const SnapshotAssembly& assembly,
                                                  const source::SourceResult& result,
                                                  std::string kind, std::vector<Slice> manifest,
                                                  std::uint64_t manifest_bytes,
                                                  const SessionStart& start, const RunKey& key) {
  CommitRequest request;
  request.reference_list = EncodeReferenceList(
      ListOf(references_, previous_.references, start.head_seq + 1, references_known_));
  request.content_bytes = assembly.content_bytes();
  request.entry_count = assembly.entries().size();
  request.duration_ms =
      static_cast<std::uint64_t>(absl::ToInt64Milliseconds(options_.env.clock.Now() - started_));

  SnapshotFacts facts;
  facts.info.source_name = options_.source_name;
  facts.info.kind = std::move(kind);
  facts.info.entry_count = request.entry_count;
  facts.info.content_bytes = request.content_bytes;
  facts.info.taken_at = taken_at_;
  facts.info.position = result.position;
  facts.info.attributes = result.attributes;
  facts.info.notes = result.notes;
  facts.info.problems = assembly.problems();
  facts.summary = result.summary;
  facts.manifest = std::move(manifest);
  facts.manifest_bytes = manifest_bytes;
  facts.chunker_suite = chunker::kSuiteKeyedGear;

  RecordClear clear;
  clear.domain = options_.keys->secrets.domain;
  clear.source = options_.source_id;
  clear.seq = start.head_seq + 1;
  clear.taken_at_ms = static_cast<std::uint64_t>(absl::ToUnixMillis(taken_at_));
  if (start.head_seq > 0) clear.previous = RecordHash(start.head_record);
  clear.partial = assembly.problem_count() > 0;
  clear.reference_list_hash = Sha256(request.reference_list);
  clear.key_ids = {key.id};
  request.record = SealRecord(clear, EncodeSnapshotFacts(facts), key.key, options_.keys->signing,
                              options_.env.rng);
  if (request.record.size() > kMaxRecordBytes) {
    return Error(ErrorKind::kFailed, 2014,
                 "unable to commit: the snapshot record would be larger than 4 MiB");
  }
  report_.partial = clear.partial;
  report_.entry_count = request.entry_count;
  report_.content_bytes = request.content_bytes;
  report_.summary = result.summary;
  report_.attributes = result.attributes;
  report_.notes = result.notes;
  report_.problems = assembly.problems();
  report_.problem_count = assembly.problem_count();
  return request;
}

void BackupRun::Remember(const SnapshotAssembly& assembly, const CommitRequest& request) {
  // A mark that stays costs one full list.
  FileSystem& fs = options_.env.fs;
  if (fs.Exists(FullListMark())) fs.Remove(FullListMark()).IgnoreError();
  const Head now{report_.seq, RecordHash(request.record)};
  // The snapshot is committed whatever happens here; without the state the next run is only slower.
  if (const absl::Status saved =
          SaveSnapshotState(fs, options_.state_path, now, references_, assembly.entries());
      !saved.ok()) {
    report_.notes.push_back(
        fmt::format("the state for the next run was not kept: {}", MessageOf(saved)));
  }
  if (!delta_) return;
  if (const absl::Status saved = delta_->Remember(assembly.chunks(), now.record_hash);
      !saved.ok()) {
    report_.notes.push_back(
        fmt::format("what the next run needs for deltas was not kept: {}", MessageOf(saved)));
  }
}

absl::StatusOr<CommitOutcome> BackupRun::Attempt(source::Source& source, IngestSession& session,
                                                 const SessionStart& start, const RunKey& key,
                                                 RunProgress& progress, std::stop_token stop) {
  absl::flat_hash_set<ChunkId> known(previous_.references.begin(), previous_.references.end());
  for (const ChunkId& id : not_known_) known.erase(id);
  // An entry with a missing chunk must be read again, so nothing is reused after a refusal.
  static const PreviousSnapshot kNothing;
  const PreviousSnapshot& reusable = not_known_.empty() ? previous_ : kNothing;

  const DomainSecrets& secrets = options_.keys->secrets;
  const HmacKey id_key(secrets.id_key.view());
  const chunker::Chunker content(secrets.chunker_key, chunker::kContentSizes);
  const chunker::Chunker manifest(secrets.chunker_key, chunker::kManifestSizes);
  ChunkPipeline pipeline(session,
                         {{secrets.domain, key.id, key.key}, options_.seal_threads, delta_.get()},
                         std::move(known), options_.env.rng, stop);
  progress.bytes_done = 0;
  progress.items_done = 0;
  SnapshotAssembly assembly(
      {&content, &id_key, ObjectType::kContent,
       [&](std::uint64_t bytes) {
         progress.bytes_done += bytes;
         progress.new_bytes = pipeline.counters().new_bytes.load();
         progress.stored_bytes = pipeline.counters().sealed_bytes.load();
       }},
      [this, &pipeline] { return OfferOfLane(delta_.get(), pipeline); }, reusable, progress);

  taken_at_ = options_.env.clock.Now();
  ASSIGN_OR_RETURN(const source::SourceResult result, source.Read(assembly, stop));
  RETURN_IF_ERROR(assembly.Finish());
  HOLDFAST_FAIL_POINT("agent.manifest");
  ManifestWriter writer(manifest, id_key, pipeline);
  RETURN_IF_ERROR(writer.Write(assembly.entries()));
  RETURN_IF_ERROR(pipeline.Finish());
  report_.new_bytes = pipeline.counters().new_bytes;
  report_.stored_bytes = pipeline.counters().sealed_bytes;
  report_.sent_objects = pipeline.counters().new_chunks;
  progress.new_bytes = report_.new_bytes;
  progress.stored_bytes = report_.stored_bytes;

  report_.sent_deltas = delta_ ? delta_->delta_count() : 0;

  ASSIGN_OR_RETURN(references_, References(assembly.chunks(), writer.done().slices, session));
  ASSIGN_OR_RETURN(const CommitRequest request,
                   Assemble(assembly, result, source.kind(), writer.done().slices,
                            writer.done().content_bytes, start, key));
  HOLDFAST_FAIL_POINT("agent.commit");
  ASSIGN_OR_RETURN(CommitOutcome outcome, session.Commit(request));
  if (!outcome.missing.empty()) return outcome;
  HOLDFAST_FAIL_POINT("agent.committed");
  if (outcome.committed.snapshot_id != RecordHash(request.record)) {
    return Rollback("it confirmed another snapshot than the one sent");
  }
  report_.seq = outcome.committed.seq;
  report_.snapshot_id = outcome.committed.snapshot_id;
  Remember(assembly, request);
  CheckSomeClaims(assembly.chunks(), writer.done().slices);
  return outcome;
}

std::string BackupRun::BrokenClaimsPath() const { return options_.state_path + ".broken"; }

// Chunks that the controller did not give when they were asked back: not to be relied on.
std::vector<ChunkId> BackupRun::LoadBrokenClaims() const {
  std::vector<ChunkId> ids;
  const auto bytes = options_.env.fs.ReadFile(BrokenClaimsPath(), 1 << 20);
  if (!bytes.ok()) return ids;
  for (std::size_t at = 0; at + ChunkId::kSize <= bytes->size(); at += ChunkId::kSize) {
    ids.push_back(*ChunkId::From(ByteView(*bytes).substr(at, ChunkId::kSize)));
  }
  return ids;
}

// What is found broken makes the next run read its source anew, so that it is stored again.
void BackupRun::CheckSomeClaims(const std::vector<ChunkId>& content,
                                const std::vector<Slice>& manifest) {
  if (!options_.claims) return;
  const AgentKeys& keys = *options_.keys;
  const DomainId& domain = keys.secrets.domain;
  auto run_keys =
      std::make_shared<RunKeys>(std::vector<Bytes>(), domain, keys.recipient, options_.claims);
  ChunkReader reader(
      domain, std::make_shared<const HmacKey>(keys.secrets.id_key.view()),
      [run_keys](const KeyId& id) { return run_keys->Find(id); }, options_.claims, 0);
  std::vector<ChunkId> manifest_chunks;
  for (const Slice& slice : manifest) manifest_chunks.push_back(slice.chunk);
  Rng& rng = options_.env.rng;
  std::vector<BrokenClaim>& broken = report_.broken_claims;
  CheckClaims(reader, ObjectType::kContent, DrawClaims(content, kContentClaims, rng), &broken);
  CheckClaims(reader, ObjectType::kManifest, DrawClaims(manifest_chunks, kManifestClaims, rng),
              &broken);
  // Neither is worth the run: the claims are checked again next time.
  FileSystem& fs = options_.env.fs;
  if (broken.empty()) {
    if (fs.Exists(BrokenClaimsPath())) fs.Remove(BrokenClaimsPath()).IgnoreError();
    return;
  }
  Bytes ids;
  for (const BrokenClaim& claim : broken) ids.append(claim.chunk.view());
  fs.WriteAtomically(BrokenClaimsPath(), ids).IgnoreError();
}

std::string BackupRun::FullListMark() const { return options_.state_path + ".full"; }

// The controller's set is not the one that ours differs from: the next list says everything.
void BackupRun::RememberRefusedList(const absl::Status& status) const {
  if (CodeOf(status) != kListDoesNotFit) return;
  // Without the mark the next run fails as this one did.
  options_.env.fs.WriteAtomically(FullListMark(), "").IgnoreError();
}

absl::StatusOr<BackupReport> BackupRun::Run(source::Source& source, IngestSession& session,
                                            RunProgress& progress, std::stop_token stop) {
  started_ = options_.env.clock.Now();
  RETURN_IF_ERROR(source.Check(stop));
  ASSIGN_OR_RETURN(const SessionStart start, session.Start());
  if (start.already_committed) {
    report_.seq = start.already_committed->seq;
    report_.snapshot_id = start.already_committed->snapshot_id;
    return report_;
  }
  if (!previous_.Load(options_.env.fs, options_.state_path)) previous_.Clear();
  RETURN_IF_ERROR(CheckHead(start));
  ASSIGN_OR_RETURN(const std::vector<Recipient> recipients, Recipients(start));
  RETURN_IF_ERROR(LoadPrevious(start));
  if (options_.env.fs.Exists(FullListMark())) references_known_ = false;
  delta_ = BeginDeltas(start);
  not_known_ = LoadBrokenClaims();

  Rng& rng = options_.env.rng;
  const RunKey key{rng.DrawFixed<KeyId>(), SecretBytes::Take(rng.Draw(32))};
  HOLDFAST_FAIL_POINT("agent.envelope");
  RETURN_IF_ERROR(session.PutEnvelope(
      key.id, SealKeyEnvelope(key.id, options_.keys->secrets.domain, key.key, recipients, rng)));

  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto attempted = Attempt(source, session, start, key, progress, stop);
    if (!attempted.ok()) {
      RememberRefusedList(attempted.status());
      return attempted.status();
    }
    const CommitOutcome& outcome = *attempted;
    if (outcome.missing.empty()) {
      report_.seconds = absl::ToDoubleSeconds(options_.env.clock.Now() - started_);
      return report_;
    }
    not_known_ = outcome.missing;
    if (delta_) delta_->MakeNoMore();
  }
  return Error(ErrorKind::kFailed, 2015,
               fmt::format("unable to back up source '{}': the controller lacks chunks that were "
                           "sent {} times",
                           options_.source_name, kAttempts),
               "Look at the controller's log for failing writes.");
}

}  // namespace holdfast::pipeline
