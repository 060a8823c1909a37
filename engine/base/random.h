/* SPDX-License-Identifier: MIT
 * Random numbers that need no state: every draw is a function of a key and a counter, so what a
 * sample gets depends on (seed, epoch, sample) alone and never on threads, order or resuming.
 *
 * The generator is SplitMix64's output function (Steele, Lea, Flood 2014, "Fast splittable
 * pseudorandom number generators") over key + counter * golden ratio. */
#ifndef CORED_BASE_RANDOM_H
#define CORED_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a stream of draws is for; part of the key, so that streams never meet. */
typedef enum CoredRandomUse {
  CORED_RANDOM_ORDER = 1,
  CORED_RANDOM_AUGMENT,
  CORED_RANDOM_CUTMIX,
  CORED_RANDOM_BOOTSTRAP,
  CORED_RANDOM_SELECT
} CoredRandomUse;

typedef struct CoredRandom {
  uint64_t key, counter;
} CoredRandom;

CoredRandom cored_random_init(uint64_t seed, CoredRandomUse use, uint64_t a, uint64_t b);
uint64_t cored_random_u64(CoredRandom *random);
/* Uniform in [0, 1), 53 bits. */
double cored_random_uniform(CoredRandom *random);
/* Uniform in 0..n-1 without bias; n > 0. */
uint64_t cored_random_below(CoredRandom *random, uint64_t n);
double cored_random_normal(CoredRandom *random);
/* Beta(a, a), a > 0. */
double cored_random_beta(CoredRandom *random, double a);
/* Fisher-Yates over n indices. */
void cored_random_shuffle(CoredRandom *random, uint32_t *items, size_t n);

#endif /* CORED_BASE_RANDOM_H */
