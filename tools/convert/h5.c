/* SPDX-License-Identifier: MIT
 * Reading HDF5: what is looked at before the library sees the file, the child under limits in which
 * the library runs, and its reply. */
#include "tools/convert/h5.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
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

/* ---- The superblock: HDF5 File Format Specification 3.0, section II.A -------------------------
 */

/* Versions 0 and 1 have the sizes at bytes 13, 14 and addresses from 24 (28 in version 1) on;
 * versions 2 and 3 at bytes 9, 10 and from 12 on. Order: base, (free-space | extension),
 * end of file. */
bool cored_h5_check_superblock(const CoredBytes *bytes, CoredRefusal *refusal) {
  static const uint8_t signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  if (bytes->size < 96 || memcmp(bytes->data, signature, sizeof signature) != 0)
    return cored_refuse(refusal, CORED_REFUSAL_H5_SIGNATURE,
                        "no HDF5 signature and superblock at byte 0 (%zu bytes)", bytes->size);
  unsigned version = bytes->data[8];
  if (version != 0 && version != 2 && version != 3)
    return cored_refuse(refusal, CORED_REFUSAL_H5_SUPERBLOCK,
                        "superblock version %u, expected 0, 2 or 3", version);
  unsigned offsets = bytes->data[version == 0 ? 13 : 9],
           lengths = bytes->data[version == 0 ? 14 : 10];
  if (offsets != 8 || lengths != 8)
    return cored_refuse(refusal, CORED_REFUSAL_H5_SUPERBLOCK,
                        "addresses of %u and lengths of %u bytes, expected 8 and 8", offsets,
                        lengths);
  const uint8_t *addresses = bytes->data + (version == 0 ? 24 : 12);
  uint64_t base = cored_le64(addresses), end = cored_le64(addresses + 16);
  if (base != 0 || end != bytes->size)
    return cored_refuse(refusal, CORED_REFUSAL_H5_SUPERBLOCK,
                        "base address %" PRIu64 " and end %" PRIu64 ", expected 0 and %zu (the "
                        "file may be truncated)",
                        base, end, bytes->size);
  return true;
}

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

/* ---- The child's reply ------------------------------------------------------------------------
 */

/* The child may have been taken over by the file: nothing in its reply is trusted. */

typedef struct Cursor {
  const uint8_t *at, *end;
} Cursor;

static const uint8_t *take(Cursor *c, size_t n) {
  if ((size_t)(c->end - c->at) < n)
    return NULL;
  const uint8_t *p = c->at;
  c->at += n;
  return p;
}

static bool garbled(CoredRefusal *refusal) {
  return cored_refuse(refusal, CORED_REFUSAL_H5_CRASH, "the HDF5 reader sent nonsense");
}

static void set_c_order(CoredLoose *tensor) {
  int64_t stride = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    tensor->strides[i] = stride;
    stride *= tensor->dims[i];
  }
}

static bool read_tensor(Cursor *c, size_t *left, CoredLooseFile *file, CoredRefusal *refusal) {
  const uint8_t *head = take(c, 2), *name, *kind, *dims, *size, *data;
  size_t length = head ? cored_le16(head) : 0;
  if (length == 0 || length >= CORED_LOOSE_NAME_SIZE || !(name = take(c, length)) ||
      memchr(name, 0, length) || !cored_utf8_is_valid(name, length) || !(kind = take(c, 2)) ||
      kind[0] > CORED_SCALAR_F16 || kind[1] > CORED_LOOSE_MAX_RANK ||
      !(dims = take(c, 4u * kind[1])) || !(size = take(c, 4)) ||
      !(data = take(c, cored_le32(size))))
    return garbled(refusal);
  CoredLoose *tensor = cored_loose_add(file, name, length);
  if (!tensor)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  tensor->scalar = (CoredScalar)kind[0];
  tensor->rank = kind[1];
  for (int i = 0; i < tensor->rank; i++)
    tensor->dims[i] = cored_le32(dims + 4 * i);
  size_t bytes;
  if (!cored_loose_count(tensor->dims, tensor->rank, &tensor->count) ||
      __builtin_mul_overflow(tensor->count, cored_scalar_size(tensor->scalar), &bytes) ||
      bytes != cored_le32(size) || bytes > *left || file->n_tensors > CORED_LOOSE_MAX_TENSORS)
    return garbled(refusal);
  *left -= bytes;
  tensor->data = data;
  set_c_order(tensor);
  return true;
}

static bool read_error(Cursor *c, CoredRefusal *refusal) {
  const uint8_t *head = take(c, 4), *text;
  if (!head || !(text = take(c, cored_le16(head + 2))))
    return garbled(refusal);
  unsigned code = cored_le16(head);
  if (code == CORED_REFUSAL_NONE || code >= CORED_N_REFUSAL_CODES)
    return garbled(refusal);
  return cored_refuse(refusal, (CoredRefusalCode)code, "%.*s", (int)cored_le16(head + 2),
                      (const char *)text);
}

bool cored_h5_parse_reply(const CoredH5Reply *reply, size_t max_data, CoredLooseFile *file,
                          CoredRefusal *refusal) {
  Cursor c = {.at = reply->data, .end = reply->data + reply->size};
  for (const uint8_t *tag; (tag = take(&c, 1));) {
    if (*tag == 'Z')
      return c.at == c.end || garbled(refusal);
    if (*tag == 'E')
      return read_error(&c, refusal);
    if (*tag != 'T')
      return garbled(refusal);
    if (!read_tensor(&c, &max_data, file, refusal))
      return false;
  }
  return false;
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
