/* SPDX-License-Identifier: MIT */
#include "vision/image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int clamp_int(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

/* The samples that the triangle around an output sample's centre covers, first and past the last,
 * before anything outside the picture is folded back. */
typedef struct Span {
  double centre, stretch; /* stretch: half the triangle's base, in input samples */
  int begin, end;
} Span;

/* As Pillow: the triangle is one input sample or one output sample (of the size that the filter is
 * for) wide on each side, whichever is more, and is cut off at the ends of the axis; the axis is
 * the picture, extended by repeated border samples where the box reaches beyond it. */
static Span span_of(const CoredAxisKey *key, int o) {
  const double scale = key->len / key->out;
  const int begin = (int)fmin(0., floor(key->start));
  const int end = (int)fmax(key->in, ceil(key->start + key->len));
  Span span = {.centre = key->start + (o + 0.5) * scale, .stretch = fmax(scale * key->widen, 1.)};
  span.begin = clamp_int((int)floor(span.centre - span.stretch + 0.5), begin, end - 1);
  span.end = clamp_int((int)floor(span.centre + span.stretch + 0.5), span.begin + 1, end);
  return span;
}

static double triangle(double x) {
  x = fabs(x);
  return x < 1. ? 1. - x : 0.;
}

/* Weights of one output sample, normalized to sum 1, with those of samples outside the picture
 * added to the border sample's. sum[count] is double because hundreds of taps may be added. */
static void fill_row(const CoredAxisKey *key, int o, int first, int count, double *sum,
                     float *coef) {
  const Span span = span_of(key, o);
  double total = 0.;
  memset(sum, 0, (size_t)count * sizeof *sum);
  for (int i = span.begin; i < span.end; i++) {
    const double weight = triangle((i + 0.5 - span.centre) / span.stretch);
    sum[clamp_int(i, 0, key->in - 1) - first] += weight;
    total += weight;
  }
  for (int t = 0; t < count; t++)
    coef[t] = (float)(total > 0. ? sum[t] / total : 1. / count);
}

static void axis_free(CoredAxis *axis) {
  if (!axis)
    return;
  free(axis->first);
  free(axis->count);
  free(axis->coef);
  free(axis);
}

/* The ranges; returns the longest. */
static int place_rows(CoredAxis *axis) {
  const CoredAxisKey *const key = &axis->key;
  int longest = 1, high = 0;
  axis->lo = key->in;
  for (int o = 0; o < key->out; o++) {
    const Span span = span_of(key, o);
    const int first = clamp_int(span.begin, 0, key->in - 1);
    const int last = clamp_int(span.end - 1, 0, key->in - 1);
    axis->first[o] = first;
    axis->count[o] = last - first + 1;
    longest = axis->count[o] > longest ? axis->count[o] : longest;
    axis->lo = first < axis->lo ? first : axis->lo;
    high = last > high ? last : high;
  }
  axis->n = high - axis->lo + 1;
  return longest;
}

static CoredAxis *axis_new(const CoredAxisKey *key) {
  CoredAxis *const axis = calloc(1, sizeof *axis);
  if (!axis)
    return NULL;
  const size_t rows = ((size_t)key->out + 3) & ~(size_t)3;
  axis->key = *key;
  axis->first = calloc(rows, sizeof *axis->first);
  axis->count = calloc(rows, sizeof *axis->count);
  double *sum = NULL;
  if (!axis->first || !axis->count)
    goto fail;
  const int longest = place_rows(axis);
  axis->padded = longest <= 4 ? 4 : (longest + 7) & ~7;
  axis->coef = calloc(rows, (size_t)axis->padded * sizeof *axis->coef);
  sum = calloc((size_t)longest, sizeof *sum);
  if (!axis->coef || !sum)
    goto fail;
  for (int o = 0; o < key->out; o++) {
    fill_row(key, o, axis->first[o], axis->count[o], sum, axis->coef + (size_t)o * axis->padded);
    axis->first[o] -= axis->lo;
  }
  free(sum);
  return axis;
fail:
  free(sum);
  axis_free(axis);
  return NULL;
}

static bool same_key(const CoredAxisKey *a, const CoredAxisKey *b) {
  return a->start == b->start && a->len == b->len && a->widen == b->widen && a->in == b->in &&
         a->out == b->out;
}

const CoredAxis *cored_axis_store_get(CoredAxisStore *store, const CoredAxisKey *key) {
  size_t oldest = 0;
  store->clock++;
  for (size_t i = 0; i < CORED_AXIS_STORE_SIZE; i++) {
    CoredAxis *const axis = store->axis[i];
    if (!axis) {
      oldest = i;
      break;
    }
    if (same_key(&axis->key, key)) {
      axis->age = store->clock;
      return axis;
    }
    if (store->clock - axis->age > store->clock - store->axis[oldest]->age)
      oldest = i;
  }
  CoredAxis *const axis = axis_new(key);
  if (!axis)
    return NULL;
  axis->age = store->clock;
  axis_free(store->axis[oldest]);
  store->axis[oldest] = axis;
  return axis;
}

void cored_axis_store_clear(CoredAxisStore *store) {
  for (size_t i = 0; i < CORED_AXIS_STORE_SIZE; i++)
    axis_free(store->axis[i]);
  memset(store, 0, sizeof *store);
}

/* ---- Inner loops ------------------------------------------------------------------------------
 */

const CoredResizeKernels *cored_resize_kernels(unsigned cpu) {
#ifdef __x86_64__
  if (cpu & CORED_CPU_AVX512)
    return &cored_resize_kernels_avx512;
  if (cpu & CORED_CPU_AVX2)
    return &cored_resize_kernels_avx2;
#endif
  (void)cpu;
  return &cored_resize_kernels_c;
}
