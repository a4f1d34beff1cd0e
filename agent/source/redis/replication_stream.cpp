#include "agent/source/redis/replication_stream.h"
#include "agent/source/transient.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::redis {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kMarkBytes = 40;
constexpr std::size_t kLineLimitBytes = 4096;

class Receiver {
 public:
  Receiver(RedisConnection& connection, source::SnapshotBuilder& builder, source::ContentLane& lane,
           RdbWalker& walker, std::stop_token stop)
      : connection_(connection), builder_(builder), lane_(lane), walker_(walker), stop_(stop) {}

  absl::StatusOr<RdbTransfer> Run() {
    RETURN_IF_ERROR(Announce());
    RETURN_IF_ERROR(Explain(connection_.RawSend("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n")));
    RETURN_IF_ERROR(ReadAnswer());
    ASSIGN_OR_RETURN(const std::string frame, ReadLine());
    RETURN_IF_ERROR(lane_.Begin());
    if (absl::Status status = ReadBody(frame); !status.ok()) {
      // The first error counts; Abandon only forgets.
      lane_.Abandon().IgnoreError();
      return status;
    }
    return transfer_;
  }

 private:
  // A server that refuses REPLCONF still answers PSYNC, and then always sends a length.
  absl::Status Announce() {
    for (const auto& words : {std::vector<ByteView>{"REPLCONF", "capa", "eof", "capa", "psync2"},
                              std::vector<ByteView>{"REPLCONF", "rdb-only", "1"}}) {
      connection_.Append(words);
      RETURN_IF_ERROR(connection_.Next().status());
    }
    return absl::OkStatus();
  }

  absl::Status ReadAnswer() {
    ASSIGN_OR_RETURN(const std::string line, ReadLine());
    if (line.front() == '-') return Refusal(line.substr(1));
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() != 3 || words[0] != "+FULLRESYNC") {
      return Damaged(fmt::format("unexpected answer to PSYNC: '{}'", Escaped(line)));
    }
    transfer_.replication_id = words[1];
    transfer_.offset = words[2];
    return absl::OkStatus();
  }

  absl::Status Refusal(const std::string& text) const {
    Reply reply;
    reply.kind = Reply::Kind::kError;
    reply.text = text;
    const std::string message = fmt::format("unable to synchronise with redis '{}': {}",
                                            connection_.address().Name(), Escaped(text));
    if (IsTemporary(reply)) return Error(ErrorKind::kSource, kSyncNotReady, message);
    if (reply.Begins("NOPERM") || reply.Begins("ERR unknown command")) {
      return Error(ErrorKind::kPermission, kSyncForbidden, message,
                   fmt::format("Grant the rights: {}", GrantLine(connection_.address().user)));
    }
    return Error(ErrorKind::kSource, kSyncRefused, message,
                 "Look into the server's log; a failed fork needs vm.overcommit_memory=1 or more "
                 "memory, a failed write needs space in the server's directory.");
  }

  // The next line that is not an empty keepalive, without its end.
  absl::StatusOr<std::string> ReadLine() {
    for (;;) {
      const std::size_t end = ahead_.find('\n');
      if (end == std::string::npos) {
        if (ahead_.size() > kLineLimitBytes) return Damaged("a line without end");
        char buffer[kLineLimitBytes];
        auto got = connection_.RawReceive(buffer, sizeof buffer, stop_);
        if (!got.ok()) return Explain(got.status());
        ahead_.append(buffer, *got);
        continue;
      }
      std::string line = ahead_.substr(0, end);
      ahead_.erase(0, end + 1);
      while (!line.empty() && line.back() == '\r') line.pop_back();
      if (!line.empty()) return line;
    }
  }

  absl::Status ReadBody(const std::string& frame) {
    std::uint64_t length = 0;
    if (frame.front() == '-') return Refusal(frame.substr(1));
    if (frame.substr(0, 5) == "$EOF:" && frame.size() == 5 + kMarkBytes) {
      transfer_.diskless = true;
      RETURN_IF_ERROR(ReadToMark(frame.substr(5)));
    } else if (frame.front() == '$' && absl::SimpleAtoi(frame.substr(1), &length)) {
      RETURN_IF_ERROR(ReadLength(length));
    } else {
      return Damaged(fmt::format("unexpected frame '{}'", Escaped(frame)));
    }
    return Verdict(walker_.Finish());
  }

  absl::Status ReadLength(std::uint64_t length) {
    builder_.ExpectTotal(length, 2);
    const auto ready = static_cast<std::size_t>(std::min<std::uint64_t>(length, ahead_.size()));
    RETURN_IF_ERROR(Take(ByteView(ahead_).substr(0, ready)));
    while (transfer_.bytes < length) {
      ASSIGN_OR_RETURN(const std::span<char> window,
                       lane_.Prepare(static_cast<std::size_t>(
                           std::min<std::uint64_t>(kReadBytes, length - transfer_.bytes))));
      auto got = connection_.RawReceive(window.data(), window.size(), stop_);
      if (!got.ok()) return Explain(got.status());
      RETURN_IF_ERROR(Verdict(walker_.Feed(ByteView(window.data(), *got))));
      RETURN_IF_ERROR(lane_.Commit(*got));
      transfer_.bytes += *got;
    }
    return absl::OkStatus();
  }

  // The last 40 bytes received are held back: they may be the mark, or the start of it.
  absl::Status ReadToMark(const std::string& mark) {
    std::vector<char> buffer(kMarkBytes + kReadBytes);
    std::size_t held = std::min(ahead_.size(), buffer.size());
    std::copy_n(ahead_.begin(), held, buffer.begin());
    for (;;) {
      if (held >= kMarkBytes) {
        const std::size_t sure = held - kMarkBytes;
        RETURN_IF_ERROR(Take(ByteView(buffer.data(), sure)));
        std::copy_n(buffer.begin() + static_cast<std::ptrdiff_t>(sure), kMarkBytes, buffer.begin());
        held = kMarkBytes;
        if (ByteView(buffer.data(), held) == mark) return absl::OkStatus();
        if (walker_.done()) return Damaged("the end mark is wrong");
      }
      auto got = connection_.RawReceive(buffer.data() + held, buffer.size() - held, stop_);
      if (!got.ok()) return Explain(got.status());
      held += *got;
    }
  }

  absl::Status Take(ByteView bytes) {
    RETURN_IF_ERROR(Verdict(walker_.Feed(bytes)));
    transfer_.bytes += bytes.size();
    return lane_.Write(bytes);
  }

  absl::Status Verdict(const absl::Status& status) const {
    return status.ok() ? status : Damaged(MessageOf(status));
  }

  absl::Status Damaged(std::string_view cause) const {
    return Error(ErrorKind::kSource, kSyncDamaged,
                 fmt::format("unable to read the RDB of redis '{}': {}",
                             connection_.address().Name(), cause),
                 "Check the network and the server's memory, then run the backup again.");
  }

  // A closed or silent connection, in words of the synchronisation; a stop stays what it is.
  absl::Status Explain(const absl::Status& status) const {
    if (status.ok() || KindOf(status) != ErrorKind::kUnreachable) return status;
    return source::MarkTransient(
        Error(ErrorKind::kSource, kSyncCut,
              fmt::format("unable to read the RDB of redis '{}': cut after {} bytes: {}",
                          connection_.address().Name(), transfer_.bytes, MessageOf(status)),
              "The server's log tells why; a slow reader is cut by client-output-buffer-limit "
              "replica, which can be raised, and a failed fork needs vm.overcommit_memory=1."));
  }

  RedisConnection& connection_;
  source::SnapshotBuilder& builder_;
  source::ContentLane& lane_;
  RdbWalker& walker_;
  const std::stop_token stop_;
  std::string ahead_;  // received, not used yet
  RdbTransfer transfer_;
};

}  // namespace

absl::StatusOr<RdbTransfer> ReceiveRdb(RedisConnection& connection,
                                       source::SnapshotBuilder& builder, source::ContentLane& lane,
                                       RdbWalker& walker, std::stop_token stop) {
  return Receiver(connection, builder, lane, walker, stop).Run();
}

}  // namespace holdfast::redis
