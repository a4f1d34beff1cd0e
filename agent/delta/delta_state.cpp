#include "agent/delta/delta_state.h"

#include <xxhash.h>

#include "common/crypto/crypto.h"
#include "common/format/checked_file.h"
#include "common/format/wire.h"

namespace holdfast::delta {
namespace {

constexpr ByteView kMagic{"HFDLTA1\n", 8};
constexpr std::uint64_t kMaxStateBytes = 1ull << 30;
// id, two lengths, two edges, spent, base count
constexpr std::size_t kLeastChunkBytes = ChunkId::kSize + 4 + 4 + 8 + 8 + 8 + 1;

KnownChunk ReadChunk(Reader& reader) {
  KnownChunk chunk;
  chunk.id = reader.Id<ChunkId>();
  chunk.plain_bytes = reader.U32();
  chunk.stored_bytes = reader.U32();
  chunk.first_edge = reader.U64();
  chunk.last_edge = reader.U64();
  chunk.spent_bytes = reader.U64();
  const std::uint8_t bases = reader.U8();
  for (int i = 0; i < bases && reader.ok(); ++i) {
    Base base;
    base.id = reader.Id<ChunkId>();
    base.plain_bytes = reader.U32();
    base.stored_bytes = reader.U32();
    chunk.bases.push_back(base);
  }
  return chunk;
}

void WriteChunk(const KnownChunk& chunk, Writer* writer) {
  writer->Raw(chunk.id.view());
  writer->U32(chunk.plain_bytes);
  writer->U32(chunk.stored_bytes);
  writer->U64(chunk.first_edge);
  writer->U64(chunk.last_edge);
  writer->U64(chunk.spent_bytes);
  writer->U8(static_cast<std::uint8_t>(chunk.bases.size()));
  for (const Base& base : chunk.bases) {
    writer->Raw(base.id.view());
    writer->U32(base.plain_bytes);
    writer->U32(base.stored_bytes);
  }
}

}  // namespace

std::uint64_t FirstEdge(ByteView plaintext) {
  const ByteView edge = plaintext.substr(0, kEdgeBytes);
  return XXH3_64bits(edge.data(), edge.size());
}

std::uint64_t LastEdge(ByteView plaintext) {
  const ByteView edge = plaintext.substr(plaintext.size() - std::min(plaintext.size(), kEdgeBytes));
  return XXH3_64bits(edge.data(), edge.size());
}

bool DeltaState::Load(FileSystem& fs, const std::string& path, const Hash256& record) {
  Clear();
  const auto body = ReadCheckedFile(fs, path, kMaxStateBytes);
  if (!body) return false;
  Reader reader(*body);
  reader.Magic(kMagic);
  if (reader.Id<Hash256>() != record) return false;
  const std::uint64_t count = reader.U64();
  if (!reader.ok() || count > reader.remaining() / kLeastChunkBytes) return false;
  chunks_.reserve(count);
  by_id_.reserve(count);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) Add(ReadChunk(reader));
  if (reader.AtEnd()) return true;
  Clear();
  return false;
}

absl::Status DeltaState::Save(FileSystem& fs, const std::string& path,
                              const Hash256& record) const {
  Writer writer;
  writer.Raw(kMagic);
  writer.Raw(record.view());
  writer.U64(chunks_.size());
  for (const KnownChunk& chunk : chunks_) WriteChunk(chunk, &writer);
  return WriteCheckedFile(fs, path, writer.Take());
}

void DeltaState::Add(KnownChunk chunk) {
  if (!chunk.is_delta() && plain_count_ >= kMaxPlain) return;
  if (!by_id_.emplace(chunk.id, static_cast<std::uint32_t>(chunks_.size())).second) return;
  if (!chunk.is_delta()) ++plain_count_;
  chunks_.push_back(std::move(chunk));
}

void DeltaState::Clear() {
  chunks_.clear();
  by_id_.clear();
  plain_count_ = 0;
}

const KnownChunk* DeltaState::Find(const ChunkId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &chunks_[found->second];
}

}  // namespace holdfast::delta
