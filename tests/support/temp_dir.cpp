#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <filesystem>

#include "common/base/error.h"

namespace holdfast::test {

TempDir::TempDir() : TempDir(std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp") {}

TempDir::TempDir(const std::string& under) : path_(under + "/holdfast-test-XXXXXX") {
  HOLDFAST_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace holdfast::test
