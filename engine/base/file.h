/* SPDX-License-Identifier: MIT
 * Files whole: read once into private memory, and replace so that a reader sees the old file or
 * the whole new one. For models, keys, checkpoints. */
#ifndef CORED_BASE_FILE_H
#define CORED_BASE_FILE_H

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
/* The bytes with a NUL behind them, which the caller frees. NULL with *error set: without memory,
 * or with `code` where there is a NUL among them. path is for messages. */
char *cored_bytes_text(const CoredBytes *bytes, CoredErrorCode code, const char *path,
                       CoredError *error);
/* Was *cancel set? cancel may be NULL. */
bool cored_cancelled(const int *cancel);
/* The error of it. Returns false. */
bool cored_fail_cancelled(const char *name, CoredError *error);

typedef struct CoredChunk {
  const void *data;
  size_t size;
} CoredChunk;

/* How a file takes its name. */
typedef struct CoredPlacement {
  unsigned mode;    /* of a new file, less the umask; an existing file keeps its own */
  bool follow_link; /* replace what a symbolic link points to; else the link itself gives way */
  /* Looks at the finished temporary file before it takes the name; NULL: nothing to look at. */
  bool (*check)(void *user, const char *temporary, CoredError *error);
  void *user;
} CoredPlacement;

/* Put the chunks, one after another, at path: temporary file in the same folder, synced, read back
 * and compared, checked, renamed, folder synced. On failure path is as it was and no temporary file
 * stays. What is there and no regular file (a device, a FIFO) is never replaced, through a link
 * neither. */
bool cored_file_place(const char *path, const CoredPlacement *placement, const CoredChunk *chunks,
                      size_t n_chunks, CoredError *error);
/* The same for a file that the user maintains and may have linked to: models and keys. */
bool cored_file_replace(const char *path, const CoredChunk *chunks, size_t n_chunks, unsigned mode,
                        CoredError *error);
/* The same for every file that a program writes beside: reports, histories, traces, checkpoints. A
 * symbolic link of that name leads to something else of the user's and is not written through. */
bool cored_file_write(const char *path, const CoredChunk *chunks, size_t n_chunks, unsigned mode,
                      CoredError *error);
/* For what is written bit by bit, so that a reader may follow: an empty file in place of the name,
 * open for writing; a symbolic link gives way as for cored_file_write. What is there and no regular
 * file (a pipe, a terminal) is opened as it is. -1 on failure. */
int cored_file_create(const char *path, unsigned mode, CoredError *error);

#endif /* CORED_BASE_FILE_H */
