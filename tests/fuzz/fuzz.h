/* SPDX-License-Identifier: MIT
 * A fuzz target is one C file with the two functions below. Linked with fuzz-main.c it is an
 * ordinary test that replays its seeds and some mutations of them; with the build option `fuzzing`
 * it is a libFuzzer program, which fuzz.sh runs. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One input; crashes, leaks and sanitizer reports are the findings. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Write seed number index into out and return its size; 0 past the last one. */
size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max);

/* Seeds that are literals, zeros inside them too. */
typedef struct FuzzSeed {
  const char *data;
  size_t size;
} FuzzSeed;

#define FUZZ_SEED(text)                                                                            \
  { (text), sizeof(text) - 1 }

static inline size_t fuzz_seed_of(const FuzzSeed *seeds, size_t n, size_t index, uint8_t *out,
                                  size_t max) {
  if (index >= n || seeds[index].size > max)
    return 0;
  memcpy(out, seeds[index].data, seeds[index].size);
  return seeds[index].size;
}

/* A promise that has to hold for every input. */
#define fuzz_expect(promise)                                                                       \
  do {                                                                                             \
    if (!(promise)) {                                                                              \
      fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #promise);                       \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

/* What is left of an input that is read as a sequence of decisions; past its end all is 0. */
typedef struct FuzzInput {
  const uint8_t *data;
  size_t size;
} FuzzInput;

static inline unsigned fuzz_byte(FuzzInput *in) {
  if (in->size == 0)
    return 0;
  in->size--;
  return *in->data++;
}

static inline unsigned fuzz_u16(FuzzInput *in) {
  const unsigned low = fuzz_byte(in);
  return low | fuzz_byte(in) << 8;
}

/* Up to max bytes, fewer where there are fewer; *n says how many. */
static inline const uint8_t *fuzz_bytes(FuzzInput *in, size_t max, size_t *n) {
  const uint8_t *const at = in->data;
  *n = max < in->size ? max : in->size;
  in->data += *n;
  in->size -= *n;
  return at;
}

/* What is left, as a text of its own that ends with a NUL; the caller frees it. Not strndup(): ASan
 * with strict_string_checks takes that of bytes without a NUL for reading past their end. */
static inline char *fuzz_text(const FuzzInput *in) {
  char *const text = malloc(in->size + 1);
  fuzz_expect(text);
  if (in->size)
    memcpy(text, in->data, in->size);
  text[in->size] = '\0';
  return text;
}

/* A file that a target makes out of its input. */
typedef struct FuzzFile {
  uint8_t bytes[1 << 16];
  size_t n;
} FuzzFile;

static inline void fuzz_put(FuzzFile *file, const void *bytes, size_t n) {
  fuzz_expect(n <= sizeof file->bytes - file->n);
  if (n)
    memcpy(file->bytes + file->n, bytes, n);
  file->n += n;
}

static inline void fuzz_put_little(FuzzFile *file, uint64_t value, int size) {
  for (int i = 0; i < size; i++, value >>= 8)
    fuzz_put(file, &(uint8_t){(uint8_t)value}, 1);
}

static inline void fuzz_put_big(FuzzFile *file, uint64_t value, int size) {
  for (int i = size - 1; i >= 0; i--)
    fuzz_put(file, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* Changes, triples of 2 bytes place and 1 byte value, to the end of the input. True when there are
 * some. */
static inline bool fuzz_change(FuzzInput *in, uint8_t *bytes, size_t n) {
  const bool some = in->size >= 3 && n > 0;
  while (in->size >= 3 && n > 0) {
    const size_t at = fuzz_u16(in) % n;
    bytes[at] = (uint8_t)fuzz_byte(in);
  }
  return some;
}

#endif /* FUZZ_H */
