/* SPDX-License-Identifier: MIT */
#include "evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "status.h"

/* ---- Predictions ----------------------------------------------------------------------------- */

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

/* ---- Judging --------------------------------------------------------------------------------- */

enum { BATCH = 32 };

struct Evaluator {
  CoredModelInfo info;
  CoredPlan *plan;
  CoredSession *session;
};

bool info_same_input(const CoredModelInfo *a, const CoredModelInfo *b) {
  return a->input_width == b->input_width && a->input_height == b->input_height &&
         memcmp(a->mean, b->mean, sizeof a->mean) == 0 &&
         memcmp(a->std, b->std, sizeof a->std) == 0;
}

bool info_same_classes(const CoredModelInfo *a, const CoredModelInfo *b) {
  bool same = a->n_classes == b->n_classes && a->real_class == b->real_class;
  for (int c = 0; same && c < a->n_classes; c++)
    same = strcmp(a->labels[c], b->labels[c]) == 0;
  return same;
}

void info_classes_text(const CoredModelInfo *info, char out[CLASSES_TEXT_SIZE]) {
  int at = 0;
  out[0] = '\0';
  for (int c = 0; c < info->n_classes && at < CLASSES_TEXT_SIZE; c++)
    at +=
        snprintf(out + at, CLASSES_TEXT_SIZE - (size_t)at, "%s%s", c ? ", " : "", info->labels[c]);
  if (at < CLASSES_TEXT_SIZE)
    snprintf(out + at, CLASSES_TEXT_SIZE - (size_t)at, " (%s is the real one)",
             info->labels[info->real_class]);
}

void info_input_text(const CoredModelInfo *info, char out[INPUT_TEXT_SIZE]) {
  const float *m = info->mean, *s = info->std;
  snprintf(out, INPUT_TEXT_SIZE, "input %d x %d, mean %.6g %.6g %.6g, std %.6g %.6g %.6g",
           info->input_width, info->input_height, (double)m[0], (double)m[1], (double)m[2],
           (double)s[0], (double)s[1], (double)s[2]);
}

void info_copy_input(CoredModelInfo *to, const CoredModelInfo *from) {
  to->input_width = from->input_width;
  to->input_height = from->input_height;
  memcpy(to->mean, from->mean, sizeof to->mean);
  memcpy(to->std, from->std, sizeof to->std);
}

Evaluator *evaluator_new(const CoredModel *model, int threads, CoredError *error) {
  Evaluator *evaluator = calloc(1, sizeof *evaluator);
  if (!evaluator) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "evaluator");
    return NULL;
  }
  evaluator->info = *cored_model_info(model);
  evaluator->plan = cored_plan_new(model, NULL, error);
  if (evaluator->plan)
    evaluator->session = cored_session_new(
        evaluator->plan, &(CoredSessionParams){.max_batch = BATCH, .threads = threads}, error);
  if (evaluator->session)
    return evaluator;
  evaluator_free(evaluator);
  return NULL;
}

void evaluator_free(Evaluator *evaluator) {
  if (!evaluator)
    return;
  cored_session_free(evaluator->session);
  cored_plan_unref(evaluator->plan);
  free(evaluator);
}

static void score(void *user, const float *images, int n, float *logits) {
  const Evaluator *evaluator = user;
  CoredOutput output;
  cored_session_run(evaluator->session, images, n, &output);
  memcpy(logits, output.logits, (size_t)n * (size_t)output.n_classes * sizeof *logits);
}

typedef struct Watch {
  Ui *ui;
  const char *label;
  double began;
} Watch;

static bool watch(void *user, size_t done, size_t total) {
  const Watch *w = user;
  char text[64];
  snprintf(text, sizeof text, "%.0f images/s", (double)done / (ui_clock() - w->began + 1e-9));
  ui_bar(w->ui, w->label, done, total, text);
  return !stop_asked();
}

/* A network that reads more than the set holds would read other memory. */
static bool check_input(const CoredModelInfo *info, const CoredDataset *set, CoredError *error) {
  const CoredDataParams *params = cored_dataset_params(set);
  CoredModelInfo read = {.input_width = params->width, .input_height = params->height};
  char wanted[INPUT_TEXT_SIZE], found[INPUT_TEXT_SIZE];
  memcpy(read.mean, params->mean, sizeof read.mean);
  memcpy(read.std, params->std, sizeof read.std);
  if (info_same_input(info, &read))
    return true;
  info_input_text(info, wanted);
  info_input_text(&read, found);
  return cored_error_set(error, CORED_ERROR_INPUT_SIZE,
                         "'%s': the model expects %s, but the data were read for %s",
                         cored_dataset_root(set), wanted, found);
}

/* No figure can be made of an output that is no number. */
static bool check_finite(const Prediction *prediction, const CoredDataset *set, CoredError *error) {
  const size_t c = (size_t)prediction->n_classes;
  for (size_t i = 0; i < prediction->n * c; i++)
    if (!isfinite(prediction->logits[i])) {
      const CoredDataSample sample = cored_dataset_sample(set, prediction->samples[i / c]);
      return cored_error_set(
          error, CORED_ERROR_PARAMETER_VALUE,
          "'%s': expected finite outputs of the model, found %f: its weights are "
          "too large for this picture",
          cored_dataset_file(set, sample.file)->path, (double)prediction->logits[i]);
    }
  return true;
}

bool evaluator_predict(Evaluator *evaluator, const CoredDataset *set, int loader_threads, Ui *ui,
                       const char *label, Prediction *prediction, CoredError *error) {
  const Scorer scorer = {score, evaluator, evaluator->info.n_classes, evaluator->info.real_class,
                         BATCH};
  Watch w = {ui, label, ui_clock()};
  return check_input(&evaluator->info, set, error) &&
         predict_set(prediction, set, &scorer, loader_threads, watch, &w, error) &&
         check_finite(prediction, set, error);
}

json_t *json_figure(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *classes_json(const CoredMetrics *metrics, const CoredModelInfo *info) {
  json_t *classes = json_object();
  for (int c = 0; c < info->n_classes; c++) {
    const CoredClassMetrics *m = &metrics->classes[c];
    json_object_set_new(classes, info->labels[c],
                        json_pack("{s:f,s:f,s:f,s:I}", "precision", m->precision, "recall",
                                  m->recall, "f1", m->f1, "support", (json_int_t)m->support));
  }
  return classes;
}

static json_t *confusion_json(const CoredMetrics *metrics, const CoredModelInfo *info) {
  json_t *rows = json_array();
  for (int r = 0; r < info->n_classes; r++) {
    json_t *row = json_array();
    for (int c = 0; c < info->n_classes; c++)
      json_array_append_new(row,
                            json_integer((json_int_t)metrics->confusion[r * info->n_classes + c]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *reliability_json(const CoredMetrics *metrics) {
  json_t *bins = json_array();
  for (int b = 0; b < CORED_ECE_BINS; b++)
    json_array_append_new(bins, json_pack("{s:I,s:f,s:f}", "n", (json_int_t)metrics->bins[b].n,
                                          "confidence", metrics->bins[b].confidence, "accuracy",
                                          metrics->bins[b].accuracy));
  return bins;
}

/* At the model's own threshold, with fake on one side and every other class on the other. */
static json_t *decisions_json(const CoredMetrics *metrics) {
  const size_t(*const seen)[2] = metrics->decisions;
  return json_pack("{s:{s:I,s:I},s:{s:I,s:I}}", "real", "real", (json_int_t)seen[0][0], "fake",
                   (json_int_t)seen[0][1], "fake", "real", (json_int_t)seen[1][0], "fake",
                   (json_int_t)seen[1][1]);
}

json_t *metrics_json(const CoredMetrics *metrics, const CoredModelInfo *info) {
  return json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:[o,o],s:o,s:o,s:o,s:o,s:o,s:o,s:o,"
                   "s:o}",
                   "n", (json_int_t)metrics->n, "groups", (json_int_t)metrics->n_groups, "accuracy",
                   json_figure(metrics->accuracy), "balanced_accuracy",
                   json_figure(metrics->balanced_accuracy), "accuracy_at_threshold",
                   json_figure(metrics->accuracy_threshold), "balanced_accuracy_at_threshold",
                   json_figure(metrics->balanced_threshold), "fpr_at_threshold",
                   json_figure(metrics->fpr_threshold), "fnr_at_threshold",
                   json_figure(metrics->fnr_threshold), "confusion_at_threshold",
                   decisions_json(metrics), "auc", json_figure(metrics->auc), "auc_interval",
                   json_figure(metrics->auc_low), json_figure(metrics->auc_high), "eer",
                   json_figure(metrics->eer), "ap", json_figure(metrics->ap), "log_loss",
                   json_figure(metrics->log_loss), "brier", json_figure(metrics->brier), "ece",
                   json_figure(metrics->ece), "classes", classes_json(metrics, info), "confusion",
                   confusion_json(metrics, info), "reliability", reliability_json(metrics));
}

FigureText figure_text(double x) {
  FigureText text;
  snprintf(text.s, sizeof text.s, isfinite(x) ? "%.4f" : "undefined", x);
  return text;
}

static void print_auc(const CoredMetrics *metrics) {
  printf("AUC        %s   ", figure_text(metrics->auc).s);
  if (isfinite(metrics->auc_low))
    printf("95%% interval %.4f to %.4f\n", metrics->auc_low, metrics->auc_high);
  else
    puts("no 95% interval: not asked for, or too few groups of a class to tell");
}

/* The confusion of the decision that the model would make, then class by class at 0.5. */
static void print_decisions(const CoredMetrics *metrics) {
  const size_t(*const seen)[2] = metrics->decisions;
  printf("at the threshold: %zu of %zu real called fake, %zu of %zu fake called real\n", seen[0][1],
         seen[0][0] + seen[0][1], seen[1][0], seen[1][0] + seen[1][1]);
}

static void print_classes(const CoredMetrics *metrics, const CoredModelInfo *info) {
  printf("%-12s %9s %9s %9s %9s   called", info->n_classes > 2 ? "likeliest" : "at 0.5",
         "precision", "recall", "F1", "samples");
  for (int c = 0; c < info->n_classes; c++)
    printf(" %s", cored_show(info->labels[c]).text);
  putchar('\n');
  for (int r = 0; r < info->n_classes; r++) {
    const CoredClassMetrics *m = &metrics->classes[r];
    printf("%-12s %9.4f %9.4f %9.4f %9zu        ", cored_show(info->labels[r]).text, m->precision,
           m->recall, m->f1, m->support);
    for (int c = 0; c < info->n_classes; c++)
      printf(" %zu", metrics->confusion[r * info->n_classes + c]);
    putchar('\n');
  }
}

void metrics_print(const CoredMetrics *metrics, const CoredModelInfo *info) {
  printf("samples    %zu in %zu groups\n", metrics->n, metrics->n_groups);
  printf("accuracy   %s   balanced %s   at the model's threshold %.3f\n",
         figure_text(metrics->accuracy_threshold).s, figure_text(metrics->balanced_threshold).s,
         info->threshold);
  printf("           %s   balanced %s   %s\n", figure_text(metrics->accuracy).s,
         figure_text(metrics->balanced_accuracy).s,
         info->n_classes > 2 ? "of the likeliest class" : "at 0.5");
  print_decisions(metrics);
  print_auc(metrics);
  printf("EER        %s   AP %s\n", figure_text(metrics->eer).s, figure_text(metrics->ap).s);
  printf("loss       %s   Brier %s   ECE %s\n", figure_text(metrics->log_loss).s,
         figure_text(metrics->brier).s, figure_text(metrics->ece).s);
  print_classes(metrics, info);
}
