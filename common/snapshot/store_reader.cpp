#include "common/snapshot/store_reader.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/format/object.h"
#include "common/format/pack_file.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kMaxOpenPackBytes = 256ull << 20;
constexpr std::uint64_t kMaxDocumentBytes = 64ull << 20;

std::string_view WithoutEnding(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  return name;
}

}  // namespace

// What is where. Filled by Open, then read only.
struct StoreReader::Impl {
  struct Place {
    ChunkId id;
    std::uint64_t offset_bytes = 0;
    std::uint32_t length_bytes = 0;
    std::uint32_t crc = 0;
    std::uint32_t pack = 0;
  };

  FileSystem& fs;
  std::string root{};
  std::vector<std::string> packs{};  // paths
  std::vector<Place> places{};       // sorted by id; the same chunk may lie in several packs
  std::map<SourceId, std::vector<std::uint64_t>> snapshots{};
  PublicKey owner{};
  std::vector<Problem> damage{};

  std::string Path(std::string_view below) const { return JoinPath(root, below); }

  // Names in a directory of the store; a directory that cannot be listed is damage.
  std::vector<DirectoryEntry> List(const std::string& path) {
    auto entries = fs.List(path);
    if (entries.ok()) return *std::move(entries);
    damage.push_back({path, MessageOf(entries.status())});
    return {};
  }

  void AddEntries(const std::string& path, const std::vector<PackEntry>& entries) {
    const auto pack = static_cast<std::uint32_t>(packs.size());
    packs.push_back(path);
    for (const PackEntry& entry : entries) {
      places.push_back({entry.id, entry.offset_bytes, entry.length_bytes, entry.crc, pack});
    }
  }

  void AddOpenPack(const std::string& path) {
    const auto file = fs.ReadFile(path, kMaxOpenPackBytes);
    // Finished by a living controller in the meantime: it is found in packs/.
    if (!file.ok() && KindOf(file.status()) == ErrorKind::kNotFound) return;
    if (!file.ok()) {
      damage.push_back({path, MessageOf(file.status())});
      return;
    }
    if (file->size() < kPackHeader.size()) return;  // made right before the controller died
    if (ByteView(*file).substr(0, kPackHeader.size()) != kPackHeader) {
      damage.push_back({path, "it does not begin like a pack"});
      return;
    }
    const PackScan scan = ScanAcrossDamage(*file);
    std::uint64_t whole = kPackHeader.size();
    for (const PackEntry& entry : scan.entries) whole += entry.length_bytes;
    if (whole < scan.valid_bytes) {
      damage.push_back({path, fmt::format("{} bytes between its objects are damaged",
                                          scan.valid_bytes - whole)});
    }
    AddEntries(path, scan.entries);
  }

  void AddStaging(const std::string& staging) {
    for (const DirectoryEntry& file : List(staging)) {
      const std::string path = JoinPath(staging, file.name);
      if (file.name.ends_with(".open")) AddOpenPack(path);
      if (file.name.ends_with(".damaged")) damage.push_back({path, "set aside as no pack"});
    }
  }

  void AddPacks() {
    const std::string directory = Path(layout::kPacks);
    for (const DirectoryEntry& fan : List(directory)) {
      if (!fan.is_directory) continue;
      const std::string fan_path = JoinPath(directory, fan.name);
      for (const DirectoryEntry& file : List(fan_path)) {
        const std::string path = JoinPath(fan_path, file.name);
        // Of a pack, and what a repair of one left half-written.
        if (file.name.ends_with(".parity") || file.name.ends_with(".tmp")) continue;
        if (!PackName::FromHexText(WithoutEnding(file.name, ".pack"))) {
          damage.push_back({path, "it is not named like a pack"});
          continue;
        }
        const auto index = ReadPackIndex(fs, path);
        if (index.ok()) {
          AddEntries(path, index->entries);
        } else {
          damage.push_back({path, MessageOf(index.status())});
        }
      }
    }
  }

  void AddRecords() {
    const std::string directory = Path(layout::kRecords);
    for (const DirectoryEntry& entry : List(directory)) {
      const auto source = SourceId::FromHexText(entry.name);
      if (!source || !entry.is_directory) continue;
      std::vector<std::uint64_t> seqs;
      for (const DirectoryEntry& file : List(JoinPath(directory, entry.name))) {
        std::uint64_t seq = 0;
        const std::string number(WithoutEnding(file.name, ".record"));
        if (absl::SimpleAtoi(number, &seq) && seq > 0) seqs.push_back(seq);
      }
      std::sort(seqs.begin(), seqs.end());
      if (!seqs.empty()) snapshots[*source] = std::move(seqs);
    }
  }

  void ReadOwner() {
    const std::string path = Path(layout::kOwner);
    const auto bytes = fs.ReadFile(path, 4096);
    const auto key = bytes.ok() ? PublicKey::From(*bytes) : std::nullopt;
    if (key) {
      owner = *key;
    } else {
      damage.push_back({path, bytes.ok() ? "it is not a key" : MessageOf(bytes.status())});
    }
  }

  // The object at `place` when it is the chunk of this domain.
  absl::StatusOr<Bytes> ReadAt(const File& file, const Place& place, const DomainId& domain) const {
    ASSIGN_OR_RETURN(Bytes object, file.ReadAt(place.offset_bytes, place.length_bytes));
    ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(object));
    if (header.chunk_id == place.id && header.domain != domain) return Unknown(place.id);
    if (header.chunk_id != place.id || header.object_bytes() != place.length_bytes) {
      return Damaged(place, "another object lies in its place");
    }
    return object;
  }

  absl::Status Unknown(const ChunkId& id) const {
    return Error(ErrorKind::kNotFound, 4091,
                 fmt::format("unable to find chunk '{}' in store '{}'", id.hex(), Escaped(root)),
                 damage.empty() ? "" : "Some packs of this store are damaged; it may be in one.");
  }

  absl::Status Damaged(const Place& place, std::string_view cause) const {
    return Error(ErrorKind::kIntegrity, 4092,
                 fmt::format("unable to read chunk '{}' from '{}': {}", place.id.hex(),
                             Escaped(packs[place.pack]), cause),
                 "Use another copy of the store if there is one.");
  }

  using OpenFiles = std::map<std::uint32_t, std::unique_ptr<File>>;
  absl::StatusOr<const File*> OpenPackFile(std::uint32_t pack, OpenFiles* files) const {
    std::unique_ptr<File>& file = (*files)[pack];
    if (!file) {
      ASSIGN_OR_RETURN(file, fs.OpenRead(packs[pack]));
    }
    return file.get();
  }

  // The best copy: a damaged one is passed over while there is another.
  absl::StatusOr<Bytes> FetchOne(const DomainId& domain, const ChunkId& id,
                                 OpenFiles* files) const {
    const auto range = std::equal_range(places.begin(), places.end(), Place{id, 0, 0, 0, 0},
                                        [](const Place& a, const Place& b) { return a.id < b.id; });
    absl::Status failure = Unknown(id);
    for (auto place = range.first; place != range.second; ++place) {
      const auto file = OpenPackFile(place->pack, files);
      auto object = file.ok() ? ReadAt(**file, *place, domain) : file.status();
      // The checksum costs time and is not needed for safety, only to choose between copies.
      if (object.ok() && (range.second - range.first == 1 || Crc32(*object) == place->crc)) {
        return object;
      }
      absl::Status cause = object.ok() ? Damaged(*place, "its checksum differs") : object.status();
      if (KindOf(cause) != ErrorKind::kNotFound) {
        failure = CodeOf(cause) == 4092 ? cause : Damaged(*place, MessageOf(cause));
      }
    }
    return failure;
  }

  absl::StatusOr<Bytes> ReadDocument(const std::string& below) const {
    return fs.ReadFile(Path(below), kMaxDocumentBytes);
  }

  // Identity of the agent that signed `record`, and the domain's secrets beside it.
  absl::Status FindSigner(const RecordClear& clear, SnapshotDocuments* documents) const {
    const std::string directory = Path(fmt::format("{}/{}", layout::kDomains, clear.domain.hex()));
    ASSIGN_OR_RETURN(const auto files, fs.List(directory));
    for (const DirectoryEntry& file : files) {
      const auto agent = AgentId::FromHexText(WithoutEnding(file.name, ".identity"));
      if (!agent) continue;
      const auto document = ReadDocument(layout::IdentityPath(clear.domain, *agent));
      if (!document.ok()) continue;
      const auto identity = PeekAgentIdentity(*document);
      if (!identity.ok() || !VerifyRecord(documents->record, identity->signing_key).ok()) continue;
      documents->identity = *document;
      auto secrets = ReadDocument(layout::SecretsPath(clear.domain, *agent));
      if (!secrets.ok()) secrets = AnySecrets(directory, files);
      if (!secrets.ok()) return secrets.status();
      documents->domain_secrets = *std::move(secrets);
      return absl::OkStatus();
    }
    return Error(ErrorKind::kIntegrity, 4093,
                 fmt::format("unable to trust snapshot {} of source '{}': no agent of its domain "
                             "in this store signed it",
                             clear.seq, clear.source.hex()),
                 "The record or the agent's identity is damaged or forged.");
  }

  // Every agent of a domain has the same secrets, sealed to the same recipients.
  absl::StatusOr<Bytes> AnySecrets(const std::string& directory,
                                   const std::vector<DirectoryEntry>& files) const {
    for (const DirectoryEntry& file : files) {
      if (!file.name.ends_with(".secrets")) continue;
      auto secrets = fs.ReadFile(JoinPath(directory, file.name), kMaxDocumentBytes);
      if (secrets.ok()) return secrets;
    }
    return Error(ErrorKind::kNotFound, 4094,
                 fmt::format("unable to find domain secrets in '{}'", Escaped(directory)),
                 "Use another copy of the store if there is one.");
  }
};

StoreReader::StoreReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StoreReader::~StoreReader() = default;

absl::StatusOr<std::shared_ptr<StoreReader>> StoreReader::Open(FileSystem& fs,
                                                               const std::string& directory) {
  auto impl = std::make_unique<Impl>(Impl{fs});
  const std::string below = JoinPath(directory, layout::kStoreBelowData);
  const bool is_data = fs.Exists(JoinPath(below, layout::kPacks));
  impl->root = is_data ? below : directory;
  if (!is_data && !fs.Exists(JoinPath(directory, layout::kPacks))) {
    return Error(ErrorKind::kNotFound, 4090,
                 fmt::format("unable to open store '{}': there is no packs/ in it nor in store/",
                             Escaped(directory)),
                 "Name a store directory or a controller's data directory.");
  }
  // Staging first: a pack that a living controller finishes meanwhile is then found in packs/.
  const std::string staging = JoinPath(directory, layout::kStagingBelowData);
  if (is_data && fs.Exists(staging)) impl->AddStaging(staging);
  impl->AddPacks();
  impl->AddRecords();
  impl->ReadOwner();
  std::sort(impl->places.begin(), impl->places.end(),
            [](const Impl::Place& a, const Impl::Place& b) { return a.id < b.id; });
  return std::shared_ptr<StoreReader>(new StoreReader(std::move(impl)));
}

PublicKey StoreReader::owner() const { return impl_->owner; }

absl::StatusOr<Bytes> StoreReader::NewestRecipients() const {
  const std::string directory = impl_->Path(layout::kTrust);
  ASSIGN_OR_RETURN(const auto files, impl_->fs.List(directory));
  // Numbers have a fixed width, so the last name is the newest.
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    if (!file->name.starts_with("recipients.") || file->name.ends_with(".tmp")) continue;
    return impl_->fs.ReadFile(JoinPath(directory, file->name), kMaxDocumentBytes);
  }
  return Error(ErrorKind::kNotFound, 4095,
               fmt::format("unable to find a recipient list in '{}'", Escaped(directory)));
}

std::vector<SourceId> StoreReader::Sources() const {
  std::vector<SourceId> sources;
  for (const auto& [source, seqs] : impl_->snapshots) sources.push_back(source);
  return sources;
}

std::vector<std::uint64_t> StoreReader::Snapshots(const SourceId& source) const {
  const auto found = impl_->snapshots.find(source);
  return found == impl_->snapshots.end() ? std::vector<std::uint64_t>() : found->second;
}

absl::StatusOr<SnapshotDocuments> StoreReader::Documents(const SourceId& source,
                                                         std::uint64_t seq) const {
  const std::vector<std::uint64_t> seqs = Snapshots(source);
  if (seq == 0 && !seqs.empty()) seq = seqs.back();
  if (!std::binary_search(seqs.begin(), seqs.end(), seq)) {
    return Error(ErrorKind::kNotFound, 4096,
                 fmt::format("unable to find snapshot {} of source '{}' in store '{}'", seq,
                             source.hex(), Escaped(impl_->root)));
  }
  SnapshotDocuments documents;
  ASSIGN_OR_RETURN(documents.record, impl_->ReadDocument(layout::RecordPath(source, seq)));
  ASSIGN_OR_RETURN(const RecordClear clear, ParseRecord(documents.record));
  RETURN_IF_ERROR(impl_->FindSigner(clear, &documents));
  for (const KeyId& key : clear.key_ids) {
    auto envelope = impl_->ReadDocument(layout::EnvelopePath(clear.domain, key));
    // One that is not there is asked for again, and named, only when a chunk needs it.
    if (envelope.ok()) documents.envelopes.push_back(*std::move(envelope));
  }
  return documents;
}

const std::vector<Problem>& StoreReader::damage() const { return impl_->damage; }

absl::StatusOr<std::vector<Bytes>> StoreReader::Fetch(const DomainId& domain,
                                                      const std::vector<ChunkId>& ids) {
  std::vector<Bytes> objects;
  objects.reserve(ids.size());
  Impl::OpenFiles files;
  for (const ChunkId& id : ids) {
    ASSIGN_OR_RETURN(Bytes object, impl_->FetchOne(domain, id, &files));
    objects.push_back(std::move(object));
  }
  return objects;
}

absl::StatusOr<Bytes> StoreReader::FetchEnvelope(const DomainId& domain, const KeyId& key_id) {
  return impl_->ReadDocument(layout::EnvelopePath(domain, key_id));
}

}  // namespace holdfast
