#include "agent/source/postgres/dump_program.h"

#include "absl/strings/numbers.h"
#include "agent/source/transient.h"
#include "common/base/error.h"
#include "common/env/process.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

constexpr char kInstalled[] = "/usr/lib/postgresql";

// "pg_dump (PostgreSQL) 15.20 (Debian …)" → "15.20".
std::string VersionIn(std::string_view text) {
  const std::size_t at = text.find("(PostgreSQL) ");
  if (at == std::string_view::npos) return "";
  text.remove_prefix(at + 13);
  return std::string(text.substr(0, text.find_first_of(" \n")));
}

int MajorOf(std::string_view version) {
  int major = 0;
  const std::string digits(version.substr(0, version.find_first_not_of("0123456789")));
  return absl::SimpleAtoi(digits, &major) ? major : 0;
}

std::string SiblingOf(const std::string& pg_dump) {
  const std::string directory = ParentPath(pg_dump);
  return pg_dump.find('/') == std::string::npos ? "pg_dumpall" : JoinPath(directory, "pg_dumpall");
}

absl::StatusOr<DumpProgram> Inspect(const std::string& path, std::stop_token stop) {
  ProcessOptions options;
  options.argv = {path, "--version"};
  options.deadline = absl::Seconds(30);
  ASSIGN_OR_RETURN(const std::string text, RunProcessForOutput(options, stop, 4096));
  DumpProgram program{path, SiblingOf(path), 0, VersionIn(text)};
  program.major = MajorOf(program.version);
  if (program.major > 0) return program;
  return Error(ErrorKind::kSource, 2105,
               fmt::format("unable to use '{}': it printed no version", Escaped(path)));
}

// libpq's words, which the program passes on; the environment asks for English. It connects when
// we are connected already: a server that is gone by then was lost in between.
bool SaysConnectionLost(std::string_view text) {
  for (const std::string_view words :
       {"server closed the connection unexpectedly", "terminating connection",
        "SSL connection has been closed unexpectedly", "could not receive data from server",
        "could not send data to server", "SSL SYSCALL error", "no connection to the server",
        "the database system is ", "failed: Connection refused"}) {
    if (text.find(words) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string VersionText(int server_version) {
  return fmt::format("{}.{}", server_version / 10000, server_version % 10000);
}

absl::StatusOr<DumpProgram> FindDumpProgram(FileSystem& fs, const std::string& configured,
                                            int server_version, std::stop_token stop) {
  const int wanted = server_version / 10000;
  absl::StatusOr<DumpProgram> best = Error(ErrorKind::kSource, 2105, "");
  if (configured.find('/') == std::string::npos) {
    const auto versions = fs.List(kInstalled);
    for (const DirectoryEntry& one : versions.ok() ? *versions : std::vector<DirectoryEntry>()) {
      const std::string path = JoinPath(JoinPath(JoinPath(kInstalled, one.name), "bin"), "pg_dump");
      if (!fs.Exists(path)) continue;
      absl::StatusOr<DumpProgram> found = Inspect(path, stop);
      if (!found.ok()) continue;
      const bool better = !best.ok() || (best->major != wanted &&
                                         (found->major == wanted || found->major > best->major));
      if (better) best = std::move(found);
    }
  }
  if (!best.ok() || best->major < wanted) {
    absl::StatusOr<DumpProgram> named = Inspect(configured, stop);
    if (named.ok() ? !best.ok() || named->major > best->major : !best.ok()) best = std::move(named);
  }
  if (!best.ok()) return best;
  if (best->major >= wanted) return best;
  return Error(ErrorKind::kSource, 2105,
               fmt::format("unable to dump with '{}': it has version {}, the server has version {}",
                           Escaped(best->pg_dump), best->version, VersionText(server_version)),
               fmt::format("Install postgresql-client-{} on this host.", wanted));
}

absl::Status RunDump(const DumpRun& run, absl::FunctionRef<absl::Status(ByteView)> write,
                     std::stop_token stop) {
  ProcessOptions options;
  options.argv = {run.program};
  options.argv.insert(options.argv.end(), run.arguments.begin(), run.arguments.end());
  if (!run.connection.extra.empty()) {
    options.argv.push_back("--dbname=" + run.connection.extra);
  }
  options.environment = ProgramEnvironment(run.connection);
  options.any_status = true;  // all that it says is asked for the reason, not only what is shown
  DumpFilter filter(write);
  const absl::StatusOr<ProcessResult> result = RunProcess(
      options, [&](ByteView piece) { return filter.Feed(piece); }, stop);
  absl::Status ended = result.status();
  if (result.ok() && result->exit_status != 0) ended = ExitError(options, *result);
  if (!ended.ok()) {
    const int code = CodeOf(ended);
    if (code < 2001 || code > 2002) return ended;
    const absl::Status failed =
        Error(ErrorKind::kSource, 2106,
              fmt::format("unable to dump the schema: {}", MessageOf(ended)), HintOf(ended));
    return result.ok() && SaysConnectionLost(result->standard_error) ? MarkTransient(failed)
                                                                     : failed;
  }
  RETURN_IF_ERROR(filter.Finish());
  if (filter.complete()) return absl::OkStatus();
  return Error(ErrorKind::kSource, 2106,
               fmt::format("unable to dump the schema: the output of '{}' ended early",
                           Escaped(run.program)));
}

absl::Status DumpFilter::Feed(ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == ByteView::npos) {
      pending_.append(bytes);
      break;
    }
    if (pending_.empty()) {
      RETURN_IF_ERROR(Line(bytes.substr(0, end + 1)));
    } else {
      pending_.append(bytes.substr(0, end + 1));
      const Bytes line = std::move(pending_);
      pending_.clear();
      RETURN_IF_ERROR(Line(line));
    }
    bytes.remove_prefix(end + 1);
  }
  const Bytes out = std::move(out_);
  out_.clear();
  return out.empty() ? absl::OkStatus() : write_(out);
}

absl::Status DumpFilter::Finish() {
  if (pending_.empty()) return absl::OkStatus();
  const Bytes line = std::move(pending_);
  pending_.clear();
  return write_(line);
}

// Only the first \restrict counts, and only the \unrestrict with its key: a function body may hold
// lines that look alike.
absl::Status DumpFilter::Line(ByteView line) {
  if (closing_.empty() && line.starts_with("\\restrict ")) {
    closing_ = "\\un" + Bytes(line.substr(1));
    return absl::OkStatus();
  }
  if (!closing_.empty() && line == closing_) return absl::OkStatus();
  if (line == "-- PostgreSQL database dump complete\n" ||
      line == "-- PostgreSQL database cluster dump complete\n") {
    complete_ = true;
  }
  out_.append(line);
  return absl::OkStatus();
}

}  // namespace holdfast::source
