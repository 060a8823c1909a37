/* SPDX-License-Identifier: MIT
 * What cored-scan believes of a container. The first byte of an input: 0 the rest is a file, 1 to 4
 * it is made of parts whose sizes are right until the rest changes them: boxes of MP4, chunks of
 * RIFF, elements of EBML, tags of FLV; of each part 1 byte kind, 1 byte length and the data, then
 * triples of 2 bytes place and 1 byte value behind a part of kind 255. */
#include "scan/container.h"

#include "fuzz.h"
#include "memory-file.h"

enum { MAX_SIZE = 1 << 15 };

typedef struct Out {
  uint8_t bytes[MAX_SIZE];
  size_t n;
} Out;

static void put(Out *o, const void *bytes, size_t n) {
  fuzz_expect(n <= sizeof o->bytes - o->n);
  if (n)
    memcpy(o->bytes + o->n, bytes, n);
  o->n += n;
}

static void number(Out *o, size_t value, int size, bool big) {
  for (int i = 0; i < size; i++) {
    const uint8_t byte = (uint8_t)(value >> 8 * (big ? size - 1 - i : i));
    put(o, &byte, 1);
  }
}

static void put_box(Out *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const types[] = {"ftyp", "moov", "mdat", "moof", "free", "sidx"};
  number(o, n + 8, 4, true);
  put(o, types[kind % 6], 4);
  put(o, data, n);
}

static void put_chunk(Out *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const types[] = {"RIFF", "LIST", "JUNK", "idx1"};
  put(o, types[kind % 4], 4);
  number(o, n, 4, false);
  put(o, data, n);
}

static void put_element(Out *o, unsigned kind, const uint8_t *data, size_t n) {
  static const char *const ids[] = {"\x1a\x45\xdf\xa3", "\x18\x53\x80\x67", "\x1f\x43\xb6\x75",
                                    "\x1c\x53\xbb\x6b"};
  put(o, ids[kind % 4], 4);
  if (kind & 128) {
    number(o, 0xff, 1, true); /* of unknown size */
  } else {
    number(o, 0x40, 1, true);
    number(o, n, 1, true);
  }
  put(o, data, n);
}

static void put_tag(Out *o, unsigned kind, const uint8_t *data, size_t n) {
  if (o->n == 0)
    put(o, "FLV\1\5\0\0\0\11\0\0\0\0", 13);
  number(o, kind & 1 ? 9 : 8, 1, true);
  number(o, n, 3, true);
  number(o, 0, 7, true);
  put(o, data, n);
  number(o, n + 11, 4, true);
}

static void make(FuzzInput *in, unsigned container, Out *o) {
  static void (*const writers[])(Out *, unsigned, const uint8_t *, size_t) = {put_box, put_chunk,
                                                                              put_element, put_tag};
  while (in->size >= 2 && o->n < MAX_SIZE - 512) {
    const unsigned kind = fuzz_byte(in);
    if (kind == 255)
      break;
    size_t n;
    const unsigned most = fuzz_byte(in);
    const uint8_t *const data = fuzz_bytes(in, most, &n);
    writers[container](o, kind, data, n);
  }
  while (in->size >= 3 && o->n > 0) {
    const size_t at = fuzz_u16(in) % o->n;
    o->bytes[at] = (uint8_t)fuzz_byte(in);
  }
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
  Out out = {.n = 0};
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
