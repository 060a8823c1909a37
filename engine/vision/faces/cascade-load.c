/* SPDX-License-Identifier: MIT */
#include "vision/faces/cascade.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The largest of OpenCV's own files has 2.7 MB. */
enum { MAX_FILE = 16 << 20 };

static int open_file(const char *path, CoredError *error) {
  /* Not blocking: the path may be a FIFO. */
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0)
    return fd;
  if (errno == ENOENT || errno == ENOTDIR)
    cored_error_set(error, CORED_ERROR_NOT_FOUND,
                    "cascade '%s' does not exist (OpenCV's cascades are in Debian's package "
                    "opencv-data, under /usr/share/opencv4)",
                    path);
  else
    cored_error_set(error, CORED_ERROR_OPEN, "cascade '%s': %s", path, strerror(errno));
  return -1;
}

/* Whole file, at most MAX_FILE bytes; a size that changes meanwhile is met by the loop's end. */
static char *read_all(int fd, const char *path, size_t *size, CoredError *error) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    cored_error_set(error, CORED_ERROR_NOT_REGULAR, "cascade '%s' is not a regular file", path);
    return NULL;
  }
  if (st.st_size > MAX_FILE) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE,
                    "cascade '%s' has %lld bytes, the limit is %d", path, (long long)st.st_size,
                    MAX_FILE);
    return NULL;
  }
  char *const bytes = malloc((size_t)st.st_size + 1);
  if (!bytes) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "cascade '%s': no memory", path);
    return NULL;
  }
  size_t n = 0;
  while (n < (size_t)st.st_size) {
    const ssize_t got = read(fd, bytes + n, (size_t)st.st_size - n);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0) {
      cored_error_set(error, CORED_ERROR_READ, "cascade '%s': %s", path, strerror(errno));
      free(bytes);
      return NULL;
    }
    if (got == 0)
      break;
    n += (size_t)got;
  }
  *size = n;
  return bytes;
}

CoredCascade *cored_cascade_load(const char *path, CoredError *error) {
  size_t size = 0;
  const int fd = open_file(path, error);
  if (fd < 0)
    return NULL;
  char *const bytes = read_all(fd, path, &size, error);
  close(fd);
  if (!bytes)
    return NULL;
  CoredCascade *const cascade = cored_cascade_parse(bytes, size, path, error);
  free(bytes);
  return cascade;
}
