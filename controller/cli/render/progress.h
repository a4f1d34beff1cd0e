// Progress of jobs on stderr: bars that redraw on a terminal, one line per source and state in a
// pipe, or JSON events.
//
// Hides:      redraw rate, rates and time left, terminal codes, escaping of names.
// Invariants: I1  On a terminal it redraws at most ten times a second; the last state of a row is
//                 always drawn.
//             I2  In a pipe a line appears when a row's step changes or ends, never per event.
// Threading:  one thread.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "common/env/clock.h"
#include "controller/cli/operator_values.h"

namespace holdfast::cli {

enum class ProgressStyle { kBars, kLines, kJson };

// Bytes per second over the last few seconds, and what that means for the rest.
class RateMeter {
 public:
  void Add(absl::Duration at, std::uint64_t bytes_done);
  double bytes_per_second() const { return rate_; }
  // Nothing when it cannot be told.
  std::optional<absl::Duration> Left(std::uint64_t bytes_total) const;

 private:
  bool any_ = false;
  absl::Duration last_at_;
  std::uint64_t last_bytes_ = 0;
  double rate_ = 0;
};

// "▕██████▍     ▏"; `done` above `total` is full. Eighths of a cell are drawn.
std::string Bar(std::uint64_t done, std::uint64_t total, std::size_t cells);

class ProgressBoard {
 public:
  struct Options {
    ProgressStyle style = ProgressStyle::kLines;
    std::size_t columns = 100;
  };
  // `clock` and `out` outlive the board.
  ProgressBoard(Options options, Clock& clock, std::ostream& out)
      : options_(options), clock_(clock), out_(out) {}

  void AddRow(const Bytes& job_id, std::string name);
  void Update(const JobProgress& progress);
  // `outcome` is the one-line text for the row: "new 3.1 MiB (0.2 %)   done in 2.1 s".
  void Finish(const JobResult& result, std::string outcome);
  // A message above the bars.
  void Note(const std::string& text);
  void Close();  // draws the last state; nothing is drawn afterwards

 private:
  struct Row {
    std::string name;
    JobProgress last;
    bool heard = false;
    RateMeter rate;
    std::string outcome;  // set when finished
    bool failed = false;
  };
  std::string Line(const Row& row) const;
  std::string Details(const Row& row) const;
  void Draw();
  void Erase();
  Row* Find(const Bytes& job_id);

  const Options options_;
  Clock& clock_;
  std::ostream& out_;
  std::vector<Bytes> order_;
  std::map<Bytes, Row> rows_;
  std::size_t drawn_lines_ = 0;
  std::optional<absl::Duration> drawn_at_;
  std::size_t name_width_ = 0;
};

}  // namespace holdfast::cli
