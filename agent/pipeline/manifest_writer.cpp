#include "agent/pipeline/manifest_writer.h"

#include "common/base/error.h"
#include "common/format/manifest.h"

namespace holdfast::pipeline {

ManifestWriter::ManifestWriter(const chunker::Chunker& chunker, const HmacKey& id_key,
                               ChunkPipeline& pipeline)
    : writer_(
          {&chunker, &id_key, ObjectType::kManifest, nullptr},
          [&pipeline](ObjectType type, const ChunkId& id, ByteView plaintext) {
            return pipeline.Offer(type, id, plaintext);
          },
          [this](Entry entry) {
            done_ = std::move(entry);
            return absl::OkStatus();
          }) {}

absl::Status ManifestWriter::Write(const std::vector<EncodedEntry>& entries) {
  RETURN_IF_ERROR(writer_.Begin());
  RETURN_IF_ERROR(writer_.Write(kManifestHeader));
  Bytes framed;
  for (const EncodedEntry& entry : entries) {
    framed.clear();
    AppendManifestEntry(entry.bytes, &framed);
    RETURN_IF_ERROR(writer_.Write(framed));
  }
  RETURN_IF_ERROR(writer_.End(Entry{}));
  return writer_.Finish();
}

}  // namespace holdfast::pipeline
