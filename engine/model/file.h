/* SPDX-License-Identifier: MIT
 * Files whole: read once into private memory, and replace so that a reader sees the old file or
 * the whole new one. For models, keys, checkpoints. */
#ifndef CORED_MODEL_FILE_H
#define CORED_MODEL_FILE_H

#include "cored.h"

typedef struct CoredBytes {
  uint8_t *data; /* 64-byte aligned; owned */
  size_t size;
} CoredBytes;

void cored_bytes_clear(CoredBytes *bytes);

/* Read a regular file of min_bytes..max_bytes. A FIFO or a device does not hang it, a file that
 * changes while it is read is refused (FILE_CHANGED), nothing is mapped. cancel as in
 * CoredModelLoadParams. */
bool cored_file_read(const char *path, uint64_t min_bytes, uint64_t max_bytes, const int *cancel,
                     CoredBytes *bytes, CoredError *error);
/* Was *cancel set? cancel may be NULL. */
bool cored_cancelled(const int *cancel);
/* The error of it. Returns false. */
bool cored_fail_cancelled(const char *name, CoredError *error);

typedef struct CoredChunk {
  const void *data;
  size_t size;
} CoredChunk;

/* Replace path by the chunks one after another: temporary file in the same folder, synced, read
 * back and compared, renamed, folder synced. Keeps the mode of an existing file, else the mode
 * given (less the umask). A symbolic link is followed: the file it points to is replaced. On
 * failure path is as it was and no temporary file stays. */
bool cored_file_replace(const char *path, const CoredChunk *chunks, size_t n_chunks, unsigned mode,
                        CoredError *error);

#endif /* CORED_MODEL_FILE_H */
