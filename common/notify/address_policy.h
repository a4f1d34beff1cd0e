// Which network addresses a channel may connect to (SSRF).
//
// A URL in the configuration, or a name that its owner lets point elsewhere later, must not make
// the daemon speak to the metadata service of a cloud or to a service that trusts its own host.
// Invariants: link-local addresses (the metadata service is one), multicast, "this network" and
//             unspecified addresses are never allowed; loopback and private ones only on demand.
//             IPv4 inside IPv6 (mapped, 6to4, NAT64) counts as the IPv4 address.
// Threading:  pure functions.
#pragma once

struct sockaddr;

namespace holdfast::notify {

struct AddressPolicy {
  bool allow_private = false;  // loopback and private networks
};

bool IsAllowed(const AddressPolicy& policy, const sockaddr& address);

}  // namespace holdfast::notify
