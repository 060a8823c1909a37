/* SPDX-License-Identifier: MIT
 * The superblock of an HDF5 file: HDF5 File Format Specification 3.0, section II.A. */
#include <inttypes.h>

#include "tools/convert/h5.h"

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
