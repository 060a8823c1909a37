/* SPDX-License-Identifier: MIT */
#include "predict.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool reserve(Prediction *prediction, size_t n, const Scorer *scorer, CoredError *error) {
  *prediction = (Prediction){.n_classes = scorer->n_classes, .real_class = scorer->real_class};
  prediction->logits = malloc((n + 1) * (size_t)scorer->n_classes * sizeof(float));
  prediction->labels = malloc((n + 1) * sizeof(uint32_t));
  prediction->groups = malloc((n + 1) * sizeof(uint32_t));
  prediction->samples = malloc((n + 1) * sizeof(uint32_t));
  if (prediction->logits && prediction->labels && prediction->groups && prediction->samples)
    return true;
  prediction_clear(prediction);
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "predictions of %zu samples", n);
}

void prediction_clear(Prediction *prediction) {
  free(prediction->logits);
  free(prediction->labels);
  free(prediction->groups);
  free(prediction->samples);
  *prediction = (Prediction){0};
}

CoredPredictions prediction_view(const Prediction *prediction) {
  return (CoredPredictions){.n = prediction->n,
                            .n_classes = prediction->n_classes,
                            .real_class = prediction->real_class,
                            .logits = prediction->logits,
                            .labels = prediction->labels,
                            .groups = prediction->groups};
}

static void append(Prediction *prediction, const CoredDataset *set, const CoredLoaderBatch *batch,
                   const Scorer *scorer) {
  scorer->score(scorer->user, batch->input, batch->n,
                prediction->logits + prediction->n * (size_t)prediction->n_classes);
  for (int i = 0; i < batch->n; i++, prediction->n++) {
    prediction->labels[prediction->n] = (uint32_t)batch->labels[i];
    prediction->samples[prediction->n] = batch->samples[i];
    prediction->groups[prediction->n] = cored_dataset_group(set, batch->samples[i]);
  }
}

bool predict_set(Prediction *prediction, const CoredDataset *set, const Scorer *scorer, int threads,
                 PredictWatch watch, void *user, CoredError *error) {
  const CoredLoaderParams params = {
      .batch = scorer->batch, .sequential = true, .threads = threads, .depth = 2};
  const size_t total = cored_dataset_n_samples(set);
  if (!reserve(prediction, total, scorer, error))
    return false;
  CoredLoader *loader = cored_loader_new(set, &params, error);
  bool ok = loader && cored_loader_start(loader, 0, 0, error);
  CoredLoaderBatch batch;
  while (ok && cored_loader_next(loader, &batch)) {
    if (batch.n > 0)
      append(prediction, set, &batch, scorer);
    if (watch && !watch(user, prediction->n, total))
      ok = cored_error_set(error, CORED_ERROR_CANCELLED, "interrupted");
  }
  cored_loader_free(loader);
  if (!ok)
    prediction_clear(prediction);
  return ok;
}

bool prediction_join(Prediction *joined, const Prediction *parts, int n, CoredError *error) {
  const Scorer like = {.n_classes = parts[0].n_classes, .real_class = parts[0].real_class};
  size_t total = 0;
  uint32_t group = 0;
  for (int i = 0; i < n; i++)
    total += parts[i].n;
  if (!reserve(joined, total, &like, error))
    return false;
  for (int i = 0; i < n; i++) {
    const size_t at = joined->n, m = parts[i].n, c = (size_t)like.n_classes;
    uint32_t top = 0;
    memcpy(joined->logits + at * c, parts[i].logits, m * c * sizeof(float));
    memcpy(joined->labels + at, parts[i].labels, m * sizeof(uint32_t));
    memcpy(joined->samples + at, parts[i].samples, m * sizeof(uint32_t));
    for (size_t k = 0; k < m; k++) {
      joined->groups[at + k] = group + parts[i].groups[k];
      top = parts[i].groups[k] > top ? parts[i].groups[k] : top;
    }
    group += top + 1;
    joined->n += m;
  }
  return true;
}
