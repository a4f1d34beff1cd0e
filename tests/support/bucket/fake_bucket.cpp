#include "tests/support/bucket/fake_bucket.h"

#include <httplib.h>

#include <algorithm>
#include <set>
#include <thread>

#include "common/crypto/crypto.h"
#include "fmt/format.h"

namespace holdfast::test {
namespace {

constexpr char kBucket[] = "the-bucket";
constexpr char kRegion[] = "eu-test-1";
constexpr std::size_t kPageKeys = 3;

FakeReply Refuse(int status, const std::string& code) {
  FakeReply reply;
  reply.status = status;
  reply.body = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{}</Code><Message>as the test "
      "says</Message></Error>",
      code);
  return reply;
}

// A script's own ranges stay.
void TakeRange(const std::pair<ssize_t, ssize_t>& range, FakeReply* reply) {
  if (reply->status != 200 || reply->cut) return;
  const auto size = static_cast<ssize_t>(reply->body.size());
  if (range.first >= size) {
    *reply = Refuse(416, "InvalidRange");
    reply->header["Content-Range"] = fmt::format("bytes */{}", size);
    return;
  }
  const ssize_t last = std::min(range.second, size - 1);
  reply->header["Content-Range"] = fmt::format("bytes {}-{}/{}", range.first, last, size);
  reply->body = reply->body.substr(range.first, last - range.first + 1);
  reply->status = 206;
}

}  // namespace

struct FakeBucket::Server {
  httplib::Server http;
  int port = 0;
  std::thread thread;
};

FakeBucket::FakeBucket() : server_(std::make_unique<Server>()) {
  const auto handle = [this](const httplib::Request& asked, httplib::Response& answer) {
    ++requests_;
    FakeRequest request;
    request.method = asked.method;
    const std::string below = std::string("/") + kBucket + "/";
    if (asked.path.starts_with(below)) request.key = asked.path.substr(below.size());
    request.body = asked.body;
    request.has_condition = asked.has_header("If-None-Match");
    std::map<std::string, std::string> header;
    for (const auto& [name, value] : asked.headers) {
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
      header[lower] = value;
    }
    std::map<std::string, std::string> query(asked.params.begin(), asked.params.end());
    FakeReply reply = Handle(request, query, header);
    if (!asked.ranges.empty() && request.method == "GET") TakeRange(asked.ranges[0], &reply);
    for (const auto& [name, value] : reply.header) answer.set_header(name, value);
    answer.status = reply.status;
    if (reply.cut) {
      answer.set_content_provider(
          reply.body.size() + 100, "application/octet-stream",
          [body = reply.body](std::size_t, std::size_t, httplib::DataSink& sink) {
            sink.write(body.data(), body.size());
            return false;
          });
      return;
    }
    // In chunks: httplib would take the asked range out of everything else, errors too.
    answer.set_chunked_content_provider(
        "application/octet-stream",
        [this, body = reply.body](std::size_t, httplib::DataSink& sink) {
          while (crawls_ && sink.is_writable()) {
            sink.write(" ", 1);
            RealClock().SleepFor(absl::Milliseconds(20), {});
          }
          if (!body.empty()) sink.write(body.data(), body.size());
          sink.done();
          return true;
        });
  };
  server_->http.Get("/.*", handle);
  server_->http.Put("/.*", handle);
  server_->http.Delete("/.*", handle);
  server_->port = server_->http.bind_to_any_port("127.0.0.1");
  server_->thread = std::thread([this] { server_->http.listen_after_bind(); });
  while (!server_->http.is_running()) std::this_thread::yield();
}

FakeBucket::~FakeBucket() {
  server_->http.stop();
  server_->thread.join();
}

int FakeBucket::port() const { return server_->port; }

s3::Options FakeBucket::options() const {
  s3::Options options;
  options.endpoint = fmt::format("http://127.0.0.1:{}", server_->port);
  options.bucket = kBucket;
  options.region = kRegion;
  options.credentials = {"AKIDTEST", SecretBytes("a test's secret")};
  options.stall_time = absl::Seconds(1);
  return options;
}

void FakeBucket::Answer(Script script) {
  std::lock_guard lock(mutex_);
  script_ = std::move(script);
  acts_ = false;
}

void FakeBucket::ActAndAnswer(Script script) {
  std::lock_guard lock(mutex_);
  script_ = std::move(script);
  acts_ = true;
}

void FakeBucket::Fail(int status, std::string code, int times, std::string method) {
  auto left = std::make_shared<int>(times);
  Answer([=](const FakeRequest& request) -> std::unique_ptr<FakeReply> {
    if ((!method.empty() && request.method != method) || (*left)-- <= 0) return nullptr;
    return std::make_unique<FakeReply>(Refuse(status, code));
  });
}

std::map<std::string, std::string> FakeBucket::objects() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, std::string> objects;
  for (const auto& [key, object] : objects_) objects[key] = object.bytes;
  return objects;
}

void FakeBucket::Set(const std::string& key, std::string bytes) {
  std::lock_guard lock(mutex_);
  objects_[key] = {std::move(bytes), ""};
}

void FakeBucket::Erase(const std::string& key) {
  std::lock_guard lock(mutex_);
  objects_.erase(key);
}

std::map<std::string, std::string> FakeBucket::last_header() const {
  std::lock_guard lock(mutex_);
  return last_header_;
}

FakeReply FakeBucket::Handle(const FakeRequest& request,
                             const std::map<std::string, std::string>& query,
                             const std::map<std::string, std::string>& header) {
  std::lock_guard lock(mutex_);
  if (script_ && !acts_) {
    if (auto reply = script_(request)) return *reply;
  }
  FakeReply reply;
  const auto found = objects_.find(request.key);
  if (!header.contains("authorization")) {
    reply = Refuse(403, "AccessDenied");
  } else if (request.method == "PUT") {
    reply = Store(request, header);
  } else if (request.method == "DELETE") {
    objects_.erase(request.key);
    reply.status = 204;
  } else if (query.contains("object-lock")) {
    reply = has_lock_ ? FakeReply{200,
                                  "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</"
                                  "ObjectLockEnabled></ObjectLockConfiguration>",
                                  {},
                                  false}
                      : Refuse(404, "ObjectLockConfigurationNotFoundError");
  } else if (request.key.empty()) {
    reply = List(query);
  } else if (found == objects_.end()) {
    reply = Refuse(404, "NoSuchKey");
  } else {
    reply.body = found->second.bytes;
    if (!found->second.hash.empty()) {
      reply.header["x-amz-meta-holdfast-sha256"] = found->second.hash;
    }
  }
  if (script_ && acts_) {
    if (auto other = script_(request)) return *other;
  }
  return reply;
}

FakeReply FakeBucket::Store(const FakeRequest& request,
                            const std::map<std::string, std::string>& header) {
  last_header_ = header;
  if (header.at("x-amz-content-sha256") != Sha256(request.body).hex()) {
    return Refuse(400, "XAmzContentSHA256Mismatch");
  }
  if (request.has_condition && has_conditions_ && objects_.contains(request.key)) {
    return Refuse(412, "PreconditionFailed");
  }
  const auto hash = header.find("x-amz-meta-holdfast-sha256");
  objects_[request.key] = {request.body, hash == header.end() ? "" : hash->second};
  return {};
}

FakeReply FakeBucket::List(const std::map<std::string, std::string>& query) const {
  const std::string& prefix = query.at("prefix");
  std::set<std::string> rows;  // keys, and prefixes that end in '/'
  for (const auto& [key, object] : objects_) {
    if (!key.starts_with(prefix)) continue;
    const std::size_t slash = key.find('/', prefix.size());
    rows.insert(slash == std::string::npos ? key : key.substr(0, slash + 1));
  }
  const auto token = query.find("continuation-token");
  auto row = token == query.end() ? rows.begin() : rows.upper_bound(token->second);
  FakeReply reply;
  reply.body = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  std::string last;
  for (std::size_t count = 0; row != rows.end() && count < kPageKeys; ++row, ++count) {
    last = *row;
    reply.body += row->ends_with('/')
                      ? fmt::format("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", *row)
                      : fmt::format("<Contents><Key>{}</Key><Size>{}</Size></Contents>", *row,
                                    objects_.at(*row).bytes.size());
  }
  if (row != rows.end()) {
    reply.body += fmt::format(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>", last);
  }
  reply.body += "</ListBucketResult>";
  return reply;
}

}  // namespace holdfast::test
