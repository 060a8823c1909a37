/* SPDX-License-Identifier: MIT
 * A network on a set: its predictions, and what a finished model is worth. */
#ifndef CORED_TOOLS_TRAIN_EVALUATE_H
#define CORED_TOOLS_TRAIN_EVALUATE_H

#include <jansson.h>

#include "train/core/metrics.h"
#include "train/data/loader.h"
#include "ui.h"

/* ---- Predictions: logits of every sample of a set, in its order ---- */

/* Whatever computes logits[n, n_classes] of images[n, h, w, 3]. */
typedef struct Scorer {
  void (*score)(void *user, const float *images, int n, float *logits);
  void *user;
  int n_classes, real_class;
  int batch; /* largest n */
} Scorer;

typedef struct Prediction {
  size_t n;
  int n_classes, real_class;
  float *logits; /* owned, like the rest */
  uint32_t *labels, *groups, *samples;
} Prediction;

/* Called after every batch; returning false stops. */
typedef bool (*PredictWatch)(void *user, size_t done, size_t total);

bool predict_set(Prediction *prediction, const CoredDataset *set, const Scorer *scorer, int threads,
                 PredictWatch watch, void *user, CoredError *error);
void prediction_clear(Prediction *prediction);
CoredPredictions prediction_view(const Prediction *prediction);
/* All of several, one after another; groups are kept apart. */
bool prediction_join(Prediction *joined, const Prediction *parts, int n, CoredError *error);

/* ---- Two models, or a model and data ---- */

#define INPUT_TEXT_SIZE 160

/* Do both look at the same input: size, mean and standard deviation? */
bool info_same_input(const CoredModelInfo *a, const CoredModelInfo *b);
/* Do both have the same classes in the same order? */
bool info_same_classes(const CoredModelInfo *a, const CoredModelInfo *b);
#define CLASSES_TEXT_SIZE 256

/* "fake, real (real is the real one)", cut where it does not fit. */
void info_classes_text(const CoredModelInfo *info, char out[CLASSES_TEXT_SIZE]);
/* "input 64 x 64, mean 0.5 0.5 0.5, std 0.5 0.5 0.5" */
void info_input_text(const CoredModelInfo *info, char out[INPUT_TEXT_SIZE]);
void info_copy_input(CoredModelInfo *to, const CoredModelInfo *from);

/* ---- Judging: by the same plan and session as the element's ---- */

typedef struct Evaluator Evaluator;

Evaluator *evaluator_new(const CoredModel *model, int threads, CoredError *error);
void evaluator_free(Evaluator *evaluator); /* NULL is fine */
/* Refuses a set that was read for another input. */
bool evaluator_predict(Evaluator *evaluator, const CoredDataset *set, int loader_threads, Ui *ui,
                       const char *label, Prediction *prediction, CoredError *error);

/* Everything of metrics as JSON; figures that are not defined are null. */
json_t *metrics_json(const CoredMetrics *metrics, const CoredModelInfo *info);
/* The same for a person, to standard output. */
void metrics_print(const CoredMetrics *metrics, const CoredModelInfo *info);
typedef struct FigureText {
  char s[32];
} FigureText;

/* x with four digits, or "undefined" where it is not finite. */
FigureText figure_text(double x);
/* x as a JSON number, or null where it is not finite. */
json_t *json_figure(double x);

#endif /* CORED_TOOLS_TRAIN_EVALUATE_H */
