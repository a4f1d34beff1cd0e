// Goal: who has no certificate never reaches the HTTP/2 code behind the handshake, and
// connections that come and go leave nothing behind.
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <csignal>
#include <filesystem>

#include "tests/unit/controller/test_controller.h"

namespace holdfast::access {
namespace {

// What a client without a certificate reads after it sent the HTTP/2 preface; empty when refused.
Bytes ReadWithoutCertificate(const std::string& address) {
  std::signal(SIGPIPE, SIG_IGN);  // the other side hangs up while OpenSSL writes
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  constexpr unsigned char kH2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context, kH2, sizeof kH2);
  BIO* bio = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(bio, address.c_str());
  Bytes read;
  if (BIO_do_connect(bio) == 1 && BIO_do_handshake(bio) == 1) {
    // The preface and an empty SETTINGS frame (RFC 9113, 3.4).
    constexpr std::string_view kPreface{
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 33};
    BIO_write(bio, kPreface.data(), static_cast<int>(kPreface.size()));
    char buffer[4096];
    for (int size = 0; (size = BIO_read(bio, buffer, sizeof buffer)) > 0;) {
      read.append(buffer, static_cast<std::size_t>(size));
    }
  }
  BIO_free_all(bio);
  SSL_CTX_free(context);
  return read;
}

std::size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(HandshakeTest, WithoutACertificateNothingOfHttp2Answers) {
  test::TestController controller;
  EXPECT_EQ(ReadWithoutCertificate(controller.address()), "");
}

TEST(HandshakeTest, RefusedConnectionsLeaveNothingBehind) {
  test::TestController controller;
  for (int i = 0; i < 10; ++i) ReadWithoutCertificate(controller.address());
  const std::size_t before = OpenDescriptors();
  for (int i = 0; i < 300; ++i) ReadWithoutCertificate(controller.address());
  std::size_t after = OpenDescriptors();
  for (int wait = 0; after > before + 3 && wait < 100; ++wait) {
    RealClock().SleepFor(absl::Milliseconds(50), {});
    after = OpenDescriptors();
  }
  EXPECT_LE(after, before + 3);
}

}  // namespace
}  // namespace holdfast::access
