/* SPDX-License-Identifier: MIT
 * What a detector is worth on labelled data: ranking, decisions, calibration, and what a sequence
 * of tasks taught and erased.
 *
 * "Positive" is fake throughout: scores are p-fake, and every class that is not the real one counts
 * as fake. A figure that the data cannot define (AUC without one of the classes) is NAN. Values are
 * those of scikit-learn 1.2 for the function of the same name, to rounding. */
#ifndef CORED_TRAIN_CORE_METRICS_H
#define CORED_TRAIN_CORE_METRICS_H

#include "cored.h"

typedef struct CoredRocPoint {
  double threshold; /* score >= threshold is called fake; +inf for the first point */
  double fpr, tpr;
} CoredRocPoint;

/* One entry per sample. Arrays belong to the caller. */
typedef struct CoredPredictions {
  size_t n;
  int n_classes, real_class;
  const float *logits;    /* [n, n_classes] */
  const uint32_t *labels; /* [n] */
  const uint32_t *groups; /* [n] identity, photo, scene or video; NULL: every sample its own */
} CoredPredictions;

typedef struct CoredClassMetrics {
  double precision, recall, f1; /* 0 where the denominator is 0, as scikit-learn */
  size_t support;
} CoredClassMetrics;

#define CORED_ECE_BINS 15

typedef struct CoredReliabilityBin { /* confidence in (i/15, (i+1)/15] */
  size_t n;
  double confidence, accuracy; /* means; 0 when n is 0 */
} CoredReliabilityBin;

typedef struct CoredMetrics {
  size_t n, n_groups;
  double accuracy, balanced_accuracy; /* arg max; balanced: mean recall of the classes present */
  double accuracy_threshold;          /* p-fake >= threshold against the true fake/real */
  double fpr_threshold;               /* real called fake at the threshold */
  double fnr_threshold;               /* fake called real at the threshold */
  double balanced_threshold;          /* 1 - the mean of both */
  size_t decisions[2][2];             /* [is fake][called fake] at the threshold */
  double auc, auc_low, auc_high;      /* with the 95 % bootstrap interval over groups */
  double eer, ap;
  double log_loss, brier, ece;
  CoredClassMetrics classes[CORED_MAX_CLASSES];
  CoredReliabilityBin bins[CORED_ECE_BINS];
  size_t *confusion; /* [n_classes, n_classes] row = truth, column = arg max; owned */
} CoredMetrics;

/* Fill scores[n] with p-fake and positive[n] with 0 or 1. */
void cored_predictions_scores(const CoredPredictions *predictions, double temperature,
                              double *scores, uint8_t *positive);

/* Everything. threshold on p-fake; temperature divides the logits; n_bootstrap 0 leaves the
 * interval NAN. Free with cored_metrics_clear. False without memory. */
bool cored_metrics_compute(CoredMetrics *metrics, const CoredPredictions *predictions,
                           double temperature, double threshold, int n_bootstrap, uint64_t seed,
                           CoredError *error);
void cored_metrics_clear(CoredMetrics *metrics);

/* The ROC curve, one point per distinct score from (0,0) to (1,1). The caller frees *points. */
bool cored_metrics_roc(const double *scores, const uint8_t *positive, size_t n,
                       CoredRocPoint **points, size_t *n_points, CoredError *error);
double cored_roc_auc(const CoredRocPoint *points, size_t n);
double cored_roc_eer(const CoredRocPoint *points, size_t n);

/* Percentile interval of the AUC when whole groups are drawn with replacement (Efron 1979). NAN
 * where fewer than two groups show one of the classes: too few to tell. */
bool cored_metrics_auc_interval(const double *scores, const uint8_t *positive,
                                const uint32_t *groups, size_t n, int n_draws, uint64_t seed,
                                double *low, double *high, CoredError *error);

/* Two models on the same samples: how much the AUC of `now` is above that of `old`, or above 0.5
 * with old NULL. */
typedef struct CoredAucGain {
  double gain, low, high; /* of `confidence`; NAN without both classes */
} CoredAucGain;

/* The interval is the bootstrap's percentiles (Efron 1979). Whole groups are drawn with replacement
 * and both models are judged on every draw, so that what is hard for both does not count. */
bool cored_metrics_auc_gain(const double *now, const double *old, const uint8_t *positive,
                            const uint32_t *groups, size_t n, int n_draws, uint64_t seed,
                            double confidence, CoredAucGain *gain, CoredError *error);

#define CORED_TEMPERATURE_MIN 0.05
#define CORED_TEMPERATURE_MAX 20.0

/* The temperature that calibrates (Guo et al. 2017), between the two bounds: it minimizes the sum
 * of the negative log likelihoods plus log(T)^2 / 2. That prior, a normal distribution of log T
 * around 0 with deviation 1, weighs as much as a sample or two and is lost among hundreds; without
 * it samples that are all on the right side send T to its bound. *told (may be NULL) is whether the
 * likelihood alone has a minimum between the bounds: if not, T is the prior's. 1 for no samples. */
double cored_metrics_fit_temperature(const CoredPredictions *predictions, bool *told);
/* The threshold in [0, 1] with the best balanced accuracy on p-fake; 0.5 if undefined. */
bool cored_metrics_fit_threshold(const CoredPredictions *predictions, double temperature,
                                 double *threshold, CoredError *error);

/* Mean logits of every (group, label): one prediction per video. Arrays are allocated; the caller
 * frees *logits and *labels. */
bool cored_metrics_aggregate(const CoredPredictions *predictions, float **logits, uint32_t **labels,
                             size_t *n, CoredError *error);

/* a[i * n + j]: AUC on task j after training task i, NAN where it was not measured. */
typedef struct CoredContinual {
  double average;    /* mean over j <= i of a[i][j] */
  double forgetting; /* mean over j < i of max over i' < i of a[i'][j], minus a[i][j] */
  double backward;   /* mean over j < i of a[i][j] - a[j][j] */
} CoredContinual;

/* The figures after task i (0..n-1); NAN where nothing was measured, forgetting NAN at i = 0. */
CoredContinual cored_metrics_continual(const double *a, int n, int i);

#endif /* CORED_TRAIN_CORE_METRICS_H */
