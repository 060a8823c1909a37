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

#endif /* FUZZ_H */
