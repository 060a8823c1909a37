/* SPDX-License-Identifier: MIT
 * Activations, for graphs, kernels and training alike. */
#ifndef CORED_KERNELS_ACTIVATION_H
#define CORED_KERNELS_ACTIVATION_H

#include <math.h>
#include <stdbool.h>

/* The families; a NaN stays a NaN in every one. */
typedef enum CoredAct {
  CORED_ACT_NONE,       /* x; what a zeroed description says */
  CORED_ACT_CLAMP,      /* x < low ? low : x > high ? high : x */
  CORED_ACT_LEAKY_RELU, /* x < 0 ? slope * x : x */
  CORED_ACT_SWISH,      /* x / (1 + exp(-x)) */
  CORED_ACT_SIGMOID,    /* 1 / (1 + exp(-x)) */
} CoredAct;

typedef struct CoredActivation {
  CoredAct kind;
  float low, high; /* CLAMP: the bounds, which may be infinite */
  float slope;     /* LEAKY_RELU */
} CoredActivation;

#define CORED_RELU                                                                                 \
  { .kind = CORED_ACT_CLAMP, .low = 0.0f, .high = INFINITY }
#define CORED_RELU6                                                                                \
  { .kind = CORED_ACT_CLAMP, .low = 0.0f, .high = 6.0f }
#define CORED_LEAKY_RELU(s)                                                                        \
  { .kind = CORED_ACT_LEAKY_RELU, .slope = (s) }
#define CORED_SWISH                                                                                \
  { .kind = CORED_ACT_SWISH }
#define CORED_SIGMOID                                                                              \
  { .kind = CORED_ACT_SIGMOID }

static inline bool cored_activation_is_relu(CoredActivation a) {
  return a.kind == CORED_ACT_CLAMP && a.low == 0.0f && a.high == INFINITY;
}

/* One value, in double: what kernels and training are compared with. */
static inline double cored_activate(CoredActivation act, double x) {
  switch (act.kind) {
  case CORED_ACT_NONE:
    return x;
  case CORED_ACT_CLAMP:
    return x < (double)act.low ? (double)act.low : x > (double)act.high ? (double)act.high : x;
  case CORED_ACT_LEAKY_RELU:
    return x < 0.0 ? (double)act.slope * x : x;
  case CORED_ACT_SWISH:
    return x * (1.0 / (1.0 + exp(-x)));
  case CORED_ACT_SIGMOID:
    return 1.0 / (1.0 + exp(-x));
  }
  return x;
}

#endif /* CORED_KERNELS_ACTIVATION_H */
