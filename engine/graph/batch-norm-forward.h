/* SPDX-License-Identifier: MIT
 * Template (twice.h): batch norm with running statistics. */

/* x, y [n,h,w,c]; weight, bias, mean, var [c]:
 *   y = (x - mean) / sqrt(var + epsilon) * weight + bias */
static void REAL(batch_norm)(const Forward *call) {
  const size_t c = (size_t)call->out.c;
  const size_t pixels = (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w;
  for (size_t j = 0; j < c; j++) {
    const double scale =
        (double)call->params[0][j] / sqrt((double)call->params[3][j] + (double)call->node->epsilon);
    const double bias = (double)call->params[1][j], mean = (double)call->params[2][j];
    for (size_t i = 0; i < pixels; i++)
      call->y[i * c + j] = (real)(((double)call->x[0][i * c + j] - mean) * scale + bias);
  }
}
