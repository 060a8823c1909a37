/* SPDX-License-Identifier: MIT
 * A finished model on a set: by the same plan and session as the element's. */
#ifndef CORED_TOOLS_TRAIN_EVALUATE_H
#define CORED_TOOLS_TRAIN_EVALUATE_H

#include <jansson.h>

#include "predict.h"
#include "ui.h"

typedef struct Evaluator Evaluator;

Evaluator *evaluator_new(const CoredModel *model, int threads, CoredError *error);
void evaluator_free(Evaluator *evaluator); /* NULL is fine */
bool evaluator_predict(Evaluator *evaluator, const CoredDataset *set, int loader_threads, Ui *ui,
                       const char *label, Prediction *prediction, CoredError *error);

/* Everything of metrics as JSON; figures that are not defined are null. */
json_t *metrics_json(const CoredMetrics *metrics, const CoredModelInfo *info);
/* The same for a person, to standard output. */
void metrics_print(const CoredMetrics *metrics, const CoredModelInfo *info);
/* x as a JSON number, or null where it is not finite. */
json_t *json_figure(double x);

#endif /* CORED_TOOLS_TRAIN_EVALUATE_H */
