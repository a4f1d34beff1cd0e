// pg_dump and pg_dumpall: which one fits the server, and their output as an entry.
//
// Hides:      where the programs are, version texts, the random \restrict lines, end markers.
// Invariants: I1  Output counts only when the program exited with 0 and its closing line was seen.
//             I2  Two runs over the same schema give the same bytes.
// Threading:  blocking calls, independent of each other.
// Errors:     kSource 2105 (too old, names both versions), 2106 (failed or incomplete).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "agent/source/postgres/connection.h"
#include "common/env/file_system.h"

namespace holdfast::source {

struct DumpProgram {
  std::string pg_dump;     // path or a name for PATH
  std::string pg_dumpall;  // beside it
  int major = 0;
  std::string version;  // "15.20"
};

// `configured` with a '/' is taken as it is; a bare name may be replaced by the one under
// /usr/lib/postgresql that has the server's major version, or else by the newest.
absl::StatusOr<DumpProgram> FindDumpProgram(FileSystem& fs, const std::string& configured,
                                            int server_version, std::stop_token stop);

struct DumpRun {
  std::string program;
  std::vector<std::string> arguments;  // without connection and password
  PostgresConnection connection;
};
absl::Status RunDump(const DumpRun& run, absl::FunctionRef<absl::Status(ByteView)> write,
                     std::stop_token stop);

std::string VersionText(int server_version);  // 150020 → "15.20"

// Takes dump text in pieces and passes it on without \restrict and \unrestrict.
class DumpFilter {
 public:
  explicit DumpFilter(absl::FunctionRef<absl::Status(ByteView)> write) : write_(write) {}
  absl::Status Feed(ByteView bytes);
  absl::Status Finish();                       // passes on an unterminated last line
  bool complete() const { return complete_; }  // the closing line was seen

 private:
  absl::Status Line(ByteView line);

  absl::FunctionRef<absl::Status(ByteView)> write_;
  Bytes pending_;
  Bytes out_;
  Bytes closing_;  // "\unrestrict KEY\n" once the key is known
  bool complete_ = false;
};

}  // namespace holdfast::source
