// A redis-server of its own for one test, on a free port of 127.0.0.1, stopped at the end.
//
// The server keeps its files in a directory of the test, saves nothing unless told, and allows
// DEBUG. Talk() speaks inline commands for setting up; the code under test has its own client.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace holdfast::test {

class RedisServer {
 public:
  // `options` are further arguments, e.g. {"--requirepass", "secret"}. Ends the test program when
  // the server does not come up.
  explicit RedisServer(std::vector<std::string> options = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  int port() const { return port_; }
  const std::string& directory() const { return directory_.path(); }
  // Starts the server again on the same port after its files were changed.
  void Stop();
  void Start();

  // Sends one command of plain words and returns the raw first line of the reply, or the text of
  // a bulk reply.
  std::string Talk(const std::vector<std::string>& words) const;

 private:
  TempDir directory_;
  std::vector<std::string> options_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace holdfast::test
