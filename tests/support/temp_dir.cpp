#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <filesystem>

#include "common/base/error.h"

namespace holdfast::test {

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr ? base : "/tmp") + "/holdfast-test-XXXXXX";
  HOLDFAST_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace holdfast::test
