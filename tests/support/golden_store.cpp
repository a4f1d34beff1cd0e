#include "tests/support/golden_store.h"

#include <algorithm>

#include "common/format/layout.h"
#include "common/format/manifest.h"
#include "common/format/pack.h"
#include "common/format/record.h"
#include "common/format/reference_list.h"
#include "common/snapshot/facts.h"
#include "tests/support/sealed_objects.h"

namespace holdfast::test {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTakenAt = 1'767'751'200;  // 2026-01-07 02:00 UTC

// One backup run: seals chunks into a pack and gathers what its record names.
class Run {
 public:
  Run(SeededRng& rng, const DomainSecrets& secrets)
      : domain_(secrets.domain),
        id_key_(secrets.id_key.view()),
        key_id_(rng.DrawFixed<KeyId>()),
        run_key_(rng.Draw(32)),
        sealer_({domain_, key_id_, run_key_, 1}, rng) {}

  ChunkId Store(ByteView plaintext, ObjectType type = ObjectType::kContent) {
    const ChunkId id = ComputeChunkId(id_key_, type, plaintext);
    Bytes object;
    sealer_.Seal(type, id, plaintext, &object);
    return Append(id, object);
  }
  ChunkId StoreDelta(ByteView plaintext, const ChunkId& base, ByteView base_plaintext) {
    const ChunkId id = ComputeChunkId(id_key_, ObjectType::kContent, plaintext);
    Bytes object;
    sealer_.SealDelta(ObjectType::kContent, id, plaintext, {{base, base_plaintext}}, &object);
    return Append(id, object);
  }

  void SavePack(std::map<std::string, Bytes>* files) const {
    const Bytes file = pack_ + EncodePackFooter(entries_);
    (*files)[layout::PackPath(*PackName::From(Sha256(file).view()))] = file;
  }

  const KeyId& key_id() const { return key_id_; }
  const SecretBytes& run_key() const { return run_key_; }

 private:
  ChunkId Append(const ChunkId& id, const Bytes& object) {
    entries_.push_back(
        {id, pack_.size(), static_cast<std::uint32_t>(object.size()), Crc32(object)});
    pack_ += object;
    return id;
  }

  const DomainId domain_;
  const HmacKey id_key_;
  const KeyId key_id_;
  const SecretBytes run_key_;
  ObjectSealer sealer_;
  Bytes pack_{kPackHeader};
  std::vector<PackEntry> entries_;
};

Entry Node(std::string path, EntryType type) {
  Entry entry;
  entry.path = std::move(path);
  entry.type = type;
  entry.mode = type == EntryType::kDirectory ? 0755 : 0640;
  entry.user_id = 1'000;
  entry.group_id = 1'000;
  entry.user_name = "ann";
  entry.group_name = "staff";
  entry.mtime_ns = kTakenAt * kSecond - 86'400 * kSecond + 123'456'789;
  entry.ctime_ns = entry.mtime_ns;
  return entry;
}

Entry FileOf(std::string path, ByteView content, const ChunkId& chunk, std::uint32_t offset) {
  Entry entry = Node(std::move(path), EntryType::kFile);
  entry.size_bytes = content.size();
  entry.content_bytes = content.size();
  entry.content_hash = ContentHash(content);
  entry.slices = {{chunk, offset, static_cast<std::uint32_t>(content.size())}};
  return entry;
}

class Builder {
 public:
  GoldenStore Build() {
    WriteTrust();
    WriteFirst();
    WriteSecond();
    return std::move(store_);
  }

 private:
  void WriteTrust() {
    store_.owner = Ed25519Generate(rng_);
    store_.recovery = X25519Generate(rng_);
    signer_ = Ed25519Generate(rng_);
    const KeyPair agent = X25519Generate(rng_);
    const KeyPair grant_key = Ed25519Generate(rng_);
    recipients_ = {{RecipientRole::kRecovery, "recovery", store_.recovery.public_key},
                   {RecipientRole::kAgent, "web-1", agent.public_key}};
    secrets_ = MakeDomainSecrets(rng_);
    store_.source = DeriveSourceId(secrets_, "uploads");
    const EnrolmentGrant grant =
        MakeEnrolmentGrant(store_.owner, grant_key.public_key, "web-1", (kTakenAt + 3'600) * 1'000);
    const AgentIdentity identity{rng_.DrawFixed<AgentId>(), "web-1", secrets_.domain,
                                 signer_.public_key, agent.public_key};
    store_.files[layout::kOwner] = store_.owner.public_key.bytes();
    store_.files[layout::RecipientsPath(1)] = SignRecipientList({1, recipients_}, store_.owner);
    store_.files[layout::IdentityPath(secrets_.domain, identity.agent_id)] =
        SignAgentIdentity(identity, grant, grant_key);
    store_.files[layout::SecretsPath(secrets_.domain, identity.agent_id)] =
        SealDomainSecrets(secrets_, recipients_, rng_);
  }

  void WriteFirst() {
    const Bytes a = "the first small file\n";
    const Bytes b = "the second small file shares the chunk of the first\n";
    const Bytes gone = "removed before the second snapshot\n";
    const Bytes data = rng_.Draw(3'000);
    table_ = Compressible(20'000);

    Run run(rng_, secrets_);
    const ChunkId small = run.Store(a + b);
    random_ = run.Store(data);
    table_chunk_ = run.Store(table_);
    const ChunkId last = run.Store(gone);

    Entry link = Node("dir/link", EntryType::kSymlink);
    link.link_target = "../anywhere";
    Entry twin = Node("dir/twin", EntryType::kHardlink);
    twin.link_target = "dir/a.txt";
    Entry sparse = FileOf("sparse.img", ByteView(data).substr(0, 1'000), random_, 0);
    sparse.size_bytes = 1u << 20;
    sparse.extents = {{4'096, 600}, {500'000, 400}};
    Entry odd = Node(Bytes("odd \xff\n"), EntryType::kFifo);
    odd.xattrs = {{"user.note", Bytes("\0\1", 2)}};
    Entry rows = FileOf("table.copy", table_, table_chunk_, 0);
    rows.rows = 500;
    rows.row_checksum = Bytes(16, 'r');
    rows.attributes = {{"columns", "id,name"}};

    Keep(Node("", EntryType::kDirectory));
    Keep(Node("dir", EntryType::kDirectory));
    Keep(FileOf("dir/a.txt", a, small, 0));
    Keep(FileOf("dir/b.txt", b, small, static_cast<std::uint32_t>(a.size())));
    Keep(link);
    Keep(twin);
    Keep(FileOf("gone.txt", gone, last, 0));
    Keep(odd);
    Keep(FileOf("random.bin", data, random_, 0));
    Keep(sparse);
    Keep(rows);
    store_.content[0] = {{"dir/a.txt", a},       {"dir/b.txt", b},
                         {"gone.txt", gone},     {"random.bin", data},
                         {"table.copy", table_}, {"sparse.img", data.substr(0, 1'000)}};
    first_key_ = run.key_id();
    Commit(run, 1);
  }

  void WriteSecond() {
    Bytes changed = table_;
    changed.replace(7'000, 3, "CHG");
    changed += "row appended on the next day\n";
    const Bytes added = "new on the next day\n";

    Run run(rng_, secrets_);
    Entry rows = FileOf("table.copy", changed, run.StoreDelta(changed, table_chunk_, table_), 0);
    rows.rows = 501;
    rows.row_checksum = Bytes(16, 's');
    Keep(rows);
    Keep(FileOf("new.txt", added, run.Store(added), 0));
    entries_.erase("gone.txt");
    store_.content[1] = store_.content[0];
    store_.content[1].erase("gone.txt");
    store_.content[1]["table.copy"] = changed;
    store_.content[1]["new.txt"] = added;
    Commit(run, 2);
  }

  void Keep(Entry entry) { entries_[entry.path] = std::move(entry); }

  // Manifest, pack, envelope, reference list and record of one run.
  void Commit(Run& run, std::uint64_t seq) {
    Bytes stream(kManifestHeader);
    std::vector<ChunkId> references = {table_chunk_};  // also the base of the delta
    std::uint64_t content_bytes = 0;
    for (const auto& [path, entry] : entries_) {
      AppendManifestEntry(EncodeEntry(entry), &stream);
      for (const Slice& slice : entry.slices) references.push_back(slice.chunk);
      content_bytes += entry.content_bytes;
    }
    SnapshotFacts facts;
    facts.manifest = {
        {run.Store(stream, ObjectType::kManifest), 0, static_cast<std::uint32_t>(stream.size())}};
    facts.manifest_bytes = stream.size();
    references.push_back(facts.manifest[0].chunk);
    std::sort(references.begin(), references.end());
    references.erase(std::unique(references.begin(), references.end()), references.end());

    const auto day = static_cast<std::int64_t>(seq - 1) * 86'400;
    facts.info.source_name = "uploads";
    facts.info.kind = "files";
    facts.info.taken_at = absl::FromUnixSeconds(kTakenAt + day);
    facts.info.entry_count = entries_.size();
    facts.info.content_bytes = content_bytes;
    facts.info.attributes = {{"root", "/srv/uploads"}};
    facts.info.notes = {"a note for the operator"};
    facts.summary = std::to_string(entries_.size()) + " entries";

    const Bytes list = EncodeReferenceList(Difference(references, seq));
    RecordClear clear;
    clear.domain = secrets_.domain;
    clear.source = store_.source;
    clear.seq = seq;
    clear.taken_at_ms = static_cast<std::uint64_t>((kTakenAt + day) * 1'000);
    clear.previous = head_;
    clear.reference_list_hash = Sha256(list);
    clear.key_ids = {run.key_id()};
    if (seq > 1) clear.key_ids.push_back(first_key_);
    const Bytes record =
        SealRecord(clear, EncodeSnapshotFacts(facts), run.run_key(), signer_, rng_);
    head_ = RecordHash(record);
    references_ = references;

    store_.files[layout::ReferencesPath(store_.source, seq)] = list;
    store_.files[layout::RecordPath(store_.source, seq)] = record;
    store_.files[layout::EnvelopePath(secrets_.domain, run.key_id())] =
        SealKeyEnvelope(run.key_id(), secrets_.domain, run.run_key(), recipients_, rng_);
    run.SavePack(&store_.files);
  }

  ReferenceList Difference(const std::vector<ChunkId>& references, std::uint64_t seq) const {
    ReferenceList list;
    list.full = seq % kFullReferenceEvery == 1;
    if (list.full) {
      list.added = references;
      return list;
    }
    list.base_seq = seq - 1;
    std::set_difference(references.begin(), references.end(), references_.begin(),
                        references_.end(), std::back_inserter(list.added));
    std::set_difference(references_.begin(), references_.end(), references.begin(),
                        references.end(), std::back_inserter(list.removed));
    return list;
  }

  SeededRng rng_{kSeed};
  GoldenStore store_;
  KeyPair signer_;
  std::vector<Recipient> recipients_;
  DomainSecrets secrets_;
  std::map<std::string, Entry, PathLess> entries_;
  Bytes table_;
  ChunkId table_chunk_;
  ChunkId random_;
  KeyId first_key_;
  std::vector<ChunkId> references_;
  Hash256 head_;
};

}  // namespace

GoldenStore MakeGoldenStore() { return Builder().Build(); }

}  // namespace holdfast::test
