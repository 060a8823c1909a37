/* SPDX-License-Identifier: MIT
 * Without libFuzzer: every seed, then mutations of seeds from a fixed random sequence.
 *
 *   fuzz-X [MUTATIONS]             default 20000
 *   fuzz-X --replay FILE...        run these files, a corpus or findings of earlier runs
 *
 * With both:
 *
 *   fuzz-X --seeds FOLDER          write the seeds as files */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define SIZE ((size_t)1 << 20)

static int write_seeds(const char *folder, uint8_t *data) {
  size_t size;
  for (size_t i = 0; (size = cored_fuzz_seed(i, data, SIZE)) > 0; i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/seed-%03zu", folder, i);
    FILE *const file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
      perror(path);
      return 1;
    }
  }
  return 0;
}

#ifdef CORED_LIBFUZZER

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static uint8_t data[SIZE];
  if (*argc == 3 && strcmp((*argv)[1], "--seeds") == 0)
    exit(write_seeds((*argv)[2], data));
  return 0;
}

#else

static uint64_t next_random(uint64_t *state) {
  uint64_t x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* Text that parsers look at. */
static const char *const words[] = {"{",    "}",   "[",    "]",     "\"",     ":",     ",",
                                    "\\u",  "\\",  "-",    "1e999", "0",      "F32",   "I64",
                                    "null", "NaN", "\xff", "\xc3",  "999999", "\\ud8", "\"a\":"};

/* Change up to 4 places: a byte, a bit, a word put in, a piece taken out or doubled. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state) {
  for (uint64_t n = 1 + next_random(state) % 4; n > 0 && size > 2; n--) {
    const size_t at = next_random(state) % size;
    const size_t length = 1 + next_random(state) % 16 % (size - at);
    const char *const word = words[next_random(state) % (sizeof words / sizeof *words)];
    switch (next_random(state) % 5) {
    case 0:
      data[at] = (uint8_t)next_random(state);
      break;
    case 1:
      data[at] ^= (uint8_t)(1u << next_random(state) % 8);
      break;
    case 2:
      if (size + strlen(word) > SIZE)
        break;
      memmove(data + at + strlen(word), data + at, size - at);
      memcpy(data + at, word, strlen(word));
      size += strlen(word);
      break;
    case 3:
      memmove(data + at, data + at + length, size - at - length);
      size -= length;
      break;
    case 4:
      if (size + length > SIZE)
        break;
      memmove(data + at + length, data + at, size - at);
      size += length;
      break;
    }
  }
  return size;
}

static int replay(int n, char **paths, uint8_t *data) {
  for (int i = 0; i < n; i++) {
    FILE *const file = fopen(paths[i], "rb");
    if (!file) {
      perror(paths[i]);
      return 1;
    }
    const size_t size = fread(data, 1, SIZE, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
  }
  return 0;
}

static int run(unsigned long mutations, uint8_t *data) {
  size_t n_seeds = 0, size;
  for (; (size = cored_fuzz_seed(n_seeds, data, SIZE)) > 0; n_seeds++)
    LLVMFuzzerTestOneInput(data, size);
  uint64_t state = 2020;
  for (unsigned long i = 0; i < mutations; i++) {
    size = cored_fuzz_seed(next_random(&state) % n_seeds, data, SIZE);
    size = mutate(data, size, &state);
    LLVMFuzzerTestOneInput(data, size);
  }
  printf("%zu seeds and %lu mutations\n", n_seeds, mutations);
  return n_seeds == 0;
}

int main(int argc, char **argv) {
  uint8_t *const data = malloc(SIZE);
  if (!data)
    return 1;
  int result;
  if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
    result = write_seeds(argv[2], data);
  else if (argc > 2 && strcmp(argv[1], "--replay") == 0)
    result = replay(argc - 2, argv + 2, data);
  else
    result = run(argc > 1 ? strtoul(argv[1], NULL, 10) : 20000, data);
  free(data);
  return result;
}

#endif
