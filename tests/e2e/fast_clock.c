/* Preloaded into a daemon by the end-to-end tests: a clock that a test can move on. All clocks of the process (wall,
 * monotonic, boot time) run as they do, plus the nanoseconds in the file $HOLDFAST_CLOCK, which the test maps and adds
 * to. So an hour passes for every process of a test at once, as when a machine slept: nothing is late that would not be
 * late then. What waits for a time looks every kSlice whether it has come.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t kSecond = 1000000000;
static const int64_t kSlice = 20000000; /* 20 ms */

static void Fail(const char* what) {
  fprintf(stderr, "fast clock: %s: %s\n", what, strerror(errno));
  abort();
}

/* dlsym gives the oldest version of what has several: that of pthread_cond_* is another structure. */
static void* Real(const char* name) {
  void* function = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
  if (function == NULL) function = dlsym(RTLD_NEXT, name);
  if (function == NULL) Fail(name);
  return function;
}
#define REAL(name)                                      \
  static __typeof__(name)* real;                        \
  if (real == NULL) real = (__typeof__(name)*)Real(#name)

static int64_t Ahead(void) {
  static const volatile int64_t* ahead;
  if (ahead == NULL) {
    static const int64_t none = 0;
    const char* path = getenv("HOLDFAST_CLOCK");
    if (path == NULL) return *(ahead = &none); /* a child of a daemon, with an environment of its own */
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) Fail(path);
    void* mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) Fail(path);
    close(fd);
    ahead = mapped;
  }
  return *ahead;
}

static int64_t Nanos(const struct timespec* time) {
  const int64_t most = INT64_MAX / 4 / kSecond; /* "for ever" of some callers does not fit */
  return time->tv_sec > most ? most * kSecond : time->tv_sec * kSecond + time->tv_nsec;
}

static struct timespec Timespec(int64_t nanos) {
  if (nanos < 0) nanos = 0;
  return (struct timespec){nanos / kSecond, nanos % kSecond};
}

static int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t RealNow(clockid_t clock) {
  REAL(clock_gettime);
  struct timespec now;
  if (real(clock, &now) != 0) Fail("clock_gettime");
  return Nanos(&now);
}

static int64_t Now(clockid_t clock) { return RealNow(clock) + Ahead(); }

static int IsMoved(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
         clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  REAL(clock_gettime);
  const int result = real(clock, now);
  if (result == 0 && IsMoved(clock)) *now = Timespec(Nanos(now) + Ahead());
  return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  const int64_t nanos = Now(CLOCK_REALTIME);
  *now = (struct timeval){nanos / kSecond, nanos % kSecond / 1000};
  return 0;
}

time_t time(time_t* now) {
  const time_t seconds = (time_t)(Now(CLOCK_REALTIME) / kSecond);
  if (now != NULL) *now = seconds;
  return seconds;
}

/* A condition may be told between two slices, when nobody waits: after each the waiter looks for itself, as it has to
 * after any wakeup without a cause. */
static int WaitSlice(int (*wait)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*),
                     pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock, const struct timespec* until) {
  const int64_t left = Nanos(until) - Now(clock);
  if (left <= 0) return ETIMEDOUT;
  const struct timespec end = Timespec(RealNow(clock) + Least(left, kSlice));
  const int result = wait(condition, mutex, clock, &end);
  return result == ETIMEDOUT && Nanos(until) > Now(clock) ? 0 : result;
}

static int RealClockWait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                         const struct timespec* until) {
  REAL(pthread_cond_clockwait);
  return real(condition, mutex, clock, until);
}

static int RealTimedWait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                         const struct timespec* until) {
  (void)clock;
  REAL(pthread_cond_timedwait);
  return real(condition, mutex, until);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
  return WaitSlice(RealClockWait, condition, mutex, clock, until);
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict until) {
  return WaitSlice(RealTimedWait, condition, mutex, CLOCK_REALTIME, until);
}

/* Futexes of libraries that have their own locks. The kernel compares the word at each slice, so no wakeup is lost. */
static long WaitForFutex(long (*real)(long, ...), const long* a) {
  const int command = (int)a[1] & FUTEX_CMD_MASK;
  const struct timespec* given = (const struct timespec*)a[3];
  const int is_absolute = command == FUTEX_WAIT_BITSET;
  const clockid_t clock = a[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  const int64_t until = Nanos(given) + (is_absolute ? 0 : Now(clock));
  for (;;) {
    const int64_t slice = Least(until - Now(clock), kSlice);
    const struct timespec end = Timespec((is_absolute ? RealNow(clock) : 0) + (slice > 0 ? slice : 0));
    const long result = real(SYS_futex, a[0], a[1], a[2], &end, a[4], a[5]);
    if (result == 0 || errno != ETIMEDOUT || slice <= 0) return result;
  }
}

long syscall(long number, ...) {
  REAL(syscall);
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
  va_end(list);
  const int command = (int)a[1] & FUTEX_CMD_MASK;
  if (number == SYS_futex && a[3] != 0 && (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET)) {
    return WaitForFutex(real, a);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int SliceOf(int64_t until) {
  const int64_t left = until - Now(CLOCK_MONOTONIC);
  return left <= 0 ? 0 : (int)((Least(left, kSlice) + 999999) / 1000000);
}

int epoll_wait(int epoll, struct epoll_event* events, int count, int milliseconds) {
  REAL(epoll_wait);
  if (milliseconds <= 0) return real(epoll, events, count, milliseconds);
  const int64_t until = Now(CLOCK_MONOTONIC) + milliseconds * (kSecond / 1000);
  for (;;) {
    const int slice = SliceOf(until);
    const int result = real(epoll, events, count, slice);
    if (result != 0 || slice == 0) return result;
  }
}

int poll(struct pollfd* fds, nfds_t count, int milliseconds) {
  REAL(poll);
  if (milliseconds <= 0) return real(fds, count, milliseconds);
  const int64_t until = Now(CLOCK_MONOTONIC) + milliseconds * (kSecond / 1000);
  for (;;) {
    const int slice = SliceOf(until);
    const int result = real(fds, count, slice);
    if (result != 0 || slice == 0) return result;
  }
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec* request, struct timespec* left) {
  REAL(clock_nanosleep);
  (void)left;
  const int64_t until = Nanos(request) + (flags & TIMER_ABSTIME ? 0 : Now(clock));
  for (int64_t rest; (rest = until - Now(clock)) > 0;) {
    const struct timespec slice = Timespec(Least(rest, kSlice));
    const int result = real(CLOCK_MONOTONIC, 0, &slice, NULL);
    if (result != 0) return result;
  }
  return 0;
}

int nanosleep(const struct timespec* request, struct timespec* left) {
  const int result = clock_nanosleep(CLOCK_MONOTONIC, 0, request, left);
  if (result == 0) return 0;
  errno = result;
  return -1;
}
