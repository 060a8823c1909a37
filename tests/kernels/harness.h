/* SPDX-License-Identifier: MIT
 * Helpers of the kernel tests: random numbers with a printed seed, buffers with guard floats
 * around them, error bounds. */
#ifndef TESTS_KERNELS_HARNESS_H
#define TESTS_KERNELS_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cored.h"
#include "kernels/kernels.h"

#define UNIT_ROUNDOFF 5.9604644775390625e-8 /* 2^-24 */
#define GUARD 37                            /* floats; odd, so that data are not aligned */
#define CANARY 0x7fa5a5a5u                  /* a NaN no kernel writes */

typedef struct Rng {
  uint64_t state;
} Rng;

static inline uint32_t rng_next(Rng *rng) { /* Steele et al. 2014, SplitMix64 */
  uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)(z >> 32);
}

static inline int rng_int(Rng *rng, int low, int high) {
  return low + (int)(rng_next(rng) % (uint32_t)(high - low + 1));
}

static inline float rng_float(Rng *rng) { /* -1..1 */
  return (float)(int32_t)rng_next(rng) * 4.6566128730773926e-10f;
}

/* One of the sizes at which vector code goes wrong. */
static inline int rng_size(Rng *rng, int most) {
  static const int sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 31, 33, 47, 48, 49, 64, 100, 253};
  for (;;) {
    const int size = sizes[rng_next(rng) % (sizeof sizes / sizeof *sizes)];
    if (size <= most)
      return size;
  }
}

typedef struct Buffer {
  float *data; /* not aligned to a vector */
  size_t count;
} Buffer;

static inline void fill_canary(float *x, size_t count) {
  const uint32_t canary = CANARY;
  for (size_t i = 0; i < count; i++)
    memcpy(x + i, &canary, sizeof canary);
}

static inline bool is_canary(const float *x) {
  uint32_t bits;
  memcpy(&bits, x, sizeof bits);
  return bits == CANARY;
}

/* All canaries. */
static inline Buffer buffer_new(size_t count) {
  float *const block = malloc((count + 2 * GUARD) * sizeof *block);
  assert_non_null(block);
  fill_canary(block, count + 2 * GUARD);
  return (Buffer){block + GUARD, count};
}

static inline Buffer buffer_random(Rng *rng, size_t count) {
  const Buffer b = buffer_new(count);
  for (size_t i = 0; i < count; i++)
    b.data[i] = rng_float(rng);
  return b;
}

/* Checks the guards. */
static inline void buffer_free(Buffer b) {
  for (size_t i = 0; i < GUARD; i++)
    if (!is_canary(b.data - GUARD + i) || !is_canary(b.data + b.count + i))
      fail_msg("written beyond a buffer of %zu floats", b.count);
  free(b.data - GUARD);
}

/* Higham 2002, Accuracy and Stability of Numerical Algorithms, eq. 3.4. */
static inline double gamma_of(int operations) {
  const double k = operations * UNIT_ROUNDOFF;
  return k / (1.0 - k);
}

/* A value with what float arithmetic may add to it. */
typedef struct Bounded {
  double value, error;
} Bounded;

/* One of each family, and a clamp with bounds that are not 0 and that random values cross. */
#define N_TEST_ACTS 7

static inline CoredActivation test_act(int i) {
  static const CoredActivation acts[N_TEST_ACTS] = {
      {0},
      CORED_RELU,
      CORED_RELU6,
      {.kind = CORED_ACT_CLAMP, .low = -0.5f, .high = 0.75f},
      CORED_LEAKY_RELU(0.1f),
      CORED_SWISH,
      CORED_SIGMOID};
  return acts[i];
}

static inline double act_exact(CoredActivation act, double x) {
  switch (act.kind) {
  case CORED_ACT_NONE:
    return x;
  case CORED_ACT_CLAMP:
    return fmin(fmax(x, (double)act.low), (double)act.high);
  case CORED_ACT_LEAKY_RELU:
    return x < 0.0 ? (double)act.slope * x : x;
  case CORED_ACT_SWISH:
    return x / (1.0 + exp(-x));
  case CORED_ACT_SIGMOID:
    return 1.0 / (1.0 + exp(-x));
  }
  return x;
}

/* The epilogue in double, for the pixel and channel given. Every activation here changes by at most
 * 1.1 times what its argument changes by; exp, the sum and the quotient may each be off by a few
 * units in the last place. */
static inline Bounded epilogue_exact(const CoredEpilogue *e, ptrdiff_t pixel, int c, Bounded x) {
  if (e->residual)
    x.value += (double)e->residual[pixel * e->residual_pixel + c];
  x.value = act_exact(e->act, x.value);
  x.error = 1.1 * x.error + 12 * UNIT_ROUNDOFF * fabs(x.value);
  if (e->scale) {
    x.value = x.value * (double)e->scale[c] + (double)e->shift[c];
    x.error = fabs((double)e->scale[c]) * x.error +
              4 * UNIT_ROUNDOFF * (fabs(x.value) + fabs((double)e->shift[c]));
  }
  x.error += 1e-37; /* results may be denormal */
  return x;
}

/* Arrays of a random epilogue; owned by the caller of random_epilogue(). */
typedef struct EpilogueArrays {
  Buffer bias, residual, scale, shift;
} EpilogueArrays;

static inline CoredEpilogue random_epilogue(Rng *rng, int channels, size_t padded, size_t pixels,
                                            EpilogueArrays *arrays) {
  const int pixel = channels + rng_int(rng, 0, 3);
  *arrays =
      (EpilogueArrays){buffer_random(rng, padded), buffer_random(rng, pixels * (size_t)pixel),
                       buffer_random(rng, (size_t)channels), buffer_random(rng, (size_t)channels)};
  CoredEpilogue e = {.bias = arrays->bias.data, .act = test_act(rng_int(rng, 0, N_TEST_ACTS - 1))};
  if (rng_int(rng, 0, 1)) {
    e.residual = arrays->residual.data;
    e.residual_pixel = pixel;
  }
  if (rng_int(rng, 0, 1)) {
    e.scale = arrays->scale.data;
    e.shift = arrays->shift.data;
  }
  return e;
}

static inline void epilogue_free(EpilogueArrays *arrays) {
  buffer_free(arrays->bias);
  buffer_free(arrays->residual);
  buffer_free(arrays->scale);
  buffer_free(arrays->shift);
}

static inline void assert_bounded(const char *what, float got, Bounded want) {
  if (!(fabs((double)got - want.value) <= want.error))
    fail_msg("%s: got %.9g, want %.9g, off by %g, allowed %g", what, (double)got, want.value,
             fabs((double)got - want.value), want.error);
}

/* Every variant that the CPU (and CORED_CPU_MASK) allows, plain C first. */
#define FOR_EACH_VARIANT(kernels)                                                                  \
  for (int variant_ = 0; variant_ < cored_kernels_variants(); variant_++)                          \
    for (CoredKernels of_, *kernels = usable_variant(variant_, &of_); kernels; kernels = NULL)

static inline CoredKernels *usable_variant(int index, CoredKernels *kernels) {
  return cored_kernels_variant(index, cored_cpu_flags(), kernels) ? kernels : NULL;
}

#endif /* TESTS_KERNELS_HARNESS_H */
