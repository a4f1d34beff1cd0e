#include "tests/support/sealed_snapshot.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/format/manifest.h"
#include "common/format/reference_list.h"
#include "common/snapshot/facts.h"
#include "tests/support/sealed_objects.h"

namespace holdfast::test {
namespace {

constexpr std::int64_t kTakenAtMs = 1'767'751'200'000;  // 2026-01-07 02:00 UTC
constexpr std::size_t kManifestChunkBytes = 4096;

void Write(const std::string& path, ByteView bytes) {
  FileSystem& fs = RealFileSystem();
  HOLDFAST_CHECK(fs.MakeDirectories(ParentPath(path)).ok());
  HOLDFAST_CHECK(fs.WriteAtomically(path, bytes).ok());
}

}  // namespace

SealedFile FileNamed(std::string path, Bytes content) {
  SealedFile file;
  file.entry.path = std::move(path);
  file.entry.mode = 0640;
  file.entry.mtime_ns = kTakenAtMs * 1'000'000;
  file.content = std::move(content);
  return file;
}

SealedFile DirectoryNamed(std::string path) {
  SealedFile file = FileNamed(std::move(path), "");
  file.entry.type = EntryType::kDirectory;
  file.entry.mode = 0750;
  return file;
}

struct SealedStore::Run {
  KeyId key_id;
  SecretBytes key;
  std::unique_ptr<ObjectSealer> sealer{};
  Bytes pack{kPackHeader};
  std::vector<PackEntry> entries{};
  std::set<ChunkId> references{};
};

SealedStore::SealedStore(std::string data_directory, std::uint64_t seed)
    : data_directory_(std::move(data_directory)),
      rng_(seed),
      owner_(Ed25519Generate(rng_)),
      recovery_key_(X25519Generate(rng_)),
      operator_key_(X25519Generate(rng_)),
      agent_recipient_(X25519Generate(rng_)),
      agent_signer_(Ed25519Generate(rng_)) {
  WriteTrust();
}

std::string SealedStore::root() const { return JoinPath(data_directory_, layout::kStoreBelowData); }
std::string SealedStore::Path(const std::string& below) const { return JoinPath(root(), below); }

void SealedStore::WriteTrust() {
  FileSystem& fs = RealFileSystem();
  for (const char* area :
       {layout::kPacks, layout::kRecords, layout::kEnvelopes, layout::kDomains, layout::kTrust}) {
    HOLDFAST_CHECK(fs.MakeDirectories(Path(area)).ok());
  }
  HOLDFAST_CHECK(fs.MakeDirectories(JoinPath(data_directory_, layout::kStagingBelowData)).ok());
  secrets_ = MakeDomainSecrets(rng_);
  recipients_ = {{RecipientRole::kRecovery, "recovery", recovery_key_.public_key},
                 {RecipientRole::kOperator, "ann", operator_key_.public_key},
                 {RecipientRole::kAgent, "web-1", agent_recipient_.public_key}};
  identity_ = {rng_.DrawFixed<AgentId>(), "web-1", secrets_.domain, agent_signer_.public_key,
               agent_recipient_.public_key};
  const KeyPair grant_key = Ed25519Generate(rng_);
  const EnrolmentGrant grant =
      MakeEnrolmentGrant(owner_, grant_key.public_key, "web-1", kTakenAtMs);
  Write(Path(layout::kOwner), owner_.public_key.view());
  Write(Path(layout::RecipientsPath(1)), SignRecipientList({1, recipients_}, owner_));
  Write(Path(layout::IdentityPath(secrets_.domain, identity_.agent_id)),
        SignAgentIdentity(identity_, grant, grant_key));
  Write(Path(layout::SecretsPath(secrets_.domain, identity_.agent_id)),
        SealDomainSecrets(secrets_, recipients_, rng_));
}

SealedStore::Run SealedStore::BeginRun() {
  Run run{rng_.DrawFixed<KeyId>(), SecretBytes::Take(rng_.Draw(32))};
  run.sealer = std::make_unique<ObjectSealer>(
      ObjectSealer::Options{secrets_.domain, run.key_id, run.key, 1}, rng_);
  Write(Path(layout::EnvelopePath(secrets_.domain, run.key_id)),
        SealKeyEnvelope(run.key_id, secrets_.domain, run.key, recipients_, rng_));
  return run;
}

Bytes SealedStore::SealAlone(const ChunkId& id, ObjectType type, ByteView plaintext) {
  Run run = BeginRun();
  Bytes object;
  run.sealer->Seal(type, id, plaintext, &object);
  return object;
}

Bytes SealedStore::ForgeAlone(const ChunkId& id, std::uint32_t plain_bytes, ByteView frame) {
  const Run run = BeginRun();
  return ForgeObject({secrets_.domain, run.key_id, run.key, Codec::kZstd, plain_bytes}, id, frame);
}

ChunkId SealedStore::StoreChunk(Run& run, ObjectType type, ByteView plaintext,
                                const ChunkId* base) {
  const ChunkId id = ComputeChunkId(HmacKey(secrets_.id_key.view()), type, plaintext);
  run.references.insert(id);
  if (plaintexts_.contains(id)) return id;
  Bytes object;
  if (base != nullptr) {
    run.sealer->SealDelta(type, id, plaintext, {{*base, plaintexts_.at(*base)}}, &object);
    run.references.insert(*base);
  } else {
    run.sealer->Seal(type, id, plaintext, &object);
  }
  run.entries.push_back(
      {id, run.pack.size(), static_cast<std::uint32_t>(object.size()), Crc32(object)});
  run.pack += object;
  plaintexts_[id] = Bytes(plaintext);
  run_of_[id] = run.key_id;
  return id;
}

void SealedStore::StoreContent(Run& run, SealedFile& file, const CommitOptions& options,
                               const History& before, CommittedSnapshot* committed) {
  const auto old = before.chunks.find(file.entry.path);
  for (std::size_t at = 0; at < file.content.size(); at += options.chunk_bytes) {
    const ByteView piece = ByteView(file.content).substr(at, options.chunk_bytes);
    const std::size_t index = at / options.chunk_bytes;
    const bool has_base = options.delta && old != before.chunks.end() && index < old->second.size();
    const ChunkId id =
        StoreChunk(run, ObjectType::kContent, piece, has_base ? &old->second[index] : nullptr);
    file.entry.slices.push_back({id, 0, static_cast<std::uint32_t>(piece.size())});
    committed->content.push_back(id);
  }
  if (file.entry.type != EntryType::kFile) return;
  file.entry.size_bytes = file.entry.content_bytes = file.content.size();
  file.entry.content_hash = ContentHash(file.content);
  file.entry.size_bytes = file.claimed_size.value_or(file.entry.size_bytes);
}

CommittedSnapshot SealedStore::Commit(const std::string& source_name, std::vector<SealedFile> files,
                                      const CommitOptions& options) {
  std::sort(files.begin(), files.end(), [](const SealedFile& a, const SealedFile& b) {
    return ComparePaths(a.entry.path, b.entry.path) < 0;
  });
  CommittedSnapshot committed;
  committed.source = DeriveSourceId(secrets_, source_name);
  const History& before = history_[committed.source];
  committed.seq = before.seq + 1;
  Run run = BeginRun();
  for (SealedFile& file : files) StoreContent(run, file, options, before, &committed);
  WriteRecord(run, source_name, files, options, &committed);
  WritePack(run, options, &committed);

  History after;
  after.seq = committed.seq;
  after.record = committed.record;
  after.references = run.references;
  for (const SealedFile& file : files) {
    for (const Slice& slice : file.entry.slices) {
      after.chunks[file.entry.path].push_back(slice.chunk);
    }
  }
  history_[committed.source] = std::move(after);
  return committed;
}

void SealedStore::WriteRecord(Run& run, const std::string& name,
                              const std::vector<SealedFile>& files, const CommitOptions& options,
                              CommittedSnapshot* committed) {
  const History& before = history_[committed->source];
  SnapshotFacts facts;
  Bytes stream(kManifestHeader);
  for (const SealedFile& file : files) {
    AppendManifestEntry(EncodeEntry(file.entry), &stream);
    facts.info.content_bytes += file.entry.content_bytes;
  }
  for (std::size_t at = 0; at < stream.size(); at += kManifestChunkBytes) {
    const ByteView piece = ByteView(stream).substr(at, kManifestChunkBytes);
    const ChunkId id = StoreChunk(run, ObjectType::kManifest, piece, nullptr);
    facts.manifest.push_back({id, 0, static_cast<std::uint32_t>(piece.size())});
    committed->manifest.push_back(id);
  }
  facts.manifest_bytes = stream.size();
  facts.info.source_name = name;
  facts.info.kind = options.kind;
  facts.info.entry_count = files.size();
  facts.info.taken_at = absl::FromUnixMillis(kTakenAtMs);
  facts.summary = std::to_string(files.size()) + " entries";

  ReferenceList list;
  list.full = committed->seq % kFullReferenceEvery == 1;
  const std::set<ChunkId> none;
  const std::set<ChunkId>& old = list.full ? none : before.references;
  if (!list.full) list.base_seq = before.seq;
  std::set_difference(run.references.begin(), run.references.end(), old.begin(), old.end(),
                      std::back_inserter(list.added));
  std::set_difference(old.begin(), old.end(), run.references.begin(), run.references.end(),
                      std::back_inserter(list.removed));
  const Bytes references = EncodeReferenceList(list);

  RecordClear clear;
  clear.domain = secrets_.domain;
  clear.source = committed->source;
  clear.seq = committed->seq;
  clear.taken_at_ms = kTakenAtMs;
  if (before.seq > 0) clear.previous = RecordHash(before.record);
  clear.partial = options.partial;
  clear.reference_list_hash = Sha256(references);
  std::set<KeyId> keys;
  for (const ChunkId& id : run.references) keys.insert(run_of_.at(id));
  keys.erase(run.key_id);
  clear.key_ids = {run.key_id};
  clear.key_ids.insert(clear.key_ids.end(), keys.begin(), keys.end());
  committed->record = SealRecord(clear, EncodeSnapshotFacts(facts), run.key, agent_signer_, rng_);
  Write(Path(layout::ReferencesPath(committed->source, committed->seq)), references);
  Write(Path(layout::RecordPath(committed->source, committed->seq)), committed->record);
}

void SealedStore::WritePack(Run& run, const CommitOptions& options, CommittedSnapshot* committed) {
  if (run.entries.empty()) return;
  committed->pack = run.entries;
  if (options.open_pack) {
    committed->pack_path = JoinPath(JoinPath(data_directory_, layout::kStagingBelowData),
                                    std::to_string(++open_packs_) + ".open");
    Write(committed->pack_path, run.pack);
    return;
  }
  const Bytes file = run.pack + EncodePackFooter(run.entries);
  committed->pack_path = Path(layout::PackPath(*PackName::From(Sha256(file).view())));
  Write(committed->pack_path, file);
}

}  // namespace holdfast::test
