/* SPDX-License-Identifier: MIT
 * Valid model files in memory, and files like them whose hashes are right again after a change, so
 * that what lies behind the hashes is reached. */
#ifndef FUZZ_MODEL_SEED_H
#define FUZZ_MODEL_SEED_H

#include "cored.h"
#include "base/text.h"

typedef struct ModelSeed {
  char *header; /* JSON text; header_size bytes, not terminated */
  size_t header_size;
  uint8_t *data;
  size_t data_size;
} ModelSeed;

/* Random weights of a network at its smallest sensible input; its self-test is the one that the
 * network computes. Owned here; of every network it is made once. */
const ModelSeed *model_seed(const char *network, int side);

/* The header with one entry of the metadata set to value. False when it has no such entry. */
bool model_seed_set(const ModelSeed *seed, const char *key, const char *value, CoredText *header);

/* A file of this header text and data, both hashes made anew where their entries are found. The
 * caller frees it; NULL without memory. */
uint8_t *model_seed_file(const char *header, size_t n, const void *data, size_t data_size,
                         size_t *size);

#endif /* FUZZ_MODEL_SEED_H */
