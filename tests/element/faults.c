/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_SUFFIX ".safetensors"
#define SLOW_PIECE 4096

Faults faults;

static atomic_int events_fd = -1; /* the newest */

void faults_clear(void) {
  faults.inotify_init = faults.inotify_add = faults.overflow = faults.deny = 0;
  faults.no_memory = 0;
  faults.slow_read_us = faults.slow_reads = 0;
}

static void *next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

#pragma GCC visibility push(default) /* the plugin has to find them */

int inotify_init1(int flags) {
  int (*const real)(int) = (int (*)(int))next("inotify_init1");
  if (faults.inotify_init) {
    errno = faults.inotify_init;
    return -1;
  }
  const int fd = real(flags);
  events_fd = fd;
  return fd;
}

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  int (*const real)(int, const char *, uint32_t) =
      (int (*)(int, const char *, uint32_t))next("inotify_add_watch");
  if (faults.inotify_add) {
    errno = faults.inotify_add;
    return -1;
  }
  return real(fd, path, mask);
}

/* The C library's own calls do not come by here: only those of the plugin fail. */
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  void *(*const real)(void *, size_t, int, int, int, off_t) =
      (void *(*)(void *, size_t, int, int, int, off_t))next("mmap64");
  if (fd < 0 && faults.no_memory && --faults.no_memory == 0) {
    faults.no_memory = 1; /* and all that follow */
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(at, size, protection, flags, fd, offset);
}

static ssize_t lose_events(ssize_t n, void *buffer) {
  const struct inotify_event lost = {.wd = -1, .mask = IN_Q_OVERFLOW};
  if (n < (ssize_t)sizeof lost)
    return n;
  memcpy(buffer, &lost, sizeof lost);
  return (ssize_t)sizeof lost;
}

ssize_t read(int fd, void *buffer, size_t size) {
  ssize_t (*const real)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))next("read");
  struct stat st;
  const int slow = faults.slow_read_us;
  if (slow && gettid() != getpid() && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    faults.slow_reads++;
    usleep((useconds_t)slow);
    return real(fd, buffer, size < SLOW_PIECE ? size : SLOW_PIECE);
  }
  const ssize_t n = real(fd, buffer, size);
  return fd == events_fd && faults.overflow ? lose_events(n, buffer) : n;
}

static int is_denied(const char *path) {
  const size_t n = strlen(path), m = strlen(MODEL_SUFFIX);
  return faults.deny && n > m && strcmp(path + n - m, MODEL_SUFFIX) == 0;
}

/* The headers make this open64, where files are large by default. */
int open(const char *path, int flags, ...) {
  int (*const real)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open64");
  va_list args;
  va_start(args, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
  va_end(args);
  if (is_denied(path) && (flags & O_ACCMODE) == O_RDONLY) {
    errno = faults.deny;
    return -1;
  }
  return real(path, flags, mode);
}

#pragma GCC visibility pop
