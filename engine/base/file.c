/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/block.h"
#include "base/error.h"

#define MOST_AT_ONCE ((size_t)1 << 20) /* bytes of one read or write */

void cored_bytes_clear(CoredBytes *bytes) {
  cored_block_free(bytes->data, bytes->size, 1);
  *bytes = (CoredBytes){0};
}

/* What to say behind the name of a file that is not there: "", or that a URI is no path. */
static const char *path_hint(const char *path) {
  if (strncmp(path, "file://", 7) == 0)
    return ": expected a path, found a URI: leave out 'file://'";
  return strstr(path, "://") ? ": expected a path, found a URI" : "";
}

static bool fail_errno(CoredError *error, CoredErrorCode code, const char *path, const char *what) {
  char reason[128];
  const char *const hint = errno == ENOENT || errno == ENOTDIR ? path_hint(path) : "";
  return cored_error_set(error, code, "%s: %s: %s%s", path, what,
                         strerror_r(errno, reason, sizeof reason), hint);
}

bool cored_cancelled(const int *cancel) {
  return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}

bool cored_fail_cancelled(const char *name, CoredError *error) {
  return cored_error_set(error, CORED_ERROR_CANCELLED, "%s: the caller gave up", name);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Read up to size bytes, less only at the end of the file; -1 with errno on failure. */
static ssize_t read_full(int fd, uint8_t *data, size_t size) {
  size_t n = 0;
  while (n < size) {
    const ssize_t got = read(fd, data + n, size - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -1;
    if (got == 0)
      break;
    n += (size_t)got;
  }
  return (ssize_t)n;
}

static bool same_time(struct timespec a, struct timespec b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool check_size(const char *path, const struct stat *st, uint64_t min_bytes,
                       uint64_t max_bytes, CoredError *error) {
  if (!S_ISREG(st->st_mode))
    return cored_error_set(error, CORED_ERROR_NOT_REGULAR,
                           "%s: expected a regular file, found a %s", path,
                           S_ISDIR(st->st_mode)    ? "directory"
                           : S_ISFIFO(st->st_mode) ? "FIFO"
                           : S_ISSOCK(st->st_mode) ? "socket"
                                                   : "device");
  const uint64_t size = (uint64_t)st->st_size;
  if (size < min_bytes)
    return cored_error_set(error, CORED_ERROR_FILE_TOO_SMALL,
                           "%s: expected at least %llu bytes, found %llu", path,
                           (unsigned long long)min_bytes, (unsigned long long)size);
  if (size > max_bytes || size > SIZE_MAX - 64)
    return cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE,
                           "%s: expected at most %llu bytes, found %llu", path,
                           (unsigned long long)max_bytes, (unsigned long long)size);
  return true;
}

/* As read_full, but the caller may give up between two reads: on a slow file system each may bring
 * little. */
static ssize_t read_cancellable(int fd, uint8_t *data, size_t size, const int *cancel) {
  size_t n = 0;
  while (n < size && !cored_cancelled(cancel)) {
    const ssize_t got = read(fd, data + n, size - n < MOST_AT_ONCE ? size - n : MOST_AT_ONCE);
    if (got < 0 && errno != EINTR)
      return -1;
    if (got == 0)
      break;
    n += got > 0 ? (size_t)got : 0;
  }
  return (ssize_t)n;
}

/* Fill bytes from fd, whose size is bytes->size; the file must not change meanwhile. */
static bool read_unchanged(int fd, const char *path, const struct stat *before, const int *cancel,
                           CoredBytes *bytes, CoredError *error) {
  const ssize_t got = read_cancellable(fd, bytes->data, bytes->size, cancel);
  if (cored_cancelled(cancel))
    return cored_fail_cancelled(path, error);
  uint8_t beyond;
  const ssize_t more = got < 0 ? -1 : read_full(fd, &beyond, 1);
  struct stat after;
  if (got < 0 || more < 0 || fstat(fd, &after) != 0)
    return fail_errno(error, CORED_ERROR_READ, path, "reading failed");
  if ((size_t)got != bytes->size || more != 0 || after.st_size != before->st_size ||
      !same_time(after.st_mtim, before->st_mtim))
    return cored_error_set(error, CORED_ERROR_FILE_CHANGED,
                           "%s: changed while it was read: expected %llu bytes, found %llu%s", path,
                           (unsigned long long)bytes->size, (unsigned long long)got,
                           more ? " and more" : "");
  return true;
}

static bool read_open(int fd, const char *path, uint64_t min_bytes, uint64_t max_bytes,
                      const int *cancel, CoredBytes *bytes, CoredError *error) {
  struct stat st;
  if (fstat(fd, &st) != 0)
    return fail_errno(error, CORED_ERROR_READ, path, "fstat failed");
  if (!check_size(path, &st, min_bytes, max_bytes, error))
    return false;
  const size_t size = (size_t)st.st_size;
  uint8_t *const data = cored_block_new(size, 1);
  if (!data)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its %zu bytes", path,
                           size);
  *bytes = (CoredBytes){data, size};
  if (read_unchanged(fd, path, &st, cancel, bytes, error))
    return true;
  cored_bytes_clear(bytes);
  return false;
}

char *cored_bytes_text(const CoredBytes *bytes, CoredErrorCode code, const char *path,
                       CoredError *error) {
  char *const text = malloc(bytes->size + 1);
  if (!text) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its text", path);
    return NULL;
  }
  memcpy(text, bytes->data, bytes->size);
  text[bytes->size] = '\0';
  if (strlen(text) == bytes->size)
    return text;
  cored_error_set(error, code, "%s: expected text, found a NUL byte", path);
  free(text);
  return NULL;
}

bool cored_file_read(const char *path, uint64_t min_bytes, uint64_t max_bytes, const int *cancel,
                     CoredBytes *bytes, CoredError *error) {
  *bytes = (CoredBytes){0};
  int fd;
  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    /* A socket cannot be opened at all; name it for what it is. */
    if (errno == ENXIO)
      return cored_error_set(error, CORED_ERROR_NOT_REGULAR,
                             "%s: expected a regular file, found a socket or a dead device", path);
    return fail_errno(error, missing ? CORED_ERROR_NOT_FOUND : CORED_ERROR_OPEN, path,
                      "cannot be opened");
  }
  const bool ok = read_open(fd, path, min_bytes, max_bytes, cancel, bytes, error);
  close(fd);
  return ok;
}

/* ---- Replacing ------------------------------------------------------------------------------ */

typedef struct Target {
  char *path;   /* of the file to replace; links resolved where they are followed */
  char *folder; /* "." where path has none */
  char *temporary;
  unsigned mode;
  bool keep_mode; /* an existing file's mode, set past the umask */
} Target;

static void target_clear(Target *target) {
  free(target->path);
  free(target->folder);
  free(target->temporary);
}

/* /dev/stdout, /dev/fd/N and their like: a name of something that is open already, whatever that
 * is. Renaming over it would replace the name for everybody and leave the file that was meant
 * empty. */
static bool is_descriptor(const char *path) {
  char link[PATH_MAX], above[PATH_MAX] = "./", folder[PATH_MAX];
  const char *const slash = strrchr(path, '/');
  if (slash && slash - path + 1 < PATH_MAX) {
    memcpy(above, path, (size_t)(slash - path) + 1);
    above[slash - path + 1] = '\0';
  }
  const bool in_proc = realpath(above, folder) && strncmp(folder, "/proc/", 6) == 0;
  const ssize_t n = readlink(path, link, sizeof link);
  return in_proc || (n > 6 && strncmp(link, "/proc/", 6) == 0);
}

/* Where to write: in the same folder, under a name no reader looks for. */
static bool target_init(Target *target, const char *path, const CoredPlacement *placement,
                        CoredError *error) {
  *target = (Target){.mode = placement->mode};
  target->path = placement->follow_link ? realpath(path, NULL) : NULL;
  if (!target->path)
    target->path = strdup(path);
  if (!target->path)
    goto no_memory;
  struct stat st;
  /* /dev/stdout and its like are links: what they lead to counts, even if it is not followed. */
  if (is_descriptor(path) || (stat(target->path, &st) == 0 && !S_ISREG(st.st_mode))) {
    target_clear(target);
    return cored_error_set(error, CORED_ERROR_NOT_REGULAR,
                           "%s: exists and is not a regular file, so it is not replaced", path);
  }
  if (lstat(target->path, &st) == 0 && S_ISREG(st.st_mode)) {
    target->mode = st.st_mode & 07777;
    target->keep_mode = true;
  }
  const char *const slash = strrchr(target->path, '/');
  const char *const base = slash ? slash + 1 : target->path;
  target->folder = slash ? strndup(target->path, (size_t)(base - target->path)) : strdup("./");
  char unique[17];
  uint8_t random[8];
  randombytes_buf(random, sizeof random);
  sodium_bin2hex(unique, sizeof unique, random, sizeof random);
  if (!target->folder ||
      asprintf(&target->temporary, "%s.%.100s.%s.tmp", target->folder, base, unique) < 0) {
    target->temporary = NULL;
    goto no_memory;
  }
  return true;

no_memory:
  target_clear(target);
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its name", path);
}

static bool write_all(int fd, const uint8_t *data, size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size < MOST_AT_ONCE ? size : MOST_AT_ONCE);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      if (n == 0)
        errno = EIO;
      return false;
    }
    data += n;
    size -= (size_t)n;
  }
  return true;
}

/* Write the chunks and have them on the disk; hash is of all of them. */
static bool write_chunks(int fd, const Target *target, const CoredChunk *chunks, size_t n_chunks,
                         uint8_t hash[crypto_hash_sha256_BYTES], CoredError *error) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (size_t i = 0; i < n_chunks; i++) {
    if (!write_all(fd, chunks[i].data, chunks[i].size))
      return fail_errno(error, CORED_ERROR_WRITE, target->path, "writing failed");
    crypto_hash_sha256_update(&state, chunks[i].data, chunks[i].size);
  }
  crypto_hash_sha256_final(&state, hash);
  if (target->keep_mode && fchmod(fd, target->mode) != 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->path, "setting its mode failed");
  if (fsync(fd) != 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->path, "fsync failed");
  return true;
}

/* What the file system gives back is what was written. The page cache is asked to forget it first,
 * so that a disk that lost it has a chance to show. */
static bool read_back(int fd, const Target *target, const uint8_t hash[crypto_hash_sha256_BYTES],
                      CoredError *error) {
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (lseek(fd, 0, SEEK_SET) != 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->path, "reading back failed");
  uint8_t *const block = malloc(MOST_AT_ONCE);
  if (!block)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory to read it back",
                           target->path);
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  ssize_t n;
  while ((n = read_full(fd, block, MOST_AT_ONCE)) > 0)
    crypto_hash_sha256_update(&state, block, (unsigned long long)n);
  free(block);
  uint8_t found[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(&state, found);
  if (n < 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->path, "reading back failed");
  if (memcmp(found, hash, sizeof found) != 0)
    return cored_error_set(error, CORED_ERROR_WRITE,
                           "%s: expected to read back what was written, found other bytes",
                           target->path);
  return true;
}

static bool sync_folder(const Target *target, CoredError *error) {
  const int fd = open(target->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->folder, "cannot be opened");
  /* Some file systems cannot sync a folder and say EINVAL: nothing more can be done there. */
  const bool ok = fsync(fd) == 0 || errno == EINVAL;
  if (!ok)
    fail_errno(error, CORED_ERROR_WRITE, target->folder, "fsync of the folder failed");
  close(fd);
  return ok;
}

static bool replace(const Target *target, const CoredPlacement *placement, const CoredChunk *chunks,
                    size_t n_chunks, CoredError *error) {
  const int fd =
      open(target->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, target->mode);
  if (fd < 0)
    return fail_errno(error, CORED_ERROR_WRITE, target->temporary, "cannot be created");
  uint8_t hash[crypto_hash_sha256_BYTES];
  bool ok =
      write_chunks(fd, target, chunks, n_chunks, hash, error) && read_back(fd, target, hash, error);
  if (close(fd) != 0 && ok)
    ok = fail_errno(error, CORED_ERROR_WRITE, target->path, "closing failed");
  if (ok && placement->check)
    ok = placement->check(placement->user, target->temporary, error);
  if (ok && rename(target->temporary, target->path) != 0)
    ok = fail_errno(error, CORED_ERROR_WRITE, target->path, "renaming over it failed");
  if (!ok) {
    unlink(target->temporary);
    return false;
  }
  return sync_folder(target, error);
}

bool cored_file_place(const char *path, const CoredPlacement *placement, const CoredChunk *chunks,
                      size_t n_chunks, CoredError *error) {
  if (sodium_init() < 0)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED, "%s: libsodium does not start", path);
  Target target;
  if (!target_init(&target, path, placement, error))
    return false;
  const bool ok = replace(&target, placement, chunks, n_chunks, error);
  target_clear(&target);
  return ok;
}

bool cored_file_replace(const char *path, const CoredChunk *chunks, size_t n_chunks, unsigned mode,
                        CoredError *error) {
  const CoredPlacement placement = {.mode = mode, .follow_link = true};
  return cored_file_place(path, &placement, chunks, n_chunks, error);
}

bool cored_file_write(const char *path, const CoredChunk *chunks, size_t n_chunks, unsigned mode,
                      CoredError *error) {
  const CoredPlacement placement = {.mode = mode};
  return cored_file_place(path, &placement, chunks, n_chunks, error);
}

static int create_empty(const Target *target, CoredError *error) {
  const int fd =
      open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, target->mode);
  if (fd < 0) {
    fail_errno(error, CORED_ERROR_WRITE, target->path, "cannot be created");
    return -1;
  }
  if ((!target->keep_mode || fchmod(fd, target->mode) == 0) &&
      rename(target->temporary, target->path) == 0)
    return fd;
  fail_errno(error, CORED_ERROR_WRITE, target->path, "cannot be put in place");
  unlink(target->temporary);
  close(fd);
  return -1;
}

int cored_file_create(const char *path, unsigned mode, CoredError *error) {
  struct stat st;
  if (is_descriptor(path) || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
      fail_errno(error, CORED_ERROR_WRITE, path, "cannot be opened");
    return fd;
  }
  if (sodium_init() < 0) {
    cored_error_set(error, CORED_ERROR_UNSUPPORTED, "%s: libsodium does not start", path);
    return -1;
  }
  Target target;
  if (!target_init(&target, path, &(CoredPlacement){.mode = mode}, error))
    return -1;
  const int fd = create_empty(&target, error);
  target_clear(&target);
  return fd;
}
