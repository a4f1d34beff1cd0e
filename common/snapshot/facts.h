// The sealed part of a snapshot record, as a value: SnapshotInfo and where the manifest is.
// Threading: values. Errors: kIntegrity 4052.
#pragma once

#include <vector>

#include "common/snapshot/snapshot_view.h"

namespace holdfast {

struct SnapshotFacts {
  SnapshotInfo info;            // source_id, seq and partial are those of the record's clear part
  std::string summary;          // for the operator: "12 tables, 4,210,331 rows"
  std::vector<Slice> manifest;  // chunks of the manifest stream, in order
  std::uint64_t manifest_bytes = 0;
  std::uint32_t chunker_suite = 1;
};

Bytes EncodeSnapshotFacts(const SnapshotFacts& facts);
absl::StatusOr<SnapshotFacts> DecodeSnapshotFacts(ByteView bytes);

}  // namespace holdfast
