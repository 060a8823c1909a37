/* SPDX-License-Identifier: MIT
 * Ranking figures: ROC, AUC, EER, average precision, bootstrap interval, threshold, aggregation. */
#include "train/core/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

typedef struct Ranked {
  double score;
  uint32_t group;
  uint8_t positive;
} Ranked;

static int by_falling_score(const void *a, const void *b) {
  const double x = ((const Ranked *)a)->score, y = ((const Ranked *)b)->score;
  return (x < y) - (x > y);
}

static Ranked *rank(const double *scores, const uint8_t *positive, const uint32_t *groups, size_t n,
                    CoredError *error) {
  Ranked *ranked = malloc((n + 1) * sizeof *ranked);
  if (!ranked) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "ranking of %zu samples", n);
    return NULL;
  }
  for (size_t i = 0; i < n; i++)
    ranked[i] = (Ranked){scores[i], groups ? groups[i] : (uint32_t)i, positive[i]};
  qsort(ranked, n, sizeof *ranked, by_falling_score);
  return ranked;
}

bool cored_metrics_roc(const double *scores, const uint8_t *positive, size_t n,
                       CoredRocPoint **points, size_t *n_points, CoredError *error) {
  size_t n_positive = 0, tp = 0, fp = 0, k = 0;
  Ranked *ranked = rank(scores, positive, NULL, n, error);
  *points = malloc((n + 1) * sizeof **points);
  if (!ranked || !*points) {
    free(ranked);
    free(*points);
    *points = NULL;
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "ROC curve of %zu samples", n);
  }
  for (size_t i = 0; i < n; i++)
    n_positive += ranked[i].positive;
  const double p = (double)n_positive, q = (double)(n - n_positive);
  (*points)[k++] = (CoredRocPoint){(double)INFINITY, 0.0 / q, 0.0 / p}; /* NAN without the class */
  for (size_t i = 0; i < n; i++) {
    tp += ranked[i].positive;
    fp += !ranked[i].positive;
    if (i + 1 == n || ranked[i + 1].score != ranked[i].score)
      (*points)[k++] =
          (CoredRocPoint){ranked[i].score, (double)fp / q, (double)tp / p}; /* 0/0 is NAN */
  }
  free(ranked);
  *n_points = k;
  return true;
}

/* Trapezoids: a tie counts one half, as in the Mann-Whitney U statistic. */
double cored_roc_auc(const CoredRocPoint *points, size_t n) {
  double area = 0.0;
  if (n < 2)
    return (double)NAN;
  for (size_t i = 1; i < n; i++)
    area += (points[i].fpr - points[i - 1].fpr) * 0.5 * (points[i].tpr + points[i - 1].tpr);
  return area;
}

/* Where the linearly joined curve meets fpr = 1 - tpr. */
double cored_roc_eer(const CoredRocPoint *points, size_t n) {
  for (size_t i = 1; i < n; i++) {
    const double before = points[i - 1].fpr + points[i - 1].tpr - 1.0;
    const double after = points[i].fpr + points[i].tpr - 1.0;
    if (after >= 0.0) {
      const double t = before / (before - after);
      return points[i - 1].fpr + t * (points[i].fpr - points[i - 1].fpr);
    }
  }
  return (double)NAN;
}

/* Sum over thresholds of (recall_k - recall_k-1) precision_k, without interpolation. */
double cored_roc_ap(const CoredRocPoint *points, size_t n, size_t n_positive, size_t n_negative) {
  double sum = 0.0;
  if (n_positive == 0)
    return (double)NAN;
  if (n_negative == 0)
    return 1.0;
  for (size_t i = 1; i < n; i++) {
    const double tp = points[i].tpr * (double)n_positive, fp = points[i].fpr * (double)n_negative;
    sum += (points[i].tpr - points[i - 1].tpr) * tp / (tp + fp);
  }
  return sum;
}

/* AUC when the sample of group g counts weight[g] times; ranked is sorted. O(n). */
static double weighted_auc(const Ranked *ranked, size_t n, const uint32_t *weight) {
  double area = 0.0, tp = 0.0, fp = 0.0;
  for (size_t i = 0; i < n;) {
    double dp = 0.0, dn = 0.0;
    const double score = ranked[i].score;
    for (const size_t first = i; i < n && (i == first || ranked[i].score == score);
         i++) /* NaN != NaN */
      *(ranked[i].positive ? &dp : &dn) += weight[ranked[i].group];
    area += dn * (tp + 0.5 * dp);
    tp += dp;
    fp += dn;
  }
  return area / (tp * fp);
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Rename groups to 0..m-1 in order of first appearance in the ranking's own order. */
static int by_group(const void *a, const void *b) {
  const uint32_t x = (*(Ranked *const *)a)->group, y = (*(Ranked *const *)b)->group;
  return (x > y) - (x < y);
}

static size_t compact_groups(Ranked *ranked, size_t n, Ranked **scratch) {
  size_t m = 0;
  for (size_t i = 0; i < n; i++)
    scratch[i] = &ranked[i];
  qsort(scratch, n, sizeof *scratch, by_group);
  for (size_t i = 0; i < n;) {
    const uint32_t group = scratch[i]->group;
    for (; i < n && scratch[i]->group == group; i++)
      scratch[i]->group = (uint32_t)m;
    m++;
  }
  return m;
}

/* One draw: how often every group is taken. */
static void draw_groups(uint32_t *weight, size_t m, uint64_t seed, int draw) {
  CoredRandom random = cored_random_init(seed, CORED_RANDOM_BOOTSTRAP, (uint64_t)draw, 0);
  memset(weight, 0, m * sizeof *weight);
  for (size_t k = 0; k < m; k++)
    weight[cored_random_below(&random, m)]++;
}

/* Do at least two of m groups hold positives, and two negatives? flags: room for m. */
static bool has_two_of_each(const Ranked *ranked, size_t n, size_t m, uint32_t *flags) {
  size_t with[2] = {0, 0};
  memset(flags, 0, m * sizeof *flags);
  for (size_t i = 0; i < n; i++) {
    const uint32_t flag = ranked[i].positive ? 2 : 1;
    with[flag - 1] += !(flags[ranked[i].group] & flag);
    flags[ranked[i].group] |= flag;
  }
  return with[0] >= 2 && with[1] >= 2;
}

bool cored_metrics_auc_interval(const double *scores, const uint8_t *positive,
                                const uint32_t *groups, size_t n, int n_draws, uint64_t seed,
                                double *low, double *high, CoredError *error) {
  Ranked *ranked = rank(scores, positive, groups, n, error);
  Ranked **scratch = malloc((n + 1) * sizeof *scratch);
  uint32_t *weight = malloc((n + 1) * sizeof *weight);
  double *draws = malloc(((size_t)n_draws + 1) * sizeof *draws);
  int kept = 0;
  *low = *high = (double)NAN;
  const bool ok = ranked && scratch && weight && draws;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "bootstrap of %zu samples", n);
  const size_t m = ok ? compact_groups(ranked, n, scratch) : 0;
  const bool enough = ok && has_two_of_each(ranked, n, m, weight);
  for (int d = 0; enough && d < n_draws; d++) {
    draw_groups(weight, m, seed, d);
    const double auc = weighted_auc(ranked, n, weight);
    if (!isnan(auc)) /* a draw without one of the classes says nothing */
      draws[kept++] = auc;
  }
  if (kept > 0) {
    qsort(draws, (size_t)kept, sizeof *draws, by_value);
    *low = draws[(int)(0.025 * (kept - 1) + 0.5)];
    *high = draws[(int)(0.975 * (kept - 1) + 0.5)];
  }
  free(ranked);
  free(scratch);
  free(weight);
  free(draws);
  return ok;
}

static double weighted_gain(const Ranked *now, const Ranked *old, size_t n,
                            const uint32_t *weight) {
  return weighted_auc(now, n, weight) - (old ? weighted_auc(old, n, weight) : 0.5);
}

static void fill_gain(const Ranked *now, const Ranked *old, size_t n, size_t m, uint32_t *weight,
                      double *draws, int n_draws, uint64_t seed, double confidence,
                      CoredAucGain *gain) {
  int kept = 0;
  for (size_t k = 0; k < m; k++)
    weight[k] = 1;
  gain->gain = weighted_gain(now, old, n, weight);
  for (int d = 0; m > 0 && d < n_draws; d++) {
    draw_groups(weight, m, seed, d);
    const double x = weighted_gain(now, old, n, weight);
    if (!isnan(x)) /* a draw without one of the classes says nothing */
      draws[kept++] = x;
  }
  if (kept == 0)
    return;
  const double tail = 0.5 * (1.0 - confidence);
  qsort(draws, (size_t)kept, sizeof *draws, by_value);
  gain->low = draws[(int)(tail * (kept - 1) + 0.5)];
  gain->high = draws[(int)((1.0 - tail) * (kept - 1) + 0.5)];
}

bool cored_metrics_auc_gain(const double *now, const double *old, const uint8_t *positive,
                            const uint32_t *groups, size_t n, int n_draws, uint64_t seed,
                            double confidence, CoredAucGain *gain, CoredError *error) {
  Ranked *ranked = rank(now, positive, groups, n, error);
  Ranked *ranked_old = old ? rank(old, positive, groups, n, error) : NULL;
  Ranked **scratch = malloc((n + 1) * sizeof *scratch);
  uint32_t *weight = calloc(n + 1, sizeof *weight);
  double *draws = malloc(((size_t)n_draws + 1) * sizeof *draws);
  const bool ok = ranked && (ranked_old || !old) && scratch && weight && draws;
  *gain = (CoredAucGain){(double)NAN, (double)NAN, (double)NAN};
  if (ok) {
    const size_t m = compact_groups(ranked, n, scratch);
    if (ranked_old)
      compact_groups(ranked_old, n, scratch);
    fill_gain(ranked, ranked_old, n, m, weight, draws, n_draws, seed, confidence, gain);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "bootstrap of %zu samples", n);
  }
  free(ranked);
  free(ranked_old);
  free(scratch);
  free(weight);
  free(draws);
  return ok;
}

bool cored_metrics_fit_threshold(const CoredPredictions *predictions, double temperature,
                                 double *threshold, CoredError *error) {
  double *scores = malloc((predictions->n + 1) * sizeof *scores);
  uint8_t *positive = malloc(predictions->n + 1);
  CoredRocPoint *points = NULL;
  size_t n = 0;
  bool ok = false;
  *threshold = 0.5;
  if (!scores || !positive) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "threshold of %zu samples", predictions->n);
  } else {
    cored_predictions_scores(predictions, temperature, scores, positive);
    ok = cored_metrics_roc(scores, positive, predictions->n, &points, &n, error);
  }
  /* Between two scores every threshold decides alike; the middle of the best gap is the choice
   * that is farthest from both. The first of several equal bests is taken. */
  double best = -(double)INFINITY;
  for (size_t i = 1; ok && i < n; i++) {
    const double gain = points[i].tpr - points[i].fpr;
    if (gain > best) { /* false for NAN */
      best = gain;
      *threshold =
          0.5 * (points[i].threshold + (i + 1 < n ? points[i + 1].threshold : points[i].threshold));
    }
  }
  free(points);
  free(scores);
  free(positive);
  return ok;
}

typedef struct Member {
  uint64_t key; /* group and label: a group holding both classes counts as two */
  size_t index;
} Member;

static int by_key(const void *a, const void *b) {
  const Member *x = a, *y = b;
  if (x->key != y->key)
    return x->key < y->key ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

bool cored_metrics_aggregate(const CoredPredictions *predictions, float **logits, uint32_t **labels,
                             size_t *n, CoredError *error) {
  const size_t total = predictions->n, n_classes = (size_t)predictions->n_classes;
  Member *members = malloc((total + 1) * sizeof *members);
  *logits = malloc((total + 1) * n_classes * sizeof **logits);
  *labels = malloc((total + 1) * sizeof **labels);
  *n = 0;
  if (!members || !*logits || !*labels) {
    free(members);
    free(*logits);
    free(*labels);
    *logits = NULL;
    *labels = NULL;
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "groups of %zu samples", total);
  }
  for (size_t i = 0; i < total; i++) {
    const uint64_t group = predictions->groups ? predictions->groups[i] : (uint32_t)i;
    members[i] = (Member){group << 32 | predictions->labels[i], i};
  }
  qsort(members, total, sizeof *members, by_key);
  for (size_t i = 0; i < total;) {
    double sum[CORED_MAX_CLASSES] = {0};
    const size_t first = i;
    for (; i < total && members[i].key == members[first].key; i++)
      for (size_t c = 0; c < n_classes; c++)
        sum[c] += (double)predictions->logits[members[i].index * n_classes + c];
    for (size_t c = 0; c < n_classes; c++)
      (*logits)[*n * n_classes + c] = (float)(sum[c] / (double)(i - first));
    (*labels)[(*n)++] = (uint32_t)members[first].key;
  }
  free(members);
  return true;
}
