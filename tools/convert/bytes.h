/* SPDX-License-Identifier: MIT
 * Numbers out of untrusted files in memory, least significant byte first. */
#ifndef CORED_CONVERT_BYTES_H
#define CORED_CONVERT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "tools/convert/refusal.h"

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
