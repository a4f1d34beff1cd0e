// Goal: the list of what can be recovered names every source by its id too, for people and for
// programs, and text from the store commands no terminal.
#include "agent/daemon/recover_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"

namespace holdfast::daemon {
namespace {

using testing::HasSubstr;

SourceId IdOf(char byte) { return *SourceId::From(Bytes(SourceId::kSize, byte)); }

std::vector<RecoverableSnapshot> TwoAgentsAndDamage() {
  RecoverableSnapshot damaged;
  damaged.source_id = IdOf('\3');
  damaged.source_name = damaged.source_id.hex();
  damaged.seq = 7;
  damaged.problem = "unable to read the record";
  const absl::Time taken = absl::FromUnixMillis(1'767'751'200'250);
  return {{IdOf('\1'), "db", "postgres", 41, taken, false, ""},
          {IdOf('\2'), "db", "postgres", 3, taken, true, ""},
          {IdOf('\4'), "x\x1b[31m\n", "files", 1, taken, false, ""},
          damaged};
}

TEST(RecoverOutputTest, TheTableTellsSourcesOfOneNameApart) {
  const std::string text = ListText(TwoAgentsAndDamage());
  for (const char id : {'\1', '\2', '\3', '\4'}) EXPECT_THAT(text, HasSubstr(IdOf(id).hex()));
  EXPECT_THAT(text, HasSubstr("2026-01-07 02:00 UTC"));
  EXPECT_THAT(text, HasSubstr("complete"));
  EXPECT_THAT(text, HasSubstr("partial"));
  EXPECT_THAT(text, HasSubstr("damaged: unable to read the record"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << "one line each, and the heading";
}

TEST(RecoverOutputTest, JsonHasTheSame) {
  const auto json = nlohmann::json::parse(ListJson(TwoAgentsAndDamage()));
  const auto& list = json.at("snapshots");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].at("source"), "db");
  EXPECT_EQ(list[0].at("source_id"), IdOf('\1').hex());
  EXPECT_EQ(list[0].at("kind"), "postgres");
  EXPECT_EQ(list[0].at("seq"), 41);
  EXPECT_EQ(list[0].at("taken_at"), "2026-01-07T02:00:00.250Z");
  EXPECT_EQ(list[0].at("state"), "complete");
  EXPECT_EQ(list[1].at("source_id"), IdOf('\2').hex());
  EXPECT_EQ(list[1].at("state"), "partial");
  EXPECT_EQ(list[3].at("state"), "damaged");
  EXPECT_EQ(list[3].at("problem"), "unable to read the record");
  EXPECT_EQ(list[3].at("taken_at"), "");
  EXPECT_EQ(ListJson({}), "{\"snapshots\":[]}\n");
}

TEST(RecoverOutputTest, ErrorsAreThoseOfTheCommandLine) {
  const auto json = nlohmann::json::parse(
      ErrorJson(Error(ErrorKind::kNotFound, 3012, "unable to find source 'x'", "See --list.")));
  EXPECT_EQ(json.at("error").at("code"), "HF-3012");
  EXPECT_EQ(json.at("error").at("exit"), 6);
  EXPECT_EQ(json.at("error").at("message"), "unable to find source 'x'");
  EXPECT_EQ(json.at("error").at("hint"), "See --list.");
}

}  // namespace
}  // namespace holdfast::daemon
