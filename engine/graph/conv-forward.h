/* SPDX-License-Identifier: MIT
 * Template (twice.h): plain convolution and depthwise convolution. */

/* Sum of x[i] * w[i * stride] over n, in double, four partial sums. */
static double REAL(dot)(const real *x, const real *w, int stride, int n) {
  double sum[4] = {0, 0, 0, 0};
  int i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; j++)
      sum[j] += (double)x[i + j] * (double)w[(i + j) * stride];
  for (; i < n; i++)
    sum[0] += (double)x[i] * (double)w[i * stride];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* One output value: image x [h,w,c], filter w [c,k,k], window's first pixel (y0, x0), which may
 * lie outside; taps outside read as 0. */
static double REAL(conv_at)(const CoredNode *node, CoredShape in, const real *x, const real *w,
                            int y0, int x0) {
  const int k = node->kernel, d = node->dilation;
  double sum = 0;
  for (int i = 0; i < k; i++) {
    const int iy = y0 + i * d;
    if (iy < 0 || iy >= in.h)
      continue;
    for (int j = 0; j < k; j++) {
      const int ix = x0 + j * d;
      if (ix >= 0 && ix < in.w)
        sum += REAL(dot)(x + ((size_t)iy * (size_t)in.w + (size_t)ix) * (size_t)in.c, w + i * k + j,
                         k * k, in.c);
    }
  }
  return sum;
}

/* Cross-correlation, as PyTorch's conv2d.
 *   x [n,h,w,c], weight [o,c,k,k], bias [o] or none, y [n,oh,ow,o] (overwritten)
 *   y[n,p,q,o] = bias[o] + sum_ijc x[n, p*s - pad + i*d, q*s - pad + j*d, c] * weight[o,c,i,j]
 * Accumulated in double, rounded once. */
static void REAL(conv)(const Forward *call) {
  const CoredNode *const node = call->node;
  const CoredShape in = call->in[0], out = call->out;
  const size_t filter = (size_t)in.c * (size_t)node->kernel * (size_t)node->kernel;
  const real *const bias = node->bias ? call->params[1] : NULL;
  real *y = call->y;
  int ph, pw;
  cored_window_output(node, in.h, &ph);
  cored_window_output(node, in.w, &pw);
  for (int n = 0; n < call->n; n++) {
    const real *const image = call->x[0] + (size_t)n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    for (int p = 0; p < out.h; p++)
      for (int q = 0; q < out.w; q++)
        for (int o = 0; o < out.c; o++)
          *y++ = (real)(REAL(conv_at)(node, in, image, call->params[0] + (size_t)o * filter,
                                      p * node->stride - ph, q * node->stride - pw) +
                        (bias ? (double)bias[o] : 0.0));
  }
}

/* One filter per channel: weight [c,1,k,k], otherwise as conv. */
static void REAL(depthwise)(const Forward *call) {
  const CoredNode *const node = call->node;
  const CoredShape in = call->in[0], out = call->out;
  const int k = node->kernel, d = node->dilation;
  real *y = call->y;
  int ph, pw;
  cored_window_output(node, in.h, &ph);
  cored_window_output(node, in.w, &pw);
  for (int n = 0; n < call->n; n++) {
    const real *const image = call->x[0] + (size_t)n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    for (int p = 0; p < out.h; p++)
      for (int q = 0; q < out.w; q++)
        for (int c = 0; c < in.c; c++) {
          double sum = 0;
          for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++) {
              const int iy = p * node->stride - ph + i * d, ix = q * node->stride - pw + j * d;
              if (iy >= 0 && iy < in.h && ix >= 0 && ix < in.w)
                sum +=
                    (double)
                        image[((size_t)iy * (size_t)in.w + (size_t)ix) * (size_t)in.c + (size_t)c] *
                    (double)call->params[0][(c * k + i) * k + j];
            }
          *y++ = (real)sum;
        }
  }
}
