// A TCP port of 127.0.0.1 that nothing listened on a moment ago.
#pragma once

namespace holdfast::test {

int FreePort();

}  // namespace holdfast::test
