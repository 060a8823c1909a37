/* SPDX-License-Identifier: MIT */
#include "base/file-stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A model's header begins with its metadata, and these with the hash of all the rest. */
#define HEAD_BYTES 8192

static int64_t nanoseconds(struct timespec t) {
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static CoredFileStamp stamp_of(const struct stat *st) {
  return (CoredFileStamp){.device = st->st_dev,
                          .inode = st->st_ino,
                          .size = (uint64_t)st->st_size,
                          .mtime_ns = nanoseconds(st->st_mtim),
                          .ctime_ns = nanoseconds(st->st_ctim)};
}

/* FNV-1a of the first bytes. */
static uint64_t hash_head(int fd) {
  uint8_t head[HEAD_BYTES];
  uint64_t hash = 0xcbf29ce484222325;
  const ssize_t n = pread(fd, head, sizeof head, 0);
  for (ssize_t i = 0; i < n; i++)
    hash = (hash ^ head[i]) * 0x100000001b3;
  return hash;
}

static int open_again(const char *path) {
  int fd;
  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/* A file system of another machine may answer stat() from what it remembers, but asks that machine
 * when a file is opened. A time stamp may be as coarse as two seconds and equal for two versions:
 * their first bytes are not. */
bool cored_stamp_look(const char *path, CoredFileStamp *stamp) {
  struct stat st;
  *stamp = (CoredFileStamp){0};
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* opening it might have effects */
    *stamp = stamp_of(&st);
    return true;
  }
  const int fd = open_again(path);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      return false;
    if (stat(path, &st) == 0) /* it is there, but we may not read it */
      *stamp = stamp_of(&st);
    return true;
  }
  if (fstat(fd, &st) == 0) {
    *stamp = stamp_of(&st);
    stamp->head = hash_head(fd);
  }
  close(fd);
  return true;
}

bool cored_file_stamp(const char *path, CoredFileStamp *stamp) {
  return cored_stamp_look(path, stamp) && !cored_stamp_is_missing(stamp);
}

bool cored_stamp_equal(const CoredFileStamp *a, const CoredFileStamp *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->head == b->head;
}

bool cored_stamp_is_missing(const CoredFileStamp *stamp) {
  return stamp->inode == 0;
}
