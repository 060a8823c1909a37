/* SPDX-License-Identifier: MIT
 * Reading: file head -> header text -> entries -> layout of the data part. Every step checks what
 * it takes from the file before anything depends on it. Writing: the header that our writer gives a
 * file (format.h). */
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "model/format.h"

typedef struct Parser {
  CoredJson json;
  CoredSafetensors *st;
  const char *name; /* of the file, for messages */
  size_t tensors_size, metadata_size;
  size_t data_size;
  bool saw_metadata;
} Parser;

/* ---- Head of the file ----------------------------------------------------------------------- */

typedef struct Magic {
  const char *bytes;
  size_t size;
  const char *what;
} Magic;

/* What people hand over instead. Looked at only where the file is no safetensors. */
static const Magic magics[] = {
    {"PK\003\004", 4, "a zip archive or a PyTorch .pth (use cored-convert import)"},
    {"\200\002\212\012", 4, "a PyTorch .pth of the legacy kind (use cored-convert import)"},
    {"\211HDF\r\n\032\n", 8, "an HDF5 file (use cored-convert import)"},
    {"\177ELF", 4, "an ELF program"},
    {"\037\213", 2, "a gzip archive"},
    {"GGUF", 4, "a GGUF file"},
    {"\211PNG", 4, "a PNG picture"},
    {"\377\330\377", 3, "a JPEG picture"},
    {"version https://git-lfs", 23, "a Git LFS pointer (the model itself was not downloaded)"},
    {"<!DOCTYPE", 9, "an HTML page"},
    {"<html", 5, "an HTML page"},
    {"<?xml", 5, "an XML file"},
};

static const char *find_magic(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
    if (size >= magics[i].size && memcmp(bytes, magics[i].bytes, magics[i].size) == 0)
      return magics[i].what;
  if (size >= 262 && memcmp(bytes + 257, "ustar", 5) == 0)
    return "a tar archive";
  return NULL;
}

static bool fail_magic(const char *name, const char *what, CoredError *error) {
  return cored_error_set(error, CORED_ERROR_MAGIC,
                         "%s: byte 0: expected a safetensors file, found %s", name, what);
}

/* The header's length, checked against the file and the cap. */
static bool read_head(const uint8_t *bytes, size_t size, const char *name, size_t *header,
                      CoredError *error) {
  const char *const magic = find_magic(bytes, size);
  if (size < 8)
    return cored_error_set(error, CORED_ERROR_FILE_TOO_SMALL,
                           "%s: expected at least 8 bytes, found %zu", name, size);
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--)
    length = length << 8 | bytes[i];
  const bool fits = length >= 2 && length <= CORED_HEADER_MAX && length <= size - 8;
  const bool opens = fits && memchr("{ \t\r\n", bytes[8], 5) != NULL;
  if (!opens && magic)
    return fail_magic(name, magic, error);
  if (!fits)
    return cored_error_set(error, CORED_ERROR_HEADER_LENGTH,
                           "%s: byte 0: expected a header length of 2..%zu, found %llu", name,
                           size - 8 < CORED_HEADER_MAX ? size - 8 : (size_t)CORED_HEADER_MAX,
                           (unsigned long long)length);
  *header = (size_t)length;
  return true;
}

/* ---- Entries -------------------------------------------------------------------------------- */

/* Room for one more element of `each` bytes, up to max. */
static bool grow(Parser *p, void **list, size_t n, size_t *size, size_t each, size_t max,
                 CoredErrorCode code, const char *what) {
  if (n < *size)
    return true;
  if (n >= max) {
    char text[64];
    snprintf(text, sizeof text, "at most %zu %s", max, what);
    return cored_json_fail(&p->json, code, text);
  }
  const size_t next = *size ? *size * 2 : 64;
  void *const grown = realloc(*list, next * each);
  if (!grown) {
    cored_error_set(p->json.error, CORED_ERROR_NO_MEMORY, "%s: no memory for %zu %s", p->name, next,
                    what);
    p->json.failed = true;
    return false;
  }
  *list = grown;
  *size = next;
  return true;
}

static bool fail_at(Parser *p, uint64_t offset, CoredErrorCode code, const char *text,
                    const char *subject) {
  if (!p->json.failed)
    cored_error_set(p->json.error, code, "%s: byte %llu: %s: '%.128s'", p->name,
                    (unsigned long long)offset, text, subject);
  p->json.failed = true;
  return false;
}

static bool parse_metadata(Parser *p) {
  CoredJson *const j = &p->json;
  if (p->saw_metadata)
    return fail_at(p, cored_json_offset(j), CORED_ERROR_HEADER_DUPLICATE, "key appears twice",
                   CORED_META);
  p->saw_metadata = true;
  if (cored_json_peek(j) != '{')
    return cored_json_fail(j, CORED_ERROR_METADATA_TYPE, "an object in __metadata__");
  j->p++;
  for (bool first = true; cored_json_more(j, '}', &first);) {
    CoredSafetensors *const st = p->st;
    CoredJsonString key, value;
    if (!grow(p, (void **)&st->metadata, st->n_metadata, &p->metadata_size, sizeof *st->metadata,
              CORED_METADATA_MAX, CORED_ERROR_METADATA_TYPE, "metadata entries") ||
        !cored_json_key(j, &key))
      return false;
    if (cored_json_peek(j) != '"')
      return cored_json_fail(j, CORED_ERROR_METADATA_TYPE, "a string in __metadata__");
    if (!cored_json_string(j, &value))
      return false;
    st->metadata[st->n_metadata++] =
        (CoredEntry){key.s, value.s, value.offset, value.escaped ? 0 : value.n};
  }
  return !j->failed;
}

static const char *const unsupported_dtypes[] = {
    "BOOL", "U8", "I8", "U16", "I16", "U32",     "I32",     "U64",     "F8_E4M3",
    "C64",  "F4", "F8", "I4",  "U4",  "F8_E5M2", "F6_E2M3", "F6_E3M2", "F8_E8M0",
};

static bool parse_dtype(Parser *p, CoredTensorView *tensor) {
  CoredJsonString dtype;
  if (cored_json_peek(&p->json) != '"')
    return cored_json_fail(&p->json, CORED_ERROR_TENSOR_FIELD, "a string as dtype");
  if (!cored_json_string(&p->json, &dtype))
    return false;
  for (int i = CORED_DTYPE_F32; i <= CORED_DTYPE_I64; i++) {
    if (strcmp(dtype.s, cored_dtype_name((CoredDtype)i)) == 0) {
      tensor->dtype = (CoredDtype)i;
      return true;
    }
  }
  for (size_t i = 0; i < sizeof unsupported_dtypes / sizeof *unsupported_dtypes; i++)
    if (strcmp(dtype.s, unsupported_dtypes[i]) == 0)
      return fail_at(p, dtype.offset, CORED_ERROR_TENSOR_DTYPE_UNSUPPORTED,
                     "expected dtype F32, F16, BF16, F64 or I64, found", dtype.s);
  return fail_at(p, dtype.offset, CORED_ERROR_TENSOR_DTYPE,
                 "expected dtype F32, F16, BF16, F64 or I64, found", dtype.s);
}

static bool parse_shape(Parser *p, CoredTensorView *tensor) {
  CoredJson *const j = &p->json;
  if (cored_json_peek(j) != '[')
    return cored_json_fail(j, CORED_ERROR_TENSOR_FIELD, "an array as shape");
  j->p++;
  for (bool first = true; cored_json_more(j, ']', &first);) {
    uint64_t dim;
    if (!cored_json_uint(j, CORED_ERROR_TENSOR_FIELD, &dim))
      return false;
    if (tensor->rank == CORED_RANK_MAX)
      return fail_at(p, cored_json_offset(j), CORED_ERROR_TENSOR_SHAPE,
                     "expected at most 8 dimensions of tensor", tensor->name);
    if (dim > CORED_DIM_MAX)
      return fail_at(p, cored_json_offset(j), CORED_ERROR_TENSOR_SHAPE,
                     "expected dimensions below 2^31 of tensor", tensor->name);
    tensor->dims[tensor->rank++] = (int64_t)dim;
  }
  return !j->failed;
}

static bool parse_offsets(Parser *p, uint64_t offsets[2]) {
  CoredJson *const j = &p->json;
  if (cored_json_peek(j) != '[')
    return cored_json_fail(j, CORED_ERROR_TENSOR_FIELD, "an array as data_offsets");
  j->p++;
  int n = 0;
  for (bool first = true; cored_json_more(j, ']', &first); n++) {
    if (n == 2)
      return cored_json_fail(j, CORED_ERROR_TENSOR_FIELD, "two data_offsets, no more");
    if (!cored_json_uint(j, CORED_ERROR_TENSOR_FIELD, &offsets[n]))
      return false;
  }
  if (!j->failed && n < 2)
    return cored_json_fail(j, CORED_ERROR_TENSOR_FIELD, "two data_offsets before this");
  return !j->failed;
}

/* Size from shape and dtype against the declared range. The view's pointer is set by
 * check_layout, when the ranges are known to be inside the file. */
static bool check_range(Parser *p, CoredTensorView *tensor, const uint64_t offsets[2],
                        uint64_t where) {
  size_t count, size;
  if (!cored_dims_count(tensor->dims, tensor->rank, &count) ||
      __builtin_mul_overflow(count, cored_dtype_size(tensor->dtype), &size))
    return fail_at(p, where, CORED_ERROR_TENSOR_SHAPE,
                   "expected a size below 2^64, found a larger shape of tensor", tensor->name);
  if (offsets[0] > offsets[1] || offsets[1] - offsets[0] != size ||
      offsets[1] != (uintptr_t)offsets[1]) {
    char dims[128];
    cored_dims_format(tensor->dims, tensor->rank, dims, sizeof dims);
    cored_error_set(p->json.error, CORED_ERROR_TENSOR_OFFSETS,
                    "%s: byte %llu: tensor '%.128s': expected data_offsets %zu bytes apart for %s "
                    "%s, found [%llu, %llu]",
                    p->name, (unsigned long long)where, tensor->name, size,
                    cored_dtype_name(tensor->dtype), dims, (unsigned long long)offsets[0],
                    (unsigned long long)offsets[1]);
    p->json.failed = true;
    return false;
  }
  tensor->size = size;
  return true;
}

/* One of "dtype", "shape", "data_offsets"; *seen collects which were there. */
static bool parse_field(Parser *p, CoredTensorView *tensor, uint64_t offsets[2], unsigned *seen) {
  static const char *const fields[] = {"dtype", "shape", "data_offsets"};
  CoredJsonString key;
  if (!cored_json_key(&p->json, &key))
    return false;
  unsigned field = 0;
  while (field < 3 && strcmp(key.s, fields[field]) != 0)
    field++;
  if (field == 3)
    return fail_at(p, key.offset, CORED_ERROR_TENSOR_FIELD,
                   "expected dtype, shape or data_offsets, found", key.s);
  if (*seen & 1u << field)
    return fail_at(p, key.offset, CORED_ERROR_HEADER_DUPLICATE, "key appears twice", key.s);
  *seen |= 1u << field;
  return field == 0   ? parse_dtype(p, tensor)
         : field == 1 ? parse_shape(p, tensor)
                      : parse_offsets(p, offsets);
}

static bool check_name(Parser *p, const CoredJsonString *name) {
  if (name->n == 0 || name->n > CORED_TENSOR_NAME_MAX)
    return fail_at(p, name->offset, CORED_ERROR_TENSOR_NAME,
                   "expected a tensor name of 1..256 bytes, found", name->s);
  for (size_t i = 0; i < name->n; i++)
    if ((unsigned char)name->s[i] < 0x20 || name->s[i] == 0x7f)
      return fail_at(p, name->offset, CORED_ERROR_TENSOR_NAME,
                     "expected a tensor name without control characters, found", name->s);
  return true;
}

static bool parse_tensor(Parser *p, const CoredJsonString *name) {
  CoredJson *const j = &p->json;
  CoredSafetensors *const st = p->st;
  if (!check_name(p, name) ||
      !grow(p, (void **)&st->tensors, st->n_tensors, &p->tensors_size, sizeof *st->tensors,
            CORED_TENSORS_MAX, CORED_ERROR_TENSOR_COUNT, "tensors"))
    return false;
  if (cored_json_peek(j) != '{')
    return cored_json_fail(j, CORED_ERROR_TENSOR_FIELD, "an object for a tensor");
  const uint64_t where = cored_json_offset(j);
  j->p++;
  CoredTensorView tensor = {.name = name->s};
  uint64_t offsets[2] = {0, 0};
  unsigned seen = 0;
  for (bool first = true; cored_json_more(j, '}', &first);)
    if (!parse_field(p, &tensor, offsets, &seen))
      return false;
  if (j->failed)
    return false;
  if (seen != 7)
    return fail_at(p, where, CORED_ERROR_TENSOR_FIELD,
                   "expected dtype, shape and data_offsets of tensor", name->s);
  if (!check_range(p, &tensor, offsets, where))
    return false;
  /* Only a number until check_layout: below 2^64, maybe outside of the file. */
  tensor.data = (const void *)(uintptr_t)offsets[0];
  st->tensors[st->n_tensors++] = tensor;
  return true;
}

static bool parse_header(Parser *p) {
  CoredJson *const j = &p->json;
  if (!cored_json_check_text(j) || !cored_json_expect(j, '{'))
    return false;
  for (bool first = true; cored_json_more(j, '}', &first);) {
    CoredJsonString key;
    if (!cored_json_key(j, &key))
      return false;
    if (!(strcmp(key.s, CORED_META) == 0 ? parse_metadata(p) : parse_tensor(p, &key)))
      return false;
  }
  return cored_json_end(j);
}

/* ---- Layout --------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b) {
  const CoredTensorView *const x = a, *const y = b;
  const uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;
  if (p != q)
    return p < q ? -1 : 1;
  return (x->size > y->size) - (x->size < y->size); /* empty ones first */
}

static int by_name(const void *a, const void *b) {
  const CoredTensorView *const x = a, *const y = b;
  return strcmp(x->name, y->name);
}

static int by_key(const void *a, const void *b) {
  const CoredEntry *const x = a, *const y = b;
  return strcmp(x->key, y->key);
}

static bool fail_layout(const Parser *p, CoredErrorCode code, const CoredTensorView *tensor,
                        uint64_t expected) {
  const uint64_t begin = (uintptr_t)tensor->data;
  return cored_error_set(p->json.error, code,
                         "%s: tensor '%.128s': expected its data at offset %llu, found [%llu, "
                         "%llu] in a data part of %zu bytes",
                         p->name, tensor->name, (unsigned long long)expected,
                         (unsigned long long)begin, (unsigned long long)(begin + tensor->size),
                         p->data_size);
}

/* In order of their offsets the tensors must tile the data part. Then the offsets become
 * pointers. */
static bool check_layout(Parser *p) {
  CoredSafetensors *const st = p->st;
  if (st->n_tensors)
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_offset);
  uint64_t end = 0;
  for (size_t i = 0; i < st->n_tensors; i++) {
    const CoredTensorView *const tensor = &st->tensors[i];
    const uint64_t begin = (uintptr_t)tensor->data;
    if (begin < end)
      return fail_layout(p, CORED_ERROR_TENSOR_OVERLAP, tensor, end);
    if (begin > end)
      return fail_layout(p,
                         begin > p->data_size ? CORED_ERROR_TENSOR_OFFSETS : CORED_ERROR_TENSOR_GAP,
                         tensor, end);
    end = begin + tensor->size; /* parse_tensor saw that this is data_offsets[1] */
  }
  if (end != p->data_size)
    return cored_error_set(p->json.error,
                           end > p->data_size ? CORED_ERROR_TRUNCATED : CORED_ERROR_TENSOR_GAP,
                           "%s: expected %llu bytes of tensors behind the header, found %zu",
                           p->name, (unsigned long long)end, p->data_size);
  for (size_t i = 0; i < st->n_tensors; i++)
    st->tensors[i].data = st->data + (uintptr_t)st->tensors[i].data;
  return true;
}

static bool fail_twice(const Parser *p, const char *key) {
  return cored_error_set(p->json.error, CORED_ERROR_HEADER_DUPLICATE,
                         "%s: header: key '%.128s' appears twice", p->name, key);
}

/* Sorting finds what appears twice in n log n, whatever the names. */
static bool sort_names(Parser *p) {
  CoredSafetensors *const st = p->st;
  if (st->n_tensors)
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_name);
  for (size_t i = 1; i < st->n_tensors; i++)
    if (by_name(&st->tensors[i - 1], &st->tensors[i]) == 0)
      return fail_twice(p, st->tensors[i].name);
  if (st->n_metadata)
    qsort(st->metadata, st->n_metadata, sizeof *st->metadata, by_key);
  for (size_t i = 1; i < st->n_metadata; i++)
    if (by_key(&st->metadata[i - 1], &st->metadata[i]) == 0)
      return fail_twice(p, st->metadata[i].key);
  return true;
}

bool cored_safetensors_parse(CoredSafetensors *st, const uint8_t *bytes, size_t size,
                             const char *name, CoredError *error) {
  *st = (CoredSafetensors){0};
  size_t header = 0;
  if (!read_head(bytes, size, name, &header, error))
    return false;
  st->text = malloc(header);
  if (!st->text)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for %zu bytes of header",
                           name, header);
  memcpy(st->text, bytes + 8, header);
  st->header_size = 8 + header;
  st->data = bytes + st->header_size;
  st->data_size = size - st->header_size;
  Parser p = {.st = st, .name = name, .data_size = st->data_size};
  p.json = (CoredJson){.what = name,
                       .syntax = CORED_ERROR_HEADER_SYNTAX,
                       .encoding = CORED_ERROR_HEADER_ENCODING,
                       .error = error,
                       .begin = st->text,
                       .p = st->text,
                       .end = st->text + header,
                       .base = 8};
  /* By name first, so that a tensor that is there twice is called that and not an overlap. */
  if (parse_header(&p) && sort_names(&p) && check_layout(&p) && sort_names(&p))
    return true;
  cored_safetensors_clear(st);
  return false;
}

void cored_safetensors_clear(CoredSafetensors *st) {
  free(st->tensors);
  free(st->metadata);
  free(st->text);
  *st = (CoredSafetensors){0};
}

const CoredEntry *cored_safetensors_entry(const CoredSafetensors *st, const char *key) {
  const CoredEntry entry = {.key = key};
  return st->n_metadata
             ? bsearch(&entry, st->metadata, st->n_metadata, sizeof *st->metadata, by_key)
             : NULL;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void add_metadata(CoredText *text, const CoredEntry *metadata, size_t n) {
  cored_text_add(text, "\"" CORED_META "\":{");
  for (size_t i = 0; i < n; i++) {
    if (i)
      cored_text_add(text, ",");
    cored_text_add_json_string(text, metadata[i].key);
    cored_text_add(text, ":");
    cored_text_add_json_string(text, metadata[i].value);
  }
  cored_text_add(text, "}");
}

static void add_tensor(CoredText *text, const CoredTensorView *tensor, uint64_t begin) {
  cored_text_add_json_string(text, tensor->name);
  cored_text_add(text, ":{\"dtype\":\"");
  cored_text_add(text, cored_dtype_name(tensor->dtype));
  cored_text_add(text, "\",\"shape\":[");
  for (int i = 0; i < tensor->rank; i++) {
    if (i)
      cored_text_add(text, ",");
    cored_text_add_uint(text, (uint64_t)tensor->dims[i]);
  }
  cored_text_add(text, "],\"data_offsets\":[");
  cored_text_add_uint(text, begin);
  cored_text_add(text, ",");
  cored_text_add_uint(text, begin + tensor->size);
  cored_text_add(text, "]}");
}

char *cored_safetensors_header(const CoredTensorView *tensors, size_t n_tensors,
                               const CoredEntry *metadata, size_t n_metadata, size_t *size) {
  CoredText text = {0};
  cored_text_add_bytes(&text, "\0\0\0\0\0\0\0\0", 8);
  cored_text_add(&text, "{");
  if (n_metadata)
    add_metadata(&text, metadata, n_metadata);
  uint64_t begin = 0;
  for (size_t i = 0; i < n_tensors; i++) {
    if (i || n_metadata)
      cored_text_add(&text, ",");
    add_tensor(&text, &tensors[i], begin);
    begin += tensors[i].size;
  }
  cored_text_add(&text, "}");
  while (!text.failed && text.n % CORED_DATA_ALIGN != 0)
    cored_text_add(&text, " ");
  if (text.failed) {
    cored_text_clear(&text);
    return NULL;
  }
  const uint64_t length = text.n - 8;
  for (int i = 0; i < 8; i++)
    text.s[i] = (char)(length >> 8 * i);
  *size = text.n;
  return text.s;
}
