/* SPDX-License-Identifier: MIT
 * ZIP archives with right checksums. An input is a sequence of decisions from which an archive is
 * made (entries with and without descriptors, zip64 blocks, UTF-8 names; a zip64 end or none), and
 * then some of its bytes are set, those of headers rather than data:
 *   1 byte number of entries and kind of end; of each entry 1 byte its kind, 1 byte length of its
 *   name and the name, 1 byte length of its data and the data; the rest: triples of 2 bytes place
 *   and 1 byte value. */
#include <zlib.h>

#include "fuzz.h"
#include "tools/convert/zip.h"

enum { MAX_ENTRIES = 6 };

typedef enum Kind {
  DESCRIPTOR = 1,
  SIGNED_DESCRIPTOR = 2,
  WIDE = 4,
  UTF8 = 8,
  WIDE_SIZES = 16
} Kind;

typedef struct Entry {
  unsigned kind;
  const uint8_t *name, *data;
  size_t name_length, size, header;
  uint32_t crc;
} Entry;

/* What both headers have, from the flags to the length of the extra field. */
static void put_common(FuzzFile *o, const Entry *e, bool later, size_t extra) {
  const bool wide = e->kind & WIDE;
  fuzz_put_little(o, (e->kind & DESCRIPTOR ? 8u : 0) | (e->kind & UTF8 ? 0x800u : 0), 2);
  fuzz_put_little(o, 0, 6); /* stored; time and date */
  fuzz_put_little(o, later ? 0 : e->crc, 4);
  fuzz_put_little(o, later ? 0 : wide ? 0xffffffff : e->size, 4);
  fuzz_put_little(o, later ? 0 : wide ? 0xffffffff : e->size, 4);
  fuzz_put_little(o, e->name_length, 2);
  fuzz_put_little(o, extra, 2);
}

static void put_wide(FuzzFile *o, const Entry *e, size_t n) {
  fuzz_put_little(o, 1, 2);
  fuzz_put_little(o, 8 * n, 2);
  for (size_t i = 0; i < n; i++)
    fuzz_put_little(o, e->size, 8);
}

static void put_entry(FuzzFile *o, Entry *e) {
  const bool later = e->kind & DESCRIPTOR, wide = e->kind & WIDE && !later;
  e->header = o->n;
  e->crc = (uint32_t)crc32_z(0, e->data, e->size);
  fuzz_put(o, "PK\3\4\24\0", 6);
  put_common(o, e, later, wide ? 20 : 0);
  fuzz_put(o, e->name, e->name_length);
  if (wide)
    put_wide(o, e, 2);
  fuzz_put(o, e->data, e->size);
  if (!later)
    return;
  if (e->kind & SIGNED_DESCRIPTOR)
    fuzz_put(o, "PK\7\10", 4);
  fuzz_put_little(o, e->crc, 4);
  for (int i = 0; i < 2; i++)
    fuzz_put_little(o, e->size, e->kind & WIDE_SIZES ? 8 : 4);
}

static void put_central(FuzzFile *o, const Entry *e) {
  const bool wide = e->kind & WIDE;
  fuzz_put(o, "PK\1\2\24\0\24\0", 8);
  put_common(o, e, false, wide ? 20 : 0);
  fuzz_put_little(o, 0, 10); /* comment, disk, attributes */
  fuzz_put_little(o, e->header, 4);
  fuzz_put(o, e->name, e->name_length);
  if (wide)
    put_wide(o, e, 2);
}

static void put_end(FuzzFile *o, size_t n, size_t start, bool wide) {
  const size_t size = o->n - start;
  if (wide) {
    const size_t at = o->n;
    fuzz_put(o, "PK\6\6", 4);
    fuzz_put_little(o, 44, 8);
    fuzz_put(o, "\55\0\55\0\0\0\0\0\0\0\0\0", 12);
    fuzz_put_little(o, n, 8);
    fuzz_put_little(o, n, 8);
    fuzz_put_little(o, size, 8);
    fuzz_put_little(o, start, 8);
    fuzz_put(o, "PK\6\7\0\0\0\0", 8);
    fuzz_put_little(o, at, 8);
    fuzz_put_little(o, 1, 4);
  }
  fuzz_put(o, "PK\5\6\0\0\0\0", 8);
  fuzz_put_little(o, wide ? 0xffff : n, 2);
  fuzz_put_little(o, wide ? 0xffff : n, 2);
  fuzz_put_little(o, wide ? 0xffffffff : size, 4);
  fuzz_put_little(o, wide ? 0xffffffff : start, 4);
  fuzz_put_little(o, 0, 2);
}

static void make(FuzzInput *in, FuzzFile *o) {
  Entry entries[MAX_ENTRIES];
  const unsigned head = fuzz_byte(in);
  const size_t n = 1 + head % MAX_ENTRIES;
  for (size_t i = 0; i < n; i++) {
    Entry *const e = &entries[i];
    e->kind = fuzz_byte(in);
    e->name = fuzz_bytes(in, fuzz_byte(in), &e->name_length);
    e->data = fuzz_bytes(in, fuzz_byte(in), &e->size);
    put_entry(o, e);
  }
  const size_t start = o->n;
  for (size_t i = 0; i < n; i++)
    put_central(o, &entries[i]);
  put_end(o, n, start, head & 64);
  fuzz_change(in, o->bytes, o->n);
}

static void read_archive(const uint8_t *bytes, size_t size, bool check_crc) {
  CoredZip zip;
  CoredRefusal refusal = {0};
  if (!cored_zip_read(bytes, size, check_crc, &zip, &refusal)) {
    fuzz_expect(refusal.code != CORED_REFUSAL_NONE && zip.n == 0);
    return;
  }
  for (size_t i = 0; i < zip.n; i++) {
    const CoredZipEntry *const e = &zip.entries[i];
    fuzz_expect(e->data >= bytes && e->size <= (size_t)(bytes + size - e->data));
    fuzz_expect(!check_crc || (uint32_t)crc32_z(0, e->data, e->size) == e->crc);
    fuzz_expect(i == 0 || e->header > zip.entries[i - 1].header);
  }
  cored_zip_clear(&zip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  FuzzFile out = {.n = 0};
  make(&in, &out);
  uint8_t *const exact = malloc(out.n); /* reading beyond its end is found */
  if (!exact)
    return 0;
  memcpy(exact, out.bytes, out.n);
  read_archive(exact, out.n, true);
  read_archive(exact, out.n, false);
  free(exact);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\0\0\12x/data.pkl\4abcd"),
      FUZZ_SEED("\101\4\3x/a\4abcd\10\3x/b\3efg"),
      FUZZ_SEED("\2\1\1a\4abcd\3\1b\4abcd\23\1c\4abcd"),
      FUZZ_SEED("\104\5\1a\4abcd\24\1b\0\0\1c\0\0\1d\0\0\1e\0"),
      FUZZ_SEED("\0\0\3a/b\4abcd\6\0\1"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
