#include "tests/support/free_port.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "common/base/error.h"
#include "common/env/unique_fd.h"

namespace holdfast::test {

int FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  HOLDFAST_CHECK(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  HOLDFAST_CHECK(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

}  // namespace holdfast::test
