/* SPDX-License-Identifier: MIT
 * Template (twice.h): activations for loops over channels, simple enough to be vectorised. */

static inline real REAL(sigmoid)(real x) {
  return 1 / (1 + REAL(exp_of)(-x));
}

static inline real REAL(act_value)(CoredAct act, real slope, real z) {
  switch (act) {
  case CORED_ACT_NONE:
    return z;
  case CORED_ACT_RELU:
    return z < 0 ? 0 : z;
  case CORED_ACT_LEAKY_RELU:
    return z < 0 ? z * slope : z;
  case CORED_ACT_SWISH:
    return z * REAL(sigmoid)(z);
  case CORED_ACT_SIGMOID:
    return REAL(sigmoid)(z);
  }
  return z;
}

/* d act / dz at z. */
static inline real REAL(act_slope)(CoredAct act, real slope, real z) {
  switch (act) {
  case CORED_ACT_NONE:
    return 1;
  case CORED_ACT_RELU:
    return z > 0 ? 1 : 0;
  case CORED_ACT_LEAKY_RELU:
    return z > 0 ? 1 : slope;
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
