/* SPDX-License-Identifier: MIT
 * Decisions: arg max, threshold, confusion, and the whole set in one call. */
#include "train/core/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

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

double cored_metrics_log_loss(const CoredPredictions *predictions, double temperature) {
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
  return (double)predictions->n * cored_metrics_log_loss(predictions, exp(-u)) + 0.5 * u * u;
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
  metrics->ap = cored_roc_ap(points, n_points, n_positive, predictions->n - n_positive);
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
  metrics->log_loss = cored_metrics_log_loss(predictions, temperature);
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
