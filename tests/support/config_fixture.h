// A configuration file of one program, written, loaded, and what its refusal must name.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "absl/status/statusor.h"
#include "common/base/error.h"
#include "common/env/file_system.h"
#include "tests/support/temp_dir.h"

namespace holdfast::test {

template <typename Config>
class ConfigFixture : public testing::Test {
 protected:
  using Loader = absl::StatusOr<Config> (*)(FileSystem&, const std::string&);
  ConfigFixture(Loader loader, const std::string& name)
      : path_(directory_ / name), loader_(loader) {}

  absl::StatusOr<Config> Load(ByteView text) {
    EXPECT_TRUE(RealFileSystem().WriteAtomically(path_, text).ok());
    return loader_(RealFileSystem(), path_);
  }
  // `text` must be refused at `place` ("line:column").
  void ExpectRefused(ByteView text, const std::string& place) {
    SCOPED_TRACE(Bytes(text));
    const auto status = Load(text).status();
    EXPECT_EQ(ExitCodeOf(status), 2) << status;
    EXPECT_EQ(MessageOf(status).find(path_ + ":" + place + ":"), 0u) << status;
  }

  TempDir directory_;
  const std::string path_;

 private:
  const Loader loader_;
};

}  // namespace holdfast::test
