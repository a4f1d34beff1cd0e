// How the catalog bears size: rows a second, questions, commits, collection, and how long ingest is
// held up by the others. Prints one table.
//
//   build/release/bin/bench_catalog 1000000 /var/tmp/catalog-bench       one source has them all
//   build/release/bin/bench_catalog 10000000 /var/tmp/catalog-bench 10   ten sources, a tenth each
//
// Every transaction is as durable as in the product. One thread stores packs meanwhile where the
// table says so; its times are of one transaction, of which a pack has three.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "common/base/error.h"
#include "common/crypto/crypto.h"
#include "common/env/env.h"
#include "controller/catalog/catalog.h"
#include "fmt/format.h"

namespace holdfast::catalog {
namespace {

constexpr std::uint64_t kPackChunks = 64;  // as many objects as a message of 4 MiB holds at most
constexpr std::uint64_t kQuestionIds = 256;
constexpr int kDays = 10;

template <typename Fixed>
Fixed IdOf(std::uint64_t number) {
  return *Fixed::From(Sha256(fmt::format("bench {}", number)).view().substr(0, Fixed::kSize));
}

// Chunks get ids by a permutation (a Feistel network, so that it can be undone), not by a hash
// alone: their order is then known without a list of them all in memory.
constexpr unsigned kHalfBits = 13;
constexpr std::uint64_t kHalfMask = (1u << kHalfBits) - 1;
constexpr std::uint64_t kPermuted = 1u << (2 * kHalfBits);

std::uint64_t Round(std::uint64_t half, std::uint64_t round) {
  std::uint64_t x = (half + 1) * 0x9e3779b97f4a7c15 + round * 0xbf58476d1ce4e5b9;
  x ^= x >> 29;
  return (x * 0x94d049bb133111eb >> 40) & kHalfMask;
}
std::uint64_t Permute(std::uint64_t number) {
  std::uint64_t left = number >> kHalfBits;
  std::uint64_t right = number & kHalfMask;
  for (std::uint64_t round = 0; round < 6; ++round) {
    left ^= Round(right, round);
    std::swap(left, right);
  }
  return left << kHalfBits | right;
}
std::uint64_t Unpermute(std::uint64_t place) {
  std::uint64_t left = place >> kHalfBits;
  std::uint64_t right = place & kHalfMask;
  for (std::uint64_t round = 6; round-- > 0;) {
    std::swap(left, right);
    left ^= Round(right, round);
  }
  return left << kHalfBits | right;
}

ChunkId ChunkIdOf(std::uint64_t number) {
  const ChunkId id = IdOf<ChunkId>(number);
  if (number >= kPermuted) return id;
  const std::uint64_t place = Permute(number) << (32 - 2 * kHalfBits);
  Bytes bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(place >> shift);
  bytes += id.view().substr(bytes.size());
  return *ChunkId::From(bytes);
}

template <typename T>
T Value(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  fmt::print(stderr, "bench_catalog: {}\n", Render(value.status()));
  std::exit(1);
}
void Check(const absl::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "bench_catalog: {}\n", Render(status));
  std::exit(1);
}

bool Done(const absl::Status& status) {
  Check(status);
  return true;
}

// How long each call took.
class Times {
 public:
  template <typename Action>
  auto Take(Action action) {
    const absl::Duration begin = RealClock().Monotonic();
    auto result = action();
    all_.push_back(RealClock().Monotonic() - begin);
    return result;
  }
  double sum_s() const {
    absl::Duration sum;
    for (const absl::Duration one : all_) sum += one;
    return absl::ToDoubleSeconds(sum);
  }
  double ms(double share) {
    std::sort(all_.begin(), all_.end());
    const auto at = static_cast<std::size_t>(share * static_cast<double>(all_.size() - 1));
    return all_.empty() ? 0 : absl::ToDoubleMilliseconds(all_[at]);
  }
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<absl::Duration> all_;
};

void Line(const std::string& what, std::uint64_t rows, Times& times) {
  fmt::print(
      "{:<46} {:>11} rows {:>9.0f} rows/s   median {:>8.2f} ms   99 % {:>8.2f} ms   longest "
      "{:>8.2f} ms\n",
      what, rows, static_cast<double>(rows) / std::max(times.sum_s(), 1e-9), times.ms(0.5),
      times.ms(0.99), times.ms(1));
  std::fflush(stdout);
}

class Bench {
 public:
  Bench(const std::string& directory, std::uint64_t sources)
      : seqs_(sources),
        path_(directory + "/catalog.db"),
        catalog_(Value(Catalog::Open(RealEnv(), path_))) {
    Check(catalog_->AddToken({"token", Sha256("secret"), "agent", 1000}));
    AgentRow agent;
    agent.id = IdOf<AgentId>(1);
    agent.name = "agent";
    Check(catalog_->Enrol("token", "secret", agent, 1).status());
    Check(catalog_->SetAgentDomain(agent.id, domain_));
    std::vector<SourceRow> rows(sources);
    for (std::uint64_t i = 0; i < sources; ++i) {
      rows[i].id = IdOf<SourceId>(i);
      rows[i].name = fmt::format("source-{}", i);
      rows[i].kind = "files";
    }
    Check(catalog_->SetSources(agent.id, rows));
  }

  // Three transactions a pack, and each may have to wait: one time each.
  void Store(std::uint64_t begin, std::uint64_t end, Times& times) {
    for (std::uint64_t at = begin; at < end; at += kPackChunks) {
      std::vector<PackEntry> entries;
      for (std::uint64_t i = at; i < std::min(at + kPackChunks, end); ++i) {
        entries.push_back({ChunkIdOf(i), 8 + entries.size() * 500'000, 500'000, 0});
      }
      const std::uint64_t number = ++packs_;
      const auto row = times.Take([&] { return Value(catalog_->AddOpenPack(domain_, number)); });
      times.Take([&] { return Done(catalog_->AddChunks(row, entries, {})); });
      times.Take([&] { return Done(catalog_->FinishPack(row, IdOf<PackName>(number), 32 << 20)); });
      chunks_ += entries.size();
    }
  }

  void Ask(std::uint64_t begin, std::uint64_t end, std::uint64_t step, Times& times) {
    for (std::uint64_t at = begin; at + kQuestionIds * step < end; at += kQuestionIds * step) {
      std::vector<ChunkId> ids;
      for (std::uint64_t i = 0; i < kQuestionIds; ++i) ids.push_back(ChunkIdOf(at + i * step));
      times.Take([&] { return Value(catalog_->FindChunks(domain_, ids)).size(); });
    }
  }

  // Chunks [begin, end) in the order of their ids, in a file as the controller has them.
  IdSequence Sorted(std::uint64_t begin, std::uint64_t end) {
    HOLDFAST_CHECK(end <= kPermuted);
    const std::string path = path_ + ".ids";
    std::filesystem::remove(path);
    std::shared_ptr<File> file = Value(RealFileSystem().Create(path));
    Bytes piece;
    const auto flush = [&] {
      Check(file->Append(piece));
      piece.clear();
    };
    for (std::uint64_t place = 0; place < kPermuted; ++place) {
      const std::uint64_t number = Unpermute(place);
      if (number < begin || number >= end) continue;
      piece += ChunkIdOf(number).view();
      if (piece.size() >= 1 << 16) flush();
    }
    flush();
    return {end - begin, [file, left = end - begin](IdSequence::Visit visit) -> absl::Status {
              for (std::uint64_t at = 0; at < left; at += 2048) {
                const std::uint64_t ids = std::min<std::uint64_t>(2048, left - at);
                ASSIGN_OR_RETURN(const Bytes some,
                                 file->ReadAt(at * ChunkId::kSize, ids * ChunkId::kSize));
                for (std::size_t i = 0; i < some.size(); i += ChunkId::kSize) {
                  RETURN_IF_ERROR(visit(*ChunkId::From(ByteView(some).substr(i, ChunkId::kSize))));
                }
              }
              return absl::OkStatus();
            }};
  }

  void Commit(std::uint64_t source, IdSequence added, IdSequence removed, Times& times) {
    const std::uint64_t seq = ++seqs_[source];
    SnapshotCommit commit;
    commit.source = IdOf<SourceId>(source);
    commit.seq = seq;
    commit.run_id = IdOf<KeyId>(seq * seqs_.size() + source).bytes();
    commit.snapshot_id = IdOf<Hash256>(seq * seqs_.size() + source);
    commit.full = seq == 1;
    commit.added = std::move(added);
    commit.removed = std::move(removed);
    times.Take([&] {
      const CommitResult result = Value(catalog_->CommitSnapshot(commit, seq * 1000));
      HOLDFAST_CHECK(result.missing.empty());
      return result.snapshot.seq;
    });
  }

  // Stores packs of new chunks until the action is done; what it waited at most is the answer.
  void Beside(const std::string& what, const std::function<void()>& action) {
    Times times;
    std::atomic<bool> done = false;
    std::thread ingest([&] {
      while (!done) {
        const std::uint64_t begin = extra_;
        extra_ += kPackChunks;
        Store(begin, begin + kPackChunks, times);
      }
    });
    action();
    done = true;
    ingest.join();
    Line(fmt::format("  packs stored beside {}", what), times.size() / 3 * kPackChunks, times);
  }

  void Collect() {
    Collection& collection = catalog_->collection();
    Times purge;
    std::uint64_t purged = 0;
    for (std::uint64_t source = 0; source < seqs_.size(); ++source) {
      const SourceId id = IdOf<SourceId>(source);
      std::vector<std::uint64_t> seqs;
      for (std::uint64_t seq = 1; seq < seqs_[source]; ++seq) seqs.push_back(seq);
      Check(collection.Forget(id, seqs, 1));
      for (const std::uint64_t seq : seqs) {
        for (bool more = true; more;) {
          const Step step = purge.Take([&] { return Value(collection.PurgeStep(id, seq, 100)); });
          purged += step.rows;
          more = step.more;
        }
      }
    }
    Line("purge of all but the newest: spans", purged, purge);
    Steps("condemn: chunks", [&] { return Value(collection.CondemnStep(200)); });
    Steps("sweep: chunks", [&] { return Value(collection.SweepStep(300)); });
  }

  std::uint64_t chunks() const { return chunks_; }
  double bytes() const { return static_cast<double>(std::filesystem::file_size(path_)); }

 private:
  void Steps(const std::string& what, const std::function<Step()>& action) {
    Times times;
    std::uint64_t rows = 0;
    for (bool more = true; more;) {
      const Step step = times.Take(action);
      rows += step.rows;
      more = step.more;
    }
    Line(what, rows, times);
  }

  std::vector<std::uint64_t> seqs_;  // the newest of each source
  const std::string path_;
  const std::unique_ptr<Catalog> catalog_;
  const DomainId domain_ = IdOf<DomainId>(1);
  std::atomic<std::uint64_t> packs_ = 0;
  std::atomic<std::uint64_t> chunks_ = 0;  // stored in all
  std::uint64_t extra_ = 1ull << 40;       // numbers of the chunks that are stored beside
};

void Run(std::uint64_t chunks, const std::string& directory, std::uint64_t sources) {
  Bench bench(directory, sources);
  const std::uint64_t each = chunks / sources;  // chunks of a source
  Times store;
  bench.Store(0, chunks, store);
  Line("chunks stored, 64 in a pack", chunks, store);
  Times hits;
  bench.Ask(0, chunks, std::max<std::uint64_t>(1, chunks / 100'000), hits);
  Line("questions of 256, all there", hits.size() * kQuestionIds, hits);
  Times misses;
  bench.Ask(1ull << 50, (1ull << 50) + 100'000, 1, misses);
  Line("questions of 256, none there", misses.size() * kQuestionIds, misses);

  bench.Beside("the first commits", [&] {
    Times first;
    for (std::uint64_t source = 0; source < sources; ++source) {
      bench.Commit(source, bench.Sorted(source * each, (source + 1) * each), {}, first);
    }
    Line("first commits: chunks", each * sources, first);
  });

  const std::uint64_t changed = std::max<std::uint64_t>(1, each / 100);
  Times fresh;
  bench.Store(chunks, chunks + changed * sources * kDays, fresh);
  bench.Beside("commits of 1 % changed", [&] {
    Times commits;
    for (std::uint64_t day = 0; day < kDays; ++day) {
      for (std::uint64_t source = 0; source < sources; ++source) {
        const std::uint64_t fresh_begin = chunks + (day * sources + source) * changed;
        std::vector<ChunkId> added;
        std::vector<ChunkId> removed;
        for (std::uint64_t i = 0; i < changed; ++i) {
          added.push_back(ChunkIdOf(fresh_begin + i));
          removed.push_back(ChunkIdOf(source * each + i * 100 + day));  // scattered, each once
        }
        std::sort(added.begin(), added.end());
        std::sort(removed.begin(), removed.end());
        bench.Commit(source, std::move(added), std::move(removed), commits);
      }
    }
    Line("commits of 1 % changed: spans", 2 * changed * sources * kDays, commits);
  });
  fmt::print("catalog: {:.1f} bytes a chunk of {}\n",
             bench.bytes() / static_cast<double>(bench.chunks()), bench.chunks());
  bench.Beside("collection", [&] { bench.Collect(); });
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  fmt::print("peak memory {} MiB\n", usage.ru_maxrss / 1024);
}

}  // namespace
}  // namespace holdfast::catalog

int main(int argc, char** argv) {
  const std::uint64_t chunks = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
  const std::uint64_t sources = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  if (argc < 3 || argc > 4 || sources < 1 || chunks / sources < 1000) {
    std::fputs(
        "usage: bench_catalog CHUNKS DIRECTORY [SOURCES]\n"
        "(1000 chunks of a source or more; the directory must not exist)\n",
        stderr);
    return 2;
  }
  if (!std::filesystem::create_directory(argv[2])) {
    fmt::print(stderr, "error: '{}' exists already; name a new directory\n", argv[2]);
    return 2;
  }
  holdfast::catalog::Run(chunks, argv[2], sources);
  std::filesystem::remove_all(argv[2]);
  return 0;
}
