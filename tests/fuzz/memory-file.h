/* SPDX-License-Identifier: MIT
 * A regular file that lies in memory, for readers that want a path. */
#ifndef FUZZ_MEMORY_FILE_H
#define FUZZ_MEMORY_FILE_H

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

typedef struct MemoryFile {
  int fd;
  char path[64];
} MemoryFile;

static inline MemoryFile memory_file_open(const void *data, size_t size) {
  MemoryFile file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
  fuzz_expect(file.fd >= 0 && fchmod(file.fd, 0600) == 0);
  for (size_t done = 0; done < size;) {
    const ssize_t n = write(file.fd, (const char *)data + done, size - done);
    fuzz_expect(n > 0);
    done += (size_t)n;
  }
  snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
  return file;
}

/* Its content, after a writer that was given the path; the caller frees it. */
static inline uint8_t *memory_file_content(const MemoryFile *file, size_t *size) {
  struct stat st;
  fuzz_expect(fstat(file->fd, &st) == 0 && st.st_size > 0);
  *size = (size_t)st.st_size;
  uint8_t *const content = malloc(*size);
  fuzz_expect(content && pread(file->fd, content, *size, 0) == (ssize_t)*size);
  return content;
}

static inline void memory_file_close(MemoryFile *file) {
  close(file->fd);
  file->fd = -1;
}

#endif /* FUZZ_MEMORY_FILE_H */
