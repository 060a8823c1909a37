/* SPDX-License-Identifier: MIT
 * Untrusted files in memory, and numbers out of them. */
#ifndef CORED_CONVERT_BYTES_H
#define CORED_CONVERT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "tools/convert/refusal.h"

/* Read a regular file of at most max bytes; cored_file_read with a refusal for an error. */
bool cored_input_read(const char *path, uint64_t max, CoredBytes *bytes, CoredRefusal *refusal);

/* A refusal out of an engine's error; codes for files are kept, others become ENGINE. */
bool cored_refuse_error(CoredRefusal *refusal, const CoredError *error);

static inline uint16_t cored_le16(const uint8_t *p) {
  return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t cored_le32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t cored_le64(const uint8_t *p) {
  return cored_le32(p) | (uint64_t)cored_le32(p + 4) << 32;
}

#endif /* CORED_CONVERT_BYTES_H */
