// Goal: a connection that fails is explained: nobody there, something else there, another CA,
// expired on either side, our certificate refused (fault rows 13, 18, 20, 21).
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "common/base/error.h"
#include "common/rpc/tls.h"

namespace holdfast::rpc {
namespace {

// A TCP server on a free port that gives every connection to `serve`, one after the other.
class TcpServer {
 public:
  explicit TcpServer(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ::ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        serve_(fd);
        ::close(fd);
      }
    });
  }
  ~TcpServer() { Stop(); }
  void Stop() {
    if (!thread_.joinable()) return;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  // Takes no further connections, from its own thread.
  void Refuse() { ::shutdown(listener_, SHUT_RDWR); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const std::function<void(int)> serve_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

class DiagnoseTest : public testing::Test {
 protected:
  static TlsIdentity Identity(const CertifiedKey& authority, CertificateUsage usage,
                              absl::Duration from, absl::Duration to) {
    TlsIdentity identity;
    identity.authority_pem = authority.certificate_pem;
    identity.key_pem = MakeKeyPem();
    identity.certificate_pem = SignRequest(authority, *MakeRequest(identity.key_pem),
                                           {"spiffe://holdfast/00/controller", usage,
                                            absl::Now() + from, absl::Now() + to})
                                   .value();
    return identity;
  }
  enum class After { kSpeak, kHangUp };
  // Serves one TLS handshake that asks for a client certificate of `identity`'s CA.
  static void ServeTls(int fd, const TlsIdentity& identity, After after = After::kSpeak) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    const auto bio = [](ByteView pem) {
      return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    };
    BIO* certificate_bio = bio(identity.certificate_pem);
    BIO* key_bio = bio(identity.key_pem.view());
    BIO* authority_bio = bio(identity.authority_pem);
    X509* certificate = PEM_read_bio_X509(certificate_bio, nullptr, nullptr, nullptr);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
    X509* authority = PEM_read_bio_X509(authority_bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context, certificate);
    SSL_CTX_use_PrivateKey(context, key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    // As an HTTP/2 server does, it speaks first; then waits until the other side is done.
    if (SSL_accept(ssl) == 1 && after == After::kSpeak && SSL_write(ssl, "settings", 8) == 8) {
      char byte = 0;
      SSL_read(ssl, &byte, 1);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    X509_free(certificate);
    X509_free(authority);
    EVP_PKEY_free(key);
    for (BIO* each : {certificate_bio, key_bio, authority_bio}) BIO_free(each);
  }

  const CertifiedKey authority_ = MakeAuthority("test CA", absl::Now()).value();
  const TlsIdentity client_ =
      Identity(authority_, CertificateUsage::kClient, -absl::Hours(1), absl::Hours(1));
  const TlsIdentity server_ =
      Identity(authority_, CertificateUsage::kServer, -absl::Hours(1), absl::Hours(1));
};

TEST_F(DiagnoseTest, AWorkingConnectionIsOk) {
  TcpServer server([this](int fd) { ServeTls(fd, server_); });
  const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DiagnoseTest, AClosedPort) {
  TcpServer server([](int) {});
  const std::string address = server.address();
  server.Stop();
  const absl::Status status = DiagnoseConnection(address, client_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  EXPECT_EQ(CodeOf(status), 6019);
  EXPECT_NE(MessageOf(status).find(address), std::string::npos);
}

TEST_F(DiagnoseTest, SomethingElseOnThePort) {
  for (const std::string& answer :
       {std::string("HTTP/1.1 400 Bad Request\r\nsecret-banner\r\n\r\n"),
        std::string("220 smtp\r\n"), std::string(100, '\0'), std::string()}) {
    TcpServer server([&](int fd) {
      char buffer[4096];
      EXPECT_GT(::recv(fd, buffer, sizeof buffer, 0), 0);
      EXPECT_EQ(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(answer.size()));
    });
    const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
    EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
    EXPECT_EQ(CodeOf(status), 6018) << status;
    EXPECT_EQ(MessageOf(status).find("secret-banner"), std::string::npos) << "bytes are echoed";
  }
}

TEST_F(DiagnoseTest, AControllerOfAnotherCa) {
  const CertifiedKey other = MakeAuthority("test CA", absl::Now()).value();
  const TlsIdentity identity =
      Identity(other, CertificateUsage::kServer, -absl::Hours(1), absl::Hours(1));
  TcpServer server([&](int fd) { ServeTls(fd, identity); });
  const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6016);
}

TEST_F(DiagnoseTest, AControllerWhoseCertificateIsExpiredOrNotYetValid) {
  for (const auto& [from, to, word] :
       {std::tuple{-absl::Hours(3), -absl::Hours(2), "expired"},
        std::tuple{absl::Hours(2), absl::Hours(3), "not yet valid"}}) {
    const TlsIdentity identity = Identity(authority_, CertificateUsage::kServer, from, to);
    TcpServer server([&](int fd) { ServeTls(fd, identity); });
    const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
    EXPECT_EQ(CodeOf(status), 6016) << status;
    EXPECT_NE(MessageOf(status).find(word), std::string::npos) << status;
    EXPECT_NE(MessageOf(status).find("this host's clock says"), std::string::npos);
  }
}

TEST_F(DiagnoseTest, AClientCertificateIsNoController) {
  TcpServer server([this](int fd) { ServeTls(fd, client_); });
  EXPECT_EQ(CodeOf(DiagnoseConnection(server.address(), client_, absl::Now())), 6016);
}

TEST_F(DiagnoseTest, OurCertificateIsExpired) {
  const TlsIdentity expired =
      Identity(authority_, CertificateUsage::kClient, -absl::Hours(3), -absl::Hours(2));
  TcpServer server([this](int fd) { ServeTls(fd, server_); });
  const absl::Status status = DiagnoseConnection(server.address(), expired, absl::Now());
  EXPECT_EQ(CodeOf(status), 6015) << status;
  EXPECT_NE(MessageOf(status).find("our certificate"), std::string::npos);
}

TEST_F(DiagnoseTest, OurCertificateIsRefused) {
  // It trusts the controller, which has another CA for its clients.
  const CertifiedKey other = MakeAuthority("other CA", absl::Now()).value();
  TlsIdentity controller = server_;
  controller.authority_pem = other.certificate_pem;
  TcpServer server([&](int fd) { ServeTls(fd, controller); });
  const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6017);
}

// As gRPC does it: no alert, only the end of the connection, every time.
TEST_F(DiagnoseTest, HangingUpAgainAndAgainIsARefusal) {
  std::atomic<int> connections = 0;
  TcpServer server([&](int fd) {
    ++connections;
    ServeTls(fd, server_, After::kHangUp);
  });
  const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6017) << status;
  EXPECT_NE(MessageOf(status).find("our certificate"), std::string::npos);
  EXPECT_EQ(connections, 3);
}

TEST_F(DiagnoseTest, HangingUpOnceIsAControllerThatStopsOrStarts) {
  std::atomic<int> connections = 0;
  TcpServer restarted(
      [&](int fd) { ServeTls(fd, server_, connections++ == 0 ? After::kHangUp : After::kSpeak); });
  EXPECT_TRUE(DiagnoseConnection(restarted.address(), client_, absl::Now()).ok());

  TcpServer* stopping = nullptr;
  TcpServer server([&](int fd) {
    ServeTls(fd, server_, After::kHangUp);
    stopping->Refuse();
  });
  stopping = &server;
  const absl::Status status = DiagnoseConnection(server.address(), client_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kUnreachable) << status;
  EXPECT_EQ(CodeOf(status), 6019) << status;
}

TEST_F(DiagnoseTest, ACertificateThatIsNotForClientsIsNotSent) {
  std::atomic<int> connections = 0;
  TcpServer server([&](int) { ++connections; });
  const absl::Status status = DiagnoseConnection(server.address(), server_, absl::Now());
  EXPECT_EQ(KindOf(status), ErrorKind::kPermission) << status;
  EXPECT_EQ(CodeOf(status), 6024) << status;
  EXPECT_EQ(connections, 0);
}

}  // namespace
}  // namespace holdfast::rpc
