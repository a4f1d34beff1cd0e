#include "tests/fault/points/installation.h"

#include <algorithm>

#include "agent/restore/files/files_sink.h"
#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/log/log.h"
#include "controller/ingest/commit.h"
#include "controller/ingest/pack_writer.h"
#include "controller/ingest/recovered_packs.h"
#include "tests/support/fake_source.h"
#include "tests/support/staged_bytes.h"

namespace holdfast::test {
namespace {

constexpr std::size_t kGroupObjects = 2;  // synced and acknowledged together

class QuietRestore final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

absl::Status CutConnection() {
  return Error(ErrorKind::kUnreachable, 9999, "the connection was cut by the test");
}

}  // namespace

class Installation::Fetcher final : public ChunkFetcher {
 public:
  explicit Fetcher(Installation& home) : home_(home) {}
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId& domain,
                                           const std::vector<ChunkId>& ids) override {
    ASSIGN_OR_RETURN(const auto places, home_.catalog_->Locate(domain, ids));
    std::vector<Bytes> objects;
    for (const catalog::ChunkLocation& at : places) {
      ASSIGN_OR_RETURN(Bytes object, home_.store_->ReadObject(at.pack.name, at.pack.open_number,
                                                              at.offset_bytes, at.length_bytes));
      objects.push_back(std::move(object));
    }
    return objects;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId& domain, const KeyId& key) override {
    return home_.store_->GetEnvelope(domain, key);
  }

 private:
  Installation& home_;
};

// What the ingest service does for one stream.
class Installation::Session final : public pipeline::IngestSession {
 public:
  Session(Installation& home, const Run& run)
      : home_(home),
        run_(run),
        session_(home.catalog_->collection().OpenSession()),
        writer_(*home.catalog_, *home.store_, home.domain()) {}
  ~Session() override { home_.catalog_->collection().CloseSession(session_); }

  absl::StatusOr<pipeline::SessionStart> Start() override {
    if (!home_.store_->writable()) RETURN_IF_ERROR(home_.store_->Probe());
    ASSIGN_OR_RETURN(const catalog::SourceRow source, home_.catalog_->GetSource(home_.source_id_));
    pipeline::SessionStart start;
    start.head_seq = source.head_seq;
    if (source.head_seq > 0) {
      ASSIGN_OR_RETURN(start.head_record,
                       home_.store_->GetRecord(home_.source_id_, source.head_seq));
    }
    ASSIGN_OR_RETURN(const catalog::Installation installation, home_.catalog_->GetInstallation());
    start.recipients = installation.recipients;
    ASSIGN_OR_RETURN(const auto before, home_.catalog_->FindRun(home_.source_id_, run_.id));
    if (before)
      start.already_committed = pipeline::Committed{before->seq, before->snapshot_id, 1, 0};
    return start;
  }

  absl::StatusOr<pipeline::KnownChunks> Ask(const std::vector<ChunkId>& ids) override {
    ASSIGN_OR_RETURN(const auto found, home_.catalog_->FindChunks(home_.domain(), ids));
    pipeline::KnownChunks known;
    for (std::size_t i = 0; i < found.size(); ++i) {
      known.have.push_back(found[i].live);
      if (found[i].live && !found[i].bases.empty()) known.deltas.emplace_back(i, found[i].bases);
    }
    return known;
  }

  absl::Status Send(Bytes object) override {
    if (run_.objects_before_cut >= 0 && sent_ >= run_.objects_before_cut) return CutConnection();
    ++sent_;
    ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(object));
    RETURN_IF_ERROR(writer_.Append(header.chunk_id, object, header.bases));
    waiting_.push_back(header.chunk_id);
    return waiting_.size() < kGroupObjects ? absl::OkStatus() : Acknowledge();
  }

  absl::Status PutEnvelope(const KeyId& key, Bytes envelope) override {
    return home_.store_->PutEnvelope(home_.domain(), key, envelope);
  }

  absl::StatusOr<pipeline::CommitOutcome> Commit(const pipeline::CommitRequest& request) override {
    RETURN_IF_ERROR(Acknowledge());
    RETURN_IF_ERROR(writer_.Finish());
    ASSIGN_OR_RETURN(const catalog::AgentRow agent,
                     home_.catalog_->GetAgent(home_.agent_.identity.agent_id));
    ASSIGN_OR_RETURN(auto references, StageBytes(*home_.store_, request.reference_list));
    const ingest::CommitInput input{agent,
                                    home_.source_id_,
                                    run_.id,
                                    request.record,
                                    std::move(references),
                                    request.content_bytes,
                                    request.entry_count,
                                    request.duration_ms,
                                    writer_.stored_bytes()};
    ASSIGN_OR_RETURN(const catalog::CommitResult result,
                     ingest::CommitRun(home_.env(), *home_.catalog_, *home_.store_, input));
    if (!result.missing.empty()) return pipeline::CommitOutcome{{}, result.missing};
    return pipeline::CommitOutcome{{result.snapshot.seq, result.snapshot.snapshot_id, 1, 0}, {}};
  }

 private:
  absl::Status Acknowledge() {
    RETURN_IF_ERROR(writer_.Flush());
    for (const ChunkId& id : waiting_) run_.on_stored(id);
    waiting_.clear();
    return absl::OkStatus();
  }

  Installation& home_;
  const Run& run_;
  const std::uint64_t session_;
  ingest::PackWriter writer_;
  int sent_ = 0;
  std::vector<ChunkId> waiting_;
};

Installation::Installation(std::string directory, std::uint64_t seed)
    : directory_(std::move(directory)),
      agent_(seed),
      keys_{agent_.identity, agent_.signing, agent_.recipient, agent_.secrets,
            agent_.owner.public_key} {}

Installation::~Installation() { Close(); }

void Installation::Close() {
  scrubber_.reset();
  collector_.reset();
  catalog_.reset();
  store_.reset();
}

absl::Status Installation::Open() {
  RETURN_IF_ERROR(log::Setup({"test", "off"}));
  RETURN_IF_ERROR(RealFileSystem().MakeDirectories(agent_directory()));
  std::vector<store::RecoveredPack> recovered;
  ASSIGN_OR_RETURN(store_, store::Store::Open(env(), controller_directory(), &recovered));
  ASSIGN_OR_RETURN(catalog_,
                   catalog::Catalog::Open(env(), controller_directory() + "/catalog/catalog.db"));
  RETURN_IF_ERROR(ingest::AdoptRecoveredPacks(*catalog_, *store_, recovered));
  retention::CollectorOptions options;
  options.trash_time = absl::Hours(48);
  options.sweep_delay = absl::Hours(1);
  collector_ = std::make_unique<retention::Collector>(env(), *catalog_, *store_, options,
                                                      [](const SourceId&) { return false; });
  scrubber_ = std::make_unique<scrub::Scrubber>(
      env(), *catalog_, *store_, controller_directory() + "/scrub.state", scrub::ScrubOptions());
  return absl::OkStatus();
}

absl::Status Installation::Enrol() {
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  ASSIGN_OR_RETURN(const catalog::Installation installation, catalog_->GetInstallation());
  RETURN_IF_ERROR(store_->PutOwner(agent_.owner.public_key));
  RETURN_IF_ERROR(store_->PutRecipients(1, agent_.Recipients()));
  if (!installation.owner) {
    RETURN_IF_ERROR(catalog_->SetOwner(agent_.owner.public_key, agent_.Recipients(), 1));
  }
  const AgentId& id = agent_.identity.agent_id;
  if (!catalog_->GetAgent(id).ok()) {
    // A token of an earlier attempt may be there.
    catalog_->AddToken({id.bytes(), Sha256("secret"), "web-1", ~0ull >> 1}).IgnoreError();
    catalog::AgentRow row;
    row.id = id;
    row.name = "web-1";
    RETURN_IF_ERROR(catalog_->Enrol(id.bytes(), "secret", row, 1).status());
  }
  RETURN_IF_ERROR(catalog_->SetAgentDomain(id, domain()));
  RETURN_IF_ERROR(
      store_->PutIdentity(domain(), id, agent_.identity_document, agent_.secrets_document));
  catalog::SourceRow source;
  source.id = source_id_;
  source.agent = id;
  source.name = "uploads";
  source.kind = "files";
  RETURN_IF_ERROR(catalog_->SetSources(id, {source}));
  return collector_->SetPolicy(source_id_, retention::ParsePolicy("last=1000").value(), "root");
}

absl::StatusOr<pipeline::BackupReport> Installation::Backup(const Files& files, const Run& run) {
  FakeSource source;
  source.files = files;
  pipeline::BackupRun::Options options{
      env(),
      &keys_,
      agent_directory() + "/uploads.last",
      agent_directory() + "/recipients.version",
      source_id_,
      "uploads",
      /*seal_threads=*/1,
      [this](std::uint64_t seq) { return OpenSnapshotOf(seq, agent_.recipient); },
      {true, agent_directory() + "/uploads.delta", agent_directory() + "/uploads.bases", 8u << 20,
       /*keep_new=*/false, std::make_shared<Fetcher>(*this)}};
  Session session(*this, run);
  pipeline::RunProgress progress;
  auto report = pipeline::BackupRun(std::move(options)).Run(source, session, progress, {});
  clock_.now += absl::Minutes(1);
  return report;
}

absl::StatusOr<ChunkId> Installation::LeaveOpenPack() {
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  const KeyId key = agent_.rng.DrawFixed<KeyId>();
  ObjectSealer sealer({domain(), key, SecretBytes(agent_.rng.Draw(32)), 1}, agent_.rng);
  const Bytes plain = agent_.rng.Draw(3000);
  const ChunkId id =
      ComputeChunkId(HmacKey(agent_.secrets.id_key.view()), ObjectType::kContent, plain);
  Bytes object;
  sealer.Seal(ObjectType::kContent, id, plain, &object);
  ASSIGN_OR_RETURN(const auto pack, store_->CreatePack());
  ASSIGN_OR_RETURN(const std::int64_t row, catalog_->AddOpenPack(domain(), pack->number()));
  ASSIGN_OR_RETURN(const PackEntry entry, pack->Append(id, object));
  RETURN_IF_ERROR(pack->Sync());
  RETURN_IF_ERROR(catalog_->AddChunks(row, {entry}, {}));
  return id;
}

absl::StatusOr<OpenedSnapshot> Installation::OpenSnapshotOf(std::uint64_t seq, const KeyPair& key) {
  SnapshotDocuments documents;
  ASSIGN_OR_RETURN(documents.record, store_->GetRecord(source_id_, seq));
  ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(documents.record));
  for (const KeyId& id : clear.key_ids) {
    ASSIGN_OR_RETURN(Bytes envelope, store_->GetEnvelope(domain(), id));
    documents.envelopes.push_back(std::move(envelope));
  }
  const AgentId& agent = agent_.identity.agent_id;
  ASSIGN_OR_RETURN(documents.identity, store_->GetIdentity(domain(), agent));
  ASSIGN_OR_RETURN(documents.domain_secrets, store_->GetSecrets(domain(), agent));
  return OpenSnapshot(documents, {source_id_, seq}, agent_.owner.public_key, key,
                      std::make_shared<Fetcher>(*this));
}

absl::Status Installation::Restore(std::uint64_t seq, const std::string& target) {
  ASSIGN_OR_RETURN(const OpenedSnapshot opened, OpenSnapshotOf(seq, agent_.recipient));
  QuietRestore progress;
  restore::FilesRestoreOptions options;
  options.target = target;
  ASSIGN_OR_RETURN(const restore::RestoreReport report,
                   restore::RestoreFiles(*opened.view, options, progress, {}));
  return restore::StatusOf(report);
}

absl::StatusOr<Files> Installation::Read(std::uint64_t seq) {
  ASSIGN_OR_RETURN(const OpenedSnapshot opened, OpenSnapshotOf(seq, agent_.recovery));
  std::vector<Entry> entries;
  RETURN_IF_ERROR(opened.view->ForEachEntry([&](const Entry& entry) {
    if (entry.type == EntryType::kFile) entries.push_back(entry);
    return absl::OkStatus();
  }));
  Files files;
  for (const Entry& entry : entries) {
    ASSIGN_OR_RETURN(files[entry.path], ReadAll(*opened.view, entry));
  }
  return files;
}

absl::StatusOr<retention::CollectionReport> Installation::Collect() {
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  return collector_->Run(retention::Collector::Pace::kFast, {});
}

absl::StatusOr<scrub::ScrubReport> Installation::Scrub() {
  if (!store_->writable()) RETURN_IF_ERROR(store_->Probe());
  return scrubber_->Run(scrub::ScrubScope::kAll, [](const auto&) { return true; });
}

absl::Status Installation::FlipABit(std::uint64_t seq) {
  ASSIGN_OR_RETURN(const auto ids, catalog_->References(source_id_, seq));
  ASSIGN_OR_RETURN(const auto places, catalog_->Locate(domain(), ids));
  // After a failed step some may still lie in an open pack.
  const auto place = std::find_if(places.begin(), places.end(),
                                  [](const auto& one) { return !one.pack.name.IsZero(); });
  if (place == places.end()) return absl::OkStatus();
  const std::string path = controller_directory() + "/store/" + layout::PackPath(place->pack.name);
  ASSIGN_OR_RETURN(Bytes bytes, RealFileSystem().ReadFile(path));
  char& hit = bytes[place->offset_bytes + place->length_bytes / 2];
  hit = static_cast<char>(hit ^ 1);
  return RealFileSystem().WriteAtomically(path, bytes);
}

}  // namespace holdfast::test
