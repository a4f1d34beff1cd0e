// Goal: a cron text means what an administrator thinks it means, in every zone and across every
// change of its clocks, and what can never come is refused. Fault rows 5, 86.
#include "controller/schedule/cron.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace holdfast::schedule {
namespace {

absl::Time At(const std::string& rfc3339) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, rfc3339, &time, &error)) << error;
  return time;
}

// The times after `from`, in the zone, as "2026-01-07T02:00:00+00:00".
std::vector<std::string> Times(const std::string& text, const std::string& zone_name,
                               const std::string& from, int count) {
  const auto cron = Cron::Parse(text);
  EXPECT_TRUE(cron.ok()) << cron.status();
  const absl::TimeZone zone = FindZone(zone_name).value();
  std::vector<std::string> times;
  absl::Time at = At(from);
  for (int i = 0; i < count; ++i) {
    at = cron->NextAfter(at, zone);
    times.push_back(absl::FormatTime("%Y-%m-%d %H:%M:%S %Ez", at, zone));
  }
  return times;
}
using Texts = std::vector<std::string>;

TEST(CronTest, FieldsNamesRangesStepsAndLists) {
  EXPECT_EQ(Times("0 2 * * *", "UTC", "2026-01-07T02:00:00Z", 2),
            (Texts{"2026-01-08 02:00:00 +00:00", "2026-01-09 02:00:00 +00:00"}));
  EXPECT_EQ(Times("0 2 * * *", "UTC", "2026-01-07T01:59:59.999Z", 1),
            (Texts{"2026-01-07 02:00:00 +00:00"}));
  EXPECT_EQ(Times("*/20 8-9 * * MON-fri", "UTC", "2026-01-09T09:00:00Z", 3),
            (Texts{"2026-01-09 09:20:00 +00:00", "2026-01-09 09:40:00 +00:00",
                   "2026-01-12 08:00:00 +00:00"}));
  EXPECT_EQ(Times("5,10-12,50/5 0 1 jan,jul *", "UTC", "2026-01-01T00:04:00Z", 7),
            (Texts{"2026-01-01 00:05:00 +00:00", "2026-01-01 00:10:00 +00:00",
                   "2026-01-01 00:11:00 +00:00", "2026-01-01 00:12:00 +00:00",
                   "2026-01-01 00:50:00 +00:00", "2026-01-01 00:55:00 +00:00",
                   "2026-07-01 00:05:00 +00:00"}));
  // Sunday is 0, 7 and the end of a week that begins on Friday.
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun"}) {
    EXPECT_EQ(Times(text, "UTC", "2026-01-07T00:00:00Z", 1), (Texts{"2026-01-11 00:00:00 +00:00"}))
        << text;
  }
  EXPECT_EQ(Times("0 0 * * fri-sun", "UTC", "2026-01-10T00:00:00Z", 2),
            (Texts{"2026-01-11 00:00:00 +00:00", "2026-01-16 00:00:00 +00:00"}));
  EXPECT_EQ(Times("@hourly", "UTC", "2026-01-07T02:30:00Z", 1),
            (Texts{"2026-01-07 03:00:00 +00:00"}));
  EXPECT_EQ(Times("@weekly", "UTC", "2026-01-07T02:30:00Z", 1),
            (Texts{"2026-01-11 00:00:00 +00:00"}));
  EXPECT_EQ(Times("@yearly", "UTC", "2026-01-07T02:30:00Z", 1),
            (Texts{"2027-01-01 00:00:00 +00:00"}));
}

TEST(CronTest, DayOfMonthOrDayOfWeekWhenBothAreGiven) {
  EXPECT_EQ(Times("0 0 13 * fri", "UTC", "2026-03-07T00:00:00Z", 3),
            (Texts{"2026-03-13 00:00:00 +00:00", "2026-03-20 00:00:00 +00:00",
                   "2026-03-27 00:00:00 +00:00"}));
  EXPECT_EQ(Times("0 0 1 2 mon", "UTC", "2026-02-01T00:00:00Z", 1),
            (Texts{"2026-02-02 00:00:00 +00:00"}));
}

TEST(CronTest, RareDaysCome) {
  EXPECT_EQ(Times("0 0 29 feb *", "UTC", "2096-03-01T00:00:00Z", 1),
            (Texts{"2104-02-29 00:00:00 +00:00"}));
  EXPECT_EQ(Times("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", 2),
            (Texts{"2026-03-31 00:00:00 +00:00", "2026-05-31 00:00:00 +00:00"}));
}

TEST(CronTest, WhatIsNoneIsRefused) {
  for (const char* text : {"",
                           "*",
                           "* * * *",
                           "* * * * * *",
                           "60 * * * *",
                           "* 24 * * *",
                           "* * 0 * *",
                           "* * 32 * *",
                           "* * * 13 *",
                           "* * * * 8",
                           "*/0 * * * *",
                           "*/61 * * * *",
                           "5-2 * * * *",
                           "-1 * * * *",
                           "1.5 * * * *",
                           "a * * * *",
                           "* * * foo *",
                           "1,,2 * * * *",
                           "1- * * * *",
                           "@reboot",
                           "@every 5m",
                           "0 0 31 2 *",
                           "0 0 30 feb *",
                           "0 0 31 4,6,9,11 *",
                           "0 2 * * *\n",
                           "0 0 * * fri-mon",
                           "+1 * * * *",
                           "001 * * * *"}) {
    const auto cron = Cron::Parse(text);
    EXPECT_FALSE(cron.ok()) << "'" << text << "' is read as a schedule";
    if (!cron.ok()) {
      EXPECT_EQ(ExitCodeOf(cron.status()), 2);
      EXPECT_EQ(CodeOf(cron.status()), 5090);
      EXPECT_EQ(MessageOf(cron.status()).find('\n'), std::string::npos);
    }
  }
  EXPECT_FALSE(Cron::Parse(std::string(100'000, '*')).ok());
  for (const char* name :
       {"", "Mars/Olympus", "/etc/passwd", "../etc/localtime", "europe/berlin ", ":UTC"}) {
    EXPECT_EQ(CodeOf(FindZone(name).status()), 5091) << name;
  }
}

// Fault row 86: what the zone leaves out is made up for at the next instant there is.
TEST(CronTest, ATimeInTheGapIsTheInstantAtWhichClocksGoForward) {
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            (Texts{"2026-03-28 02:30:00 +01:00", "2026-03-29 03:00:00 +02:00",
                   "2026-03-30 02:30:00 +02:00"}));
  EXPECT_EQ(Times("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2),
            (Texts{"2026-03-08 03:00:00 -04:00", "2026-03-09 02:30:00 -04:00"}));
  // Half an hour is left out.
  EXPECT_EQ(Times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
            (Texts{"2026-10-04 02:30:00 +11:00", "2026-10-05 02:15:00 +11:00"}));
  // Midnight itself is left out.
  EXPECT_EQ(Times("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 2),
            (Texts{"2026-04-24 01:00:00 +03:00", "2026-04-25 00:00:00 +03:00"}));
  // Several times in one gap are one run.
  EXPECT_EQ(Times("0,20,40 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", 2),
            (Texts{"2026-03-29 03:00:00 +02:00", "2026-03-30 02:00:00 +02:00"}));
}

TEST(CronTest, ATimeInTheOverlapComesOnce) {
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            (Texts{"2026-10-25 02:30:00 +02:00", "2026-10-26 02:30:00 +01:00"}));
  EXPECT_EQ(Times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            (Texts{"2026-11-01 01:30:00 -04:00", "2026-11-02 01:30:00 -05:00"}));
  EXPECT_EQ(Times("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", 2),
            (Texts{"2026-04-05 01:45:00 +11:00", "2026-04-06 01:45:00 +10:30"}));
  // Also when somebody asks between the two.
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1),
            (Texts{"2026-10-26 02:30:00 +01:00"}));
}

TEST(CronTest, EveryHourMeansEveryHourThatPasses) {
  EXPECT_EQ(Times("30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 3),
            (Texts{"2026-10-25 02:30:00 +02:00", "2026-10-25 02:30:00 +01:00",
                   "2026-10-25 03:30:00 +01:00"}));
  EXPECT_EQ(Times("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2),
            (Texts{"2026-03-29 01:30:00 +01:00", "2026-03-29 03:30:00 +02:00"}));
  EXPECT_EQ(Times("0 * * * sat", "Europe/Berlin", "2026-01-10T22:30:00Z", 2),
            (Texts{"2026-01-17 00:00:00 +01:00", "2026-01-17 01:00:00 +01:00"}));
}

TEST(CronTest, TimesThatPassedAreCountedAndTheLastOneIsFound) {
  const Cron cron = Cron::Parse("0 2 * * *").value();
  const absl::TimeZone utc = absl::UTCTimeZone();
  Cron::Passed passed =
      cron.PassedSince(At("2026-01-01T02:00:00Z"), At("2026-01-01T02:00:00Z"), utc);
  EXPECT_EQ(passed.last, At("2026-01-01T02:00:00Z"));
  EXPECT_EQ(passed.before, 0u);
  passed = cron.PassedSince(At("2026-01-01T02:00:00Z"), At("2026-01-11T01:59:00Z"), utc);
  EXPECT_EQ(passed.last, At("2026-01-10T02:00:00Z"));
  EXPECT_EQ(passed.before, 9u);
  // A clock that was ten years wrong ends the counting, not the search.
  const Cron often = Cron::Parse("* * * * *").value();
  passed = often.PassedSince(At("2016-01-01T00:00:00Z"), At("2026-01-11T01:59:30Z"), utc);
  EXPECT_EQ(passed.last, At("2026-01-11T01:59:00Z"));
  EXPECT_EQ(passed.before, Cron::kMostCounted);
}

}  // namespace
}  // namespace holdfast::schedule
