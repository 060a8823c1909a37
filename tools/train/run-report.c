/* SPDX-License-Identifier: MIT
 * The report of a run: how the losses and figures went, the matrix over all tasks so far, and the
 * best model on every validation set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "report-cells.h"
#include "run.h"

enum { BOOTSTRAP = 1000, MAX_CURVES = 3, MAX_FACTS = 8, FACT_SIZE = 2048 };

/* ---- Curves ---------------------------------------------------------------------------------- */

typedef struct Curves {
  CoredReportCurve list[MAX_CURVES];
  CoredReportSeries *series; /* of all curves */
  double *numbers;           /* epochs, then what the series point to */
  size_t n, n_series, n_rows;
} Curves;

/* The number under key, in a row's "train" or in its entry for a task; NAN where there is none. */
static double figure(const json_t *row, const char *key, int task) {
  const json_t *from = task < 0 ? json_object_get(row, "train")
                                : json_array_get(json_object_get(row, "tasks"), (size_t)task);
  const json_t *value = json_object_get(from, key);
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Add a series to the last curve, unless it is 0 throughout. */
static void add_series(Curves *curves, const json_t *history, const char *name, const char *key,
                       int task) {
  double *y = curves->numbers + (1 + curves->n_series) * curves->n_rows;
  bool any = false;
  for (size_t i = 0; i < curves->n_rows; i++) {
    y[i] = figure(json_array_get(history, i), key, task);
    any |= isfinite(y[i]) && y[i] != 0;
  }
  if (!any)
    return;
  curves->series[curves->n_series++] = (CoredReportSeries){.name = name, .y = y};
  curves->list[curves->n - 1].n_series++;
}

static void begin_curve(Curves *curves, const char *title) {
  curves->list[curves->n++] = (CoredReportCurve){.title = title,
                                                 .x_title = "epoch",
                                                 .x = curves->numbers,
                                                 .n = curves->n_rows,
                                                 .series = curves->series + curves->n_series};
}

static bool make_curves(Curves *curves, const Run *run, CoredError *error) {
  static const char *const terms[] = {"total",          "student",        "distillation",
                                      "representation", "starting_point", "classifier"};
  const json_t *history = run->at.history;
  const size_t n_terms = sizeof terms / sizeof *terms;
  const size_t most = n_terms + 2 * (size_t)run->sets.n_tasks;
  curves->n_rows = json_array_size(history);
  curves->series = calloc(most, sizeof *curves->series);
  curves->numbers = calloc((1 + most) * (curves->n_rows + 1), sizeof *curves->numbers);
  if (!curves->series || !curves->numbers)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  for (size_t i = 0; i < curves->n_rows; i++)
    curves->numbers[i] = json_number_value(json_object_get(json_array_get(history, i), "epoch"));
  begin_curve(curves, "Losses on the training data");
  for (size_t i = 0; i < n_terms; i++)
    add_series(curves, history, terms[i], terms[i], -1);
  begin_curve(curves, "AUC on validation data");
  for (int j = 0; j < run->sets.n_tasks; j++)
    add_series(curves, history, run->sets.names[j], "auc", j);
  begin_curve(curves, "Accuracy on validation data");
  for (int j = 0; j < run->sets.n_tasks; j++)
    add_series(curves, history, run->sets.names[j], "accuracy", j);
  return true;
}

/* ---- Matrix ---------------------------------------------------------------------------------- */

typedef struct Matrix {
  json_t *rows; /* of the model's metadata; names point into it */
  const char *models[CORED_MAX_TASKS], *sets[CORED_MAX_TASKS];
  double *auc;
  CoredReportMatrix shown;
} Matrix;

/* Rows and columns in the order of learning; a sequence where every task has its row. */
static bool make_matrix(Matrix *matrix, const CoredModel *best, CoredError *error) {
  const CoredModelInfo *info = cored_model_info(best);
  const char *text = cored_model_metadata(best, KEY_MATRIX);
  matrix->rows = text ? json_loads(text, 0, NULL) : NULL;
  const size_t n_sets = (size_t)info->n_tasks;
  size_t n_rows = json_array_size(matrix->rows);
  n_rows = n_rows < CORED_MAX_TASKS ? n_rows : CORED_MAX_TASKS;
  matrix->auc = calloc(n_rows * n_sets + 1, sizeof *matrix->auc);
  if (!matrix->auc)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  bool sequence = n_rows == n_sets && n_sets > 1;
  for (size_t j = 0; j < n_sets; j++)
    matrix->sets[j] = info->tasks[j].name;
  for (size_t i = 0; i < n_rows; i++) {
    const json_t *row = json_array_get(matrix->rows, i), *auc = json_object_get(row, "auc");
    const char *after = json_string_value(json_object_get(row, "after"));
    matrix->models[i] = after ? after : "";
    sequence = sequence && strcmp(matrix->models[i], matrix->sets[i]) == 0;
    for (size_t j = 0; j < n_sets; j++) {
      const json_t *value = json_object_get(auc, matrix->sets[j]);
      matrix->auc[i * n_sets + j] = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
  }
  matrix->shown = (CoredReportMatrix){.models = matrix->models,
                                      .sets = matrix->sets,
                                      .n_models = (int)n_rows,
                                      .n_sets = (int)n_sets,
                                      .auc = matrix->auc,
                                      .sequence = sequence};
  return true;
}

/* ---- Facts ----------------------------------------------------------------------------------- */

typedef struct Facts {
  CoredReportFact list[MAX_FACTS];
  char values[MAX_FACTS][FACT_SIZE];
  size_t n;
} Facts;

static char *next_fact(Facts *facts, const char *name) {
  const size_t n = facts->n++;
  facts->list[n] = (CoredReportFact){name, facts->values[n]};
  return facts->values[n];
}

static void make_facts(Facts *facts, const Run *run, const CoredModel *best) {
  const CoredModelInfo *info = cored_model_info(best);
  const Options *options = run->options;
  const CoredDataset *train = run->sets.train;
  snprintf(next_fact(facts, "network"), FACT_SIZE, "%s (%s), input %d x %d",
           cored_network_title(info->network), info->network, info->input_width,
           info->input_height);
  snprintf(next_fact(facts, "method"), FACT_SIZE, "%s, started from %s",
           json_string_value(json_object_get(run->config, "method")),
           options->network.weights ? options->network.weights : "random weights");
  snprintf(next_fact(facts, "trained on"), FACT_SIZE, "%s: %zu samples of %zu groups",
           cored_dataset_root(train), cored_dataset_n_samples(train),
           cored_dataset_n_groups(train));
  snprintf(next_fact(facts, "best epoch"), FACT_SIZE, "%d of %zu", run->at.best_epoch,
           json_array_size(run->at.history));
  char threshold[CORED_NUMBER_SIZE], temperature[CORED_NUMBER_SIZE];
  cored_number_format(info->threshold, true, threshold);
  cored_number_format(info->temperature, true, temperature);
  snprintf(next_fact(facts, "fitted"), FACT_SIZE, "threshold %s, temperature %s", threshold,
           temperature);
  snprintf(next_fact(facts, "weights"), FACT_SIZE, "SHA-256 of the weights %s", info->sha256);
  const char *config = cored_model_metadata(best, "train.config");
  snprintf(next_fact(facts, "settings"), FACT_SIZE, "%s", config ? config : "");
}

/* ---- The report ------------------------------------------------------------------------------ */

/* The best model on the validation sets, as the element would run it. */
static bool judge(EvalResult *result, Run *run, const CoredModel *best, CoredError *error) {
  result->infos[0] = *cored_model_info(best);
  result->n_models = 1;
  result->n_tasks = run->sets.n_tasks;
  for (int j = 0; j < result->n_tasks; j++) {
    result->sets[j] = run->sets.val[j];
    result->names[j] = run->sets.names[j];
  }
  result->cells = calloc((size_t)result->n_tasks, sizeof *result->cells);
  if (!result->cells)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  return eval_judge(result, 0, best, run->options->recipe.train.threads,
                    run->options->loader_threads, BOOTSTRAP, &run->ui, error);
}

static bool write_report(const Run *run, const EvalResult *result, const CoredModel *best,
                         CoredError *error) {
  Curves curves = {0};
  Matrix *matrix = calloc(1, sizeof *matrix);
  Facts *facts = calloc(1, sizeof *facts);
  ReportCells cells = {0};
  char *path = run_path(run, "report.html"), title[256];
  bool ok = matrix && facts && path;
  if (!ok) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  } else if ((ok = make_curves(&curves, run, error) && make_matrix(matrix, best, error) &&
                   report_cells_build(&cells, result, error))) {
    make_facts(facts, run, best);
    snprintf(title, sizeof title, "Training on %s", run->sets.names[0]);
    const CoredReport report = {.title = title,
                                .facts = facts->list,
                                .n_facts = facts->n,
                                .matrix = matrix->shown,
                                .curves = curves.list,
                                .n_curves = curves.n,
                                .cells = cells.cells,
                                .n_cells = cells.n};
    ok = cored_report_write(&report, path, error);
  }
  report_cells_clear(&cells);
  free(curves.series);
  free(curves.numbers);
  if (matrix) {
    json_decref(matrix->rows);
    free(matrix->auc);
  }
  free(matrix);
  free(facts);
  free(path);
  return ok;
}

bool run_write_report(Run *run, const CoredModel *best, CoredError *error) {
  EvalResult *result = calloc(1, sizeof *result);
  if (!result)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  const bool ok = judge(result, run, best, error) && write_report(run, result, best, error);
  eval_clear_cells(result); /* the sets are the run's */
  free(result);
  return ok;
}
