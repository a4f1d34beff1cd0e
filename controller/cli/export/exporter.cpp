#include "controller/cli/export/exporter.h"

#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/export/archive_writer.h"
#include "controller/cli/export/postgres_script.h"
#include "controller/cli/open_snapshot.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kCopyBytes = 1u << 20;
constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr char kIndex[] = "holdfast-export.json";

// A file that is removed unless it is published under its final name.
class NewFile {
 public:
  NewFile(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  ~NewFile() {
    if (file_) (void)fs_.Remove(path_);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  absl::Status Create() {
    ASSIGN_OR_RETURN(file_, fs_.Create(path_));
    return absl::OkStatus();
  }
  File& file() { return *file_; }
  absl::Status Publish(const std::string& final_path) {
    RETURN_IF_ERROR(file_->Sync());
    RETURN_IF_ERROR(fs_.Rename(path_, final_path));
    file_.reset();
    return fs_.SyncDirectory(ParentPath(final_path));
  }

 private:
  FileSystem& fs_;
  std::string path_;
  std::unique_ptr<File> file_;
};

class Exporter {
 public:
  Exporter(Env env, const std::string& output, ArchiveWriter& archive,
           const std::vector<ExportedSnapshot>& snapshots,
           const std::function<void(const std::string&)>& on_member)
      : env_(env),
        output_(output),
        archive_(archive),
        snapshots_(snapshots),
        on_member_(on_member) {}

  absl::StatusOr<ExportResult> Run() {
    for (const ExportedSnapshot& snapshot : snapshots_) {
      RETURN_IF_ERROR(WithContext(
          Add(snapshot), fmt::format("unable to export '{}'", Escaped(snapshot.snapshot))));
    }
    RETURN_IF_ERROR(AddIndex());
    return std::move(result_);
  }

 private:
  absl::Status Add(const ExportedSnapshot& snapshot) {
    const SnapshotView& view = *snapshot.view;
    if (view.info().partial) {
      result_.warnings.push_back(fmt::format(
          "{} is incomplete: some entries could not be backed up", Escaped(snapshot.snapshot)));
    }
    if (snapshot.kind == "postgres") return AddPostgres(snapshot);
    if (snapshot.kind == "redis") {
      return AddSingle(snapshot, "dump.rdb", Classic(snapshot, "redis.rdb", ".rdb"));
    }
    if (snapshot.kind != "files") {
      return Error(ErrorKind::kRefused, 1242,
                   fmt::format("this version cannot export kind '{}'", Escaped(snapshot.kind)));
    }
    if (snapshot.source == "config") return AddTree(snapshot, "config");
    if (snapshot.source == "env") {
      ASSIGN_OR_RETURN(const std::string only, OnlyFile(view));
      if (!only.empty()) return AddSingle(snapshot, only, "env.backup");
    }
    return AddNested(snapshot);
  }

  // The classic name when the archive has one such database, else one with the source's name.
  std::string Classic(const ExportedSnapshot& snapshot, const std::string& classic,
                      const std::string& suffix) const {
    const auto same_kind =
        std::count_if(snapshots_.begin(), snapshots_.end(),
                      [&](const auto& one) { return one.kind == snapshot.kind; });
    return same_kind == 1 ? classic : snapshot.source + suffix;
  }

  // `wanted`, or with the agent's name in front when another source of that name came before.
  absl::StatusOr<std::string> Claim(const ExportedSnapshot& snapshot, const std::string& wanted) {
    for (const std::string& name : {wanted, snapshot.agent + "-" + wanted}) {
      if (name != kIndex && claimed_.insert(name).second) {
        if (on_member_) on_member_(name);
        return name;
      }
    }
    return Error(ErrorKind::kUsage, 1241,
                 fmt::format("two members of the archive would be named '{}'", Escaped(wanted)),
                 "Export them into separate archives.");
  }

  absl::Status BeginMember(const ExportedSnapshot& snapshot, const std::string& path,
                           std::uint64_t bytes) {
    result_.members.push_back({path, snapshot.snapshot, bytes});
    return archive_.BeginFile(
        {path, bytes, static_cast<std::int64_t>(snapshot.taken_at_ms) * kNanosPerMilli});
  }

  absl::Status AddPostgres(const ExportedSnapshot& snapshot) {
    const SnapshotView& view = *snapshot.view;
    ASSIGN_OR_RETURN(const std::vector<ScriptPiece> script, MakePostgresScript(view));
    ASSIGN_OR_RETURN(const std::string path,
                     Claim(snapshot, Classic(snapshot, "database.sql", ".sql")));
    RETURN_IF_ERROR(BeginMember(snapshot, path, ScriptBytes(script)));
    for (const ScriptPiece& piece : script) {
      RETURN_IF_ERROR(archive_.Write(piece.text));
      if (!piece.entry) continue;
      RETURN_IF_ERROR(
          view.Read(*piece.entry, [&](ByteView bytes) { return archive_.Write(bytes); }));
    }
    RETURN_IF_ERROR(archive_.EndFile());
    RETURN_IF_ERROR(
        AddSingle(snapshot, "globals.sql", Classic(snapshot, "globals.sql", "-globals.sql")));
    return AddSingle(snapshot, "database.json",
                     Classic(snapshot, "database.json", "-database.json"));
  }

  absl::Status AddSingle(const ExportedSnapshot& snapshot, const std::string& path,
                         const std::string& wanted) {
    const SnapshotView& view = *snapshot.view;
    ASSIGN_OR_RETURN(const Entry entry, view.Find(path));
    ASSIGN_OR_RETURN(const std::string name, Claim(snapshot, wanted));
    RETURN_IF_ERROR(BeginMember(snapshot, name, entry.size_bytes));
    RETURN_IF_ERROR(
        ReadContent(view, entry, [&](ByteView bytes) { return archive_.Write(bytes); }));
    return archive_.EndFile();
  }

  // The path of the one regular file, empty when the source is more than that.
  static absl::StatusOr<std::string> OnlyFile(const SnapshotView& view) {
    std::string only;
    int others = 0;
    RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) {
      if (entry.type == EntryType::kDirectory) return absl::OkStatus();
      if (entry.type == EntryType::kFile && only.empty()) {
        only = entry.path;
      } else {
        ++others;
      }
      return absl::OkStatus();
    }));
    return others == 0 ? only : std::string();
  }

  // All entries of the snapshot below `prefix` (empty, or ends with '/'); returns their bytes.
  absl::StatusOr<std::uint64_t> WriteTree(const ExportedSnapshot& snapshot,
                                          const std::string& prefix, ArchiveWriter& archive) {
    const SnapshotView& view = *snapshot.view;
    std::uint64_t bytes = 0;
    RETURN_IF_ERROR(view.ForEachEntry([&](const Entry& entry) -> absl::Status {
      if (entry.type == EntryType::kSocket) {
        result_.warnings.push_back(fmt::format("left out '{}' of {}: a socket does not fit a tar",
                                               Escaped(entry.path), Escaped(snapshot.snapshot)));
        return absl::OkStatus();
      }
      const std::string path =
          entry.path.empty() ? (prefix.empty() ? "./" : prefix) : prefix + entry.path;
      RETURN_IF_ERROR(archive.BeginEntry(path, entry, prefix));
      if (entry.type == EntryType::kFile) {
        bytes += entry.size_bytes;
        RETURN_IF_ERROR(
            ReadContent(view, entry, [&](ByteView piece) { return archive.Write(piece); }));
      }
      return archive.EndFile();
    }));
    return bytes;
  }

  absl::Status AddTree(const ExportedSnapshot& snapshot, const std::string& wanted) {
    ASSIGN_OR_RETURN(const std::string name, Claim(snapshot, wanted));
    ASSIGN_OR_RETURN(const std::uint64_t bytes, WriteTree(snapshot, name + "/", archive_));
    result_.members.push_back({name + "/", snapshot.snapshot, bytes});
    return absl::OkStatus();
  }

  absl::Status AddNested(const ExportedSnapshot& snapshot) {
    ASSIGN_OR_RETURN(const std::string name, Claim(snapshot, snapshot.source + ".tar.gz"));
    NewFile spool(env_.fs, output_ + ".spool");
    RETURN_IF_ERROR(spool.Create());
    ASSIGN_OR_RETURN(const auto nested,
                     ArchiveWriter::Open(ArchiveWriter::Compression::kGzip, [&](ByteView bytes) {
                       return spool.file().Append(bytes);
                     }));
    ASSIGN_OR_RETURN(const std::uint64_t bytes, WriteTree(snapshot, "", *nested));
    (void)bytes;
    RETURN_IF_ERROR(nested->Close());
    ASSIGN_OR_RETURN(const std::uint64_t size, spool.file().Size());
    RETURN_IF_ERROR(BeginMember(snapshot, name, size));
    for (std::uint64_t at = 0; at < size; at += kCopyBytes) {
      ASSIGN_OR_RETURN(const Bytes piece,
                       spool.file().ReadAt(at, std::min<std::uint64_t>(kCopyBytes, size - at)));
      RETURN_IF_ERROR(archive_.Write(piece));
    }
    return archive_.EndFile();
  }

  absl::Status AddIndex() {
    Json sources = Json::array();
    for (const ExportedSnapshot& one : snapshots_) {
      sources.push_back({{"snapshot", Escaped(one.snapshot)},
                         {"id", one.id},
                         {"kind", one.kind},
                         {"agent", one.agent},
                         {"taken_at", JsonTime(one.taken_at_ms)}});
    }
    Json members = Json::array();
    for (const ExportMember& member : result_.members) {
      members.push_back({{"path", Escaped(member.path)},
                         {"snapshot", Escaped(member.snapshot)},
                         {"bytes", member.bytes}});
    }
    const std::string text =
        JsonLine({{"version", 1}, {"snapshots", sources}, {"members", members}});
    RETURN_IF_ERROR(archive_.BeginFile({kIndex, text.size(), absl::ToUnixNanos(env_.clock.Now())}));
    RETURN_IF_ERROR(archive_.Write(text));
    return archive_.EndFile();
  }

  Env env_;
  const std::string& output_;
  ArchiveWriter& archive_;
  const std::vector<ExportedSnapshot>& snapshots_;
  const std::function<void(const std::string&)>& on_member_;
  std::set<std::string> claimed_;
  ExportResult result_;
};

}  // namespace

absl::StatusOr<ExportResult> WriteExport(Env env, const std::string& output,
                                         const std::vector<ExportedSnapshot>& snapshots,
                                         std::function<void(const std::string&)> on_member) {
  if (env.fs.Exists(output)) {
    return Error(ErrorKind::kConflict, 1240,
                 fmt::format("unable to write the archive: '{}' exists already", Escaped(output)),
                 "Name another file with --output FILE.");
  }
  NewFile partial(env.fs, output + ".partial");
  RETURN_IF_ERROR(partial.Create());
  ASSIGN_OR_RETURN(const auto archive,
                   ArchiveWriter::Open(ArchiveWriter::Compression::kNone, [&](ByteView bytes) {
                     return partial.file().Append(bytes);
                   }));
  ASSIGN_OR_RETURN(ExportResult result,
                   Exporter(env, output, *archive, snapshots, on_member).Run());
  RETURN_IF_ERROR(archive->Close());
  ASSIGN_OR_RETURN(result.bytes, partial.file().Size());
  RETURN_IF_ERROR(partial.Publish(output));
  return result;
}

}  // namespace holdfast::cli
