/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <math.h>

static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

CoredRandom cored_random_init(uint64_t seed, CoredRandomUse use, uint64_t a, uint64_t b) {
  const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
  uint64_t key = mix(seed + golden);
  key = mix(key ^ mix((uint64_t)use * golden));
  key = mix(key ^ mix(a + 2 * golden));
  key = mix(key ^ mix(b + 3 * golden));
  return (CoredRandom){.key = key};
}

uint64_t cored_random_u64(CoredRandom *random) {
  return mix(random->key + ++random->counter * UINT64_C(0x9e3779b97f4a7c15));
}

double cored_random_uniform(CoredRandom *random) {
  return (double)(cored_random_u64(random) >> 11) * 0x1p-53;
}

uint64_t cored_random_below(CoredRandom *random, uint64_t n) {
  /* Draws of the last, incomplete run of n are thrown away. */
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t x;
  do
    x = cored_random_u64(random);
  while (x >= limit);
  return x % n;
}

/* Box and Muller 1958; one of the pair is enough here. */
double cored_random_normal(CoredRandom *random) {
  const double u = 1.0 - cored_random_uniform(random), v = cored_random_uniform(random);
  return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

/* Gamma(a, 1) for a >= 1: Marsaglia and Tsang 2000, "A simple method for generating gamma
 * variables". */
static double draw_gamma(CoredRandom *random, double a) {
  const double d = a - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
  for (;;) {
    const double x = cored_random_normal(random);
    const double t = 1.0 + c * x;
    if (t <= 0.0)
      continue;
    const double v = t * t * t, u = 1.0 - cored_random_uniform(random);
    if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
      return d * v;
  }
}

/* Beta as a ratio of gammas; Gamma(a) = Gamma(a + 1) U^(1/a), taken in the log domain because
 * U^(1/a) underflows for small a. */
double cored_random_beta(CoredRandom *random, double a) {
  const double x = log(draw_gamma(random, a + 1.0)) + log(1.0 - cored_random_uniform(random)) / a;
  const double y = log(draw_gamma(random, a + 1.0)) + log(1.0 - cored_random_uniform(random)) / a;
  return 1.0 / (1.0 + exp(y - x));
}

void cored_random_shuffle(CoredRandom *random, uint32_t *items, size_t n) {
  for (size_t i = n; i > 1; i--) {
    const size_t j = (size_t)cored_random_below(random, i);
    const uint32_t swap = items[i - 1];
    items[i - 1] = items[j];
    items[j] = swap;
  }
}

/* ---- Philox4x32-10 --------------------------------------------------------------------------- */

/* FNV-1a over the name, then SplitMix64's output function twice with the seed mixed in. */
uint64_t cored_philox_key(uint64_t seed, const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++)
    hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  return mix(mix(hash + seed * UINT64_C(0x9e3779b97f4a7c15)));
}

void cored_philox_bits(uint64_t key, uint64_t counter, uint32_t out[4]) {
  uint32_t x0 = (uint32_t)counter, x1 = (uint32_t)(counter >> 32), x2 = 0, x3 = 0;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)x0 * 0xD2511F53u, b = (uint64_t)x2 * 0xCD9E8D57u;
    x0 = (uint32_t)(b >> 32) ^ x1 ^ k0;
    x1 = (uint32_t)b;
    x2 = (uint32_t)(a >> 32) ^ x3 ^ k1;
    x3 = (uint32_t)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

float cored_philox_uniform(uint64_t key, uint64_t counter) {
  uint32_t bits[4];
  cored_philox_bits(key, counter, bits);
  return (float)(bits[0] >> 8) * 0x1p-24f;
}

float cored_philox_normal(uint64_t key, uint64_t counter) {
  uint32_t bits[4];
  cored_philox_bits(key, counter, bits);
  const double u = ((double)bits[0] + 1.0) * 0x1p-32; /* (0, 1] */
  const double v = (double)bits[1] * 0x1p-32;
  return (float)(sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v));
}
