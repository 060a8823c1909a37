/* SPDX-License-Identifier: MIT
 * Random numbers that need no state: every draw is a function of a key and a counter, so that what
 * a sample, a weight or a dropped value gets never depends on threads, order or resuming. There
 * are two generators, each with its use; neither may change, because a training that is repeated or
 * resumed must draw what it drew before.
 *
 * CoredRandom draws one stream after the other, for data: order, augmentation, bootstrap. It is
 * SplitMix64's output function (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
 * generators") over key + counter * golden ratio.
 *
 * cored_philox_*() draw any element of a tensor on its own: initial weights, dropout. They are
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
 * section 3.3).
 *
 * Every function may be called from any thread; a CoredRandom belongs to one thread at a time. */
#ifndef CORED_BASE_RANDOM_H
#define CORED_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* ---- Streams: SplitMix64 --------------------------------------------------------------------- */

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

/* ---- Elements: Philox ------------------------------------------------------------------------ */

/* A key for one purpose, from the user's seed and a name ("block1.rep.0.conv1.weight"). */
uint64_t cored_philox_key(uint64_t seed, const char *name);
/* 128 random bits of the counter. */
void cored_philox_bits(uint64_t key, uint64_t counter, uint32_t out[4]);
/* Uniform in [0, 1) with 24 bits. */
float cored_philox_uniform(uint64_t key, uint64_t counter);
/* Standard normal (Box-Muller). */
float cored_philox_normal(uint64_t key, uint64_t counter);

#endif /* CORED_BASE_RANDOM_H */
