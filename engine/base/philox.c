/* SPDX-License-Identifier: MIT
 * Philox4x32-10 and the distributions made of it. */
#include "base/philox.h"

#include <math.h>

/* FNV-1a over the name, then two rounds of the finalizer of splitmix64 with the seed mixed in. */
uint64_t cored_philox_key(uint64_t seed, const char *name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (; *name; name++)
    hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
  uint64_t z = hash + seed * 0x9e3779b97f4a7c15u;
  for (int round = 0; round < 2; round++) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
  }
  return z;
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
