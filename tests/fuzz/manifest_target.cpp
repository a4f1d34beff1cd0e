#include "common/format/manifest.h"

#include "common/base/error.h"
#include "common/snapshot/facts.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

struct Walk {
  bool ok = false;
  std::vector<std::string> paths;
};

Walk Decode(ByteView stream, std::size_t first_piece) {
  Walk walk;
  ManifestDecoder decoder;
  const auto visit = [&](Entry&& entry) {
    HOLDFAST_CHECK(ValidatePath(entry.path).ok());
    HOLDFAST_CHECK(walk.paths.empty() || ComparePaths(walk.paths.back(), entry.path) < 0);
    walk.paths.push_back(entry.path);
    return absl::OkStatus();
  };
  walk.ok = decoder.Feed(stream.substr(0, first_piece), visit).ok() &&
            decoder.Feed(stream.substr(first_piece), visit).ok() && decoder.Finish().ok();
  return walk;
}

}  // namespace

void Manifest(ByteView input) {
  const auto entry = DecodeEntry(input);
  if (entry.ok()) {
    const Bytes encoded = EncodeEntry(*entry);
    const auto again = DecodeEntry(encoded);
    HOLDFAST_CHECK(again.ok() && EncodeEntry(*again) == encoded);
    if (entry->type == EntryType::kHardlink) HOLDFAST_CHECK(ValidatePath(entry->link_target).ok());
  }
  const Walk whole = Decode(input, input.size());
  const Walk halves = Decode(input, input.size() / 2);
  HOLDFAST_CHECK(whole.ok == halves.ok);
  if (whole.ok) HOLDFAST_CHECK(whole.paths == halves.paths);

  const auto facts = DecodeSnapshotFacts(input);
  if (facts.ok()) HOLDFAST_CHECK(DecodeSnapshotFacts(EncodeSnapshotFacts(*facts)).ok());
}

}  // namespace holdfast::fuzz
