/* SPDX-License-Identifier: MIT
 * A strict reader of the ZIP archives that hold PyTorch weights.
 *
 * Two readers of one archive must never see different things, so everything that could mean two
 * things is refused: compression, encryption, comments, bytes that belong to no entry, overlaps,
 * duplicate names, and every difference between a local header and the central directory. The
 * local headers, data and descriptors have to tile the file from byte 0 to the central directory.
 * ZIP layout: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. */
#ifndef CORED_CONVERT_ZIP_H
#define CORED_CONVERT_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "tools/convert/refusal.h"

#define CORED_ZIP_MAX_ENTRIES 65536

typedef struct CoredZipEntry {
  const char *name; /* in the archive's memory, not terminated */
  size_t name_length;
  const uint8_t *data;
  size_t size;
  size_t header; /* offset of the local header */
  uint32_t crc;
  uint16_t flags;
} CoredZipEntry;

typedef struct CoredZip {
  CoredZipEntry *entries; /* in the order of the bytes in the file */
  size_t n;
} CoredZip;

/* Check and list an archive; entries point into bytes. Without check_crc checksums are not looked
 * at. On failure *zip is empty. */
bool cored_zip_read(const uint8_t *bytes, size_t size, bool check_crc, CoredZip *zip,
                    CoredRefusal *refusal);
void cored_zip_clear(CoredZip *zip);

#endif /* CORED_CONVERT_ZIP_H */
