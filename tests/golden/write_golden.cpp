// Writes the golden store anew. Only for a new format version: format-v1 is frozen, and every later
// version has to restore it as it stands.
// Usage: golden_write DIRECTORY (tests/golden/format-v1)
#include <cstdio>

#include "common/base/error.h"
#include "common/env/file_system.h"
#include "tests/support/golden_store.h"

int main(int argc, char** argv) {
  using namespace holdfast;
  if (argc != 2) {
    std::fprintf(stderr, "usage: golden_write DIRECTORY\n");
    return 2;
  }
  FileSystem& fs = RealFileSystem();
  const auto save = [&](const std::string& name, ByteView bytes) {
    const std::string path = JoinPath(argv[1], name);
    absl::Status status = fs.MakeDirectories(ParentPath(path));
    if (status.ok()) status = fs.WriteAtomically(path, bytes, 0644);
    if (!status.ok()) std::fputs(Render(status).c_str(), stderr);
    return status.ok();
  };
  const test::GoldenStore golden = test::MakeGoldenStore();
  bool ok = save("recovery.key", golden.recovery.secret.view());
  for (const auto& [name, bytes] : golden.files) ok = save(JoinPath("store", name), bytes) && ok;
  for (int i : {0, 1}) {
    for (const auto& [path, bytes] : golden.content[i]) {
      ok = save("content/" + std::to_string(i + 1) + "/" + path, bytes) && ok;
    }
  }
  return ok ? 0 : 1;
}
