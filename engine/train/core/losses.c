/* SPDX-License-Identifier: MIT */
#include "train/core/losses.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cored_class_scores(const CoredReal *output, int outputs, int n, int c, double *scores) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < c; j++)
      scores[i * c + j] =
          outputs == 1 ? (j == 0 ? 0.0 : (double)output[i]) : (double)output[i * c + j];
}

void cored_spatial_maximum(const CoredReal *features, CoredShape shape, int n, double *pooled,
                           int *winner) {
  const size_t c = (size_t)shape.c, pixels = (size_t)shape.h * (size_t)shape.w;
  for (size_t i = 0; i < (size_t)n; i++)
    for (size_t j = 0; j < c; j++) {
      const CoredReal *const x = features + i * pixels * c + j;
      size_t best = 0;
      for (size_t p = 1; p < pixels; p++)
        if (x[p * c] > x[best * c])
          best = p;
      pooled[i * c + j] = (double)x[best * c];
      if (winner)
        winner[i * c + j] = (int)best;
    }
}

/* log softmax of one row; never overflows. */
static void log_softmax(const double *z, int c, double scale, double *out) {
  double most = z[0] * scale, sum = 0;
  for (int i = 1; i < c; i++)
    most = fmax(most, z[i] * scale);
  for (int i = 0; i < c; i++)
    sum += exp(z[i] * scale - most);
  const double log_sum = most + log(sum);
  for (int i = 0; i < c; i++)
    out[i] = z[i] * scale - log_sum;
}

double cored_loss_cross_entropy(const double *z, int c, int label) {
  double log_p[CORED_MAX_CLASSES];
  log_softmax(z, c, 1, log_p);
  return -log_p[label];
}

void cored_loss_cross_entropy_gradient(const double *z, int c, int label, double weight,
                                       double *dz) {
  double log_p[CORED_MAX_CLASSES];
  log_softmax(z, c, 1, log_p);
  for (int i = 0; i < c; i++)
    dz[i] += weight * (exp(log_p[i]) - (i == label));
}

double cored_loss_distillation(const double *zs, const double *zt, int c, int label, double alpha,
                               double temperature) {
  double log_s[CORED_MAX_CLASSES], log_t[CORED_MAX_CLASSES], divergence = 0;
  log_softmax(zs, c, 1 / temperature, log_s);
  log_softmax(zt, c, 1 / temperature, log_t);
  for (int i = 0; i < c; i++)
    if (exp(log_t[i]) != 0) /* 0 log 0 = 0, but NaN stays */
      divergence += exp(log_t[i]) * (log_t[i] - log_s[i]);
  return alpha * temperature * temperature * divergence +
         (1 - alpha) * cored_loss_cross_entropy(zs, c, label);
}

void cored_loss_distillation_gradient(const double *zs, const double *zt, int c, int label,
                                      double alpha, double temperature, double weight,
                                      double *dzs) {
  double log_s[CORED_MAX_CLASSES], log_t[CORED_MAX_CLASSES];
  log_softmax(zs, c, 1 / temperature, log_s);
  log_softmax(zt, c, 1 / temperature, log_t);
  for (int i = 0; i < c; i++)
    dzs[i] += weight * alpha * temperature * (exp(log_s[i]) - exp(log_t[i]));
  cored_loss_cross_entropy_gradient(zs, c, label, weight * (1 - alpha), dzs);
}

bool cored_stores_init(CoredStores *stores, int k, int c, int width) {
  const size_t pairs = (size_t)k * (size_t)c;
  *stores = (CoredStores){.k = k, .c = c, .width = width};
  stores->sums = calloc(pairs * (size_t)width, sizeof *stores->sums);
  stores->counts = calloc(pairs, sizeof *stores->counts);
  return stores->sums && stores->counts;
}

void cored_stores_clear(CoredStores *stores) {
  free(stores->sums);
  free(stores->counts);
  *stores = (CoredStores){0};
}

void cored_stores_reset(CoredStores *stores) {
  const size_t pairs = (size_t)stores->k * (size_t)stores->c;
  memset(stores->sums, 0, pairs * (size_t)stores->width * sizeof *stores->sums);
  memset(stores->counts, 0, pairs * sizeof *stores->counts);
}

int cored_store_index(const double *z, int c, int label, int k) {
  double log_p[CORED_MAX_CLASSES];
  log_softmax(z, c, 1, log_p);
  const double p = exp(log_p[label]);
  if (!(p > 0.5))
    return -1;
  int index = (int)ceil((p - 0.5) * 2 * k) - 1;
  if (index > 0 && p <= 0.5 + 0.5 * index / k) /* rounding of the line above, at the edges */
    index--;
  return index < 0 ? 0 : index >= k ? k - 1 : index;
}

void cored_stores_add(CoredStores *stores, int k, int label, const double *pooled, int f) {
  const size_t pair = (size_t)k * (size_t)stores->c + (size_t)label;
  double *const sum = stores->sums + pair * (size_t)stores->width;
  stores->counts[pair] += 1;
  if (stores->width > 1) {
    for (int i = 0; i < f; i++)
      sum[i] += pooled[i];
    return;
  }
  double mean = 0;
  for (int i = 0; i < f; i++)
    mean += pooled[i];
  *sum += mean / f;
}

/* Mean of value i of a pair in the student minus that in the teacher. */
static double difference(const CoredStores *student, const CoredStores *teacher, size_t pair,
                         int i) {
  const size_t at = pair * (size_t)student->width + (size_t)i;
  return student->sums[at] / student->counts[pair] - teacher->sums[at] / teacher->counts[pair];
}

double cored_loss_representation(const CoredStores *student, const CoredStores *teacher,
                                 int *n_pairs) {
  double sum = 0;
  *n_pairs = 0;
  for (size_t pair = 0; pair < (size_t)student->k * (size_t)student->c; pair++) {
    if (student->counts[pair] == 0 || teacher->counts[pair] == 0)
      continue;
    double square = 0;
    for (int i = 0; i < student->width; i++) {
      const double d = difference(student, teacher, pair, i);
      square += d * d;
    }
    sum += square / student->width;
    ++*n_pairs;
  }
  return sum;
}

/* scalar: r = sum over samples and channels of p / (count f), so dL/dp = 2 (r - r^T) / (count f);
 * vector: L = 1/f sum_i (r_i - r_i^T)^2, r_i = sum over samples of p_i / count, so the same with
 * the i-th difference. */
void cored_loss_representation_gradient(const CoredStores *student, const CoredStores *teacher,
                                        int k, int label, int f, double weight, double *dpooled) {
  const size_t pair = (size_t)k * (size_t)student->c + (size_t)label;
  if (student->counts[pair] == 0 || teacher->counts[pair] == 0)
    return;
  const double factor = weight * 2 / (student->counts[pair] * f);
  for (int i = 0; i < f; i++)
    dpooled[i] += factor * difference(student, teacher, pair, student->width > 1 ? i : 0);
}

double cored_loss_square_distance(const CoredReal *w, const CoredReal *origin, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const double d = (double)w[i] - (origin ? (double)origin[i] : 0.0);
    sum += d * d;
  }
  return 0.5 * sum;
}

void cored_loss_square_distance_gradient(const CoredReal *w, const CoredReal *origin, size_t count,
                                         double weight, CoredReal *dw) {
  for (size_t i = 0; i < count; i++)
    dw[i] += (CoredReal)(weight * ((double)w[i] - (origin ? (double)origin[i] : 0.0)));
}
