#include "common/snapshot/opener.h"

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "common/base/error.h"
#include "common/format/manifest.h"
#include "common/snapshot/chunk_reader.h"
#include "common/snapshot/run_keys.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatchChunks = 4;           // fetched together: ~4 MiB of content
constexpr std::size_t kManifestBatchChunks = 32;  // ~2 MiB of manifest

class StoredSnapshot final : public SnapshotView {
 public:
  StoredSnapshot(SnapshotFacts facts, std::shared_ptr<ChunkReader> reader)
      : facts_(std::move(facts)), reader_(std::move(reader)) {}

  const SnapshotInfo& info() const override { return facts_.info; }

  absl::Status ForEachEntry(absl::FunctionRef<absl::Status(const Entry&)> visit) const override {
    return Walk(PathCheck::kDecoders, visit);
  }
  absl::Status ForEachEntryAsStored(
      absl::FunctionRef<absl::Status(const Entry&)> visit) const override {
    return Walk(PathCheck::kCallers, visit);
  }

  absl::StatusOr<Entry> Find(std::string_view path) const override {
    Entry found;
    bool seen = false;
    const absl::Status status = ForEachEntry([&](const Entry& entry) -> absl::Status {
      if (entry.path != path) return absl::OkStatus();
      found = entry;
      seen = true;
      return absl::CancelledError("found");
    });
    if (seen) return found;
    if (!status.ok()) return status;
    return Error(ErrorKind::kNotFound, 3004,
                 fmt::format("unable to find '{}' in snapshot {}@{}", Escaped(path),
                             Escaped(facts_.info.source_name), facts_.info.seq),
                 "List what is there with 'holdfast ls'.");
  }

  absl::Status Read(const Entry& entry,
                    absl::FunctionRef<absl::Status(ByteView)> consume) const override {
    return WithContext(ReadSlices(ObjectType::kContent, entry.slices, kBatchChunks, consume),
                       fmt::format("unable to read '{}'", Escaped(entry.path)));
  }

 private:
  absl::Status Walk(PathCheck paths, absl::FunctionRef<absl::Status(const Entry&)> visit) const {
    ManifestDecoder decoder(paths);
    const auto feed = [&](ByteView piece) {
      return decoder.Feed(piece, [&](Entry&& entry) { return visit(entry); });
    };
    RETURN_IF_ERROR(ReadSlices(ObjectType::kManifest, facts_.manifest, kManifestBatchChunks, feed));
    return decoder.Finish();
  }

  using Plaintexts = absl::StatusOr<std::vector<ChunkReader::Plaintext>>;

  struct Batch {
    std::size_t end = 0;  // behind its last slice
    std::vector<ChunkId> ids;
  };

  static Batch BatchAt(const std::vector<Slice>& slices, std::size_t begin, std::size_t size) {
    Batch batch;
    batch.end = std::min(slices.size(), begin + size);
    for (std::size_t i = begin; i < batch.end; ++i) {
      if (batch.ids.empty() || batch.ids.back() != slices[i].chunk) {
        batch.ids.push_back(slices[i].chunk);
      }
    }
    return batch;
  }

  // While a batch is being consumed the next one is fetched and opened.
  absl::Status ReadSlices(ObjectType type, const std::vector<Slice>& slices, std::size_t size,
                          absl::FunctionRef<absl::Status(ByteView)> consume) const {
    const auto get = [this, type](const Batch& batch) { return reader_->Get(type, batch.ids); };
    Batch batch = BatchAt(slices, 0, size);
    std::future<Plaintexts> ahead;
    for (std::size_t begin = 0; begin < slices.size();) {
      ASSIGN_OR_RETURN(const auto plaintexts, ahead.valid() ? ahead.get() : get(batch));
      const Batch now = std::exchange(batch, BatchAt(slices, batch.end, size));
      // Without a thread to be had it is done when it is asked for: the default launch policy.
      if (now.end < slices.size()) ahead = std::async([&get, &batch] { return get(batch); });
      RETURN_IF_ERROR(ConsumeBatch(slices, begin, now, plaintexts, consume));
      begin = now.end;
    }
    return absl::OkStatus();
  }

  static absl::Status ConsumeBatch(const std::vector<Slice>& slices, std::size_t begin,
                                   const Batch& batch,
                                   const std::vector<ChunkReader::Plaintext>& plaintexts,
                                   absl::FunctionRef<absl::Status(ByteView)> consume) {
    std::size_t at = 0;
    for (std::size_t i = begin; i < batch.end; ++i) {
      if (batch.ids[at] != slices[i].chunk) ++at;
      const Bytes& plaintext = *plaintexts[at];
      const Slice& slice = slices[i];
      if (slice.offset_bytes > plaintext.size() ||
          slice.length_bytes > plaintext.size() - slice.offset_bytes) {
        return Error(ErrorKind::kIntegrity, 4071,
                     fmt::format("unable to read a slice of chunk '{}': it lies outside the chunk",
                                 slice.chunk.hex()));
      }
      RETURN_IF_ERROR(consume(ByteView(plaintext).substr(slice.offset_bytes, slice.length_bytes)));
    }
    return absl::OkStatus();
  }

  const SnapshotFacts facts_;
  const std::shared_ptr<ChunkReader> reader_;
};

absl::Status CheckAsked(const RecordClear& clear, const OpenRequest& request,
                        const AgentIdentity& agent) {
  if (clear.source != request.source_id || (request.seq != 0 && clear.seq != request.seq) ||
      clear.domain != agent.domain) {
    return Error(
        ErrorKind::kIntegrity, 4063,
        fmt::format(
            "unable to trust the snapshot: asked for number {}, the store gave number {} of {}",
            request.seq, clear.seq, clear.source == request.source_id ? "it" : "another source"),
        "ROLLBACK or a swapped record: do not trust this controller before it is explained.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OpenedSnapshot> OpenSnapshot(const SnapshotDocuments& documents,
                                            const OpenRequest& request, const PublicKey& owner,
                                            const KeyPair& recipient,
                                            std::shared_ptr<ChunkFetcher> fetcher) {
  OpenedSnapshot opened;
  ASSIGN_OR_RETURN(opened.agent, OpenAgentIdentity(documents.identity, owner));
  RETURN_IF_ERROR(VerifyRecord(documents.record, opened.agent.signing_key));
  ASSIGN_OR_RETURN(opened.clear, ParseRecord(documents.record));
  RETURN_IF_ERROR(CheckAsked(opened.clear, request, opened.agent));
  ASSIGN_OR_RETURN(opened.secrets, OpenDomainSecrets(documents.domain_secrets, recipient));
  if (opened.secrets.domain != opened.clear.domain) {
    return Error(ErrorKind::kIntegrity, 4064,
                 "unable to trust the snapshot: its domain secrets are of another domain");
  }

  auto keys =
      std::make_shared<RunKeys>(documents.envelopes, opened.clear.domain, recipient, fetcher);
  ASSIGN_OR_RETURN(const SecretBytes run_key, keys->Find(opened.clear.key_ids[0]));
  ASSIGN_OR_RETURN(const Bytes facts, OpenRecord(documents.record, run_key));
  ASSIGN_OR_RETURN(opened.facts, DecodeSnapshotFacts(facts));
  opened.facts.info.source_id = opened.clear.source;
  opened.facts.info.seq = opened.clear.seq;
  opened.facts.info.partial = opened.clear.partial;

  auto id_key = std::make_shared<const HmacKey>(opened.secrets.id_key.view());
  auto reader = std::make_shared<ChunkReader>(
      opened.clear.domain, id_key, [keys](const KeyId& id) { return keys->Find(id); },
      std::move(fetcher));
  opened.view = std::make_shared<StoredSnapshot>(opened.facts, std::move(reader));
  return opened;
}

absl::StatusOr<std::vector<ChunkId>> ReferencedChunks(const OpenedSnapshot& snapshot) {
  std::vector<ChunkId> ids;
  for (const Slice& slice : snapshot.facts.manifest) ids.push_back(slice.chunk);
  RETURN_IF_ERROR(snapshot.view->ForEachEntry([&](const Entry& entry) {
    for (const Slice& slice : entry.slices) {
      if (ids.back() != slice.chunk) ids.push_back(slice.chunk);
    }
    return absl::OkStatus();
  }));
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

absl::StatusOr<ChunkCheck> CheckSnapshot(
    const OpenedSnapshot& snapshot, int sample_percent, std::uint64_t seed,
    absl::FunctionRef<bool(std::uint64_t, std::uint64_t)> go_on) {
  ChunkCheck check;
  std::mt19937_64 random(seed);
  std::uint64_t entries = 0;
  RETURN_IF_ERROR(snapshot.view->ForEachEntry([&](const Entry& entry) -> absl::Status {
    ++entries;
    if (entry.slices.empty() || random() % 100 >= static_cast<std::uint64_t>(sample_percent))
      return absl::OkStatus();
    const absl::Status status = snapshot.view->Read(entry, [&](ByteView piece) {
      check.bytes += piece.size();
      return absl::OkStatus();
    });
    ++check.checked;
    if (absl::IsDataLoss(status) || absl::IsNotFound(status)) {
      check.damaged.push_back({entry.path, MessageOf(status)});
    } else if (!status.ok()) {
      return status;
    }
    if (!go_on(entries, snapshot.facts.info.entry_count))
      return Error(ErrorKind::kFailed, 3005, "the check was stopped");
    return absl::OkStatus();
  }));
  return check;
}

}  // namespace holdfast
