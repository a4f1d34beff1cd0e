/* Preloaded into a daemon by the end-to-end tests: system calls that fail as the test says. $HOLDFAST_SICK_DISK is a file
 * of 4096 bytes that the test maps too: a text of lines "call errno part-of-a-path", then, in its last eight bytes, how
 * many calls have failed. A line without a part fails every such call. Failures are told on stderr. Calls: write (also pwrite), read (also pread),
 * fsync (also fdatasync, syncfs), truncate, rename, open, accept, thread (a part of the program's name).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kTextBytes = 4088 };

struct Rules {
  char text[kTextBytes];
  uint64_t failed;
};

static void Fail(const char* what) {
  perror(what);
  abort();
}

#define REAL(name)                                                            \
  static __typeof__(name)* real;                                              \
  if (real == NULL) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name);        \
  if (real == NULL) Fail(#name)

static struct Rules* TheRules(void) {
  static struct Rules* rules;
  static struct Rules none;
  if (rules != NULL) return rules;
  const char* path = getenv("HOLDFAST_SICK_DISK");
  if (path == NULL) return rules = &none; /* a child of a daemon, with an environment of its own */
  static int (*real_open)(const char*, int, ...);
  real_open = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open64");
  const int fd = real_open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) Fail(path);
  void* mapped = mmap(NULL, sizeof(struct Rules), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) Fail(path);
  close(fd);
  return rules = mapped;
}

/* The error that `call` shall fail with, or 0. The path is that of `fd` unless it is given. */
static int Sick(const char* call, int fd, const char* path) {
  static __thread int inside; /* telling is a write, too */
  if (inside) return 0;
  struct Rules* rules = TheRules();
  if (rules->text[0] == '\0') return 0;
  char text[kTextBytes + 1];
  memcpy(text, rules->text, kTextBytes);
  text[kTextBytes] = '\0';
  char of_fd[4097] = "";
  char* rest = NULL;
  for (char* line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    char name[16], part[512] = "";
    int error = 0;
    if (sscanf(line, "%15s %d %511s", name, &error, part) < 2 || strcmp(name, call) != 0) continue;
    if (part[0] != '\0') {
      if (path == NULL) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t length = readlink(link, of_fd, sizeof of_fd - 1);
        of_fd[length < 0 ? 0 : length] = '\0';
        path = of_fd;
      }
      if (strstr(path, part) == NULL) continue;
    }
    inside = 1;
    dprintf(STDERR_FILENO, "sick disk: %s of '%s' fails with %d\n", call, path == NULL ? "?" : path, error);
    inside = 0;
    __atomic_add_fetch(&rules->failed, 1, __ATOMIC_SEQ_CST);
    return error;
  }
  return 0;
}

#define FAIL_IF_SICK(call, fd, path)            \
  do {                                          \
    const int kept = errno;                     \
    const int error = Sick(call, fd, path);     \
    errno = kept;                               \
    if (error != 0) {                           \
      errno = error;                            \
      return -1;                                \
    }                                           \
  } while (0)

ssize_t write(int fd, const void* data, size_t size) {
  REAL(write);
  FAIL_IF_SICK("write", fd, NULL);
  return real(fd, data, size);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  REAL(pwrite64);
  FAIL_IF_SICK("write", fd, NULL);
  return real(fd, data, size, at);
}

ssize_t read(int fd, void* data, size_t size) {
  REAL(read);
  FAIL_IF_SICK("read", fd, NULL);
  return real(fd, data, size);
}

ssize_t pread64(int fd, void* data, size_t size, off64_t at) {
  REAL(pread64);
  FAIL_IF_SICK("read", fd, NULL);
  return real(fd, data, size, at);
}

int fsync(int fd) {
  REAL(fsync);
  FAIL_IF_SICK("fsync", fd, NULL);
  return real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  FAIL_IF_SICK("fsync", fd, NULL);
  return real(fd);
}

int syncfs(int fd) {
  REAL(syncfs);
  FAIL_IF_SICK("fsync", fd, NULL);
  return real(fd);
}

int ftruncate64(int fd, off64_t size) {
  REAL(ftruncate64);
  FAIL_IF_SICK("truncate", fd, NULL);
  return real(fd, size);
}

int rename(const char* from, const char* to) {
  REAL(rename);
  FAIL_IF_SICK("rename", -1, to);
  return real(from, to);
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  REAL(renameat2);
  FAIL_IF_SICK("rename", -1, to);
  return real(from_directory, from, to_directory, to, flags);
}

int open64(const char* path, int flags, ...) {
  static int (*real)(const char*, int, ...);
  if (real == NULL) real = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open64");
  FAIL_IF_SICK("open", -1, path);
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return real(path, flags, mode);
}

int accept4(int fd, struct sockaddr* address, socklen_t* size, int flags) {
  REAL(accept4);
  FAIL_IF_SICK("accept", fd, NULL);
  return real(fd, address, size, flags);
}

/* Of all threads of a daemon: those of its libraries, too. */
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  REAL(pthread_create);
  const int error = Sick("thread", -1, program_invocation_name);
  if (error != 0) return error;
  return real(thread, attributes, body, argument);
}
