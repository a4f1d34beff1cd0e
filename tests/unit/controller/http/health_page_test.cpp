// Goal: the answer is made once for the facts of a moment, and is always that of the facts it is
// asked with.
#include "controller/http/health_page.h"

#include <gtest/gtest.h>

#include "controller/http/health.h"
#include "tests/unit/controller/http/facts_fixture.h"

namespace holdfast::http {
namespace {

TEST(HealthPageTest, OneAnswerForOneMoment) {
  HealthPage page;
  const auto well = std::make_shared<const Facts>(test::WellFacts());
  Facts ill_facts = test::WellFacts();
  ill_facts.sources[0].newest.reset();
  const auto ill = std::make_shared<const Facts>(ill_facts);
  const auto first = page.Get(well);
  EXPECT_EQ(first->code, 200);
  EXPECT_EQ(first->text, HealthJson(*well));
  EXPECT_EQ(page.Get(well), first);
  const auto second = page.Get(ill);
  EXPECT_EQ(second->code, 503);
  EXPECT_EQ(second->text, HealthJson(*ill));
  EXPECT_EQ(page.Get(well)->code, 200) << "also when an older one is asked for again";
  EXPECT_EQ(first->code, 200) << "who has an answer keeps it";
}

}  // namespace
}  // namespace holdfast::http
