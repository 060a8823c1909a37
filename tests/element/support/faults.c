/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_SUFFIX ".safetensors"
#define SLOW_PIECE 4096

Faults faults;

void faults_clear(void) {
  faults.deny = faults.no_memory = 0;
  faults.slow_read_us = faults.slow_reads = 0;
}

static void *next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

#pragma GCC visibility push(default) /* the plugin has to find them */

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

ssize_t read(int fd, void *buffer, size_t size) {
  ssize_t (*const real)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))next("read");
  struct stat st;
  const int slow = faults.slow_read_us;
  if (slow && gettid() != getpid() && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    faults.slow_reads++;
    usleep((useconds_t)slow);
    return real(fd, buffer, size < SLOW_PIECE ? size : SLOW_PIECE);
  }
  return real(fd, buffer, size);
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
