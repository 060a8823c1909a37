/* SPDX-License-Identifier: MIT
 * Counter-based random numbers: a value is a pure function of (key, counter), so drawing is free of
 * order and of threads. Philox4x32-10: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers:
 * as easy as 1, 2, 3", section 3.3. */
#ifndef CORED_BASE_PHILOX_H
#define CORED_BASE_PHILOX_H

#include <stdint.h>

/* A key for one purpose, from the user's seed and a name ("block1.rep.0.conv1.weight"). */
uint64_t cored_philox_key(uint64_t seed, const char *name);
/* 128 random bits of the counter. */
void cored_philox_bits(uint64_t key, uint64_t counter, uint32_t out[4]);
/* Uniform in [0, 1) with 24 bits. */
float cored_philox_uniform(uint64_t key, uint64_t counter);
/* Standard normal (Box-Muller). */
float cored_philox_normal(uint64_t key, uint64_t counter);

#endif /* CORED_BASE_PHILOX_H */
