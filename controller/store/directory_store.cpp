#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/format/object.h"
#include "common/format/pack_file.h"
#include "controller/store/documents.h"
#include "controller/store/open_pack.h"
#include "controller/store/pack_health.h"
#include "controller/store/pack_indexes.h"
#include "controller/store/staging.h"
#include "controller/store/store.h"
#include "controller/store/store_files.h"
#include "fmt/format.h"

namespace holdfast::store {
namespace {

constexpr std::uint32_t kMaxObjectHeaderBytes = 256;  // 225 with three bases

absl::Status OutOfBounds(const std::string& path, std::uint64_t offset, std::uint32_t length,
                         std::uint64_t end) {
  return Error(ErrorKind::kIntegrity, 5015,
               fmt::format("unable to read an object of '{}': {} bytes at {} lie outside its "
                           "objects, which end at {}",
                           Escaped(path), length, offset, end),
               "The pack is cut or the catalog is damaged: check the store.");
}

class DirectoryStore final : public Store {
 public:
  DirectoryStore(std::shared_ptr<StoreFiles> files, std::unique_ptr<DirectoryLock> lock,
                 std::unique_ptr<NumberSource> numbers)
      : lock_(std::move(lock)),
        files_(std::move(files)),
        numbers_(std::move(numbers)),
        documents_(files_),
        indexes_(files_->fs),
        health_(files_) {}

  Documents& documents() { return documents_; }

  absl::StatusOr<std::unique_ptr<OpenPack>> CreatePack() override {
    RETURN_IF_ERROR(files_->CheckWritable(0));
    const auto number = numbers_->Next();
    if (!number.ok()) return files_->AfterWrite(number.status());
    return DirectoryOpenPack::Create(files_, *number);
  }

  // Not synced: a mark that comes back after power loss is reported once more, which is harmless.
  absl::Status Settle(std::uint64_t number) override {
    const std::string path = FinishedMarkPath(files_->staging, number);
    return files_->fs.Exists(path) ? files_->fs.Remove(path) : absl::OkStatus();
  }

  absl::Status MoveRest(std::vector<RecoveredPack>* moved) override {
    std::lock_guard lock(move_mutex_);
    std::set<std::uint64_t> numbers = files_->TakeUnmoved();
    absl::Status status;
    for (const std::uint64_t number : numbers) {
      auto pack =
          status.ok() ? FinishLeftPack(files_->fs, files_->staging, files_->root, number) : status;
      if (pack.ok()) {
        if (!pack->name.IsZero()) files_->RememberFinished(number, pack->name);
        moved->push_back(*std::move(pack));
      } else {
        files_->AddUnmoved(number);
        status = files_->AfterWrite(pack.status());
      }
    }
    return status;
  }

  absl::StatusOr<std::vector<std::uint64_t>> ListSetAside() override {
    return ListDamagedPacks(files_->fs, files_->staging);
  }
  absl::Status DropSetAside(std::uint64_t number) override {
    const std::string path = DamagedPackPath(files_->staging, number);
    if (files_->fs.Exists(path)) RETURN_IF_ERROR(files_->fs.Remove(path));
    return files_->fs.SyncDirectory(files_->staging);
  }

  absl::StatusOr<Bytes> ReadObject(const PackName& name, std::uint64_t open_number,
                                   std::uint64_t offset_bytes,
                                   std::uint32_t length_bytes) override {
    if (!name.IsZero()) return ReadFinished(name, offset_bytes, length_bytes);
    const std::string path = OpenPackPath(files_->staging, open_number);
    auto file = files_->fs.OpenRead(path);
    if (!file.ok()) {
      // Finished after the caller asked the catalog.
      const auto finished = files_->Finished(open_number);
      if (finished) return ReadFinished(*finished, offset_bytes, length_bytes);
      return file.status();
    }
    ASSIGN_OR_RETURN(const std::uint64_t size, (*file)->Size());
    return ReadChecked(**file, path, offset_bytes, length_bytes, size);
  }

  absl::StatusOr<PackCheck> CheckPack(const PackName& name, const ReadPace& pace) override {
    return health_.Check(name, pace);
  }

  absl::StatusOr<std::uint64_t> RemoveOrphanedParity() override {
    constexpr std::string_view kEnding = ".parity";
    const std::string packs = JoinPath(files_->root, layout::kPacks);
    std::uint64_t removed = 0;
    ASSIGN_OR_RETURN(const auto fans, files_->fs.List(packs));
    for (const DirectoryEntry& fan : fans) {
      if (!fan.is_directory) continue;
      const std::string directory = JoinPath(packs, fan.name);
      ASSIGN_OR_RETURN(const auto entries, files_->fs.List(directory));
      for (const DirectoryEntry& entry : entries) {
        if (!entry.name.ends_with(kEnding)) continue;
        const std::string stem = entry.name.substr(0, entry.name.size() - kEnding.size());
        if (files_->fs.Exists(JoinPath(directory, stem + ".pack"))) continue;
        RETURN_IF_ERROR(files_->fs.Remove(JoinPath(directory, entry.name)));
        ++removed;
      }
    }
    return removed;
  }

  absl::StatusOr<std::unique_ptr<StagedDocument>> Stage() override {
    RETURN_IF_ERROR(files_->CheckWritable(0));
    const auto number = numbers_->Next();
    if (!number.ok()) return files_->AfterWrite(number.status());
    return StagedDocument::Create(files_, *number);
  }
  absl::Status PutRecord(const SourceId& source, std::uint64_t seq, ByteView record,
                         StagedDocument& references) override {
    return documents_.PutPair({layout::ReferencesPath(source, seq), references},
                              {layout::RecordPath(source, seq), record});
  }
  absl::StatusOr<Bytes> GetRecord(const SourceId& source, std::uint64_t seq) override {
    return documents_.Get(layout::RecordPath(source, seq));
  }
  absl::StatusOr<Bytes> GetReferences(const SourceId& source, std::uint64_t seq) override {
    return documents_.Get(layout::ReferencesPath(source, seq));
  }
  absl::Status PutCommitFacts(const SourceId& source, std::uint64_t seq, ByteView facts) override {
    return documents_.Replace({layout::CommitFactsPath(source, seq), facts});
  }
  absl::Status RemoveRecord(const SourceId& source, std::uint64_t seq) override {
    RETURN_IF_ERROR(documents_.Remove(layout::RecordPath(source, seq)));
    RETURN_IF_ERROR(documents_.Remove(layout::CommitFactsPath(source, seq)));
    return documents_.Remove(layout::ReferencesPath(source, seq));
  }
  absl::Status PutEnvelope(const DomainId& domain, const KeyId& key, ByteView envelope) override {
    return documents_.Put({layout::EnvelopePath(domain, key), envelope});
  }
  absl::StatusOr<Bytes> GetEnvelope(const DomainId& domain, const KeyId& key) override {
    return documents_.Get(layout::EnvelopePath(domain, key));
  }
  absl::Status PutIdentity(const DomainId& domain, const AgentId& agent, ByteView identity,
                           ByteView secrets) override {
    return documents_.PutPair({layout::SecretsPath(domain, agent), secrets},
                              {layout::IdentityPath(domain, agent), identity});
  }
  absl::StatusOr<Bytes> GetIdentity(const DomainId& domain, const AgentId& agent) override {
    return documents_.Get(layout::IdentityPath(domain, agent));
  }
  absl::StatusOr<Bytes> GetSecrets(const DomainId& domain, const AgentId& agent) override {
    return documents_.Get(layout::SecretsPath(domain, agent));
  }
  absl::Status ReplaceIdentity(const DomainId& domain, const AgentId& agent,
                               ByteView identity) override {
    return documents_.Replace({layout::IdentityPath(domain, agent), identity});
  }
  absl::Status ReplaceSecrets(const DomainId& domain, const AgentId& agent,
                              ByteView secrets) override {
    return documents_.Replace({layout::SecretsPath(domain, agent), secrets});
  }
  absl::Status MarkAgentRemoved(const DomainId& domain, const AgentId& agent) override {
    return documents_.Put({layout::RemovedMarkPath(domain, agent), ""});
  }
  absl::Status PutOwner(const PublicKey& owner) override {
    return documents_.Put({layout::kOwner, owner.view()});
  }
  absl::Status PutRecipients(std::uint64_t version, ByteView document) override {
    return documents_.Put({layout::RecipientsPath(version), document});
  }
  absl::Status PutSettings(std::uint64_t generation, ByteView document) override {
    return documents_.Replace({layout::SettingsPath(generation), document});
  }
  std::vector<Bytes> GetSettings() override {
    std::vector<Bytes> found;
    for (const std::uint64_t turn : {0, 1}) {
      auto document = documents_.Get(layout::SettingsPath(turn));
      if (document.ok()) found.push_back(*std::move(document));
    }
    return found;
  }

  absl::Status RemovePurgedRecord(const SourceId& source, std::uint64_t seq) override {
    RETURN_IF_ERROR(documents_.Remove(layout::CommitFactsPath(source, seq)));
    return documents_.Remove(layout::RecordPath(source, seq));
  }
  absl::Status RemovePurgedReferences(const SourceId& source, std::uint64_t seq) override {
    return documents_.Remove(layout::ReferencesPath(source, seq));
  }
  absl::Status RemoveEnvelope(const DomainId& domain, const KeyId& key) override {
    return documents_.Remove(layout::EnvelopePath(domain, key));
  }
  absl::Status RemovePack(const PackName& name) override {
    RETURN_IF_ERROR(documents_.Remove(layout::PackPath(name)));
    return documents_.Remove(layout::ParityPath(name));
  }
  absl::StatusOr<std::vector<KeyId>> PackKeys(const PackName& name) override {
    const std::string path = JoinPath(files_->root, layout::PackPath(name));
    ASSIGN_OR_RETURN(const PackIndex index, ReadPackIndex(files_->fs, path));
    ASSIGN_OR_RETURN(const auto file, files_->fs.OpenRead(path));
    std::set<KeyId> keys;
    for (const PackEntry& entry : index.entries) {
      const std::size_t size = std::min(entry.length_bytes, kMaxObjectHeaderBytes);
      ASSIGN_OR_RETURN(const Bytes start, file->ReadAt(entry.offset_bytes, size));
      ASSIGN_OR_RETURN(const ObjectHeader header, ParseObjectHeader(start));
      keys.insert(header.key_id);
    }
    return std::vector<KeyId>(keys.begin(), keys.end());
  }

  absl::StatusOr<std::uint64_t> FreeBytes() override { return files_->FreeBytes(); }
  bool writable() const override { return files_->writable(); }
  absl::Status Probe() override { return files_->Probe(); }

 private:
  // Damage is repaired from parity, if that is possible, and read once more; on a disk that takes
  // no writes it is repaired in memory, so that it is not taken for lost.
  absl::StatusOr<Bytes> ReadFinished(const PackName& name, std::uint64_t offset,
                                     std::uint32_t length) {
    bool index_is_bad = false;
    auto object = TryReadFinished(name, offset, length, &index_is_bad);
    const bool damaged = index_is_bad || absl::IsDataLoss(object.status()) ||
                         KindOf(object.status()) == ErrorKind::kFailed;
    if (object.ok() && !index_is_bad) return object;
    if (!damaged) return object;
    switch (health_.Repair(name)) {
      case PackHealth::Outcome::kRepaired:
        return TryReadFinished(name, offset, length, &index_is_bad);
      case PackHealth::Outcome::kNotNow:
        return ReadRecovered(name, offset, length, std::move(object));
      case PackHealth::Outcome::kBeyond:
        break;
    }
    return object;
  }

  // A disk that takes no writes: the object out of the repaired pack in memory, else `otherwise`.
  absl::StatusOr<Bytes> ReadRecovered(const PackName& name, std::uint64_t offset,
                                      std::uint32_t length, absl::StatusOr<Bytes> otherwise) {
    const auto pack = health_.Recovered(name);
    if (!pack.ok() || offset > pack->size() || length > pack->size() - offset) return otherwise;
    return pack->substr(offset, length);
  }

  absl::StatusOr<Bytes> TryReadFinished(const PackName& name, std::uint64_t offset,
                                        std::uint32_t length, bool* index_is_bad) {
    const std::string path = JoinPath(files_->root, layout::PackPath(name));
    ASSIGN_OR_RETURN(const auto file, files_->fs.OpenRead(path));
    ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
    const auto index = indexes_.Get(path);
    if (SaysNothing(index.status())) return index.status();
    // With a damaged index the object itself may be whole: its own header decides below.
    if (!index.ok()) {
      *index_is_bad = true;
      return ReadChecked(*file, path, offset, length, size);
    }
    ASSIGN_OR_RETURN(Bytes object,
                     ReadChecked(*file, path, offset, length, (*index)->footer_offset));
    RETURN_IF_ERROR(CheckCrc(**index, path, offset, object));
    return object;
  }

  // A flipped bit is found here, before it travels; the caller then marks the chunk BAD.
  static absl::Status CheckCrc(const PackIndex& index, const std::string& path,
                               std::uint64_t offset, ByteView object) {
    const auto entry = std::lower_bound(
        index.entries.begin(), index.entries.end(), offset,
        [](const PackEntry& each, std::uint64_t wanted) { return each.offset_bytes < wanted; });
    if (entry != index.entries.end() && entry->offset_bytes == offset &&
        entry->length_bytes == object.size() && entry->crc == Crc32(object)) {
      return absl::OkStatus();
    }
    return Error(ErrorKind::kIntegrity, 5017,
                 fmt::format("unable to read an object of '{}': the {} bytes at {} are damaged "
                             "(CRC)",
                             Escaped(path), object.size(), offset));
  }

  static absl::StatusOr<Bytes> ReadChecked(const File& file, const std::string& path,
                                           std::uint64_t offset, std::uint32_t length,
                                           std::uint64_t end) {
    if (length == 0 || length > kMaxObjectBytes || offset < kPackHeader.size() || offset > end ||
        length > end - offset) {
      return OutOfBounds(path, offset, length, end);
    }
    ASSIGN_OR_RETURN(Bytes object, file.ReadAt(offset, length));
    const auto header = ParseObjectHeader(object);
    if (!header.ok() || header->object_bytes() != length) {
      return Error(ErrorKind::kIntegrity, 5016,
                   fmt::format("unable to read an object of '{}': no whole object of {} bytes lies "
                               "at {}",
                               Escaped(path), length, offset));
    }
    return object;
  }

  const std::unique_ptr<DirectoryLock> lock_;
  const std::shared_ptr<StoreFiles> files_;
  const std::unique_ptr<NumberSource> numbers_;
  std::mutex move_mutex_;  // one move of what was left at a time
  Documents documents_;
  PackIndexes indexes_;
  PackHealth health_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(Env env, std::string data_directory,
                                                   std::vector<RecoveredPack>* recovered,
                                                   unsigned parity_percent) {
  FileSystem& fs = env.fs;
  const std::string root = JoinPath(data_directory, layout::kStoreBelowData);
  const std::string staging = JoinPath(data_directory, layout::kStagingBelowData);
  RETURN_IF_ERROR(fs.MakeDirectories(staging));
  for (const char* area : {layout::kPacks, layout::kRecords, layout::kEnvelopes, layout::kDomains,
                           layout::kTrust, layout::kSettings}) {
    RETURN_IF_ERROR(fs.MakeDirectories(JoinPath(root, area)));
  }
  // A predecessor may have been killed between making a directory and making its name durable.
  RETURN_IF_ERROR(fs.SyncDirectory(root));
  RETURN_IF_ERROR(fs.SyncDirectory(data_directory));
  fs.SyncDirectory(ParentPath(data_directory)).IgnoreError();  // it may not be ours to open
  // Before anything is touched: another controller may be filling packs here.
  ASSIGN_OR_RETURN(auto lock, DirectoryLock::Acquire(JoinPath(staging, "lock")));
  ASSIGN_OR_RETURN(auto numbers, NumberSource::Open(fs, staging));
  ASSIGN_OR_RETURN(*recovered, RecoverStaging(fs, staging, root));
  auto files = std::make_shared<StoreFiles>(fs, root, staging, parity_percent);
  for (const RecoveredPack& pack : *recovered) {
    if (!pack.name.IsZero()) files->RememberFinished(pack.number, pack.name);
  }
  auto store =
      std::make_unique<DirectoryStore>(std::move(files), std::move(lock), std::move(numbers));
  RETURN_IF_ERROR(store->documents().RemoveTemporaries());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace holdfast::store
