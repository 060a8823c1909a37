/* SPDX-License-Identifier: MIT
 * Loaded into a program by LD_PRELOAD: from the N-th call of a kind on, or at that call alone, the
 * disk fails. Only calls on regular files and folders count, so that progress on a terminal does
 * not.
 *
 *   CORED_FAULT=KIND:N:HOW   KIND write, fsync, rename, link, create or any of them;
 *                            N from 1, 0: never;
 *                            HOW an errno, "-errno": that call and all after it, "short": half a
 *                            write, "kill": the process is gone before the call
 *   CORED_FAULT_LOG=FILE     at exit, a line "KIND COUNT" for each kind
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum Kind { WRITE, FSYNC, RENAME, LINK, CREATE, N_KINDS } Kind;

static const char *const names[] = {"write", "fsync", "rename", "link", "create"};
static int counts[N_KINDS], calls; /* calls: of the kind that fails */

enum { SHORT = 0x10000 };

typedef struct Fault {
  int kind; /* N_KINDS: any */
  int n, how;
  int onwards, kills;
} Fault;

static Fault read_fault(void) {
  Fault fault = {.kind = N_KINDS};
  char kind[16] = "", how[16] = "";
  const char *text = getenv("CORED_FAULT");
  if (!text || sscanf(text, "%15[a-z]:%d:%15s", kind, &fault.n, how) != 3)
    return (Fault){.kind = -1};
  for (int i = 0; i < N_KINDS; i++)
    if (strcmp(kind, names[i]) == 0)
      fault.kind = i;
  fault.kills = strcmp(how, "kill") == 0;
  fault.onwards = how[0] == '-';
  fault.how = strcmp(how, "short") == 0 ? SHORT : abs(atoi(how));
  return fault;
}

/* 0: go on. */
static int fails(Kind kind) {
  const Fault fault = read_fault();
  __atomic_add_fetch(&counts[kind], 1, __ATOMIC_RELAXED);
  if (fault.kind != N_KINDS && fault.kind != (int)kind)
    return 0;
  const int now = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  if (fault.n == 0 || (fault.onwards ? now < fault.n : now != fault.n))
    return 0;
  if (fault.kills)
    kill(getpid(), SIGKILL);
  errno = fault.how;
  return fault.how;
}

static int is_file(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* The object pointer of dlsym becomes a function pointer, as POSIX has it. */
#define NEXT(function)                                                                             \
  __typeof__(function) *next;                                                                      \
  *(void **)&next = dlsym(RTLD_NEXT, #function)

#pragma GCC visibility push(default) /* these stand before the C library's */

ssize_t write(int fd, const void *data, size_t size) {
  NEXT(write);
  const int fault = is_file(fd) ? fails(WRITE) : 0;
  if (fault == SHORT)
    return next(fd, data, size / 2 ? size / 2 : size);
  return fault ? -1 : next(fd, data, size);
}

int fsync(int fd) {
  NEXT(fsync);
  return is_file(fd) && fails(FSYNC) ? -1 : next(fd);
}

int rename(const char *from, const char *to) {
  NEXT(rename);
  return fails(RENAME) ? -1 : next(from, to);
}

int link(const char *from, const char *to) {
  NEXT(link);
  return fails(LINK) ? -1 : next(from, to);
}

int open(const char *path, int flags, ...) {
  NEXT(open);
  va_list args;
  va_start(args, flags);
  const unsigned mode = flags & O_CREAT ? va_arg(args, unsigned) : 0;
  va_end(args);
  return flags & O_CREAT && fails(CREATE) ? -1 : next(path, flags, mode);
}

#pragma GCC visibility pop

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("CORED_FAULT_LOG");
  FILE *file = path ? fopen(path, "w") : NULL;
  for (int i = 0; file && i < N_KINDS; i++)
    fprintf(file, "%s %d\n", names[i], counts[i]);
  if (file)
    fclose(file);
}
