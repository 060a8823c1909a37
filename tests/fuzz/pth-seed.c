/* SPDX-License-Identifier: MIT
 * Small PyTorch files in memory. */
#include "pth-seed.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

typedef struct Out {
  uint8_t *data;
  size_t size, max;
  bool full;
} Out;

static void put(Out *o, const void *bytes, size_t n) {
  if (o->full || n > o->max - o->size) {
    o->full = true;
    return;
  }
  memcpy(o->data + o->size, bytes, n);
  o->size += n;
}

static void number(Out *o, uint64_t value, size_t size) {
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
  put(o, bytes, size);
}

static size_t finish(const Out *o) {
  return o->full ? 0 : o->size;
}

/* ---- Pickles --------------------------------------------------------------------------------- */

#define TEXT1(c) "X\1\0\0\0" c
#define STORAGE(class, key, numel)                                                                 \
  "(X\7\0\0\0storagectorch\n" class "Storage\n" TEXT1(key) "X\3\0\0\0cpuK" numel "tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define HOOKS                                                                                      \
  "\x89"                                                                                           \
  "ccollections\nOrderedDict\n)R"
#define MATRIX "K\0(K\2K\3t(K\3K\1t"
#define TENSOR(class, key, numel, shape) REBUILD "(" STORAGE(class, key, numel) shape HOOKS "tR"

#define SEED(text)                                                                                 \
  { (text), sizeof(text) - 1 }

static const struct {
  const char *text;
  size_t size;
} seeds[] = {
    SEED("}" TEXT1("a") TENSOR("Float", "0", "\6", MATRIX) "s"),
    SEED("}(" TEXT1("a") TENSOR("Float", "0", "\6", MATRIX) TEXT1("b")
             TENSOR("Half", "1", "\x0c", "K\3(K\2K\2t(K\1K\4t") TEXT1("c")
                 TENSOR("Double", "2", "\3", "K\2))") "u"),
    SEED("}(X\5\0\0\0epochK\3X\12\0\0\0state_dictccollections\nOrderedDict\n)Rq\0(" TEXT1("a")
             TENSOR("Long", "0", "\3",
                    "K\0K\3\x85K\1\x85") "u}" TEXT1("m") "NsbX\10\0\0\0"
                                                         "best_accG?\xe0\0\0\0\0\0\0u"),
    SEED("}" TEXT1("a") "ctorch._utils\n_rebuild_parameter\n(" TENSOR(
        "BFloat16", "0", "\x0c", "K\0(K\4K\3t(K\3K\1t") HOOKS "tRs"),
    SEED("}" TEXT1("a") "ctorch._utils\n_rebuild_tensor\n(" STORAGE("Int", "0", "\6") MATRIX "tRs"),
    SEED("}(" TEXT1("a") STORAGE("Float", "0", "\6") "q\0"
                                                     "0"
                                                     "u"),
    SEED("ccollections\nOrderedDict\n(](](" TEXT1("a") TENSOR("Float", "0", "\6", MATRIX) "eetR"),
    SEED("}(" TEXT1("n") "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\2f8K\0K\1tR(K\3U\1<"
                         "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbU\10\0\0\0\0\0\0\xf0?tR" TEXT1(
                             "a") TENSOR("Float", "0", "\6", MATRIX) "u"),
    SEED("}" TEXT1("a") "ctorch.nn.modules.conv\nConv2d\n)\x81}bs"),
    SEED("}" TEXT1("a") "(lp0\n\x8a\4\1\2\3\4r\0\0\0\0j\0\0\0\0M\1\2\x88\x86\x87.s"),
};

size_t cored_seed_pickle(size_t index, uint8_t *out, size_t max) {
  if (index >= sizeof seeds / sizeof *seeds || seeds[index].size > max)
    return 0;
  memcpy(out, seeds[index].text, seeds[index].size);
  return seeds[index].size;
}

/* ---- Containers ------------------------------------------------------------------------------ */

static void record(uint8_t out[PTH_SEED_RECORD_SIZE], int key) {
  for (int i = 0; i < PTH_SEED_RECORD_SIZE; i++)
    out[i] = (uint8_t)(16 * key + i);
}

typedef struct Entry {
  char name[16];
  const uint8_t *data;
  size_t size, header;
} Entry;

static void common(Out *o, const Entry *entry) {
  number(o, 20, 2);
  number(o, 0, 8);
  number(o, crc32_z(0, entry->data, entry->size), 4);
  number(o, entry->size, 4);
  number(o, entry->size, 4);
  number(o, strlen(entry->name), 2);
  number(o, 0, 2);
}

static void archive(Out *o, Entry *entries, size_t n) {
  for (size_t i = 0; i < n; i++) {
    entries[i].header = o->size;
    put(o, "PK\3\4", 4);
    common(o, &entries[i]);
    put(o, entries[i].name, strlen(entries[i].name));
    put(o, entries[i].data, entries[i].size);
  }
  size_t start = o->size;
  for (size_t i = 0; i < n; i++) {
    put(o, "PK\1\2\24\0", 6);
    common(o, &entries[i]);
    number(o, 0, 8);
    number(o, 0, 2);
    number(o, entries[i].header, 4);
    put(o, entries[i].name, strlen(entries[i].name));
  }
  size_t size = o->size - start;
  put(o, "PK\5\6\0\0\0\0", 8);
  number(o, n, 2);
  number(o, n, 2);
  number(o, size, 4);
  number(o, start, 4);
  number(o, 0, 2);
}

size_t cored_seed_zip(const uint8_t *pickle, size_t size, int n_records, uint8_t *out, size_t max) {
  static uint8_t whole[(1 << 20) + 3];
  uint8_t records[PTH_SEED_RECORDS][PTH_SEED_RECORD_SIZE];
  Entry entries[2 + PTH_SEED_RECORDS] = {{.name = "x/data.pkl", .data = whole, .size = size + 3}};
  size_t n = 1;
  if (size + 3 > sizeof whole)
    return 0;
  whole[0] = 0x80;
  whole[1] = 2;
  memcpy(whole + 2, pickle, size);
  whole[size + 2] = '.';
  for (int i = 0; i < n_records; i++, n++) {
    record(records[i], i);
    entries[n] = (Entry){.data = records[i], .size = PTH_SEED_RECORD_SIZE};
    snprintf(entries[n].name, sizeof entries[n].name, "x/data/%d", i);
  }
  entries[n++] = (Entry){.name = "x/version", .data = (const uint8_t *)"3\n", .size = 2};
  Out o = {.data = out, .max = max};
  archive(&o, entries, n);
  return finish(&o);
}

#define LITERAL(o, text) put((o), (text), sizeof(text) - 1)

size_t cored_seed_legacy(const uint8_t *pickle, size_t size, int n_records, uint8_t *out,
                         size_t max) {
  /* Elements of the records 0 .. 2 in the seeds with three: float32, float16, float64. */
  static const uint64_t numel[PTH_SEED_RECORDS] = {6, 12, 3};
  Out o = {.data = out, .max = max};
  LITERAL(&o, "\x80\2\x8a\12l\xfc\x9c"
              "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}(X\20\0\0\0protocol_versionM\xe9\3"
              "X\15\0\0\0little_endian\x88u.\x80\2");
  put(&o, pickle, size);
  LITERAL(&o, ".\x80\2](");
  for (int i = 0; i < n_records; i++) {
    LITERAL(&o, "X\1\0\0\0");
    number(&o, (uint64_t)('0' + i), 1);
  }
  LITERAL(&o, "e.");
  for (int i = 0; i < n_records; i++) {
    uint8_t data[PTH_SEED_RECORD_SIZE];
    record(data, i);
    number(&o, numel[i], 8);
    put(&o, data, sizeof data);
  }
  return finish(&o);
}
