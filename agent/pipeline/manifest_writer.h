// The manifest of a snapshot as chunks: the stream of its entries through a lane of its own.
//
// Threading:  one thread. Errors: of the pipeline.
#pragma once

#include <vector>

#include "agent/pipeline/chunk_pipeline.h"
#include "agent/pipeline/content_writer.h"
#include "agent/pipeline/snapshot_assembly.h"

namespace holdfast::pipeline {

class ManifestWriter {
 public:
  // All outlive the writer.
  ManifestWriter(const chunker::Chunker& chunker, const HmacKey& id_key, ChunkPipeline& pipeline);

  absl::Status Write(const std::vector<EncodedEntry>& entries);
  const Entry& done() const { return done_; }  // its slices say where the manifest went

 private:
  Entry done_;
  ContentWriter writer_;
};

}  // namespace holdfast::pipeline
