#include "common/s3/http_exchange.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>

#include "fmt/format.h"

namespace holdfast::s3 {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kLeastBytesPerSecond = 1024;
constexpr std::size_t kIdleHandles = 8;
constexpr std::size_t kMaxHeaders = 100;

struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDelete>;

// What the callbacks of one exchange share.
struct Exchanged {
  const Payload& payload;
  std::uint64_t limit_bytes;
  std::uint64_t sent_bytes = 0;
  Reply reply;
  bool too_long = false;
  absl::Status unreadable;
  std::stop_token stop;
};

int GoOn(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchanged*>(self)->stop.stop_requested() ? 1 : 0;
}

std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchanged = static_cast<Exchanged*>(self);
  const std::size_t got = size * count;
  const std::size_t room = exchanged->limit_bytes - exchanged->reply.body.size();
  exchanged->reply.body.append(data, std::min(got, room));
  if (got > room) exchanged->too_long = true;
  return exchanged->too_long ? 0 : got;
}

std::size_t TakeHeader(char* data, std::size_t size, std::size_t count, void* self) {
  auto* exchanged = static_cast<Exchanged*>(self);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) exchanged->reply.header.clear();  // of a "100 Continue" before it
  if (colon == std::string_view::npos || exchanged->reply.header.size() >= kMaxHeaders) {
    return size * count;
  }
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  exchanged->reply.header[std::move(name)] = std::string(value);
  return size * count;
}

std::size_t Send(char* out, std::size_t size, std::size_t count, void* self) {
  auto* exchanged = static_cast<Exchanged*>(self);
  const Payload& payload = exchanged->payload;
  const std::size_t want = static_cast<std::size_t>(
      std::min<std::uint64_t>(size * count, payload.size_bytes - exchanged->sent_bytes));
  if (want == 0) return 0;
  if (payload.file) {
    const auto piece = payload.file->ReadAt(exchanged->sent_bytes, want);
    if (!piece.ok()) {
      exchanged->unreadable = piece.status();
      return CURL_READFUNC_ABORT;
    }
    std::memcpy(out, piece->data(), want);
  } else {
    std::memcpy(out, payload.bytes.data() + exchanged->sent_bytes, want);
  }
  exchanged->sent_bytes += want;
  return want;
}

// A connection that was used before may turn out to be closed: the body is sent once more.
int Rewind(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  static_cast<Exchanged*>(self)->sent_bytes = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

}  // namespace

struct HttpClient::Handle {
  Handle() : curl(curl_easy_init()) {}
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(curl, option, value);
  }
  CURL* curl;
};

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  (void)ready;
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Handle> HttpClient::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  return std::make_unique<Handle>();
}

void HttpClient::Give(std::unique_ptr<Handle> handle) {
  curl_easy_reset(handle->curl);  // its connection stays
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleHandles) idle_.push_back(std::move(handle));
}

HttpClient::Outcome HttpClient::Exchange(const Request& request, const Payload& payload,
                                         std::uint64_t limit_bytes, std::stop_token stop) {
  Outcome outcome;
  auto handle = Take();
  if (!handle->curl) {
    outcome.failure = "unable to start the HTTP client";
    return outcome;
  }
  Exchanged exchanged{payload, limit_bytes, 0, {}, false, {}, std::move(stop)};
  const std::string url =
      (options_.tls ? "https://" : "http://") + request.host + EncodedTarget(request);
  handle->Set(CURLOPT_URL, url.c_str());
  handle->Set(CURLOPT_PATH_AS_IS, 1L);
  handle->Set(CURLOPT_PROTOCOLS_STR, options_.tls ? "https" : "http");
  handle->Set(CURLOPT_PROXY, "");
  handle->Set(CURLOPT_NOSIGNAL, 1L);
  handle->Set(CURLOPT_FOLLOWLOCATION, 0L);
  handle->Set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  handle->Set(CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
  handle->Set(CURLOPT_LOW_SPEED_TIME,
              std::max(1L, static_cast<long>(absl::ToInt64Seconds(options_.stall_time))));
  handle->Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) handle->Set(CURLOPT_CAINFO, options_.ca_file.c_str());
  handle->Set(CURLOPT_WRITEFUNCTION, &TakeBody);
  handle->Set(CURLOPT_WRITEDATA, &exchanged);
  handle->Set(CURLOPT_HEADERFUNCTION, &TakeHeader);
  handle->Set(CURLOPT_HEADERDATA, &exchanged);
  handle->Set(CURLOPT_NOPROGRESS, 0L);
  handle->Set(CURLOPT_XFERINFOFUNCTION, &GoOn);
  handle->Set(CURLOPT_XFERINFODATA, &exchanged);
  handle->Set(CURLOPT_BUFFERSIZE, 256L << 10);
  if (request.method == "PUT") {
    handle->Set(CURLOPT_UPLOAD, 1L);
    handle->Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(payload.size_bytes));
    handle->Set(CURLOPT_READFUNCTION, &Send);
    handle->Set(CURLOPT_READDATA, &exchanged);
    handle->Set(CURLOPT_SEEKFUNCTION, &Rewind);
    handle->Set(CURLOPT_SEEKDATA, &exchanged);
    handle->Set(CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  } else if (request.method != "GET") {
    handle->Set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  List headers;
  const auto append = [&headers](const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  };
  for (const auto& [name, value] : request.header) append(name + ": " + value);
  append("Expect:");  // not signed, and an answer worth waiting for is rare
  append("User-Agent: holdfast");
  handle->Set(CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = curl_easy_perform(handle->curl);
  curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &exchanged.reply.status);
  outcome.too_long = exchanged.too_long;
  outcome.unreadable = exchanged.unreadable;
  outcome.cut = code == CURLE_PARTIAL_FILE;
  if (code != CURLE_OK && !exchanged.too_long) {
    outcome.failure = fmt::format("{}: {}", request.host, curl_easy_strerror(code));
  }
  outcome.reply = std::move(exchanged.reply);
  Give(std::move(handle));
  return outcome;
}

}  // namespace holdfast::s3
