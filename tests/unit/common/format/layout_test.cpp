// Goal: the paths of a store are part of the format: recovery finds files by them years later.
#include "common/format/layout.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

template <typename Fixed>
Fixed Filled(char byte) {
  return *Fixed::From(std::string(Fixed::kSize, byte));
}

const std::string kEleven(32, '1');
const std::string kTwentyTwo(32, '2');

TEST(LayoutTest, PathsAreThoseOfTheFormat) {
  const std::string pack(64, 'a');
  EXPECT_EQ(layout::PackPath(Filled<PackName>('\xaa')), "packs/aa/" + pack + ".pack");
  const auto source = Filled<SourceId>('\x11');
  EXPECT_EQ(layout::RecordPath(source, 7), "records/" + kEleven + "/00000000000000000007.record");
  EXPECT_EQ(layout::ReferencesPath(source, 18446744073709551615ull),
            "records/" + kEleven + "/18446744073709551615.refs");
  const auto domain = Filled<DomainId>('\x11');
  EXPECT_EQ(layout::EnvelopePath(domain, Filled<KeyId>('\x22')),
            "envelopes/" + kEleven + "/" + kTwentyTwo + ".envelope");
  const auto agent = Filled<AgentId>('\x22');
  EXPECT_EQ(layout::IdentityPath(domain, agent),
            "domains/" + kEleven + "/" + kTwentyTwo + ".identity");
  EXPECT_EQ(layout::SecretsPath(domain, agent),
            "domains/" + kEleven + "/" + kTwentyTwo + ".secrets");
  EXPECT_EQ(layout::RecipientsPath(3), "trust/recipients.00000000000000000003");
  EXPECT_STREQ(layout::kOwner, "trust/owner.pub");
}

TEST(LayoutTest, NumbersSortAsText) {
  EXPECT_LT(layout::RecordPath({}, 9), layout::RecordPath({}, 10));
  EXPECT_LT(layout::RecipientsPath(99), layout::RecipientsPath(100));
}

}  // namespace
}  // namespace holdfast
