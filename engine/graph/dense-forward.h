/* SPDX-License-Identifier: MIT
 * Template (twice.h): plain dense layer and flatten. */

/* x [n,c], weight [o,c], bias [o], y [n,o]: y = x weight^T + bias, accumulated in double. */
static void REAL(dense)(const Forward *call) {
  const size_t c = (size_t)call->in[0].c, o = (size_t)call->out.c;
  for (size_t n = 0; n < (size_t)call->n; n++)
    for (size_t i = 0; i < o; i++) {
      double sum = call->node->bias ? (double)call->params[1][i] : 0.0;
      for (size_t j = 0; j < c; j++)
        sum += (double)call->x[0][n * c + j] * (double)call->params[0][i * c + j];
      call->y[n * o + i] = (real)sum;
    }
}

/* [n,h,w,c] -> [n,1,1,h*w*c]: channels are last in memory already, so this is a copy. */
static void REAL(flatten)(const Forward *call) {
  memcpy(call->y, call->x[0], (size_t)call->n * (size_t)call->out.c * sizeof *call->y);
}
