/* SPDX-License-Identifier: MIT
 * A finished model on a set: by the same plan and session as the element's. */
#ifndef CORED_TOOLS_TRAIN_EVALUATE_H
#define CORED_TOOLS_TRAIN_EVALUATE_H

#include <jansson.h>

#include "predict.h"
#include "ui.h"

typedef struct Evaluator Evaluator;

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

/* ---- Judging ---- */

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
