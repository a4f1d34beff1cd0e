// An HTTP server on 127.0.0.1 that notes what it is told and answers as the test says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/env/env.h"
#include "common/notify/channels.h"

namespace holdfast::notify::test {

struct Seen {
  std::string path;
  std::string body;
  httplib::Headers headers;
  std::string Header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  nlohmann::json Json() const { return nlohmann::json::parse(body, nullptr, false); }
};

class HttpTest : public testing::Test {
 protected:
  HttpTest() {
    const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
      {
        std::lock_guard lock(mutex_);
        seen_.push_back({request.path, request.body, request.headers});
      }
      if (answer_) answer_(response);
    };
    server_.Post(".*", handle);
    server_.Get(".*", handle);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // stop() before it runs would be lost.
    while (!server_.is_running()) RealClock().SleepFor(absl::Milliseconds(1), {});
  }
  ~HttpTest() override {
    server_.stop();
    thread_.join();
  }

  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<Seen> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  static NetworkOptions Local() { return {{true}, "", absl::Seconds(20)}; }
  static Message Sample() {
    Message message;
    message.id = "msg_1";
    message.dedup_key = "backup-1/alert/7";
    message.severity = Severity::kCritical;
    message.kind = "failure";
    message.subject = "db";
    message.title = "the backup of <db> & co failed";
    message.text = "no space";
    message.hint = "holdfast status";
    message.facts = {{"Since", "2026-01-07"}};
    message.at = absl::FromUnixSeconds(1'767'751'200);
    message.origin = "backup-1";
    return message;
  }

  std::function<void(httplib::Response&)> answer_;
  int port_ = 0;

 private:
  httplib::Server server_;
  std::thread thread_;
  std::mutex mutex_;  // guards seen_
  std::vector<Seen> seen_;
};

}  // namespace holdfast::notify::test
