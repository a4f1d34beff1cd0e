#include "agent/restore/redis/redis_sink.h"

#include <algorithm>

#include "agent/restore/redis/rdb_producer.h"
#include "agent/restore/redis/server_loader.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::restore {
namespace {

constexpr std::size_t kReadBackBytes = 1 << 20;

using Databases = std::map<std::uint64_t, redis::RdbDatabase>;

// Compares the databases found in an RDB with those the manifest promises.
void CompareCounts(const RedisContents& contents, const Databases& databases,
                   RestoreReport* report) {
  if (!contents.counted) return;
  Databases promised = contents.databases;
  for (const auto& [number, counts] : databases) promised.try_emplace(number);
  for (const auto& [number, expected] : promised) {
    const auto found = databases.find(number);
    const redis::RdbDatabase held = found == databases.end() ? redis::RdbDatabase() : found->second;
    if (held.keys == expected.keys && held.expires == expected.expires) continue;
    report->mismatches.push_back(
        {fmt::format("database {}", number),
         fmt::format("{} keys, {} of them expiring, where the manifest has {} and {}", held.keys,
                     held.expires, expected.keys, expected.expires)});
  }
}

absl::Status StatusOfMismatches(const RestoreReport& report) {
  if (report.mismatches.empty()) return absl::OkStatus();
  const Problem& first = report.mismatches.front();
  return Error(
      ErrorKind::kIntegrity, 3208,
      fmt::format("unable to confirm the restore into '{}': {} of its databases differ "
                  "from the snapshot, first {}: {}",
                  Escaped(report.target), report.mismatches.size(), first.path, first.reason),
      "What was restored is removed again; choose another snapshot.");
}

// A file under a temporary name until it proved whole.
class PendingFile {
 public:
  PendingFile(FileSystem& fs, std::string path)
      : fs_(fs), path_(std::move(path)), temporary_(path_ + ".holdfast-tmp") {}
  ~PendingFile() {
    // Without its name yet, the file is worth nothing; a failed removal leaves only litter.
    if (created_ && !committed_) fs_.Remove(temporary_).IgnoreError();
  }

  absl::Status Write(const SnapshotView& view, const RedisContents& contents,
                     RestoreProgress& progress, std::stop_token stop, RestoreReport* report) {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs_.Create(temporary_));
    created_ = true;
    RETURN_IF_ERROR(ProduceRdb(view, contents, [&](ByteView piece) -> absl::Status {
      if (stop.stop_requested()) {
        return Error(ErrorKind::kFailed, 3212, "unable to restore redis: stopped");
      }
      RETURN_IF_ERROR(file->Append(piece));
      report->restored_bytes += piece.size();
      progress.Progressed(piece.size(), 0);
      return absl::OkStatus();
    }));
    return file->Sync();
  }

  absl::Status ReadBack(redis::RdbWalker* walker) {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs_.OpenRead(temporary_));
    ASSIGN_OR_RETURN(const std::uint64_t size, file->Size());
    for (std::uint64_t at = 0; at < size; at += kReadBackBytes) {
      const auto part =
          static_cast<std::size_t>(std::min<std::uint64_t>(kReadBackBytes, size - at));
      ASSIGN_OR_RETURN(const Bytes piece, file->ReadAt(at, part));
      RETURN_IF_ERROR(walker->Feed(piece));
    }
    return walker->Finish();
  }

  absl::Status Commit() {
    RETURN_IF_ERROR(fs_.Rename(temporary_, path_));
    committed_ = true;
    return fs_.SyncDirectory(ParentPath(path_));
  }

 private:
  FileSystem& fs_;
  const std::string path_;
  const std::string temporary_;
  bool created_ = false;
  bool committed_ = false;
};

absl::StatusOr<RestoreReport> IntoFile(Env env, const SnapshotView& view,
                                       const RedisContents& contents,
                                       const RedisRestoreOptions& options,
                                       RestoreProgress& progress, std::stop_token stop) {
  if (env.fs.Exists(options.rdb_file)) {
    return Error(ErrorKind::kRefused, 3201,
                 fmt::format("unable to write '{}': it exists already", Escaped(options.rdb_file)),
                 "Name a new file, and move it to its place when the server is stopped.");
  }
  RestoreReport report;
  report.target = options.rdb_file;
  PendingFile file(env.fs, options.rdb_file);
  progress.Step("writing the RDB");
  RETURN_IF_ERROR(file.Write(view, contents, progress, stop, &report));
  progress.Step("checking the RDB");
  redis::RdbWalker walker;
  RETURN_IF_ERROR(WithContext(file.ReadBack(&walker), "the restored file is damaged"));
  CompareCounts(contents, walker.databases(), &report);
  RETURN_IF_ERROR(StatusOfMismatches(report));
  report.compared_items = std::max<std::uint64_t>(1, walker.databases().size());
  report.compared_what = walker.counted()
                             ? DescribeKeys(walker.key_count(), walker.databases().size())
                             : "the checksum of the RDB";
  RETURN_IF_ERROR(file.Commit());
  report.restored_entries = 1;
  if (!walker.checksum_present()) {
    report.warnings.push_back("the RDB has no checksum (rdbchecksum no on the server)");
  }
  const auto append_only = contents.config.settings.find("appendonly");
  if (append_only != contents.config.settings.end() && append_only->second == "yes") {
    report.warnings.push_back(
        "the server used appendonly yes, with which it does not read an RDB: start it with "
        "appendonly no, then CONFIG SET appendonly yes");
  }
  return report;
}

absl::StatusOr<RestoreReport> IntoServer(Env env, const SnapshotView& view,
                                         const RedisContents& contents,
                                         const RedisRestoreOptions& options,
                                         RestoreProgress& progress, std::stop_token stop) {
  ASSIGN_OR_RETURN(ServerLoader loader, ServerLoader::Open(env, options.server, contents, stop));
  RestoreReport report;
  report.target = options.server.Name();
  const auto run = [&]() -> absl::Status {
    progress.Step("loading keys");
    RETURN_IF_ERROR(loader.Load(view, contents, progress, stop));
    progress.Step("comparing keys");
    RETURN_IF_ERROR(loader.Compare(&report));
    CompareCounts(contents, loader.databases(), &report);
    return StatusOfMismatches(report);
  };
  if (const absl::Status status = run(); !status.ok()) return loader.CleanUp(env, status);

  // The data is there and proved: what follows cannot make it worth removing.
  if (const absl::Status status = loader.WarnOfSettings(contents.config, &report); !status.ok()) {
    report.warnings.push_back("settings were not compared: " + MessageOf(status));
  }
  if (options.apply_acl) {
    const absl::Status status = loader.ApplyAccounts(contents.config);
    if (!status.ok()) report.skipped.push_back({"user accounts", MessageOf(status)});
  }
  report.restored_entries = contents.entries.size();
  report.restored_bytes = contents.bytes;
  if (!options.apply_acl && contents.config.acl_lines.size() > 1) {
    report.warnings.push_back(fmt::format("{} user accounts of the snapshot were not set up",
                                          contents.config.acl_lines.size()));
  }
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreRedis(Env env, const SnapshotView& view,
                                           const RedisRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop) {
  if (options.rdb_file.empty() != options.into_server) {
    return Error(ErrorKind::kUsage, 3202,
                 "unable to restore redis: name either an RDB file or a server",
                 "Give one of the two as target.");
  }
  ASSIGN_OR_RETURN(const RedisContents contents, FindRedisContents(view));
  progress.ExpectTotal(contents.bytes, 1);
  return options.into_server ? IntoServer(env, view, contents, options, progress, stop)
                             : IntoFile(env, view, contents, options, progress, stop);
}

}  // namespace holdfast::restore
