// Goal: fault row 90: nothing in a configuration, and no name server, makes the daemon speak to
// link-local addresses, or to private ones unless an operator allowed it.
#include "common/notify/address_policy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "common/notify/transfer.h"

namespace holdfast::notify {
namespace {

bool Allowed(const std::string& text, bool allow_private) {
  sockaddr_storage storage{};
  if (text.find(':') == std::string::npos) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &in->sin_addr), 1) << text;
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
    in->sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &in->sin6_addr), 1) << text;
  }
  return IsAllowed({allow_private}, reinterpret_cast<const sockaddr&>(storage));
}

TEST(AddressPolicy, NeverAllowed) {
  for (const char* address :
       {"169.254.169.254", "169.254.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255",
        "100.100.100.200", "fe80::1", "ff02::1", "::", "fd00:ec2::254", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"}) {
    EXPECT_FALSE(Allowed(address, false)) << address;
    EXPECT_FALSE(Allowed(address, true)) << address;
  }
}

TEST(AddressPolicy, PrivateOnDemand) {
  for (const char* address :
       {"127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "100.64.0.1", "::1", "fd12::1", "fec0::1", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(Allowed(address, false)) << address;
    EXPECT_TRUE(Allowed(address, true)) << address;
  }
}

TEST(AddressPolicy, PublicAlways) {
  for (const char* address : {"1.1.1.1", "172.32.0.1", "172.15.0.1", "192.167.1.1", "8.8.8.8",
                              "2606:4700::1111", "::ffff:1.1.1.1"}) {
    EXPECT_TRUE(Allowed(address, false)) << address;
  }
}

TEST(AddressPolicy, OtherFamiliesAreNot) {
  sockaddr address{};
  address.sa_family = AF_UNIX;
  EXPECT_FALSE(IsAllowed({true}, address));
}

TEST(Urls, ThatAreUsable) {
  EXPECT_TRUE(IsUsableUrl("https://hooks.example.com/a/b?c", {false}));
  EXPECT_FALSE(IsUsableUrl("http://hooks.example.com/a", {false}));
  EXPECT_TRUE(IsUsableUrl("http://127.0.0.1:80/a", {true}));
  for (const char* url : {"", "https://", "https:///x", "ftp://x", "file:///etc/passwd",
                          "https://user:pass@x/", "https://x/a b", "https://x/\r\nHost: y"}) {
    EXPECT_FALSE(IsUsableUrl(url, {true})) << url;
  }
}

TEST(Urls, AreToldWithoutTheirSecretPart) {
  EXPECT_EQ(RedactedUrl("https://hooks.slack.com/services/T0/B0/SECRET"),
            "https://hooks.slack.com/…");
  EXPECT_EQ(RedactedUrl("https://user:SECRET@example.com"), "https://example.com");
  EXPECT_EQ(RedactedUrl("https://example.com?token=SECRET"), "https://example.com/…");
  EXPECT_EQ(RedactedUrl("SECRET"), "(no URL)");
}

}  // namespace
}  // namespace holdfast::notify
