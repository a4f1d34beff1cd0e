#include "controller/cli/render/progress.h"

#include <algorithm>
#include <cmath>

#include "common/base/count_text.h"
#include "common/report/json.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr absl::Duration kRedrawEvery = absl::Milliseconds(100);
constexpr absl::Duration kRateWindow = absl::Milliseconds(250);
constexpr double kOldRateWeight = 0.7;
constexpr std::size_t kBarCells = 23;

// Whole code points only, so that a cut line stays valid text.
std::string CutToWidth(std::string text, std::size_t width) {
  if (DisplayWidth(text) <= width) return text;
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (++columns == width) {
      text.erase(i);
      return text + "…";
    }
  }
  return text;
}

}  // namespace

void RateMeter::Add(absl::Duration at, std::uint64_t bytes_done) {
  if (!any_ || bytes_done < last_bytes_) {  // a step that counts anew starts anew
    any_ = true;
    last_at_ = at;
    last_bytes_ = bytes_done;
    rate_ = 0;
    return;
  }
  if (at - last_at_ < kRateWindow) return;
  const double now =
      static_cast<double>(bytes_done - last_bytes_) / absl::ToDoubleSeconds(at - last_at_);
  rate_ = rate_ == 0 ? now : kOldRateWeight * rate_ + (1 - kOldRateWeight) * now;
  last_at_ = at;
  last_bytes_ = bytes_done;
}

std::optional<absl::Duration> RateMeter::Left(std::uint64_t bytes_total) const {
  if (rate_ < 1 || bytes_total <= last_bytes_) return std::nullopt;
  const double seconds = static_cast<double>(bytes_total - last_bytes_) / rate_;
  if (seconds > 30 * 86400.0) return std::nullopt;
  return absl::Seconds(seconds);
}

std::string Bar(std::uint64_t done, std::uint64_t total, std::size_t cells) {
  constexpr const char* kEighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double share =
      total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto eighths = static_cast<std::size_t>(std::floor(share * 8 * static_cast<double>(cells)));
  std::string bar = "▕";
  for (std::size_t i = 0; i < cells; ++i) {
    const std::size_t filled = eighths > i * 8 ? std::min<std::size_t>(8, eighths - i * 8) : 0;
    bar += filled == 8 ? "█" : kEighths[filled];
  }
  return bar + "▏";
}

void ProgressBoard::AddRow(const Bytes& job_id, std::string name) {
  Row row;
  row.name = Escaped(name, 60);
  name_width_ = std::max(name_width_, DisplayWidth(row.name));
  if (rows_.emplace(job_id, std::move(row)).second) order_.push_back(job_id);
}

ProgressBoard::Row* ProgressBoard::Find(const Bytes& job_id) {
  const auto found = rows_.find(job_id);
  return found == rows_.end() ? nullptr : &found->second;
}

void ProgressBoard::Update(const JobProgress& progress) {
  Row* row = Find(progress.job_id);
  if (row == nullptr || !row->outcome.empty()) return;
  const bool new_step = !row->heard || row->last.step != progress.step;
  row->heard = true;
  row->last = progress;
  row->rate.Add(clock_.Monotonic(), progress.bytes_done);
  switch (options_.style) {
    case ProgressStyle::kBars:
      if (!drawn_at_ || clock_.Monotonic() - *drawn_at_ >= kRedrawEvery) Draw();
      break;
    case ProgressStyle::kLines:
      if (new_step)
        out_ << fmt::format("{}: {}\n", row->name, Escaped(progress.step)) << std::flush;
      break;
    case ProgressStyle::kJson:
      out_ << JsonLine({{"event", "progress"},
                        {"source", row->name},
                        {"job", ToHex(progress.job_id)},
                        {"step", progress.step},
                        {"bytes_done", progress.bytes_done},
                        {"bytes_total", progress.bytes_total},
                        {"items_done", progress.items_done},
                        {"items_total", progress.items_total},
                        {"new_bytes", progress.new_bytes},
                        {"stored_bytes", progress.stored_bytes}})
           << std::flush;
      break;
  }
}

void ProgressBoard::Finish(const JobResult& result, std::string outcome) {
  Row* row = Find(result.job_id);
  if (row == nullptr || !row->outcome.empty()) return;
  row->outcome = outcome.empty() ? "done" : std::move(outcome);
  row->failed = result.exit_code != 0;
  if (options_.style == ProgressStyle::kBars) Draw();
  if (options_.style == ProgressStyle::kLines) {
    out_ << fmt::format("{}: {}\n", row->name, row->outcome) << std::flush;
  }
}

std::string ProgressBoard::Details(const Row& row) const {
  std::string text = PaddedLeft(SizeText(row.last.bytes_done), 9);
  if (row.rate.bytes_per_second() >= 1) {
    const auto rate = static_cast<std::uint64_t>(row.rate.bytes_per_second());
    text += fmt::format("{}{}/s", kGap, SizeText(rate));
  }
  if (row.last.new_bytes > 0) text += fmt::format("{}new {}", kGap, SizeText(row.last.new_bytes));
  if (row.last.items_total > 0) {
    text += fmt::format("{}{} of {}", kGap, CountText(row.last.items_done),
                        CountText(row.last.items_total));
  }
  if (!row.last.step.empty()) text += fmt::format("{}{}", kGap, Escaped(row.last.step, 40));
  if (const auto left = row.rate.Left(row.last.bytes_total)) {
    text += fmt::format("{}left {}", kGap, LeftText(*left));
  }
  return text;
}

std::string ProgressBoard::Line(const Row& row) const {
  const std::string name = Padded(row.name, name_width_);
  const JobProgress& last = row.last;
  if (!row.outcome.empty()) {
    if (row.failed) return fmt::format("{}  {}", name, row.outcome);
    return fmt::format("{}  {}  {}", name, Bar(1, 1, kBarCells), row.outcome);
  }
  if (!row.heard) return fmt::format("{}  {}  waiting", name, Bar(0, 1, kBarCells));
  return fmt::format("{}  {}  {}", name, Bar(last.bytes_done, last.bytes_total, kBarCells),
                     Details(row));
}

void ProgressBoard::Erase() {
  if (drawn_lines_ > 0) out_ << fmt::format("\x1b[{}A\r\x1b[J", drawn_lines_);
  drawn_lines_ = 0;
}

void ProgressBoard::Draw() {
  Erase();
  for (const Bytes& id : order_) {
    out_ << CutToWidth(Line(rows_.at(id)), options_.columns) << "\n";
    ++drawn_lines_;
  }
  out_ << std::flush;
  drawn_at_ = clock_.Monotonic();
}

void ProgressBoard::Note(const std::string& text) {
  if (options_.style == ProgressStyle::kJson) {
    out_ << JsonLine({{"event", "note"}, {"text", text}}) << std::flush;
    return;
  }
  if (options_.style == ProgressStyle::kBars) Erase();
  out_ << text << "\n";
  if (options_.style == ProgressStyle::kBars) Draw();
  out_ << std::flush;
}

void ProgressBoard::Close() {
  if (options_.style == ProgressStyle::kBars) Draw();
  drawn_lines_ = 0;
}

}  // namespace holdfast::cli
