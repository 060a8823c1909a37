/* SPDX-License-Identifier: MIT
 * For tests of model files: a small valid file in memory, edits of it, and fresh hashes, so that a
 * test reaches the check it is about. */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cored.h"
#include "base/file.h"
#include "model/hash.h"

typedef struct Blob {
  uint8_t *data;
  size_t size;
} Blob;

static inline void blob_free(Blob *blob) {
  free(blob->data);
  *blob = (Blob){0};
}

static inline size_t blob_header(const Blob *blob) {
  uint64_t n = 0;
  for (int i = 7; i >= 0; i--)
    n = n << 8 | blob->data[i];
  return (size_t)n;
}

static inline Blob blob_of(const void *data, size_t size) {
  Blob blob = {malloc(size ? size : 1), size};
  assert_non_null(blob.data);
  memcpy(blob.data, data, size);
  return blob;
}

/* Head with the length of text, the text, and the data part. */
static inline Blob blob_make(const char *text, size_t n, const void *data, size_t size) {
  Blob blob = {malloc(8 + n + size), 8 + n + size};
  assert_non_null(blob.data);
  for (int i = 0; i < 8; i++)
    blob.data[i] = (uint8_t)((uint64_t)n >> 8 * i);
  memcpy(blob.data + 8, text, n);
  if (size)
    memcpy(blob.data + 8 + n, data, size);
  return blob;
}

/* Where in the file the text is; the test fails where it is not. */
static inline uint8_t *blob_find(const Blob *blob, const char *text) {
  uint8_t *const at = memmem(blob->data, 8 + blob_header(blob), text, strlen(text));
  if (!at)
    fail_msg("'%s' is not in the header", text);
  return at;
}

/* Fresh cored.sha256 and cored.header-sha256. */
static inline void blob_seal(Blob *blob) {
  static const char data_key[] = "\"cored.sha256\":\"", key[] = "\"cored.header-sha256\":\"";
  const size_t header = 8 + blob_header(blob);
  char hex[CORED_HASH_SIZE];
  cored_hash_bytes(blob->data + header, blob->size - header, hex);
  memcpy(blob_find(blob, data_key) + sizeof data_key - 1, hex, 64);
  uint8_t *const digits = blob_find(blob, key) + sizeof key - 1;
  cored_hash_header(blob->data, header, (uint64_t)(digits - blob->data), 0, hex);
  memcpy(digits, hex, 64);
}

/* base with the first `from` of its header replaced, hashes as they were. */
static inline Blob blob_replace(const Blob *base, const char *from, const char *to) {
  const size_t header = blob_header(base);
  const size_t begin = (size_t)(blob_find(base, from) - base->data) - 8;
  const size_t n = header - strlen(from) + strlen(to);
  char *const text = malloc(n + 1);
  assert_non_null(text);
  memcpy(text, base->data + 8, begin);
  memcpy(text + begin, to, strlen(to));
  memcpy(text + begin + strlen(to), base->data + 8 + begin + strlen(from),
         header - begin - strlen(from));
  const Blob blob = blob_make(text, n, base->data + 8 + header, base->size - 8 - header);
  free(text);
  return blob;
}

static inline Blob blob_edit(const Blob *base, const char *from, const char *to) {
  Blob blob = blob_replace(base, from, to);
  blob_seal(&blob);
  return blob;
}

static inline CoredModel *model_random(const char *network, uint64_t seed) {
  CoredModelInfo info;
  CoredError error = {0};
  if (!cored_model_info_init(&info, network, 2, &error))
    fail_msg("%s", error.message);
  CoredModel *const model = cored_model_new_random(&info, seed, &error);
  if (!model)
    fail_msg("%s", error.message);
  return model;
}

/* The file that save writes for a model. */
static inline Blob blob_save(const CoredModel *model) {
  char path[] = "/tmp/cored-test-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  CoredError error = {0};
  if (!cored_model_save(model, path, &error))
    fail_msg("%s", error.message);
  CoredBytes bytes;
  if (!cored_file_read(path, 8, 1 << 28, NULL, &bytes, &error))
    fail_msg("%s", error.message);
  unlink(path);
  const Blob blob = blob_of(bytes.data, bytes.size);
  cored_bytes_clear(&bytes);
  return blob;
}

static inline Blob blob_meso4(void) {
  CoredModel *const model = model_random("meso4", 1);
  const Blob blob = blob_save(model);
  cored_model_unref(model);
  return blob;
}

/* With CORED_TEST_KEEP in the environment, every file that has to be refused is kept in that folder
 * under its number and code: the element gets them, too. */
static inline void blob_keep(const Blob *blob, CoredErrorCode code) {
  static unsigned n;
  const char *const folder = getenv("CORED_TEST_KEEP");
  char path[256];
  if (!folder)
    return;
  snprintf(path, sizeof path, "%s/%04u-%s.safetensors", folder, n++, cored_error_code_name(code));
  FILE *const file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(blob->data, 1, blob->size, file), blob->size);
  assert_int_equal(fclose(file), 0);
}

/* Loading must fail with this code, and the message must hold every given text (NULL ends). */
static inline void assert_load_fails(const Blob *blob, CoredErrorCode code, ...) {
  CoredError error = {0};
  blob_keep(blob, code);
  CoredModel *const model = cored_model_load_memory(blob->data, blob->size, "m.st", NULL, &error);
  if (model)
    fail_msg("expected %s, but it loaded", cored_error_code_name(code));
  if (error.code != code)
    fail_msg("expected %s, found %s: %s", cored_error_code_name(code),
             cored_error_code_name(error.code), error.message);
  va_list texts;
  va_start(texts, code);
  const char *text;
  while ((text = va_arg(texts, const char *)))
    if (!strstr(error.message, text))
      fail_msg("expected '%s' in: %s", text, error.message);
  va_end(texts);
  if (!strstr(error.message, "m.st"))
    fail_msg("expected the file's name in: %s", error.message);
}

static inline void assert_loads(const Blob *blob) {
  CoredError error = {0};
  CoredModel *const model = cored_model_load_memory(blob->data, blob->size, "m.st", NULL, &error);
  if (!model)
    fail_msg("expected it to load: %s", error.message);
  cored_model_unref(model);
}

/* ---- Headers alone: text, bytes of data behind it, what has to come out ---------------------- */

typedef struct Case {
  const char *text;
  size_t data; /* bytes */
  CoredErrorCode code;
  const char *message;
} Case;

static inline void check_cases(const Case *cases, size_t n) {
  static const uint8_t zeros[256];
  for (size_t i = 0; i < n; i++) {
    Blob blob = blob_make(cases[i].text, strlen(cases[i].text), zeros, cases[i].data);
    assert_load_fails(&blob, cases[i].code, cases[i].message, NULL);
    blob_free(&blob);
  }
}
#define CHECK(cases) check_cases(cases, sizeof cases / sizeof *cases)

#define T(dtype, shape, offsets)                                                                   \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

#endif /* MODEL_FILE_H */
