// A server that speaks just enough of the protocol to misbehave, and a clock that does not wait.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/source/redis/redis_connection.h"
#include "common/base/error.h"
#include "common/env/clock.h"
#include "common/env/unique_fd.h"

namespace holdfast::redis::test {

class PassingClock final : public Clock {
 public:
  absl::Time Now() override { return absl::UnixEpoch() + passed_; }
  absl::Duration Monotonic() override { return passed_; }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    passed_ += duration;
    return !stop.stop_requested();
  }

 private:
  absl::Duration passed_;
};

inline std::string Bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// Answers each command by `answer(words)`; an answer that ends with "\x04" closes the connection
// after the bytes before it.
class FakeRedis {
 public:
  using Answer = std::function<std::string(const std::vector<std::string>&)>;

  explicit FakeRedis(Answer answer) : answer_(std::move(answer)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    HOLDFAST_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    HOLDFAST_CHECK(::listen(listener_.get(), 16) == 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
  }

  RedisAddress address() const {
    RedisAddress address;
    address.port = port_;
    address.timeout_s = 2;
    return address;
  }

  int CountOf(const std::string& command) const {
    std::lock_guard lock(mutex_);
    return static_cast<int>(std::count(seen_.begin(), seen_.end(), command));
  }

 private:
  struct Client {
    UniqueFd fd;
    std::string input;
  };

  void Serve(std::stop_token stop) {
    std::vector<Client> clients;
    while (!stop.stop_requested()) {
      std::vector<pollfd> fds = {{listener_.get(), POLLIN, 0}};
      for (const Client& client : clients) fds.push_back({client.fd.get(), POLLIN, 0});
      if (::poll(fds.data(), fds.size(), 20) <= 0) continue;
      for (std::size_t i = clients.size(); i > 0; --i) {
        if (fds[i].revents != 0 && !Talk(clients[i - 1])) {
          clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i - 1));
        }
      }
      if (fds[0].revents != 0) {
        clients.push_back(
            {UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), ""});
      }
    }
  }

  bool Talk(Client& client) {
    char buffer[4096];
    const ssize_t got = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    client.input.append(buffer, static_cast<std::size_t>(got));
    while (auto words = TakeCommand(&client.input)) {
      {
        std::lock_guard lock(mutex_);
        seen_.push_back(words->front());
      }
      std::string text = answer_(*words);
      const bool close = !text.empty() && text.back() == '\x04';
      if (close) text.pop_back();
      // One byte, then the rest: no reader may count on a message coming in one piece.
      for (const std::string& part :
           {text.substr(0, 1), text.substr(std::min<std::size_t>(1, text.size()))}) {
        std::size_t sent = 0;
        while (sent < part.size()) {
          const ssize_t step =
              ::send(client.fd.get(), part.data() + sent, part.size() - sent, MSG_NOSIGNAL);
          if (step <= 0) return false;
          sent += static_cast<std::size_t>(step);
        }
      }
      if (close) return false;
    }
    return true;
  }

  static std::optional<std::vector<std::string>> TakeCommand(std::string* input) {
    std::size_t at = 0;
    const auto line = [&]() -> std::optional<std::string> {
      const std::size_t end = input->find("\r\n", at);
      if (end == std::string::npos) return std::nullopt;
      std::string text = input->substr(at, end - at);
      at = end + 2;
      return text;
    };
    const auto count = line();
    if (!count) return std::nullopt;
    std::vector<std::string> words;
    for (int i = std::stoi(count->substr(1)); i > 0; --i) {
      const auto size = line();
      if (!size) return std::nullopt;
      const std::size_t length = std::stoul(size->substr(1));
      if (input->size() < at + length + 2) return std::nullopt;
      words.push_back(input->substr(at, length));
      at += length + 2;
    }
    input->erase(0, at);
    return words;
  }

  Answer answer_;
  UniqueFd listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;  // command names, guarded by mutex_
  std::jthread thread_;            // last: stops before the rest goes
};

}  // namespace holdfast::redis::test
