// Backup into memory and restore from it, in one line each.
#pragma once

#include <gtest/gtest.h>

#include "agent/restore/redis/redis_sink.h"
#include "agent/source/redis/redis_source.h"
#include "tests/contract/redis/redis_fixture.h"
#include "tests/support/memory_snapshot.h"

namespace holdfast::redis::test {

using holdfast::test::MemorySnapshot;
using holdfast::test::RedisServer;

class NoProgress final : public restore::RestoreProgress {
 public:
  void ExpectTotal(std::uint64_t, std::uint64_t) override {}
  void Progressed(std::uint64_t, std::uint64_t) override {}
  void Step(std::string) override {}
};

inline void TakeSnapshot(const RedisServer& server, RedisOptions::Mode mode,
                         MemorySnapshot* snapshot) {
  RedisSource source(RealEnv(), {AddressOf(server), mode});
  ASSERT_TRUE(source.Check({}).ok());
  const auto result = source.Read(*snapshot, {});
  ASSERT_TRUE(result.ok()) << Render(result.status());
  snapshot->Finish(*result, source.kind());
}

inline absl::StatusOr<restore::RestoreReport> RestoreTo(const RedisServer& server,
                                                        const MemorySnapshot& snapshot,
                                                        bool apply_acl = false) {
  NoProgress progress;
  restore::RedisRestoreOptions options;
  options.into_server = true;
  options.server = AddressOf(server);
  options.apply_acl = apply_acl;
  return restore::RestoreRedis(RealEnv(), snapshot, options, progress, {});
}

inline absl::StatusOr<restore::RestoreReport> RestoreTo(const std::string& file,
                                                        const MemorySnapshot& snapshot) {
  NoProgress progress;
  restore::RedisRestoreOptions options;
  options.rdb_file = file;
  return restore::RestoreRedis(RealEnv(), snapshot, options, progress, {});
}

}  // namespace holdfast::redis::test
