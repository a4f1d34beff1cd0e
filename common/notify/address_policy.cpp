#include "common/notify/address_policy.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace holdfast::notify {
namespace {

struct Network {
  std::uint32_t address;
  int bits;
};
// Never: this network, link-local, multicast and reserved; the metadata service of Alibaba Cloud.
constexpr Network kNever4[] = {
    {0x00000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 4}, {0xf0000000, 4}, {0x646464c8, 32}};
// Loopback, private, shared (RFC 6598), IETF assignments, benchmarks.
constexpr Network kPrivate4[] = {{0x7f000000, 8},  {0x0a000000, 8},  {0xac100000, 12},
                                 {0xc0a80000, 16}, {0x64400000, 10}, {0xc0000000, 24},
                                 {0xc6120000, 15}};

template <std::size_t N>
bool IsIn(std::uint32_t address, const Network (&networks)[N]) {
  return std::any_of(std::begin(networks), std::end(networks), [&](const Network& network) {
    const std::uint32_t mask = network.bits == 32 ? ~0u : ~(~0u >> network.bits);
    return (address & mask) == network.address;
  });
}

bool IsAllowed4(const AddressPolicy& policy, std::uint32_t address) {
  if (IsIn(address, kNever4)) return false;
  return policy.allow_private || !IsIn(address, kPrivate4);
}

std::uint32_t Number4(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}

bool IsAllowed6(const AddressPolicy& policy, const std::uint8_t* bytes) {
  static constexpr std::uint8_t kZero[12] = {};
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr std::uint8_t kNat64[12] = {0x00, 0x64, 0xff, 0x9b};
  static constexpr std::uint8_t kAwsMetadata[16] = {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0,
                                                    0,    0,    0,    0,    0, 0, 2, 0x54};
  if (std::memcmp(bytes, kMapped, 12) == 0 || std::memcmp(bytes, kNat64, 12) == 0) {
    return IsAllowed4(policy, Number4(bytes + 12));
  }
  if (std::memcmp(bytes, kZero, 12) == 0) {
    if (Number4(bytes + 12) == 1) return policy.allow_private;  // ::1
    return false;                                               // unspecified, and IPv4-compatible
  }
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return IsAllowed4(policy, Number4(bytes + 2));  // 6to4
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return false;  // link-local
  if (bytes[0] == 0xff) return false;                               // multicast
  if (std::memcmp(bytes, kAwsMetadata, 16) == 0) return false;
  const bool is_private = (bytes[0] & 0xfe) == 0xfc || (bytes[0] == 0xfe && bytes[1] >= 0xc0);
  return policy.allow_private || !is_private;
}

}  // namespace

bool IsAllowed(const AddressPolicy& policy, const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    return IsAllowed4(policy, ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof in);
    return IsAllowed6(policy, in.sin6_addr.s6_addr);
  }
  return false;
}

}  // namespace holdfast::notify
