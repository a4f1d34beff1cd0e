// How long the catalog takes to be made anew from the store alone.
//
//   bench_rebuild CHUNKS DIRECTORY [CHUNKS_IN_A_PACK]
// makes a store of so many chunks of 1,000 bytes in DIRECTORY (default: 4,000 in a pack, each pack
// one snapshot of a source of its own), drops what is cached of it if it may, and rebuilds twice.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "controller/rebuild/rebuild.h"
#include "fmt/format.h"
#include "tests/support/sealed_snapshot.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kSeed = 17;
constexpr std::size_t kChunkBytes = 1000;

void MakeStore(const std::string& directory, std::uint64_t chunks, std::uint64_t in_a_pack) {
  test::SealedStore store(directory, kSeed);
  test::CommitOptions options;
  options.chunk_bytes = kChunkBytes;
  for (std::uint64_t made = 0; made < chunks; made += in_a_pack) {
    const std::uint64_t count = std::min(in_a_pack, chunks - made);
    store.Commit(fmt::format("source-{}", made / in_a_pack),
                 {test::FileNamed("a", store.rng().Draw(count * kChunkBytes))}, options);
  }
}

int Run(std::uint64_t chunks, const std::string& directory, std::uint64_t in_a_pack) {
  MakeStore(directory, chunks, in_a_pack);
  for (const char* state : {"nothing cached", "cached"}) {
    if (std::string_view(state) == "nothing cached") {
      ::sync();
      std::ofstream("/proc/sys/vm/drop_caches") << "3";  // as root
    }
    const auto report = rebuild::RebuildCatalog(RealEnv(), {directory, Bytes(16, 'c'), {}});
    if (!report.ok()) {
      std::fputs(Render(report.status()).c_str(), stderr);
      return 1;
    }
    fmt::print("{}: {} chunks, {} packs, {} snapshots, {} damaged: {:.1f} s\n", state,
               report->chunks.chunks, report->packs, report->snapshots, report->damage.size(),
               absl::ToDoubleSeconds(report->seconds));
  }
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::uint64_t chunks = 0;
  std::uint64_t in_a_pack = 4000;
  if (argc < 3 || argc > 4 || !absl::SimpleAtoi(argv[1], &chunks) ||
      (argc == 4 && (!absl::SimpleAtoi(argv[3], &in_a_pack) || in_a_pack == 0))) {
    std::fputs("usage: bench_rebuild CHUNKS DIRECTORY [CHUNKS_IN_A_PACK]\n", stderr);
    return 2;
  }
  return holdfast::Run(chunks, argv[2], in_a_pack);
}
