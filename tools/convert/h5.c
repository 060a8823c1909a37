/* SPDX-License-Identifier: MIT
 * The parent's side of reading HDF5: a child under limits, and its reply. */
#include "tools/convert/h5.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_SECONDS 10
#define EXTRA_MEMORY (256u << 20) /* for the library beside image and data */
#define MAX_OVERHEAD (1u << 20)   /* of the reply beside the data: names, shapes, one message */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* ---- In the child ---------------------------------------------------------------------------- */

static void set_limit(int resource, rlim_t value) {
  struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
  setrlimit(resource, &limit); /* a limit that cannot be set leaves the other guards */
}

/* Reading a weight file starts no program and talks to nobody. */
static void forbid_programs_and_sockets(void) {
#ifdef THIS_ARCH
#define FORBID(call)                                                                               \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                               \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      FORBID(SYS_execve),
      FORBID(SYS_execveat),
      FORBID(SYS_socket),
      FORBID(SYS_connect),
      FORBID(SYS_clone),
      FORBID(SYS_ptrace),
      FORBID(SYS_kill),
      FORBID(SYS_openat),
      FORBID(SYS_unlinkat),
#ifdef SYS_open
      FORBID(SYS_open),
      FORBID(SYS_unlink),
      FORBID(SYS_rename),
      FORBID(SYS_fork),
      FORBID(SYS_vfork),
#endif
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
#undef FORBID
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

static void confine(const CoredBytes *bytes, size_t max_data) {
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_FSIZE, 0);
  set_limit(RLIMIT_NOFILE, 0); /* what is open stays open, nothing new can be */
  set_limit(RLIMIT_CPU, CPU_SECONDS);
  if (!SANITIZED) /* sanitizers reserve terabytes of address space */
    set_limit(RLIMIT_AS, 4 * (rlim_t)bytes->size + 2 * (rlim_t)max_data + EXTRA_MEMORY);
  forbid_programs_and_sockets();
}

/* ---- In the parent --------------------------------------------------------------------------- */

/* Everything the child sends, up to `most` bytes. */
static bool collect(int fd, size_t most, CoredH5Reply *reply, CoredRefusal *refusal) {
  for (;;) {
    if (reply->size == reply->capacity &&
        !cored_array_grow(&reply->data, &reply->capacity, reply->size + 65536, 1))
      return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the weights");
    ssize_t n = read(fd, reply->data + reply->size, reply->capacity - reply->size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return cored_refuse(refusal, CORED_REFUSAL_READ, "reading from the HDF5 reader failed: %s",
                          strerror(errno));
    if (n == 0)
      return true;
    reply->size += (size_t)n;
    if (reply->size > most)
      return cored_refuse(refusal, CORED_REFUSAL_H5_SIZE,
                          "the HDF5 reader sends more than the %zu bytes agreed on", most);
  }
}

static bool refuse_crash(int status, CoredRefusal *refusal) {
  if (WIFSIGNALED(status))
    return cored_refuse(refusal, CORED_REFUSAL_H5_CRASH,
                        "the HDF5 library failed on the file: %s (signal %d)",
                        strsignal(WTERMSIG(status)), WTERMSIG(status));
  return cored_refuse(refusal, CORED_REFUSAL_H5_CRASH,
                      "the HDF5 library gave up on the file (exit status %d)",
                      WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static pid_t start_child(const CoredBytes *bytes, size_t max_data, int *fd, CoredRefusal *refusal) {
  int ends[2];
  if (pipe(ends) != 0) {
    cored_refuse(refusal, CORED_REFUSAL_READ, "pipe: %s", strerror(errno));
    return -1;
  }
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    confine(bytes, max_data);
    cored_h5_child(bytes, max_data, ends[1]);
    _exit(0);
  }
  close(ends[1]);
  *fd = ends[0];
  if (pid < 0) {
    cored_refuse(refusal, CORED_REFUSAL_READ, "fork: %s", strerror(errno));
    close(ends[0]);
  }
  return pid;
}

bool cored_h5_read(const CoredBytes *bytes, size_t max_data, CoredLooseFile *file,
                   CoredRefusal *refusal) {
  file->format = "Keras HDF5";
  if (!cored_h5_check_superblock(bytes, refusal))
    return false;
  int fd, status = 0;
  pid_t pid = start_child(bytes, max_data, &fd, refusal);
  if (pid < 0)
    return false;
  CoredH5Reply reply = {0};
  bool ok = collect(fd, max_data + MAX_OVERHEAD, &reply, refusal);
  close(fd); /* a child that still writes gets SIGPIPE */
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  file->owned[0] = reply.data;
  if (ok && !cored_h5_parse_reply(&reply, max_data, file, refusal))
    ok = refusal->code == CORED_REFUSAL_NONE ? refuse_crash(status, refusal) : false;
  return ok && cored_loose_check_names(file, refusal);
}
