/* SPDX-License-Identifier: MIT
 * Depthwise convolution, pooling and elementwise kernels of every variant against double
 * arithmetic.
 */
#include "harness.h"

#define SEED 12
#define ROUNDS 200

/* ---- Depthwise convolution ------------------------------------------------------------------ */

typedef struct DepthwiseCase {
  CoredDepthwise d;
  int out_h;
  Buffer x, weight, zeros, out;
  EpilogueArrays arrays;
} DepthwiseCase;

static void make_depthwise(Rng *rng, DepthwiseCase *t) {
  static const int kernels[] = {3, 5, 3, 5, 1, 2, 7};
  memset(t, 0, sizeof *t);
  CoredDepthwise *const d = &t->d;
  d->kernel = kernels[rng_int(rng, 0, 6)];
  d->stride = rng_int(rng, 1, 3);
  d->dilation = rng_int(rng, 0, 3) ? 1 : 2;
  const int reach = (d->kernel - 1) * d->dilation;
  d->pad_top = rng_int(rng, 0, reach);
  d->pad_left = rng_int(rng, 0, reach);
  d->h = rng_int(rng, reach + 1, reach + 6);
  d->w = rng_int(rng, reach + 1, reach + 40);
  d->channels = rng_size(rng, 64);
  d->x_pixel = d->channels + rng_int(rng, 0, 2);
  t->out_h = (d->h + d->pad_top - 1) / d->stride + 1; /* some windows hang over the far edge */
  d->out_w = (d->w + d->pad_left - 1) / d->stride + 1;
  d->out_pixel = d->channels + rng_int(rng, 0, 2);
  d->relu_in = rng_int(rng, 0, 1);
  const size_t c = (size_t)d->channels, pixels = (size_t)(t->out_h * d->out_w);
  t->x = buffer_random(rng, (size_t)(d->h * d->w) * (size_t)d->x_pixel);
  t->weight = buffer_random(rng, (size_t)(d->kernel * d->kernel) * c);
  t->zeros = buffer_new(c);
  memset(t->zeros.data, 0, c * sizeof(float));
  t->out = buffer_new(pixels * (size_t)d->out_pixel);
  d->x = t->x.data;
  d->weight = t->weight.data;
  d->zeros = t->zeros.data;
  d->out = t->out.data;
  d->epilogue = random_epilogue(rng, d->channels, c, pixels, &t->arrays);
}

static void free_depthwise(DepthwiseCase *t) {
  buffer_free(t->x);
  buffer_free(t->weight);
  buffer_free(t->zeros);
  buffer_free(t->out);
  epilogue_free(&t->arrays);
}

static Bounded depthwise_exact(const DepthwiseCase *t, int y, int x, int c) {
  const CoredDepthwise *const d = &t->d;
  const ptrdiff_t pixel = (ptrdiff_t)y * d->out_w + x;
  double sum = (double)d->epilogue.bias[c], size = fabs(sum);
  if (d->epilogue.residual)
    size += fabs((double)d->epilogue.residual[pixel * d->epilogue.residual_pixel + c]);
  for (int i = 0; i < d->kernel; i++)
    for (int j = 0; j < d->kernel; j++) {
      const int iy = y * d->stride - d->pad_top + i * d->dilation;
      const int ix = x * d->stride - d->pad_left + j * d->dilation;
      if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w)
        continue;
      double v = (double)d->x[(iy * d->w + ix) * d->x_pixel + c];
      v = d->relu_in && v < 0.0 ? 0.0 : v;
      v *= (double)d->weight[(i * d->kernel + j) * d->channels + c];
      sum += v;
      size += fabs(v);
    }
  const Bounded b = {sum, gamma_of(d->kernel * d->kernel + 3) * size};
  return epilogue_exact(&d->epilogue, pixel, c, b);
}

static void check_depthwise(const CoredKernels *kernels, const DepthwiseCase *t) {
  char what[128];
  const CoredDepthwise *const d = &t->d;
  for (int y = 0; y < t->out_h; y++)
    for (int x = 0; x < d->out_w; x++)
      for (int c = 0; c < (int)d->out_pixel; c++) {
        const float *const out = t->out.data + (y * d->out_w + x) * d->out_pixel + c;
        snprintf(what, sizeof what, "depthwise %s %dx%dx%d k%d s%d d%d [%d, %d, %d]", kernels->isa,
                 d->h, d->w, d->channels, d->kernel, d->stride, d->dilation, y, x, c);
        if (c < d->channels)
          assert_bounded(what, *out, depthwise_exact(t, y, x, c));
        else if (!is_canary(out))
          fail_msg("%s: written between the pixels", what);
      }
}

/* In a ring of as many lines as it can hold: lines [from, from + ring) of h. */
static Buffer ring_of(const float *x, int from, int ring, int h, size_t line) {
  const Buffer b = buffer_new((size_t)ring * line);
  for (int y = from > 0 ? from : 0; y < from + ring && y < h; y++)
    memcpy(b.data + (size_t)(y % ring) * line, x + (size_t)y * line, line * sizeof(float));
  return b;
}

/* Lines one by one, channels in parts, give the same bits, from a ring of the lines that are read.
 */
static void check_depthwise_split(Rng *rng, const CoredKernels *kernels, const DepthwiseCase *t) {
  const Buffer again = buffer_new(t->out.count);
  CoredDepthwise d = t->d;
  const int c = rng_int(rng, 0, d.channels / 16) * 16;
  for (int y = 0; y < t->out_h; y++) {
    const ptrdiff_t line = (ptrdiff_t)y * d.out_w;
    d.out = again.data + line * d.out_pixel;
    d.out_row0 = y;
    d.epilogue.residual = t->d.epilogue.residual;
    if (d.epilogue.residual)
      d.epilogue.residual += line * d.epilogue.residual_pixel;
    d.ring = (d.kernel - 1) * d.dilation + 1;
    const Buffer lines =
        ring_of(t->d.x, y * d.stride - d.pad_top, d.ring, d.h, (size_t)d.w * (size_t)d.x_pixel);
    d.x = lines.data;
    kernels->rows.depthwise(&d, y, y + 1, 0, c);
    kernels->rows.depthwise(&d, y, y + 1, c, d.channels);
    buffer_free(lines);
  }
  assert_memory_equal(again.data, t->out.data, t->out.count * sizeof(float));
  buffer_free(again);
}

static void test_depthwise(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    for (int i = 0; i < ROUNDS; i++) {
      DepthwiseCase t;
      make_depthwise(&rng, &t);
      kernels->rows.depthwise(&t.d, 0, t.out_h, 0, t.d.channels);
      check_depthwise(kernels, &t);
      check_depthwise_split(&rng, kernels, &t);
      free_depthwise(&t);
    }
  }
}

/* ---- Pooling -------------------------------------------------------------------------------- */

static float max_exact(const CoredMaxPool *p, int y, int x, int c) {
  float m = -INFINITY;
  for (int i = 0; i < p->kernel; i++)
    for (int j = 0; j < p->kernel; j++) {
      const int iy = y * p->stride - p->pad_top + i, ix = x * p->stride - p->pad_left + j;
      if (iy >= 0 && iy < p->h && ix >= 0 && ix < p->w)
        m = fmaxf(m, p->x[(iy * p->w + ix) * p->channels + c]);
    }
  return m;
}

/* Lines one by one from a ring of those that are read give the same bits. */
static void check_pool_ring(const CoredKernels *kernels, const CoredMaxPool *whole, int out_h) {
  CoredMaxPool p = *whole;
  const size_t line = (size_t)p.out_w * (size_t)p.channels;
  p.ring = p.kernel;
  for (int y = 0; y < out_h; y++) {
    const Buffer lines =
        ring_of(whole->x, y * p.stride - p.pad_top, p.ring, p.h, (size_t)p.w * (size_t)p.channels);
    const Buffer out = buffer_new(line);
    p.x = lines.data;
    p.out = out.data;
    p.out_row0 = y;
    p.epilogue.residual = whole->epilogue.residual;
    if (p.epilogue.residual)
      p.epilogue.residual += y * p.out_w * p.epilogue.residual_pixel;
    kernels->rows.max_pool(&p, y, y + 1);
    assert_memory_equal(out.data, whole->out + (size_t)y * line, line * sizeof(float));
    buffer_free(lines);
    buffer_free(out);
  }
}

static void check_pool(Rng *rng, const CoredKernels *kernels) {
  CoredMaxPool p = {.h = rng_int(rng, 3, 9),
                    .w = rng_int(rng, 3, 9),
                    .channels = rng_size(rng, 64),
                    .kernel = rng_int(rng, 1, 4),
                    .stride = rng_int(rng, 1, 4)};
  p.pad_top = rng_int(rng, 0, p.kernel - 1);
  p.pad_left = rng_int(rng, 0, p.kernel - 1);
  const int out_h = (p.h + p.pad_top - 1) / p.stride + 1;
  p.out_w = (p.w + p.pad_left - 1) / p.stride + 1;
  const size_t pixels = (size_t)(out_h * p.out_w), c = (size_t)p.channels;
  const Buffer x = buffer_random(rng, (size_t)(p.h * p.w) * c), out = buffer_new(pixels * c);
  EpilogueArrays arrays;
  const CoredEpilogue e = random_epilogue(rng, p.channels, c, pixels, &arrays);
  p.x = x.data;
  p.out = out.data;
  for (int with = 0; with < 2; with++) {
    p.epilogue = with ? e : (CoredEpilogue){0};
    kernels->rows.max_pool(&p, 0, out_h);
    check_pool_ring(kernels, &p, out_h);
    for (size_t i = 0; i < pixels * c; i++) {
      const int pixel = (int)(i / c), ch = (int)(i % c);
      const float m = max_exact(&p, pixel / p.out_w, pixel % p.out_w, ch);
      const double sum = (double)m + (with ? (double)e.bias[ch] : 0.0);
      const Bounded b = {sum, with ? 8 * UNIT_ROUNDOFF : 0.0};
      if (with)
        assert_bounded(kernels->isa, out.data[i], epilogue_exact(&e, pixel, ch, b));
      else
        assert_true(out.data[i] == m); /* exact */
    }
  }
  epilogue_free(&arrays);
  buffer_free(x);
  buffer_free(out);
}

static void test_max_pool(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    for (int i = 0; i < ROUNDS; i++)
      check_pool(&rng, kernels);
  }
}

/* ---- Elementwise ---------------------------------------------------------------------------- */

static void check_pointwise(Rng *rng, const CoredKernels *kernels) {
  const int pixels = rng_int(rng, 0, 9), c = rng_size(rng, 100), gap = rng_int(rng, 0, 3);
  const size_t count = (size_t)pixels * (size_t)(c + gap);
  const Buffer x = buffer_random(rng, count), y = buffer_new(count);
  EpilogueArrays arrays;
  const CoredEpilogue e =
      random_epilogue(rng, c, (size_t)c, (size_t)(pixels ? pixels : 1), &arrays);
  kernels->rows.pointwise(&e, x.data, c + gap, y.data, c + gap, pixels, c);
  for (int p = 0; p < pixels; p++)
    for (int j = 0; j < c; j++) {
      const int i = p * (c + gap) + j;
      const Bounded b = {(double)x.data[i] + (double)e.bias[j], 8 * UNIT_ROUNDOFF};
      assert_bounded(kernels->isa, y.data[i], epilogue_exact(&e, p, j, b));
    }
  kernels->rows.pointwise(&e, x.data, c + gap, x.data, c + gap, pixels, c); /* in place */
  for (int p = 0; p < pixels; p++)
    assert_memory_equal(x.data + p * (c + gap), y.data + p * (c + gap), (size_t)c * sizeof(float));
  epilogue_free(&arrays);
  buffer_free(x);
  buffer_free(y);
}

static void test_pointwise(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    for (int i = 0; i < ROUNDS; i++)
      check_pointwise(&rng, kernels);
  }
}

/* Activations over their whole range; 6 units in the last place. */
static void test_activations(void **state) {
  (void)state;
  enum { n = 4001 };
  FOR_EACH_VARIANT(kernels) {
    const Buffer x = buffer_new(n), y = buffer_new(n);
    for (int i = 0; i < n; i++)
      x.data[i] = (float)(i - n / 2) * 0.04f; /* -80..80 */
    for (int a = 0; a < N_TEST_ACTS; a++) {
      const CoredEpilogue e = {.act = test_act(a)};
      kernels->rows.pointwise(&e, x.data, n, y.data, n, 1, n);
      for (int i = 0; i < n; i++) {
        const double want = act_exact(e.act, (double)x.data[i]);
        const Bounded b = {want, 6 * UNIT_ROUNDOFF * fabs(want) + 1e-37};
        assert_bounded(kernels->isa, y.data[i], b);
      }
    }
    buffer_free(x);
    buffer_free(y);
  }
}

/* NaN stays NaN, infinities go to their limits. */
static void test_special_values(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    for (int a = 0; a < N_TEST_ACTS; a++) {
      const float x[3] = {NAN, INFINITY, 1000.0f};
      float y[3];
      const CoredEpilogue e = {.act = test_act(a)};
      kernels->rows.pointwise(&e, x, 3, y, 3, 1, 3);
      assert_true(isnan(y[0]));
      const bool sigmoid = e.act.kind == CORED_ACT_SIGMOID;
      const bool bounded = e.act.kind == CORED_ACT_CLAMP && !isinf(e.act.high);
      const float limit = sigmoid ? 1.0f : bounded ? e.act.high : INFINITY;
      assert_true(y[1] == limit);
      assert_true(y[2] == fminf(limit, 1000.0f));
    }
  }
}

static void check_sum(Rng *rng, const CoredKernels *kernels) {
  const int pixels = rng_int(rng, 1, 70), c = rng_size(rng, 100),
            split = rng_int(rng, 0, c / 16) * 16;
  const CoredActivation act = test_act(rng_int(rng, 0, N_TEST_ACTS - 1));
  const Buffer x = buffer_random(rng, (size_t)(pixels * c)), out = buffer_new((size_t)c);
  kernels->rows.sum_pixels(x.data, c, pixels, 0, split, act, 0.5f, out.data);
  kernels->rows.sum_pixels(x.data, c, pixels, split, c, act, 0.5f, out.data);
  for (int j = 0; j < c; j++) {
    double sum = 0.0, size = 0.0;
    for (int p = 0; p < pixels; p++) {
      const double v = act_exact(act, (double)x.data[p * c + j]);
      sum += v;
      size += fabs(v);
    }
    const Bounded b = {0.5 * sum, gamma_of(pixels + 12) * size};
    assert_bounded(kernels->isa, out.data[j], b);
  }
  buffer_free(x);
  buffer_free(out);
}

static void test_sum_pixels(void **state) {
  (void)state;
  FOR_EACH_VARIANT(kernels) {
    Rng rng = {SEED};
    for (int i = 0; i < ROUNDS; i++)
      check_sum(&rng, kernels);
  }
}

int main(void) {
  printf("seed %d\n", SEED);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_depthwise),      cmocka_unit_test(test_max_pool),
      cmocka_unit_test(test_pointwise),      cmocka_unit_test(test_activations),
      cmocka_unit_test(test_special_values), cmocka_unit_test(test_sum_pixels),
  };
  return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
