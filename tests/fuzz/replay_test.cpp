// Goal: every input of the corpora, and each with one byte changed or cut, passes its target
// without a crash: what fuzzing once found stays fixed in ordinary builds.
#include <gtest/gtest.h>

#include "common/env/file_system.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, Corpus) {
  FileSystem& fs = RealFileSystem();
  const std::string folder = JoinPath(HOLDFAST_SOURCE_DIR "/tests/fuzz/corpus", GetParam().name);
  const auto files = fs.List(folder);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_GE(files->size(), 3u);
  GetParam().run("");
  for (const DirectoryEntry& file : *files) {
    SCOPED_TRACE(file.name);
    const Bytes input = fs.ReadFile(JoinPath(folder, file.name)).value();
    GetParam().run(input);
    const std::size_t step = input.size() / 50 + 1;
    for (std::size_t i = 0; i < input.size(); i += step) {
      Bytes changed = input;
      changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
      GetParam().run(changed);
      GetParam().run(ByteView(input).substr(0, i));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(kTargets),
                         [](const testing::TestParamInfo<Target>& target) {
                           return std::string(target.param.name);
                         });

}  // namespace
}  // namespace holdfast::fuzz
