// Goal: a manifest stream gives its entries whatever pieces it comes in; order, twins and torn ends
// are refused.
#include "common/format/manifest.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "common/format/wire.h"

namespace holdfast {
namespace {

Bytes Stream(const std::vector<std::string>& paths) {
  Bytes stream(kManifestHeader);
  for (const std::string& path : paths) {
    Entry entry;
    entry.path = path;
    entry.type = EntryType::kDirectory;
    AppendManifestEntry(EncodeEntry(entry), &stream);
  }
  return stream;
}

absl::StatusOr<std::vector<std::string>> Decode(ByteView stream, std::size_t piece) {
  std::vector<std::string> paths;
  ManifestDecoder decoder;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    RETURN_IF_ERROR(decoder.Feed(stream.substr(at, piece), [&](Entry&& entry) {
      paths.push_back(entry.path);
      return absl::OkStatus();
    }));
  }
  RETURN_IF_ERROR(decoder.Finish());
  return paths;
}

TEST(ManifestTest, PiecesDoNotMatter) {
  const std::vector<std::string> paths = {"", "a", "a/b", "a.b", "z"};
  const Bytes stream = Stream(paths);
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    ASSERT_EQ(Decode(stream, piece).value(), paths) << piece;
  }
  EXPECT_TRUE(Decode(Stream({}), 3)->empty());
}

TEST(ManifestTest, OrderIsChecked) {
  EXPECT_EQ(ExitCodeOf(Decode(Stream({"b", "a"}), 100).status()), 5);
  EXPECT_EQ(ExitCodeOf(Decode(Stream({"a", "a"}), 100).status()), 5);
  EXPECT_EQ(ExitCodeOf(Decode(Stream({"a.b", "a/b"}), 100).status()), 5);
  EXPECT_EQ(ExitCodeOf(Decode(Stream({"", ""}), 100).status()), 5);
}

TEST(ManifestTest, TornStreamsAreRefused) {
  const Bytes stream = Stream({"a"});
  for (std::size_t size = 0; size < stream.size(); ++size) {
    if (size == kManifestHeader.size()) continue;  // an empty manifest
    EXPECT_EQ(ExitCodeOf(Decode(ByteView(stream).substr(0, size), 7).status()), 5) << size;
  }
  EXPECT_EQ(ExitCodeOf(Decode("HFMANI2\n", 8).status()), 5);
  Writer huge;
  huge.Raw(kManifestHeader);
  huge.U32(0xffffffff);
  EXPECT_EQ(ExitCodeOf(Decode(huge.bytes(), 100).status()), 5) << "refused before it is awaited";
}

TEST(ManifestTest, VisitorsErrorEndsTheWalk) {
  ManifestDecoder decoder;
  const absl::Status status =
      decoder.Feed(Stream({"a", "b"}), [](Entry&&) { return absl::CancelledError("enough"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace holdfast
