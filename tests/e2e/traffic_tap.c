/* Preloaded into a daemon by the end-to-end tests: copies what the process reads and writes on sockets, and what it
 * passes through TLS before sealing and after opening, into files below $HOLDFAST_TAP, one per connection, kind and
 * direction. So a test can search what crosses a process as that process itself could. Errors end the process: a tap
 * that lost bytes would prove nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void Fail(const char* what) {
  fprintf(stderr, "traffic tap: %s: %s\n", what, strerror(errno));
  abort();
}

static void* Real(const char* name) {
  void* function = dlsym(RTLD_NEXT, name);
  if (function == NULL) Fail(name);
  return function;
}

static void Append(const char* kind, uintptr_t connection, const struct iovec* parts, size_t count, size_t length) {
  const int saved = errno;
  const char* directory = getenv("HOLDFAST_TAP");
  if (directory == NULL) Fail("HOLDFAST_TAP is not set");
  char path[4096];
  snprintf(path, sizeof path, "%s/%s-%jx", directory, kind, (uintmax_t)connection);
  const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) Fail(path);
  for (size_t i = 0; i < count && length > 0; ++i) {
    const size_t take = parts[i].iov_len < length ? parts[i].iov_len : length;
    if (take > 0 && write(fd, parts[i].iov_base, take) != (ssize_t)take) Fail(path);
    length -= take;
  }
  close(fd);
  errno = saved;
}

static void AppendOne(const char* kind, uintptr_t connection, const void* data, size_t length) {
  const struct iovec part = {(void*)data, length};
  Append(kind, connection, &part, 1, length);
}

/* The prototypes are those of OpenSSL's ssl.h, which gives SSL no other shape than a pointer. */
int SSL_read(void* ssl, void* buffer, int length);
int SSL_write(void* ssl, const void* buffer, int length);

int SSL_read(void* ssl, void* buffer, int length) {
  int (*real)(void*, void*, int) = (int (*)(void*, void*, int))Real("SSL_read");
  const int got = real(ssl, buffer, length);
  if (got > 0) AppendOne("tls-in", (uintptr_t)ssl, buffer, (size_t)got);
  return got;
}

int SSL_write(void* ssl, const void* buffer, int length) {
  int (*real)(void*, const void*, int) = (int (*)(void*, const void*, int))Real("SSL_write");
  const int put = real(ssl, buffer, length);
  if (put > 0) AppendOne("tls-out", (uintptr_t)ssl, buffer, (size_t)put);
  return put;
}

ssize_t recv(int fd, void* buffer, size_t length, int flags) {
  ssize_t (*real)(int, void*, size_t, int) = (ssize_t(*)(int, void*, size_t, int))Real("recv");
  const ssize_t got = real(fd, buffer, length, flags);
  if (got > 0) AppendOne("socket-in", (uintptr_t)fd, buffer, (size_t)got);
  return got;
}

ssize_t send(int fd, const void* buffer, size_t length, int flags) {
  ssize_t (*real)(int, const void*, size_t, int) = (ssize_t(*)(int, const void*, size_t, int))Real("send");
  const ssize_t put = real(fd, buffer, length, flags);
  if (put > 0) AppendOne("socket-out", (uintptr_t)fd, buffer, (size_t)put);
  return put;
}

ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  ssize_t (*real)(int, struct msghdr*, int) = (ssize_t(*)(int, struct msghdr*, int))Real("recvmsg");
  const ssize_t got = real(fd, message, flags);
  if (got > 0) Append("socket-in", (uintptr_t)fd, message->msg_iov, message->msg_iovlen, (size_t)got);
  return got;
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  ssize_t (*real)(int, const struct msghdr*, int) = (ssize_t(*)(int, const struct msghdr*, int))Real("sendmsg");
  const ssize_t put = real(fd, message, flags);
  if (put > 0) Append("socket-out", (uintptr_t)fd, message->msg_iov, message->msg_iovlen, (size_t)put);
  return put;
}
