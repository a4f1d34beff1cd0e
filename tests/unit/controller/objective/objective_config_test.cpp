// Goal: schedules and objectives in controller.yaml are read strictly. Fault row 5.
#include "controller/objective/objective_config.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "controller/schedule/schedule_config.h"

namespace holdfast::objective {
namespace {

template <typename Read>
void ExpectRefusedAt(const std::string& text, const std::string& place, Read read) {
  const auto document = ParseConfig(text, "controller.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  const absl::Status status = read(document->root()).status();
  EXPECT_EQ(ExitCodeOf(status), 2) << text;
  EXPECT_NE(MessageOf(status).find("controller.yaml:" + place + ":"), std::string::npos)
      << text << "\n"
      << MessageOf(status);
}

TEST(PlanConfigTest, SchedulesAreRead) {
  const auto document = ParseConfig(
      "schedule:\n  cron: '30 1 * * *'\n  zone: Europe/Berlin\n  jitter: 5m\n  groups:\n"
      "    - {name: databases, sources: [db, web-1/cache], cron: '@hourly', zone: UTC}\n"
      "    - {name: rest, sources: [uploads]}\n",
      "controller.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  const auto config = schedule::ReadScheduleConfig(document->root());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->all.cron, "30 1 * * *");
  ASSERT_EQ(config->groups.size(), 2u);
  EXPECT_EQ(config->groups[0].plan.cron, "@hourly");
  EXPECT_FALSE(config->groups[1].plan.cron.has_value());
  EXPECT_TRUE(schedule::NamesSource(config->groups[0].sources, "cache", "web-1"));
  EXPECT_FALSE(schedule::NamesSource(config->groups[0].sources, "cache", "web-2"));
  EXPECT_TRUE(schedule::NamesSource(config->groups[0].sources, "db", "any"));
}

TEST(PlanConfigTest, BadSchedulesNameTheirPlace) {
  const auto refuse = [](const std::string& text, const std::string& place) {
    ExpectRefusedAt(text, place, schedule::ReadScheduleConfig);
  };
  refuse("schedule: {cron: '0 0 31 2 *'}\n", "1:18");
  refuse("schedule: {cron: soon}\n", "1:18");
  refuse("schedule: {cron: [1, 2]}\n", "1:18");
  refuse("schedule: {zone: Mars/Olympus}\n", "1:18");
  refuse("schedule: {jitter: 13h}\n", "1:20");
  refuse("schedule: {jitter: -1s}\n", "1:20");
  refuse("schedule: {interval: 0}\n", "1:12");
  refuse("schedule:\n  groups:\n    - {name: a, sources: []}\n", "3:26");
  refuse("schedule:\n  groups:\n    - {name: 'a b', sources: [x]}\n", "3:14");
  refuse("schedule:\n  groups:\n    - {name: a, sources: [x]}\n    - {name: a, sources: [y]}\n",
         "4:7");
  refuse("schedule:\n  groups:\n    - {name: a, sources: [x], cron: '* * *'}\n", "3:37");
}

TEST(PlanConfigTest, ObjectivesAreReadAndBadOnesNameTheirPlace) {
  const auto document = ParseConfig(
      "objectives:\n  kinds: {redis: {rpo: 30m}}\n  systems:\n"
      "    - {name: shop, sources: [db, cache], rpo: 4h, rto: 1h}\n",
      "controller.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  const auto config = ReadObjectiveConfig(document->root());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kinds.at("redis").rpo, "30m");
  EXPECT_FALSE(config->kinds.at("redis").rto.has_value());
  EXPECT_EQ(config->systems.at(0).targets.rto, "1h");

  const auto refuse = [](const std::string& text, const std::string& place) {
    ExpectRefusedAt(text, place, ReadObjectiveConfig);
  };
  refuse("objectives: {kinds: {mysql: {rpo: 1h}}}\n", "1:22");
  refuse("objectives: {kinds: {redis: {rpo: 0}}}\n", "1:35");
  refuse("objectives: {kinds: {redis: {rpo: 1y}}}\n", "1:35");
  refuse("objectives: {system: []}\n", "1:14");
  refuse("objectives:\n  systems:\n    - {name: shop}\n", "3:7");
}

}  // namespace
}  // namespace holdfast::objective
