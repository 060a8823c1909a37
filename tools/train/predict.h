/* SPDX-License-Identifier: MIT
 * A network's logits for every sample of a set, in the set's order. */
#ifndef CORED_TOOLS_TRAIN_PREDICT_H
#define CORED_TOOLS_TRAIN_PREDICT_H

#include "train/data/loader.h"
#include "train/core/metrics.h"

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

#endif /* CORED_TOOLS_TRAIN_PREDICT_H */
