/* SPDX-License-Identifier: MIT
 * Template (twice.h): pooling. */

/* Largest value of channel c in the window that begins at (y0, x0); pixels outside do not take
 * part. A NaN in the window wins, as in PyTorch. */
static real REAL(max_at)(const CoredNode *node, CoredShape in, const real *x, int y0, int x0,
                         int c) {
  real best = (real)-INFINITY;
  for (int i = 0; i < node->kernel; i++)
    for (int j = 0; j < node->kernel; j++) {
      const int iy = y0 + i * node->dilation, ix = x0 + j * node->dilation;
      if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
        continue;
      const real v = x[((size_t)iy * (size_t)in.w + (size_t)ix) * (size_t)in.c + (size_t)c];
      if (v > best || v != v)
        best = v;
    }
  return best;
}

/* x [n,h,w,c], y [n,oh,ow,c]. */
static void REAL(max_pool)(const Forward *call) {
  const CoredNode *const node = call->node;
  const CoredShape in = call->in[0], out = call->out;
  real *y = call->y;
  int ph, pw;
  cored_window_output(node, in.h, &ph);
  cored_window_output(node, in.w, &pw);
  for (int n = 0; n < call->n; n++) {
    const real *const image = call->x[0] + (size_t)n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    for (int p = 0; p < out.h; p++)
      for (int q = 0; q < out.w; q++)
        for (int c = 0; c < in.c; c++)
          *y++ = REAL(max_at)(node, in, image, p * node->stride - ph, q * node->stride - pw, c);
  }
}

/* x [n,h,w,c], y [n,1,1,c]: the mean over h and w, summed in double. */
static void REAL(global_avg_pool)(const Forward *call) {
  const size_t c = (size_t)call->in[0].c;
  const size_t pixels = (size_t)call->in[0].h * (size_t)call->in[0].w;
  for (size_t n = 0; n < (size_t)call->n; n++)
    for (size_t j = 0; j < c; j++) {
      double sum = 0;
      for (size_t i = 0; i < pixels; i++)
        sum += (double)call->x[0][(n * pixels + i) * c + j];
      call->y[n * c + j] = (real)(sum / (double)pixels);
    }
}
