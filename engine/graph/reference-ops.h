/* SPDX-License-Identifier: MIT
 * Template (twice.h): the plain arithmetic of every op, in inference. Written for being read:
 * straight loops, sums in double, each result rounded once. Shapes are in graph/graph.h. */

/* Values of the output. */
static size_t REAL(count_of)(const Forward *call) {
  return (size_t)call->n * (size_t)call->out.h * (size_t)call->out.w * (size_t)call->out.c;
}

/* ---- Convolution ----------------------------------------------------------------------------- */

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

/* One filter per channel: weight [c,1,k,k], bias [c] or none, otherwise as conv. */
static void REAL(depthwise)(const Forward *call) {
  const CoredNode *const node = call->node;
  const CoredShape in = call->in[0], out = call->out;
  const int k = node->kernel, d = node->dilation;
  const real *const bias = node->bias ? call->params[1] : NULL;
  real *y = call->y;
  int ph, pw;
  cored_window_output(node, in.h, &ph);
  cored_window_output(node, in.w, &pw);
  for (int n = 0; n < call->n; n++) {
    const real *const image = call->x[0] + (size_t)n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    for (int p = 0; p < out.h; p++)
      for (int q = 0; q < out.w; q++)
        for (int c = 0; c < in.c; c++) {
          double sum = bias ? (double)bias[c] : 0.0;
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

/* ---- Dense layer ----------------------------------------------------------------------------- */

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

/* ---- Batch norm ------------------------------------------------------------------------------ */

/* With running statistics (Ioffe and Szegedy 2015, algorithm 2).
 * x, y [n,h,w,c]; weight, bias, mean, var [c]:
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

/* ---- Activation ------------------------------------------------------------------------------ */

static void REAL(activation)(const Forward *call) {
  const size_t count = REAL(count_of)(call);
  for (size_t i = 0; i < count; i++)
    call->y[i] = (real)cored_activate(call->node->act, (double)call->x[0][i]);
}

/* ---- Pooling --------------------------------------------------------------------------------- */

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

/* x [n,h,w,c], y [n,f*h,f*w,c]: y[p, q] = x[p / f, q / f] */
static void REAL(upsample)(const Forward *call) {
  const size_t h = (size_t)call->in[0].h, w = (size_t)call->in[0].w, c = (size_t)call->in[0].c;
  const size_t factor = (size_t)call->node->stride;
  real *y = call->y;
  for (size_t n = 0; n < (size_t)call->n; n++)
    for (size_t p = 0; p < h * factor; p++)
      for (size_t q = 0; q < w * factor; q++, y += c)
        memcpy(y, call->x[0] + ((n * h + p / factor) * w + q / factor) * c, c * sizeof *y);
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

/* ---- Joining branches ------------------------------------------------------------------------ */

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

/* ---- Training only --------------------------------------------------------------------------- */

/* Dropout and drop-connect: nothing in inference. */
static void REAL(copy)(const Forward *call) {
  memcpy(call->y, call->x[0], REAL(count_of)(call) * sizeof *call->y);
}
