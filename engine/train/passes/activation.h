/* SPDX-License-Identifier: MIT
 * Template (twice.h): activations for loops over channels, simple enough to be vectorised. kind is
 * apart from its numbers so that it can be a constant. */

typedef struct REAL(Act) {
  real low, high, slope;
} REAL(Act);

static inline REAL(Act) REAL(act_of)(CoredActivation a) {
  return (REAL(Act)){(real)a.low, (real)a.high, (real)a.slope};
}

static inline real REAL(sigmoid)(real x) {
  return 1 / (1 + REAL(exp_of)(-x));
}

static inline real REAL(act_value)(CoredAct kind, REAL(Act) act, real z) {
  switch (kind) {
  case CORED_ACT_NONE:
    return z;
  case CORED_ACT_CLAMP:
    return z < act.low ? act.low : z > act.high ? act.high : z;
  case CORED_ACT_LEAKY_RELU:
    return z < 0 ? z * act.slope : z;
  case CORED_ACT_SWISH:
    return z * REAL(sigmoid)(z);
  case CORED_ACT_SIGMOID:
    return REAL(sigmoid)(z);
  }
  return z;
}

/* d act / dz at z. */
static inline real REAL(act_derivative)(CoredAct kind, REAL(Act) act, real z) {
  switch (kind) {
  case CORED_ACT_NONE:
    return 1;
  case CORED_ACT_CLAMP:
    return z > act.low && z < act.high ? 1 : 0;
  case CORED_ACT_LEAKY_RELU:
    return z > 0 ? 1 : act.slope;
  case CORED_ACT_SWISH: {
    const real s = REAL(sigmoid)(z);
    return s * (1 + z * (1 - s));
  }
  case CORED_ACT_SIGMOID: {
    const real s = REAL(sigmoid)(z);
    return s * (1 - s);
  }
  }
  return 1;
}
