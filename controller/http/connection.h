// One HTTP connection as the HTTP library reads and writes it, within limits of its own.
//
// Hides:      poll, TLS, partial writes.
// Invariants: I1  Whatever the other side does, a request is over at its deadline, and not more
//                 than kMaxRequestBytes are taken for it. The library's own time limits begin anew
//                 with each byte and bound neither.
// Threading:  one thread.
// Errors:     as the library wants them: −1, and nothing more can be read or written.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>

#define CPPHTTPLIB_OPENSSL_SUPPORT
#include <httplib.h>

#include "common/env/clock.h"

namespace holdfast::http {

inline constexpr std::size_t kMaxRequestBytes = 8 << 10;  // request line, header and body together

class Connection final : public httplib::Stream {
 public:
  // `fd` is non-blocking and stays open. `tls` null: plain. `deadline` is a time of
  // `clock.Monotonic()`.
  Connection(int fd, SSL_CTX* tls, Clock& clock, absl::Duration deadline);
  ~Connection() override;

  bool Greet();  // the TLS handshake; true for a plain connection
  // Sends what was written, then waits for the first byte of another request, which has until
  // `request_time` from then.
  bool WaitForNext(absl::Duration patience, absl::Duration request_time);
  void Finish();  // the answer is out: takes what is still on its way, so that nothing is cut off

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* bytes, std::size_t size) override;
  // Small writes are sent together, at the latest by WaitForNext or Finish.
  ssize_t write(const char* bytes, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };
  bool WaitFor(short events);
  bool Send(const char* bytes, std::size_t size);  // all of it
  bool Flush();
  ssize_t Fill();                                  // the empty buffer, with some bytes
  ssize_t Receive(char* bytes, std::size_t size);  // some, within the deadline
  bool TlsMayGoOn(int result);                     // waits for what the TLS library waits for

  const int fd_;
  std::unique_ptr<SSL, FreeTls> tls_;
  Clock& clock_;
  absl::Duration deadline_;
  std::size_t left_bytes_ = kMaxRequestBytes;
  std::array<char, 2048> buffer_;  // the library asks for one byte at a time
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string unsent_;  // the library writes the head of an answer and its body apart
};

}  // namespace holdfast::http
