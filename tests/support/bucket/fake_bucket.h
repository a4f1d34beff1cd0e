// An S3 service in this process, over HTTP on 127.0.0.1, that misbehaves as a test says.
//
// It holds one bucket, checks what a client says of its own bytes (SHA-256, MD5), keeps
// If-None-Match, and lists page by page. Signatures are checked against our own signer: that this
// is S3's is shown by AWS's examples (sigv4_test) and by a real service (tests/e2e/bucket_test.py).
// Threading: any thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/s3/client.h"

namespace holdfast::test {

struct FakeRequest {
  std::string method;
  std::string key;  // empty: the bucket itself
  std::string body;
  bool has_condition = false;
};

struct FakeReply {
  int status = 200;
  std::string body;
  std::map<std::string, std::string> header;
  bool cut = false;  // more bytes are promised than come
};

class FakeBucket {
 public:
  FakeBucket();
  ~FakeBucket();

  s3::Options options() const;  // for a client of it; one try lasts milliseconds
  int port() const;

  // Answers in place of the bucket; null: the bucket answers. With `act`, after it did what was
  // asked (the reply is lost).
  using Script = std::function<std::unique_ptr<FakeReply>(const FakeRequest&)>;
  void Answer(Script script);
  void ActAndAnswer(Script script);
  void Heal() { Answer(nullptr); }
  // <Error> with this code, `times` times; then the bucket answers again. Only for `method`, unless
  // that is empty.
  void Fail(int status, std::string code, int times = 1'000'000, std::string method = "");

  // Answers take all the time in the world, until false.
  void Crawl(bool crawls) { crawls_ = crawls; }

  int requests() const { return requests_.load(); }
  std::map<std::string, std::string> objects() const;
  void Set(const std::string& key, std::string bytes);
  void Erase(const std::string& key);
  void set_has_conditions(bool has) { has_conditions_ = has; }
  void set_has_lock(bool has) { has_lock_ = has; }
  std::map<std::string, std::string> last_header() const;  // of the last PUT

 private:
  struct Server;
  FakeReply Handle(const FakeRequest& request, const std::map<std::string, std::string>& query,
                   const std::map<std::string, std::string>& header);
  FakeReply List(const std::map<std::string, std::string>& query) const;
  FakeReply Store(const FakeRequest& request, const std::map<std::string, std::string>& header);

  struct Object {
    std::string bytes;
    std::string hash;
  };

  std::unique_ptr<Server> server_;
  mutable std::mutex mutex_;  // guards all below
  Script script_;
  bool acts_ = false;
  std::map<std::string, Object> objects_;
  std::map<std::string, std::string> last_header_;
  std::atomic<int> requests_ = 0;
  std::atomic<bool> crawls_ = false;
  std::atomic<bool> has_conditions_ = true;
  std::atomic<bool> has_lock_ = false;
};

}  // namespace holdfast::test
