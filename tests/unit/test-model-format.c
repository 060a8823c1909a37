/* SPDX-License-Identifier: MIT
 * Model files nobody should trust: every malformed case of a safetensors model has its own code
 * and says where, what was expected and what was found. The numbers M01.. are those of the list of
 * cases in cored.h. */
#include "model-file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "model/format.h"

static Blob base; /* a valid file; see setup */

static void m01_too_short(void **state) {
  (void)state;
  for (size_t n = 0; n < 8; n++) {
    Blob blob = blob_of(base.data, n);
    assert_load_fails(&blob, CORED_ERROR_FILE_TOO_SMALL, "at least 8 bytes", NULL);
    blob_free(&blob);
  }
}

static CoredErrorCode load_path(const char *path, const CoredModelLoadParams *params,
                                const char *text) {
  CoredError error = {0};
  assert_null(cored_model_load(path, params, &error));
  if (!strstr(error.message, text) || !strstr(error.message, path))
    fail_msg("expected '%s' and '%s' in: %s", path, text, error.message);
  return error.code;
}

static void m02_not_a_regular_file(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  assert_int_equal(load_path(folder, NULL, "directory"), CORED_ERROR_NOT_REGULAR);
  assert_int_equal(load_path("/dev/zero", NULL, "device"), CORED_ERROR_NOT_REGULAR);
  snprintf(path, sizeof path, "%s/fifo", folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(load_path(path, NULL, "FIFO"), CORED_ERROR_NOT_REGULAR);
  unlink(path);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(load_path(address.sun_path, NULL, "socket"), CORED_ERROR_NOT_REGULAR);
  close(fd);
  unlink(address.sun_path);
  snprintf(path, sizeof path, "%s/none", folder);
  assert_int_equal(load_path(path, NULL, "No such file"), CORED_ERROR_NOT_FOUND);
  assert_int_equal(symlink("none", path), 0); /* points to itself */
  assert_int_equal(load_path(path, NULL, "symbolic links"), CORED_ERROR_OPEN);
  unlink(path);
  rmdir(folder);
}

static void m03_too_large(void **state) {
  (void)state;
  char path[] = "/tmp/cored-test-XXXXXX";
  const int fd = mkstemp(path);
  assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* sparse: takes no room */
  assert_int_equal(load_path(path, NULL, "536870912"), CORED_ERROR_FILE_TOO_LARGE);
  const CoredModelLoadParams small = {.max_bytes = 1000};
  assert_int_equal(ftruncate(fd, 1001), 0);
  assert_int_equal(load_path(path, &small, "1001"), CORED_ERROR_FILE_TOO_LARGE);
  close(fd);
  unlink(path);
  CoredError error;
  assert_null(cored_model_load_memory(base.data, base.size, "m", &small, &error));
  assert_int_equal(error.code, CORED_ERROR_FILE_TOO_LARGE);
}

static void m06_bytes_behind_the_data(void **state) {
  (void)state;
  static const size_t extra[] = {1, 7, 8, 64, 4096};
  for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
    Blob blob = {calloc(1, base.size + extra[i]), base.size + extra[i]};
    memcpy(blob.data, base.data, base.size);
    assert_load_fails(&blob, CORED_ERROR_TENSOR_GAP, "behind the header", NULL);
    blob_free(&blob);
  }
}

static void m07_other_formats(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t n;
    const char *what;
  } cases[] = {
      {"PK\003\004\024\0\0\0\0\0\0\0", 12, "zip"},
      {"\200\002\212\012\154\374\234\106\371", 9, "legacy"},
      {"\211HDF\r\n\032\n\0\0", 10, "HDF5"},
      {"\177ELF\002\001\001\0\0\0", 10, "ELF"},
      {"\037\213\010\0\0\0\0\0\0\003", 10, "gzip"},
      {"GGUF\003\0\0\0", 8, "GGUF"},
      {"\211PNG\r\n\032\n", 8, "PNG"},
      {"version https://git-lfs.github.com/spec/v1\n", 43, "LFS"},
      {"<!DOCTYPE html>", 15, "HTML"},
      {"<?xml version='1.0'?>", 21, "XML"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Blob blob = {calloc(1, 600), 600};
    memcpy(blob.data, cases[i].bytes, cases[i].n);
    assert_load_fails(&blob, CORED_ERROR_MAGIC, cases[i].what, NULL);
    blob_free(&blob);
  }
  Blob tar = {calloc(1, 1024), 1024};
  memcpy(tar.data, "folder/file", 11);
  memcpy(tar.data + 257, "ustar", 5);
  assert_load_fails(&tar, CORED_ERROR_MAGIC, "tar", NULL);
  blob_free(&tar);
}

static void m08_versions(void **state) {
  (void)state;
  static const char *const versions[] = {"0", "2", "01", "1.0", "", "-1", "999999999999999999999"};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    char to[64];
    snprintf(to, sizeof to, "\"cored.format\":\"%s\"", versions[i]);
    Blob blob = blob_edit(&base, "\"cored.format\":\"1\"", to);
    assert_load_fails(&blob, CORED_ERROR_VERSION, "expected version 1", versions[i], NULL);
    blob_free(&blob);
  }
}

static void m09_header_lengths(void **state) {
  (void)state;
  const uint64_t lengths[] = {0,
                              1,
                              base.size - 7,
                              base.size,
                              CORED_HEADER_MAX + 1,
                              (uint64_t)1 << 63,
                              UINT64_MAX,
                              UINT64_MAX - 7};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    Blob blob = blob_of(base.data, base.size);
    char found[32];
    for (int b = 0; b < 8; b++)
      blob.data[b] = (uint8_t)(lengths[i] >> 8 * b);
    snprintf(found, sizeof found, "found %llu", (unsigned long long)lengths[i]);
    assert_load_fails(&blob, CORED_ERROR_HEADER_LENGTH, "byte 0", found, NULL);
    blob_free(&blob);
  }
}

static void m10_encodings(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"a\xff\":1}", 0, CORED_ERROR_HEADER_ENCODING, "byte 11: invalid UTF-8"},
      {"{\"\xc0\x80\":1}", 0, CORED_ERROR_HEADER_ENCODING, "byte 10"},       /* overlong */
      {"{\"\xe0\x80\xaf\":1}", 0, CORED_ERROR_HEADER_ENCODING, "UTF-8"},     /* overlong */
      {"{\"\xed\xa0\x80\":1}", 0, CORED_ERROR_HEADER_ENCODING, "UTF-8"},     /* surrogate */
      {"{\"\xf4\x90\x80\x80\":1}", 0, CORED_ERROR_HEADER_ENCODING, "UTF-8"}, /* > 10ffff */
      {"{\"\xf0\x9f\x98\":1}", 0, CORED_ERROR_HEADER_ENCODING, "UTF-8"},     /* cut */
      {"{\"\x80\":1}", 0, CORED_ERROR_HEADER_ENCODING, "UTF-8"},
      {"\xef\xbb\xbf{}", 0, CORED_ERROR_HEADER_ENCODING, "byte order mark"},
      {"{\"\\ud800\":1}", 0, CORED_ERROR_HEADER_ENCODING, "surrogate"},
      {"{\"\\udc00\":1}", 0, CORED_ERROR_HEADER_ENCODING, "surrogate"},
      {"{\"\\ud800\\u0041\":1}", 0, CORED_ERROR_HEADER_ENCODING, "surrogate"},
      {"{\"\\ud83d", 0, CORED_ERROR_HEADER_ENCODING, "surrogate"},
      {"{\"a\\u0000b\":1}", 0, CORED_ERROR_HEADER_ENCODING, "NUL"},
  };
  CHECK(cases);
  Blob nul = blob_make("{\"a\0\":1}", 8, NULL, 0);
  assert_load_fails(&nul, CORED_ERROR_HEADER_ENCODING, "byte 11: NUL", NULL);
  blob_free(&nul);
}

static void m11_m12_m13_no_object(void **state) {
  (void)state;
  static const Case cases[] = {
      {"[]", 0, CORED_ERROR_HEADER_SYNTAX, "expected '{', found an array"},
      {"\"x\"", 0, CORED_ERROR_HEADER_SYNTAX, "a string"},
      {"nul{}", 0, CORED_ERROR_HEADER_SYNTAX, "byte 8"},
      {"\v{}", 0, CORED_ERROR_HEADER_SYNTAX, "0x0b"},
      {"{} x", 0, CORED_ERROR_HEADER_SYNTAX, "byte 11: expected nothing after"},
      {"{}{}", 0, CORED_ERROR_HEADER_SYNTAX, "nothing after"},
      {"  ", 0, CORED_ERROR_HEADER_SYNTAX, "found the end"},
      {"{ ", 0, CORED_ERROR_HEADER_SYNTAX, "the end"},
      {"{\"a\"", 0, CORED_ERROR_HEADER_SYNTAX, "':'"},
      {"{\"a", 0, CORED_ERROR_HEADER_SYNTAX, "end of this string"},
      {"{\"a\\", 0, CORED_ERROR_HEADER_SYNTAX, "escape"},
      {"{\"a\\x\":1}", 0, CORED_ERROR_HEADER_SYNTAX, "escape"},
      {"{\"a\\u12g4\":1}", 0, CORED_ERROR_HEADER_SYNTAX, "hex digits"},
      {"{\"a\\u12", 0, CORED_ERROR_HEADER_SYNTAX, "hex digits"},
      {"{'a':1}", 0, CORED_ERROR_HEADER_SYNTAX, "a string as key"},
      {"{a:1}", 0, CORED_ERROR_HEADER_SYNTAX, "a string as key"},
      {"{,}", 0, CORED_ERROR_HEADER_SYNTAX, "a string as key"},
      {"{/* */}", 0, CORED_ERROR_HEADER_SYNTAX, "a string as key"},
      {"{\"a\nb\":1}", 0, CORED_ERROR_HEADER_SYNTAX, "control character"},
      {"{\"a\":" T("F32", "[]", "[0,4]") ",}", 4, CORED_ERROR_HEADER_SYNTAX, "another member"},
      {"{\"a\":" T("F32", "[1,]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "another member"},
      {"{\"a\":" T("F32", "[1 1]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "',' or ']'"},
      {"{\"a\":" T("F32", "[01]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "malformed number"},
      {"{\"a\":" T("F32", "[-]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "malformed number"},
      {"{\"a\":" T("F32", "[1.]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "malformed number"},
      {"{\"a\":" T("F32", "[1e]", "[0,4]") "}", 4, CORED_ERROR_HEADER_SYNTAX, "malformed number"},
  };
  CHECK(cases);
  /* White space around the object is what the reference reader takes, too. */
  Blob spaced = blob_edit(&base, "{\"__metadata__\"", "\n \t\r{ \"__metadata__\"");
  assert_loads(&spaced);
  blob_free(&spaced);
}

static void m13_deep_nesting(void **state) {
  (void)state;
  static const struct {
    const char *start;
    char c;
    CoredErrorCode code;
  } cases[] = {
      {"{\"a\":{\"shape\":[", '[', CORED_ERROR_TENSOR_FIELD},
      {"{\"__metadata__\":{\"a\":", '[', CORED_ERROR_METADATA_TYPE},
      {"{\"a\":", '[', CORED_ERROR_TENSOR_FIELD},
      {"", '[', CORED_ERROR_HEADER_SYNTAX},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const size_t n = 1000000;
    char *const text = malloc(n);
    memset(text, cases[i].c, n);
    memcpy(text, cases[i].start, strlen(cases[i].start));
    Blob blob = blob_make(text, n, NULL, 0);
    assert_load_fails(&blob, cases[i].code, "found an array", NULL);
    blob_free(&blob);
    free(text);
  }
}

static void m14_numbers(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "whole number"},
      {"{\"a\":" T("F32", "[-0]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "whole number"},
      {"{\"a\":" T("F32", "[1.0]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "whole number"},
      {"{\"a\":" T("F32", "[1e0]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "whole number"},
      {"{\"a\":" T("F32", "[1]", "[0,4.0]") "}", 4, CORED_ERROR_TENSOR_FIELD, "whole number"},
      {"{\"a\":" T("F32", "[\"1\"]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "a string"},
      {"{\"a\":" T("F32", "[null]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "null"},
      {"{\"a\":" T("F32", "[NaN]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "0x4e"},
      {"{\"a\":" T("F32", "[true]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "true or false"},
      {"{\"a\":" T("F32", "[9007199254740993]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE, "2^31"},
      {"{\"a\":" T("F32", "[18446744073709551617]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE,
       "2^31"},
      {"{\"a\":" T("F32", "[1]", "[18446744073709551612,18446744073709551617]") "}", 4,
       CORED_ERROR_TENSOR_OFFSETS, "'a'"},
      {"{\"a\":" T("F32", "[1]",
                   "[0,4000000000000000000000000000000000000000000000000000000000000000000]") "}",
       4, CORED_ERROR_HEADER_SYNTAX, "digits"},
  };
  CHECK(cases);
}

static void m15_duplicates(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"w\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[0,4]") "}", 4,
       CORED_ERROR_HEADER_DUPLICATE, "'w'"},
      {"{\"w\":" T("F32", "[1]", "[0,4]") ",\"\\u0077\":" T("F32", "[1]", "[4,8]") "}", 8,
       CORED_ERROR_HEADER_DUPLICATE, "'w' appears twice"},
      {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
       CORED_ERROR_HEADER_DUPLICATE, "'dtype'"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"\\u0073hape\":[1],\"data_offsets\":[0,4]}}", 4,
       CORED_ERROR_HEADER_DUPLICATE, "'shape'"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, CORED_ERROR_HEADER_DUPLICATE,
       "__metadata__"},
      {"{\"__metadata__\":{\"k\":\"1\",\"\\u006b\":\"2\"}}", 0, CORED_ERROR_HEADER_DUPLICATE,
       "'k'"},
  };
  CHECK(cases);
}

static void m16_metadata_types(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"__metadata__\":[]}", 0, CORED_ERROR_METADATA_TYPE, "expected an object"},
      {"{\"__metadata__\":null}", 0, CORED_ERROR_METADATA_TYPE, "null"},
      {"{\"__metadata__\":{\"k\":1}}", 0, CORED_ERROR_METADATA_TYPE, "found a number"},
      {"{\"__metadata__\":{\"k\":{}}}", 0, CORED_ERROR_METADATA_TYPE, "found an object"},
      {"{\"__metadata__\":{\"k\":null}}", 0, CORED_ERROR_METADATA_TYPE, "found null"},
      {"{\"__metadata__\":{\"k\":true}}", 0, CORED_ERROR_METADATA_TYPE, "true or false"},
  };
  CHECK(cases);
}

static void m17_m18_tensor_fields(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"w\":{}}", 0, CORED_ERROR_TENSOR_FIELD, "'w'"},
      {"{\"w\":[]}", 0, CORED_ERROR_TENSOR_FIELD, "an object for a tensor"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, CORED_ERROR_TENSOR_FIELD, "data_offsets"},
      {"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, CORED_ERROR_TENSOR_FIELD, "shape"},
      {"{\"w\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CORED_ERROR_TENSOR_FIELD, "dtype"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":0}}", 4,
       CORED_ERROR_TENSOR_FIELD, "found: 'x'"},
      {"{\"w\":{\"dtype\":0,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, CORED_ERROR_TENSOR_FIELD,
       "a string as dtype"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4,
       CORED_ERROR_TENSOR_FIELD, "an array as shape"},
      {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{}}}", 4, CORED_ERROR_TENSOR_FIELD,
       "an array as data_offsets"},
      {"{\"w\":" T("F32", "[1]", "[4]") "}", 4, CORED_ERROR_TENSOR_FIELD, "two data_offsets"},
      {"{\"w\":" T("F32", "[1]", "[]") "}", 4, CORED_ERROR_TENSOR_FIELD, "two data_offsets"},
      {"{\"w\":" T("F32", "[1]", "[0,4,8]") "}", 4, CORED_ERROR_TENSOR_FIELD, "two data_offsets"},
      {"{\"w\":" T("F33", "[1]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE, "'F33'"},
      {"{\"w\":" T("f32", "[1]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE, "'f32'"},
      {"{\"w\":" T("", "[1]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE, "''"},
      {"{\"w\":" T("F8_E4M3", "[4]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE_UNSUPPORTED,
       "'F8_E4M3'"},
      {"{\"w\":" T("F4", "[8]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE_UNSUPPORTED, "'F4'"},
      {"{\"w\":" T("I4", "[8]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE_UNSUPPORTED, "'I4'"},
      {"{\"w\":" T("BOOL", "[4]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_DTYPE_UNSUPPORTED, "'BOOL'"},
  };
  CHECK(cases);
}

static void m19_m20_shapes(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"w\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE,
       "at most 8"},
      {"{\"w\":" T("F32", "[2147483648]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE, "2^31"},
      {"{\"w\":" T("F32", "[211106198978564]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE, "2^31"},
      {"{\"w\":" T("F32", "[2147483647,2147483647,5]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE,
       "2^64"},
      {"{\"w\":" T("F64", "[2147483647,2147483647]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_SHAPE,
       "2^64"}, /* the elements fit, the bytes do not */
      {"{\"w\":" T("F32", "[65536,65536,65536,65536]", "[0,0]") "}", 0, CORED_ERROR_TENSOR_SHAPE,
       "2^64"}, /* wraps to 0 */
      {"{\"w\":" T("F16", "[2147483647,2147483647]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_OFFSETS,
       "9223372028264841218"},
  };
  CHECK(cases);
}

static void m21_to_m25_layout(void **state) {
  (void)state;
  static const Case cases[] = {
      {"{\"w\":" T("F32", "[1]", "[4,0]") "}", 4, CORED_ERROR_TENSOR_OFFSETS, "found [4, 0]"},
      {"{\"w\":" T("F32", "[1]", "[0,8]") "}", 8, CORED_ERROR_TENSOR_OFFSETS, "4 bytes apart"},
      {"{\"w\":" T("F32", "[2]", "[0,4]") "}", 4, CORED_ERROR_TENSOR_OFFSETS, "8 bytes apart"},
      {"{\"w\":" T("F32", "[1]", "[100,104]") "}", 4, CORED_ERROR_TENSOR_OFFSETS, "'w'"},
      {"{\"w\":" T("F32", "[1]", "[18446744073709551608,18446744073709551612]") "}", 4,
       CORED_ERROR_TENSOR_OFFSETS, "'w'"},
      {"{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[2]", "[4,12]") "}", 12,
       CORED_ERROR_TENSOR_OVERLAP, "'w'"},
      {"{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[2]", "[0,8]") "}", 8,
       CORED_ERROR_TENSOR_OVERLAP, "offset 8"},
      {"{\"v\":" T("F32", "[1]", "[0,4]") ",\"w\":" T("F32", "[1]", "[8,12]") "}", 12,
       CORED_ERROR_TENSOR_GAP, "'w'"},
      {"{\"w\":" T("F32", "[1]", "[4,8]") "}", 8, CORED_ERROR_TENSOR_GAP, "offset 0"},
      {"{\"w\":" T("F32", "[1]", "[0,4]") "}", 12, CORED_ERROR_TENSOR_GAP, "found 12"},
      {"{}", 1, CORED_ERROR_TENSOR_GAP, "found 1"},
      {"{\"w\":" T("F32", "[1]", "[0,4]") "}", 3, CORED_ERROR_TRUNCATED, "found 3"},
      {"{\"v\":" T("F32", "[2]", "[0,8]") ",\"w\":" T("F32", "[0]", "[4,4]") "}", 8,
       CORED_ERROR_TENSOR_OVERLAP, "'w'"},
  };
  CHECK(cases);
  /* At a boundary an empty tensor is legal: it is the network that has no use for it. */
  Blob empty =
      blob_edit(&base, "\"bn1.bias\":", "\"aa\":" T("F32", "[0,5]", "[0,0]") ",\"bn1.bias\":");
  assert_load_fails(&empty, CORED_ERROR_PARAMETER_EXTRA, "'aa'", NULL);
  blob_free(&empty);
}

/* {"n0":{..}, ...} of n empty tensors. */
static Blob many_tensors(size_t n, const char *before, const char *after) {
  char *const text = malloc(n * 80 + 16);
  size_t length = (size_t)snprintf(text, 4, "{");
  for (size_t i = 0; i < n; i++) {
    if (i)
      text[length++] = ',';
    length += (size_t)snprintf(text + length, 80, "%s%zu%s", before, i, after);
  }
  text[length++] = '}';
  const Blob blob = blob_make(text, length, NULL, 0);
  free(text);
  return blob;
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void m27_m28_counts(void **state) {
  (void)state;
  const double before = cpu_seconds();
  Blob tensors =
      many_tensors(70000, "\"", "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
  assert_load_fails(&tensors, CORED_ERROR_TENSOR_COUNT, "16384", NULL);
  blob_free(&tensors);
  tensors =
      many_tensors(16384, "\"", "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
  assert_load_fails(&tensors, CORED_ERROR_METADATA_MISSING, "cored-convert import", NULL);
  blob_free(&tensors);
  Blob entries = many_tensors(100000, "\"k", "\":\"\"");
  Blob wrapped = blob_make("{\"__metadata__\":", 16, entries.data + 8, entries.size - 8);
  for (int i = 0; i < 8; i++)
    wrapped.data[i] = (uint8_t)((wrapped.size - 8) >> 8 * i);
  assert_load_fails(&wrapped, CORED_ERROR_METADATA_TYPE, "4096", NULL);
  blob_free(&entries);
  blob_free(&wrapped);
  print_message("counts: %.3f s of CPU time\n", cpu_seconds() - before);

  static const Case cases[] = {
      {"{\"\":" T("F32", "[0]", "[0,0]") "}", 0, CORED_ERROR_TENSOR_NAME, "1..256 bytes"},
  };
  CHECK(cases);
  char name[400];
  memset(name, 'n', 257);
  name[257] = '\0';
  char text[600];
  snprintf(text, sizeof text, "{\"%s\":" T("F32", "[0]", "[0,0]") "}", name);
  Blob blob = blob_make(text, strlen(text), NULL, 0);
  assert_load_fails(&blob, CORED_ERROR_TENSOR_NAME, "1..256 bytes", NULL);
  blob_free(&blob);
}

static void m29_names(void **state) {
  (void)state;
  static const struct {
    const char *name; /* as in JSON */
    CoredErrorCode code;
    const char *message;
  } cases[] = {
      {"/../../etc/passwd", CORED_ERROR_PARAMETER_EXTRA, "'/../../etc/passwd'"},
      {"%n%s%n", CORED_ERROR_PARAMETER_EXTRA, "'%n%s%n'"},
      {"\xf0\x9f\x98\x80", CORED_ERROR_PARAMETER_EXTRA, "\xf0\x9f\x98\x80"},
      {"\\ud83d\\ude00", CORED_ERROR_PARAMETER_EXTRA, "\xf0\x9f\x98\x80"},
      {"a\\nb", CORED_ERROR_TENSOR_NAME, "a\\x0ab"},
      {"a\\u001b[2J", CORED_ERROR_TENSOR_NAME, "a\\x1b[2J"},
      {"a\x7f", CORED_ERROR_TENSOR_NAME, "a\\x7f"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char to[128];
    snprintf(to, sizeof to, "\"%s\":" T("F32", "[0]", "[0,0]") ",\"bn1.bias\":", cases[i].name);
    Blob blob = blob_edit(&base, "\"bn1.bias\":", to);
    assert_load_fails(&blob, cases[i].code, cases[i].message, NULL);
    blob_free(&blob);
  }
}

static int setup(void **state) {
  (void)state;
  base = blob_meso4();
  assert_loads(&base);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  blob_free(&base);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(m01_too_short),         cmocka_unit_test(m02_not_a_regular_file),
      cmocka_unit_test(m03_too_large),         cmocka_unit_test(m06_bytes_behind_the_data),
      cmocka_unit_test(m07_other_formats),     cmocka_unit_test(m08_versions),
      cmocka_unit_test(m09_header_lengths),    cmocka_unit_test(m10_encodings),
      cmocka_unit_test(m11_m12_m13_no_object), cmocka_unit_test(m13_deep_nesting),
      cmocka_unit_test(m14_numbers),           cmocka_unit_test(m15_duplicates),
      cmocka_unit_test(m16_metadata_types),    cmocka_unit_test(m17_m18_tensor_fields),
      cmocka_unit_test(m19_m20_shapes),        cmocka_unit_test(m21_to_m25_layout),
      cmocka_unit_test(m27_m28_counts),        cmocka_unit_test(m29_names),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
