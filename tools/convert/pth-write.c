/* SPDX-License-Identifier: MIT
 * Writing a model as a file that torch.load reads. */
#include "tools/convert/pth-write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/convert/lines.h"

#define ALIGNMENT 64
#define TOP "archive/"

/* ---- Growing bytes --------------------------------------------------------------------------- */

typedef struct Buffer {
  uint8_t *data;
  size_t size, capacity;
  bool failed; /* memory ran out; looked at once, at the end */
} Buffer;

static void put(Buffer *b, const void *bytes, size_t n) {
  if (b->failed || !cored_array_grow(&b->data, &b->capacity, b->size + n, 1)) {
    b->failed = true;
    return;
  }
  memcpy(b->data + b->size, bytes, n);
  b->size += n;
}

static void put_text(Buffer *b, const char *text) {
  put(b, text, strlen(text));
}

static void put_number(Buffer *b, uint64_t value, size_t size) { /* little-endian */
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++)
    bytes[i] = (uint8_t)(value >> 8 * i);
  put(b, bytes, size);
}

/* ---- The pickle ------------------------------------------------------------------------------ */

static void put_string(Buffer *b, const char *text) { /* BINUNICODE */
  put_text(b, "X");
  put_number(b, strlen(text), 4);
  put_text(b, text);
}

static void put_integer(Buffer *b, int64_t value) { /* LONG1 where BININT is too small */
  bool small = value <= INT32_MAX;
  put_text(b, small ? "J" : "\x8a\x08");
  put_number(b, (uint64_t)value, small ? 4 : 8);
}

static void put_sizes(Buffer *b, const int64_t *values, int n) {
  put_text(b, "(");
  for (int i = 0; i < n; i++)
    put_integer(b, values[i]);
  put_text(b, "t");
}

/* name: _rebuild_tensor_v2(storage `index`, 0, shape, strides, False, OrderedDict()) */
static void put_tensor(Buffer *b, const CoredTensorView *tensor, size_t index) {
  int64_t strides[8], count = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    strides[i] = count;
    count *= tensor->dims[i];
  }
  char key[24];
  snprintf(key, sizeof key, "%zu", index);
  put_string(b, tensor->name);
  put_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_string(b, "storage");
  put_text(b, "ctorch\nFloatStorage\n");
  put_string(b, key);
  put_string(b, "cpu");
  put_integer(b, count);
  put_text(b, "tQ");
  put_integer(b, 0);
  put_sizes(b, tensor->dims, tensor->rank);
  put_sizes(b, strides, tensor->rank);
  put_text(b, "\x89"
              "ccollections\nOrderedDict\n)RtR");
}

static void put_state_dict(Buffer *b, const CoredModel *model) {
  put_text(b, "ccollections\nOrderedDict\n)R(");
  for (size_t i = 0; i < cored_model_n_tensors(model); i++) {
    CoredTensorView tensor;
    cored_model_tensor(model, i, &tensor);
    put_tensor(b, &tensor, i);
  }
  put_text(b, "u");
}

static void put_pickle(Buffer *b, const CoredModel *model, CoredPthLayout layout) {
  put_text(b, "\x80\x02");
  if (layout == CORED_PTH_CHECKPOINT) {
    put_text(b, "}(");
    put_string(b, "epoch");
    put_integer(b, 0);
    put_string(b, "best_epoch");
    put_integer(b, 0);
    put_string(b, "state_dict");
  }
  put_state_dict(b, model);
  if (layout == CORED_PTH_CHECKPOINT) {
    put_string(b, "best_acc");
    put_text(b, "G");
    put(b, (const uint8_t[8]){0}, 8); /* 0.0 */
    put_string(b, "optimizer");
    put_text(b, "}u");
  }
  put_text(b, ".");
}

/* ---- The archive ----------------------------------------------------------------------------- */

typedef struct Entry {
  char name[64];
  const void *data;
  size_t size;
  Buffer header; /* local header, name and padding */
} Entry;

typedef struct Archive {
  Entry *entries;
  size_t n;
  Buffer pickle, directory;
} Archive;

/* The fields that the local and the central header share. */
static void put_common(Buffer *b, const Entry *entry, uint32_t crc, size_t extra) {
  put_number(b, 10, 2);   /* version needed: stored files */
  put_number(b, 0, 2);    /* flags */
  put_number(b, 0, 2);    /* method: stored */
  put_number(b, 0, 2);    /* time */
  put_number(b, 0x21, 2); /* date: 1980-01-01, so that equal models give equal files */
  put_number(b, crc, 4);
  put_number(b, entry->size, 4);
  put_number(b, entry->size, 4);
  put_number(b, strlen(entry->name), 2);
  put_number(b, extra, 2);
}

/* Headers of one entry that starts at *offset, which moves to its end. Data are aligned by an
 * extra field of zeros, as torch.save does it. */
static void lay_out(Archive *a, Entry *entry, uint64_t *offset) {
  uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), entry->data, entry->size);
  uint64_t unpadded = *offset + 30 + strlen(entry->name) + 4;
  size_t padding = (size_t)(ALIGNMENT - unpadded % ALIGNMENT) % ALIGNMENT;
  Buffer *b = &entry->header;
  put_text(b, "PK\x03\x04");
  put_common(b, entry, crc, 4 + padding);
  put_text(b, entry->name);
  put_text(b, "FB");
  put_number(b, padding, 2);
  put(b, (const uint8_t[ALIGNMENT]){0}, padding);

  b = &a->directory;
  put_text(b, "PK\x01\x02");
  put_number(b, 10, 2); /* made by: MS-DOS, 1.0 */
  put_common(b, entry, crc, 0);
  put(b, (const uint8_t[10]){0}, 10); /* comment, disk, attributes */
  put_number(b, *offset, 4);
  put_text(b, entry->name);
  *offset = unpadded + padding + entry->size;
}

static void put_end(Archive *a, uint64_t offset) {
  Buffer *b = &a->directory;
  size_t size = b->size;
  put_text(b, "PK\x05\x06");
  put_number(b, 0, 4); /* disks */
  put_number(b, a->n, 2);
  put_number(b, a->n, 2);
  put_number(b, size, 4);
  put_number(b, offset, 4);
  put_number(b, 0, 2); /* comment */
}

static void add_entry(Archive *a, const char *name, const void *data, size_t size) {
  Entry *entry = &a->entries[a->n++];
  *entry = (Entry){.data = data, .size = size};
  snprintf(entry->name, sizeof entry->name, TOP "%s", name);
}

/* False where the archive would need zip64. */
static bool fill_archive(Archive *a, const CoredModel *model) {
  static const char version[] = "3\n", byteorder[] = "little";
  add_entry(a, "data.pkl", a->pickle.data, a->pickle.size);
  add_entry(a, "byteorder", byteorder, sizeof byteorder - 1);
  for (size_t i = 0; i < cored_model_n_tensors(model); i++) {
    CoredTensorView tensor;
    char name[32];
    cored_model_tensor(model, i, &tensor);
    snprintf(name, sizeof name, "data/%zu", i);
    add_entry(a, name, tensor.data, tensor.size);
  }
  add_entry(a, "version", version, sizeof version - 1);
  uint64_t offset = 0;
  for (size_t i = 0; i < a->n; i++)
    lay_out(a, &a->entries[i], &offset);
  put_end(a, offset);
  return offset + a->directory.size <= UINT32_MAX && a->n < UINT16_MAX;
}

static bool replace_file(const Archive *a, const char *path, CoredError *error) {
  CoredChunk *chunks = calloc(2 * a->n + 1, sizeof *chunks);
  bool failed = !chunks || a->pickle.failed || a->directory.failed;
  for (size_t i = 0; i < a->n && !failed; i++) {
    const Entry *entry = &a->entries[i];
    failed = entry->header.failed;
    chunks[2 * i] = (CoredChunk){entry->header.data, entry->header.size};
    chunks[2 * i + 1] = (CoredChunk){entry->data, entry->size};
  }
  bool ok;
  if (failed) {
    ok = cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the archive", path);
  } else {
    chunks[2 * a->n] = (CoredChunk){a->directory.data, a->directory.size};
    ok = cored_file_write(path, chunks, 2 * a->n + 1, 0666, error);
  }
  free(chunks);
  return ok;
}

bool cored_pth_write(const CoredModel *model, const char *path, CoredPthLayout layout,
                     CoredError *error) {
  Archive a = {.entries = calloc(cored_model_n_tensors(model) + 3, sizeof *a.entries)};
  bool ok = false;
  put_pickle(&a.pickle, model, layout);
  if (!a.entries || a.pickle.failed)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the archive", path);
  else if (!fill_archive(&a, model))
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "%s: expected less than 4 GiB", path);
  else
    ok = replace_file(&a, path, error);
  for (size_t i = 0; i < a.n; i++)
    free(a.entries[i].header.data);
  free(a.entries);
  free(a.pickle.data);
  free(a.directory.data);
  return ok;
}
