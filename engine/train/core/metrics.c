/* SPDX-License-Identifier: MIT
 * Decisions (arg max, threshold, confusion, calibration), ranking figures (ROC, AUC, EER, average
 * precision, bootstrap intervals), and the whole set in one call. */
#include "train/core/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

/* ---- Decisions ------------------------------------------------------------------------------- */

static int arg_max(const float *z, int n) {
  int best = 0;
  for (int c = 1; c < n; c++)
    if (z[c] > z[best])
      best = c;
  return best;
}

/* p = softmax(z / temperature) in double; returns log of the normalizer so that
 * log p_c = z_c / temperature - it. */
static double softmax(const float *z, int n, double temperature, double *p) {
  double top = -(double)INFINITY, sum = 0.0;
  for (int c = 0; c < n; c++)
    top = fmax(top, (double)z[c] / temperature);
  for (int c = 0; c < n; c++)
    sum += p[c] = exp((double)z[c] / temperature - top);
  for (int c = 0; c < n; c++)
    p[c] /= sum;
  return top + log(sum);
}

void cored_predictions_scores(const CoredPredictions *predictions, double temperature,
                              double *scores, uint8_t *positive) {
  double p[CORED_MAX_CLASSES];
  for (size_t i = 0; i < predictions->n; i++) {
    softmax(predictions->logits + i * (size_t)predictions->n_classes, predictions->n_classes,
            temperature, p);
    double fake = 0.0;
    for (int c = 0; c < predictions->n_classes; c++)
      if (c != predictions->real_class)
        fake += p[c];
    scores[i] = fake;
    positive[i] = predictions->labels[i] != (uint32_t)predictions->real_class;
  }
}

/* Mean negative log likelihood of the true class at a temperature. */
static double mean_log_loss(const CoredPredictions *predictions, double temperature) {
  double p[CORED_MAX_CLASSES], sum = 0.0;
  if (predictions->n == 0)
    return (double)NAN;
  for (size_t i = 0; i < predictions->n; i++) {
    const float *z = predictions->logits + i * (size_t)predictions->n_classes;
    const double norm = softmax(z, predictions->n_classes, temperature, p);
    sum += norm - (double)z[predictions->labels[i]] / temperature;
  }
  return sum / (double)predictions->n;
}

/* d(mean NLL)/d(beta) at beta = 1 / temperature: mean of E_p[z] - z_y. It grows with beta because
 * the NLL is convex in beta. */
static double slope_at(const CoredPredictions *predictions, double beta) {
  double p[CORED_MAX_CLASSES], sum = 0.0;
  for (size_t i = 0; i < predictions->n; i++) {
    const float *z = predictions->logits + i * (size_t)predictions->n_classes;
    softmax(z, predictions->n_classes, 1.0 / beta, p);
    double mean = 0.0;
    for (int c = 0; c < predictions->n_classes; c++)
      mean += p[c] * (double)z[c];
    sum += mean - (double)z[predictions->labels[i]];
  }
  return sum;
}

/* What is minimized, at u = log beta = -log T. */
static double objective_at(const CoredPredictions *predictions, double u) {
  return (double)predictions->n * mean_log_loss(predictions, exp(-u)) + 0.5 * u * u;
}

static double objective_slope_at(const CoredPredictions *predictions, double u) {
  return exp(u) * slope_at(predictions, exp(u)) + u;
}

double cored_metrics_fit_temperature(const CoredPredictions *predictions, bool *told) {
  enum { STEPS = 60 };
  const double first = -log(CORED_TEMPERATURE_MAX), last = -log(CORED_TEMPERATURE_MIN);
  const double step = (last - first) / STEPS;
  if (told)
    *told = predictions->n > 0 && slope_at(predictions, exp(first)) < 0.0 &&
            slope_at(predictions, exp(last)) > 0.0;
  if (predictions->n == 0)
    return 1.0;
  /* The sum of the two need not be convex: the best of a grid, then the minimum beside it. */
  double best = first, least = (double)INFINITY;
  for (int i = 0; i <= STEPS; i++) {
    const double u = first + i * step, value = objective_at(predictions, u);
    if (value < least) {
      least = value;
      best = u;
    }
  }
  double low = fmax(first, best - step), high = fmin(last, best + step);
  for (int i = 0; i < STEPS; i++) {
    const double middle = 0.5 * (low + high);
    if (objective_slope_at(predictions, middle) < 0.0)
      low = middle;
    else
      high = middle;
  }
  return exp(-0.5 * (low + high));
}

/* ---- Ranking --------------------------------------------------------------------------------- */

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
static double average_precision(const CoredRocPoint *points, size_t n, size_t n_positive,
                                size_t n_negative) {
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

/* ---- The whole set --------------------------------------------------------------------------- */

/* Expected calibration error: sum over bins of n_b / n |accuracy_b - confidence_b|, confidence
 * being the largest probability (Naeini et al. 2015; Guo et al. 2017). */
static double fill_reliability(const CoredPredictions *predictions, double temperature,
                               CoredReliabilityBin bins[CORED_ECE_BINS]) {
  double p[CORED_MAX_CLASSES], ece = 0.0;
  for (size_t i = 0; i < predictions->n; i++) {
    const float *z = predictions->logits + i * (size_t)predictions->n_classes;
    const int guess = arg_max(z, predictions->n_classes);
    softmax(z, predictions->n_classes, temperature, p);
    int b = (int)ceil(p[guess] * CORED_ECE_BINS) - 1;
    b = b < 0 ? 0 : b >= CORED_ECE_BINS ? CORED_ECE_BINS - 1 : b;
    bins[b].n++;
    bins[b].confidence += p[guess];
    bins[b].accuracy += predictions->labels[i] == (uint32_t)guess;
  }
  for (int b = 0; b < CORED_ECE_BINS; b++) {
    if (bins[b].n == 0)
      continue;
    bins[b].confidence /= (double)bins[b].n;
    bins[b].accuracy /= (double)bins[b].n;
    ece += (double)bins[b].n * fabs(bins[b].accuracy - bins[b].confidence);
  }
  return ece / (double)predictions->n; /* 0/0 is NAN, here and below */
}

static void fill_classes(CoredMetrics *metrics, const CoredPredictions *predictions) {
  const size_t n_classes = (size_t)predictions->n_classes;
  size_t right = 0, present = 0;
  double recall = 0.0;
  for (size_t i = 0; i < predictions->n; i++)
    metrics->confusion[predictions->labels[i] * n_classes +
                       (size_t)arg_max(predictions->logits + i * n_classes, (int)n_classes)]++;
  for (size_t c = 0; c < n_classes; c++) {
    size_t said = 0, truth = 0;
    const size_t hit = metrics->confusion[c * n_classes + c];
    for (size_t k = 0; k < n_classes; k++) {
      said += metrics->confusion[k * n_classes + c];
      truth += metrics->confusion[c * n_classes + k];
    }
    CoredClassMetrics *m = &metrics->classes[c];
    m->support = truth;
    m->precision = said ? (double)hit / (double)said : 0.0;
    m->recall = truth ? (double)hit / (double)truth : 0.0;
    m->f1 = said + truth ? 2.0 * (double)hit / (double)(said + truth) : 0.0;
    right += hit;
    present += truth > 0;
    recall += m->recall;
  }
  metrics->accuracy = (double)right / (double)predictions->n;
  metrics->balanced_accuracy = recall / (double)present;
}

static void fill_threshold(CoredMetrics *metrics, const double *scores, const uint8_t *positive,
                           size_t n, double threshold) {
  size_t(*const seen)[2] = metrics->decisions;
  double brier = 0.0;
  for (size_t i = 0; i < n; i++) {
    seen[positive[i] != 0][scores[i] >= threshold]++;
    brier += (scores[i] - positive[i]) * (scores[i] - positive[i]);
  }
  metrics->accuracy_threshold = (double)(seen[0][0] + seen[1][1]) / (double)n;
  metrics->fpr_threshold = (double)seen[0][1] / (double)(seen[0][0] + seen[0][1]);
  metrics->fnr_threshold = (double)seen[1][0] / (double)(seen[1][0] + seen[1][1]);
  metrics->balanced_threshold = 1.0 - 0.5 * (metrics->fpr_threshold + metrics->fnr_threshold);
  metrics->brier = brier / (double)n;
}

static bool fill_ranking(CoredMetrics *metrics, const CoredPredictions *predictions,
                         const double *scores, const uint8_t *positive, int n_bootstrap,
                         uint64_t seed, CoredError *error) {
  CoredRocPoint *points;
  size_t n_points, n_positive = 0;
  for (size_t i = 0; i < predictions->n; i++)
    n_positive += positive[i];
  if (!cored_metrics_roc(scores, positive, predictions->n, &points, &n_points, error))
    return false;
  metrics->auc = cored_roc_auc(points, n_points);
  metrics->eer = cored_roc_eer(points, n_points);
  metrics->ap = average_precision(points, n_points, n_positive, predictions->n - n_positive);
  free(points);
  metrics->auc_low = metrics->auc_high = (double)NAN;
  return n_bootstrap == 0 || cored_metrics_auc_interval(
                                 scores, positive, predictions->groups, predictions->n, n_bootstrap,
                                 seed, &metrics->auc_low, &metrics->auc_high, error);
}

static size_t count_groups(const CoredPredictions *predictions) {
  if (!predictions->groups)
    return predictions->n;
  uint32_t top = 0;
  for (size_t i = 0; i < predictions->n; i++)
    top = predictions->groups[i] > top ? predictions->groups[i] : top;
  uint8_t *seen = calloc((size_t)top + 1, 1);
  size_t n = 0;
  if (!seen)
    return 0;
  for (size_t i = 0; i < predictions->n; i++) {
    n += !seen[predictions->groups[i]];
    seen[predictions->groups[i]] = 1;
  }
  free(seen);
  return n;
}

bool cored_metrics_compute(CoredMetrics *metrics, const CoredPredictions *predictions,
                           double temperature, double threshold, int n_bootstrap, uint64_t seed,
                           CoredError *error) {
  const size_t n = predictions->n, n_classes = (size_t)predictions->n_classes;
  double *scores = malloc((n + 1) * sizeof *scores);
  uint8_t *positive = malloc(n + 1);
  bool ok = false;
  *metrics = (CoredMetrics){.n = n, .n_groups = count_groups(predictions)};
  metrics->confusion = calloc(n_classes * n_classes, sizeof *metrics->confusion);
  if (!scores || !positive || !metrics->confusion) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "metrics of %zu samples", n);
    goto done;
  }
  cored_predictions_scores(predictions, temperature, scores, positive);
  fill_classes(metrics, predictions);
  fill_threshold(metrics, scores, positive, n, threshold);
  metrics->log_loss = mean_log_loss(predictions, temperature);
  metrics->ece = fill_reliability(predictions, temperature, metrics->bins);
  ok = fill_ranking(metrics, predictions, scores, positive, n_bootstrap, seed, error);
done:
  free(scores);
  free(positive);
  if (!ok)
    cored_metrics_clear(metrics);
  return ok;
}

void cored_metrics_clear(CoredMetrics *metrics) {
  free(metrics->confusion);
  metrics->confusion = NULL;
}

CoredContinual cored_metrics_continual(const double *a, int n, int i) {
  double average = 0.0, forgetting = 0.0, backward = 0.0;
  int n_average = 0, n_forgetting = 0, n_backward = 0;
  for (int j = 0; j <= i; j++) {
    const double now = a[i * n + j];
    if (isnan(now))
      continue;
    average += now;
    n_average++;
    double best = (double)NAN;
    for (int before = 0; before < i; before++)
      best = fmax(best, a[before * n + j]); /* fmax drops NAN */
    if (j < i && !isnan(best)) {
      forgetting += best - now;
      n_forgetting++;
    }
    if (j < i && !isnan(a[j * n + j])) {
      backward += now - a[j * n + j];
      n_backward++;
    }
  }
  return (CoredContinual){.average = average / n_average,
                          .forgetting = forgetting / n_forgetting,
                          .backward = backward / n_backward};
}
