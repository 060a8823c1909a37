/* SPDX-License-Identifier: MIT
 * Template (twice.h): activations. A NaN stays a NaN in every one of them. */

static double REAL(sigmoid)(double x) {
  return 1.0 / (1.0 + exp(-x));
}

static double REAL(activate)(const CoredNode *node, double x) {
  switch (node->act) {
  case CORED_ACT_NONE:
    return x;
  case CORED_ACT_RELU:
    return x < 0 ? 0 : x;
  case CORED_ACT_LEAKY_RELU:
    return x < 0 ? x * (double)node->slope : x;
  case CORED_ACT_SWISH:
    return x * REAL(sigmoid)(x);
  case CORED_ACT_SIGMOID:
    return REAL(sigmoid)(x);
  }
  return x;
}

static void REAL(activation)(const Forward *call) {
  const size_t count =
      (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w * (size_t)call->out.c;
  for (size_t i = 0; i < count; i++)
    call->y[i] = (real)REAL(activate)(call->node, (double)call->x[0][i]);
}
