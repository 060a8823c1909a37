/* SPDX-License-Identifier: MIT
 * Template (twice.h): add, scale, concat. */

static size_t REAL(count_of)(const Forward *call) {
  return (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w * (size_t)call->out.c;
}

static void REAL(add)(const Forward *call) {
  const size_t count = REAL(count_of)(call);
  for (size_t i = 0; i < count; i++)
    call->y[i] = call->x[0][i] + call->x[1][i];
}

/* y[n,p,q,c] = x0[n,p,q,c] * x1[n,c] */
static void REAL(scale)(const Forward *call) {
  const size_t c = (size_t)call->out.c, image = (size_t)call->out.h * (size_t)call->out.w * c;
  for (size_t n = 0; n < (size_t)call->n; n++)
    for (size_t i = 0; i < image; i++)
      call->y[n * image + i] = call->x[0][n * image + i] * call->x[1][n * c + i % c];
}

/* Channels of input 0, then of input 1, ... */
static void REAL(concat)(const Forward *call) {
  const size_t pixels = (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w;
  real *y = call->y;
  for (size_t i = 0; i < pixels; i++)
    for (int j = 0; j < call->node->n_inputs; j++) {
      const size_t c = (size_t)call->in[j].c;
      memcpy(y, call->x[j] + i * c, c * sizeof *y);
      y += c;
    }
}
