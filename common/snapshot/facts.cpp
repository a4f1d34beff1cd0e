#include "common/snapshot/facts.h"

#include "common/base/error.h"
#include "proto/snapshot.pb.h"

namespace holdfast {

Bytes EncodeSnapshotFacts(const SnapshotFacts& facts) {
  stored::SnapshotFacts out;
  const SnapshotInfo& info = facts.info;
  out.set_source_name(info.source_name);
  out.set_kind(info.kind);
  out.set_entry_count(info.entry_count);
  out.set_content_bytes(info.content_bytes);
  out.set_position(info.position);
  for (const auto& [name, value] : info.attributes) {
    stored::Attribute* attribute = out.add_attributes();
    attribute->set_name(name);
    attribute->set_value(value);
  }
  for (const std::string& note : info.notes) out.add_notes(note);
  for (const Problem& problem : info.problems) {
    stored::Problem* added = out.add_problems();
    added->set_path(problem.path);
    added->set_reason(problem.reason);
  }
  for (const Slice& slice : facts.manifest) {
    stored::Slice* added = out.add_manifest();
    added->set_chunk(slice.chunk.bytes());
    added->set_offset(slice.offset_bytes);
    added->set_length(slice.length_bytes);
  }
  out.set_manifest_bytes(facts.manifest_bytes);
  out.set_chunker_suite(facts.chunker_suite);
  out.set_summary(facts.summary);
  out.set_taken_at_unix_ms(static_cast<std::uint64_t>(absl::ToUnixMillis(info.taken_at)));
  return out.SerializeAsString();
}

absl::StatusOr<SnapshotFacts> DecodeSnapshotFacts(ByteView bytes) {
  const auto damaged = [](std::string what) {
    return Error(ErrorKind::kIntegrity, 4052, "unable to read the facts of a snapshot: " + what);
  };
  stored::SnapshotFacts in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return damaged("they do not parse");
  SnapshotFacts facts;
  facts.info.source_name = in.source_name();
  facts.info.kind = in.kind();
  facts.info.entry_count = in.entry_count();
  facts.info.content_bytes = in.content_bytes();
  facts.info.position = in.position();
  for (const stored::Attribute& attribute : in.attributes()) {
    facts.info.attributes[attribute.name()] = attribute.value();
  }
  facts.info.notes.assign(in.notes().begin(), in.notes().end());
  for (const stored::Problem& problem : in.problems()) {
    facts.info.problems.push_back({problem.path(), problem.reason()});
  }
  std::uint64_t total = 0;
  for (const stored::Slice& slice : in.manifest()) {
    const auto id = ChunkId::From(slice.chunk());
    if (!id) return damaged("a manifest chunk id has the wrong length");
    facts.manifest.push_back({*id, slice.offset(), slice.length()});
    total += slice.length();
  }
  facts.manifest_bytes = in.manifest_bytes();
  if (total != facts.manifest_bytes)
    return damaged("the manifest's chunks have another length than the manifest");
  facts.chunker_suite = in.chunker_suite();
  facts.summary = in.summary();
  facts.info.taken_at = absl::FromUnixMillis(static_cast<std::int64_t>(in.taken_at_unix_ms()));
  return facts;
}

}  // namespace holdfast
