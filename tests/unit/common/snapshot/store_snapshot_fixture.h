// A sealed store in a temporary directory and ways to read it and to damage it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/error.h"
#include "common/format/layout.h"
#include "common/snapshot/store_reader.h"
#include "tests/support/sealed_snapshot.h"
#include "tests/support/temp_dir.h"

namespace holdfast {

using Contents = std::map<std::string, Bytes>;

class StoreSnapshotTest : public testing::Test {
 protected:
  std::shared_ptr<StoreReader> Reader(const std::string& directory) {
    auto reader = StoreReader::Open(RealFileSystem(), directory);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }
  std::shared_ptr<StoreReader> Reader() { return Reader(store_.data_directory()); }

  absl::StatusOr<OpenedSnapshot> Open(const test::CommittedSnapshot& snapshot,
                                      const KeyPair& recipient) {
    auto reader = Reader();
    ASSIGN_OR_RETURN(const SnapshotDocuments documents,
                     reader->Documents(snapshot.source, snapshot.seq));
    return OpenSnapshot(documents, {snapshot.source, snapshot.seq}, store_.owner().public_key,
                        recipient, reader);
  }

  // All files and their whole content.
  static absl::StatusOr<Contents> ReadEverything(const SnapshotView& view) {
    Contents contents;
    std::vector<Entry> entries;
    RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) {
      entries.push_back(entry);
      return absl::OkStatus();
    }));
    for (const Entry& entry : entries) {
      ASSIGN_OR_RETURN(contents[entry.path], ReadAll(view, entry));
    }
    return contents;
  }
  absl::StatusOr<Contents> ReadBack(const test::CommittedSnapshot& snapshot) {
    ASSIGN_OR_RETURN(const OpenedSnapshot opened, Open(snapshot, store_.recovery_key()));
    return ReadEverything(*opened.view);
  }

  static Bytes Load(const std::string& path) { return RealFileSystem().ReadFile(path).value(); }
  static void Save(const std::string& path, ByteView bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  test::TempDir directory_;
  test::SealedStore store_{directory_ / "data", 42};
};

}  // namespace holdfast
