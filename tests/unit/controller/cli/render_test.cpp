// Goal: numbers, tables, progress and reports read as the operator's page promises.
#include <gtest/gtest.h>

#include <sstream>

#include "common/base/error.h"
#include "common/base/nearest.h"
#include "common/report/json.h"
#include "controller/cli/render/progress.h"
#include "controller/cli/render/report.h"
#include "controller/cli/render/text.h"
#include "tests/unit/controller/cli/cli_fixture.h"

namespace holdfast::cli {
namespace {

using test::ManualClock;

TEST(TextTest, SizesAreBinaryAndShort) {
  EXPECT_EQ(SizeText(0), "0 B");
  EXPECT_EQ(SizeText(1023), "1023 B");
  EXPECT_EQ(SizeText(1024), "1.0 KiB");
  EXPECT_EQ(SizeText(1'717'986'918), "1.6 GiB");
  EXPECT_EQ(SizeText(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(SizeText(~0ull), "16 EiB");
}

TEST(TextTest, AgesAndShares) {
  EXPECT_EQ(AgeText(absl::Seconds(2)), "2s");
  EXPECT_EQ(AgeText(absl::Seconds(190)), "3m10s");
  EXPECT_EQ(AgeText(absl::Minutes(724)), "12h04m");
  EXPECT_EQ(AgeText(absl::Hours(24 * 41)), "41d");
  EXPECT_EQ(AgeText(-absl::Seconds(5)), "in the future");
  EXPECT_EQ(PercentText(2, 1000), "0.2 %");
  EXPECT_EQ(PercentText(2, 0), "");
  EXPECT_EQ(LeftText(absl::Seconds(44)), "0:44");
  EXPECT_EQ(LeftText(absl::Seconds(3730)), "1:02:10");
  EXPECT_EQ(SecondsText(2.13), "2.1 s");
  EXPECT_EQ(SecondsText(-1), "0.0 s");
  EXPECT_EQ(Plural(1, "file"), "1 file");
  EXPECT_EQ(Plural(2000, "file"), "2,000 files");
  EXPECT_EQ(TimeText(0, absl::UTCTimeZone()), "never");
  EXPECT_EQ(TimeText(1'767'751'200'000, absl::UTCTimeZone()), "2026-01-07 02:00 UTC");
  EXPECT_EQ(TimeText(~0ull, absl::UTCTimeZone()), "after the year 9999");
}

TEST(TableTest, AlignsByWhatIsSeen) {
  Table table({{"NAME"}, {"SIZE", Align::kRight}});
  table.Add({"é", "1 B"});
  table.Add({"long-name", "100 MiB"});
  EXPECT_EQ(table.Render(),
            "NAME          SIZE\n"
            "é              1 B\n"
            "long-name  100 MiB\n");
}

TEST(BarTest, FillsByEighths) {
  EXPECT_EQ(Bar(0, 100, 4), "▕    ▏");
  EXPECT_EQ(Bar(100, 100, 4), "▕████▏");
  EXPECT_EQ(Bar(500, 100, 4), "▕████▏");
  EXPECT_EQ(Bar(50, 100, 4), "▕██  ▏");
  EXPECT_EQ(Bar(1, 32, 4), "▕▏   ▏");
  EXPECT_EQ(Bar(5, 0, 4), "▕    ▏");
}

TEST(RateMeterTest, TellsRateAndRest) {
  RateMeter rate;
  EXPECT_FALSE(rate.Left(1000).has_value());
  rate.Add(absl::ZeroDuration(), 0);
  rate.Add(absl::Seconds(1), 100);
  EXPECT_DOUBLE_EQ(rate.bytes_per_second(), 100);
  ASSERT_TRUE(rate.Left(500).has_value());
  EXPECT_EQ(*rate.Left(500), absl::Seconds(4));
  EXPECT_FALSE(rate.Left(50).has_value());
  rate.Add(absl::Seconds(2), 10);  // a step that counts anew
  EXPECT_DOUBLE_EQ(rate.bytes_per_second(), 0);
}

JobProgress At(std::uint64_t done, const std::string& step = "reading") {
  JobProgress progress;
  progress.job_id = "j";
  progress.step = step;
  progress.bytes_done = done;
  progress.bytes_total = 1000 << 20;
  return progress;
}

TEST(ProgressBoardTest, APipeGetsALinePerState) {
  ManualClock clock;
  std::ostringstream out;
  ProgressBoard board({ProgressStyle::kLines, 100}, clock, out);
  board.AddRow("j", "db\x1b[31m");
  for (int i = 0; i < 50; ++i) board.Update(At(i));
  board.Update(At(60, "committing"));
  board.Finish({"j", 0, 0, "", "", ""}, "done in 2.1 s");
  board.Update(At(70, "late"));
  board.Close();
  EXPECT_EQ(out.str(),
            "db\\x1b[31m: reading\ndb\\x1b[31m: committing\ndb\\x1b[31m: done in 2.1 s\n");
}

TEST(ProgressBoardTest, ATerminalIsRedrawnAtMostTenTimesASecond) {
  ManualClock clock;
  std::ostringstream out;
  ProgressBoard board({ProgressStyle::kBars, 120}, clock, out);
  board.AddRow("j", "db");
  for (int i = 0; i <= 1000; ++i) {
    board.Update(At(static_cast<std::uint64_t>(i) << 19));
    clock.monotonic += absl::Milliseconds(1);
  }
  board.Close();
  const std::string text = out.str();
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_GE(lines, 10);
  EXPECT_LE(lines, 13);
  EXPECT_NE(text.find("500 MiB/s"), std::string::npos) << text;
  EXPECT_NE(text.find("left 0:0"), std::string::npos) << text;
}

TEST(ProgressBoardTest, JsonEventsParse) {
  ManualClock clock;
  std::ostringstream out;
  ProgressBoard board({ProgressStyle::kJson, 100}, clock, out);
  board.AddRow("j", "db");
  board.Update(At(5, std::string("bad\xff")));
  const Json json = ParsedJson(out.str());
  EXPECT_EQ(json["event"], "progress");
  EXPECT_EQ(json["source"], "db");
  EXPECT_EQ(json["bytes_done"], 5);
}

TEST(ReportTest, BackupLineIsThatOfTheManual) {
  JobResult result;
  result.report_json = R"({"content_bytes":1717986918,"new_bytes":3250586,"seconds":2.1,)"
                       R"("summary":"12 tables, 4,210,331 rows"})";
  EXPECT_EQ(OutcomeText(JobKind::kBackup, result),
            "1.6 GiB   new 3.1 MiB (0.2 %)   done in 2.1 s   12 tables, 4,210,331 rows");
}

TEST(ReportTest, AnyJsonIsSurvived) {
  for (const char* text : {"", "{", "[]", "7", R"({"new_bytes":"x","seconds":{},"problems":[1]})",
                           R"({"content_bytes":-5,"problems":{"path":1},"notes":[null]})"}) {
    for (const JobKind kind : {JobKind::kBackup, JobKind::kRestore, JobKind::kVerify}) {
      JobResult result;
      result.report_json = text;
      EXPECT_EQ(OutcomeText(kind, result), "done") << text;
      EXPECT_LE(DetailText(kind, result).size(), 40u) << text;
    }
  }
}

TEST(ReportTest, DetailsAreListedAndEscaped) {
  JobResult result;
  result.exit_code = 5;
  result.report_json = R"({"mismatches":[{"path":"a\u001b[2J","reason":"differs"}],"skipped":[],)"
                       R"("warnings":["w1"],"restored_entries":3,"target":"/srv/x"})";
  const std::string text = DetailText(JobKind::kRestore, result);
  EXPECT_EQ(text, "  differs: a\\x1b[2J: differs\n  warning: w1\n");
  EXPECT_EQ(OutcomeText(JobKind::kRestore, result), "failed");
  EXPECT_EQ(KindOf(StatusOfResult(result)), ErrorKind::kIntegrity);
}

TEST(ReportTest, TheMostSeriousCodeWins) {
  EXPECT_EQ(WorstExitCode({}), 0);
  EXPECT_EQ(WorstExitCode({0, 0}), 0);
  EXPECT_EQ(WorstExitCode({0, 3}), 3);
  EXPECT_EQ(WorstExitCode({3, 10, 0}), 10);
  EXPECT_EQ(WorstExitCode({10, 5, 3}), 5);
  EXPECT_EQ(WorstExitCode({77}), 1);
}

TEST(JsonTest, ForeignBytesStayValid) {
  Json json = Json::object();
  PutPath("plain/\xc3\xa9", &json);
  EXPECT_EQ(json["path"], "plain/\xc3\xa9");
  EXPECT_FALSE(json.contains("path_hex"));
  PutPath("bad\xff", &json);
  EXPECT_EQ(json["path_hex"], "626164ff");
  EXPECT_FALSE(ParsedJson(JsonLine({{"x", "bad\xff"}})).is_null());
}

TEST(NearestTest, OnlyWhatIsClose) {
  EXPECT_EQ(NearestNames("uplaods", {"db", "uploads", "cache"}),
            std::vector<std::string>{"uploads"});
  EXPECT_TRUE(NearestNames("zzz", {"db", "uploads"}).empty());
}

}  // namespace
}  // namespace holdfast::cli
