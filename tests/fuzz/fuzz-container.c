/* SPDX-License-Identifier: MIT
 * What cored-scan believes of a container. The first byte of an input: 0 the rest is a file, 1 to 4
 * it is made of parts whose sizes are right until the rest changes them: boxes of MP4, chunks of
 * RIFF, elements of EBML, tags of FLV; of each part 1 byte kind, 1 byte length and the data, then
 * triples of 2 bytes place and 1 byte value behind a part of kind 255. */
#include "tools/scan/container.h"

#include "fuzz.h"
#include "memory-file.h"

static void put_box(FuzzFile *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const types[] = {"ftyp", "moov", "mdat", "moof", "free", "sidx"};
  fuzz_put_big(o, n + 8, 4);
  fuzz_put(o, types[kind % 6], 4);
  fuzz_put(o, data, n);
}

static void put_chunk(FuzzFile *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const types[] = {"RIFF", "LIST", "JUNK", "idx1"};
  fuzz_put(o, types[kind % 4], 4);
  fuzz_put_little(o, n, 4);
  fuzz_put(o, data, n);
}

static void put_element(FuzzFile *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const ids[] = {"\x1a\x45\xdf\xa3", "\x18\x53\x80\x67", "\x1f\x43\xb6\x75",
                                    "\x1c\x53\xbb\x6b"};
  fuzz_put(o, ids[kind % 4], 4);
  if (kind & 128) {
    fuzz_put_big(o, 0xff, 1); /* of unknown size */
  } else {
    fuzz_put_big(o, 0x40, 1);
    fuzz_put_big(o, n, 1);
  }
  fuzz_put(o, data, n);
}

static void put_tag(FuzzFile *o, unsigned kind, const uint8_t *data, size_t n) {
  if (o->n == 0)
    fuzz_put(o, "FLV\1\5\0\0\0\11\0\0\0\0", 13);
  fuzz_put_big(o, kind & 1 ? 9 : 8, 1);
  fuzz_put_big(o, n, 3);
  fuzz_put_big(o, 0, 7);
  fuzz_put(o, data, n);
  fuzz_put_big(o, n + 11, 4);
}

static void make(FuzzInput *in, unsigned container, FuzzFile *o) {
  static void (*const writers[])(FuzzFile *, unsigned, const uint8_t *,
                                 size_t) = {put_box, put_chunk, put_element, put_tag};
  while (in->size >= 2 && o->n < sizeof o->bytes - 512) {
    const unsigned kind = fuzz_byte(in);
    if (kind == 255)
      break;
    size_t n;
    const unsigned most = fuzz_byte(in);
    const uint8_t *const data = fuzz_bytes(in, most, &n);
    writers[container](o, kind, data, n);
  }
  fuzz_change(in, o->bytes, o->n);
}

static void look(const uint8_t *bytes, size_t size) {
  static const gboolean never = FALSE;
  MemoryFile file = memory_file_open(bytes, size);
  char uri[96];
  snprintf(uri, sizeof uri, "file://%s", file.path);
  ScanContainer container = {0};
  scan_container_read(&container, uri, &never);
  fuzz_expect(!container.cut || container.cut[0]);
  fuzz_expect(container.video >= 0 && container.all >= 0);
  scan_container_clear(&container);
  memory_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  FuzzFile out = {.n = 0};
  const unsigned kind = fuzz_byte(&in) % 5;
  if (kind == 0) {
    look(in.data, in.size);
  } else {
    make(&in, kind - 1, &out);
    look(out.bytes, out.n);
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\1\0\10isom\0\0\0\0\1\4abcd\2\4abcd"),
      FUZZ_SEED("\1\0\10isom\0\0\0\0\2\4abcd\377\23\0\377"),
      FUZZ_SEED("\2\0\4AVI \1\4hdrl"),
      FUZZ_SEED("\3\0\13\x42\x82\x88matroska\201\4abcd\2\4abcd"),
      FUZZ_SEED("\4\1\4abcd\0\4abcd"),
      FUZZ_SEED("\0OggS\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1a"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
