#include "common/base/error.h"
#include "common/format/wire.h"
#include "controller/alert/ack_token.h"
#include "tests/fuzz/targets.h"

namespace holdfast::fuzz {
namespace {

constexpr std::size_t kTokenLimitBytes = 512;

absl::Time Noon() { return absl::FromUnixSeconds(1'767'787'200); }

bool Same(const alert::Acknowledgement& a, const alert::Acknowledgement& b) {
  return a.alert == b.alert && a.channel == b.channel && a.expires == b.expires;
}

}  // namespace

// The same bytes as a token, which the key of the corpus may have made, and as what a token is made
// of: alert, expiry, channel.
void Acknowledge(ByteView input) {
  const alert::AckTokens tokens(Bytes(32, 'k'));
  const alert::AckTokens others(Bytes(32, 'o'));
  const auto taken = tokens.Check(input, Noon());
  HOLDFAST_CHECK(!others.Check(input, Noon()).ok());
  if (taken.ok()) {
    HOLDFAST_CHECK(taken->expires > Noon());
    HOLDFAST_CHECK(!tokens.Check(input, taken->expires).ok());
    const auto again = tokens.Check(tokens.Make(*taken), Noon());
    HOLDFAST_CHECK(again.ok() && Same(*again, *taken));
  } else {
    HOLDFAST_CHECK(KindOf(taken.status()) == ErrorKind::kPermission);
  }

  Reader reader(input);
  alert::Acknowledgement made;
  made.alert = static_cast<std::int64_t>(reader.U64());
  made.expires = absl::FromUnixSeconds(static_cast<std::int64_t>(reader.U64()));
  made.channel = reader.Raw(reader.remaining());
  std::string token = tokens.Make(made);
  HOLDFAST_CHECK(!others.Check(token, Noon()).ok());
  const auto read = tokens.Check(token, Noon());
  const bool good = made.expires > Noon() && token.size() <= kTokenLimitBytes;
  HOLDFAST_CHECK(read.ok() == good);
  HOLDFAST_CHECK(!good || Same(*read, made));
  token.back() = token.back() == '0' ? '1' : '0';  // of the MAC
  HOLDFAST_CHECK(!tokens.Check(token, Noon()).ok());
}

}  // namespace holdfast::fuzz
