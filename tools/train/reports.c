/* SPDX-License-Identifier: MIT */
#include "reports.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "models.h"
#include "tools/report/report.h"
#include "train/data/reader.h"

typedef struct ReportCells {
  CoredReportCell *cells; /* [n], in the order of result->cells */
  size_t n;
} ReportCells;

enum { MAX_MISTAKES = 12, MAX_SIDE = 112 };

static bool no_memory(CoredError *error) {
  return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
}

/* ---- Which samples are shown ----------------------------------------------------------------- */

typedef struct Candidate {
  size_t index;   /* in the prediction */
  uint32_t group; /* of one video or person only the worst sample is shown */
  double error;   /* distance of p-fake from the truth */
  double p_fake;
} Candidate;

static int worst_first(const void *a, const void *b) {
  const Candidate *x = a, *y = b;
  if (x->error != y->error)
    return x->error < y->error ? 1 : -1;
  return (x->index > y->index) - (x->index < y->index);
}

static bool is_shown(const Candidate *list, size_t n, uint32_t group) {
  for (size_t i = 0; i < n; i++)
    if (list[i].group == group)
      return true;
  return false;
}

/* The worst mistakes at the model's threshold, worst first, moved to the front of list. */
static size_t choose(Candidate *list, const Prediction *prediction, const double *scores,
                     const uint8_t *positive, double threshold) {
  size_t n = 0, kept = 0;
  for (size_t i = 0; i < prediction->n; i++)
    if ((scores[i] >= threshold) != (positive[i] != 0))
      list[n++] = (Candidate){.index = i,
                              .group = prediction->groups[i],
                              .error = positive[i] ? 1 - scores[i] : scores[i],
                              .p_fake = scores[i]};
  qsort(list, n, sizeof *list, worst_first);
  for (size_t i = 0; i < n && kept < MAX_MISTAKES; i++)
    if (!is_shown(list, kept, list[i].group))
      list[kept++] = list[i];
  return kept;
}

/* ---- Their pictures -------------------------------------------------------------------------- */

/* Network input back to bytes, made smaller by averaging factor x factor pixels. */
static uint8_t *make_thumbnail(const float *input, const CoredDataParams *params, int *width,
                               int *height) {
  const int larger = params->width > params->height ? params->width : params->height;
  const int factor = (larger + MAX_SIDE - 1) / MAX_SIDE;
  *width = params->width / factor;
  *height = params->height / factor;
  uint8_t *rgb = malloc((size_t)*width * (size_t)*height * 3);
  for (int y = 0; rgb && y < *height; y++)
    for (int x = 0; x < *width; x++)
      for (int c = 0; c < 3; c++) {
        double sum = 0;
        for (int i = 0; i < factor * factor; i++) {
          const int row = y * factor + i / factor, column = x * factor + i % factor;
          sum +=
              (double)input[((size_t)row * (size_t)params->width + (size_t)column) * 3 + (size_t)c];
        }
        const double value = sum / (factor * factor) * (double)params->std[c];
        rgb[((size_t)y * (size_t)*width + (size_t)x) * 3 + (size_t)c] =
            (uint8_t)lround(255 * fmin(fmax(value + (double)params->mean[c], 0), 1));
      }
  return rgb;
}

/* "sub/folder/name.jpg", or "video.mp4, frame 7". */
static char *sample_name(const CoredDataset *set, CoredDataSample sample) {
  const CoredDataFile *file = cored_dataset_file(set, sample.file);
  const char *root = cored_dataset_root(set), *path = file->path;
  const size_t length = strlen(root);
  char *name;
  if (strncmp(path, root, length) == 0 && path[length] == '/')
    path += length + 1;
  const int n = file->video ? asprintf(&name, "%s, frame %u", path, sample.frame + 1)
                            : asprintf(&name, "%s", path);
  return n < 0 ? NULL : name;
}

static bool describe(CoredReportMistake *mistake, const CoredDataset *set, CoredDataReader *reader,
                     float *input, uint32_t index) {
  const CoredDataParams *params = cored_dataset_params(set);
  mistake->name = sample_name(set, cored_dataset_sample(set, index));
  if (reader && cored_dataset_read(set, index, reader, input, NULL))
    mistake->rgb = make_thumbnail(input, params, &mistake->width, &mistake->height);
  return mistake->name != NULL;
}

static bool add_mistakes(CoredReportCell *cell, const Prediction *prediction,
                         const CoredDataset *set, const Candidate *list, size_t n,
                         CoredError *error) {
  const CoredDataParams *params = cored_dataset_params(set);
  CoredReportMistake *mistakes = calloc(n + 1, sizeof *mistakes);
  float *input = malloc((size_t)params->width * (size_t)params->height * 3 * sizeof *input);
  CoredDataReader *reader = input ? cored_data_reader_new(params, NULL) : NULL;
  bool ok = mistakes && input;
  cell->mistakes = mistakes;
  for (size_t i = 0; i < n && ok; i++) {
    const size_t at = list[i].index;
    mistakes[i].truth = cell->info->labels[prediction->labels[at]];
    mistakes[i].p_fake = list[i].p_fake;
    cell->n_mistakes++;
    ok = describe(&mistakes[i], set, reader, input, prediction->samples[at]);
  }
  cored_data_reader_free(reader);
  free(input);
  return ok || no_memory(error);
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static bool fill(CoredReportCell *cell, const EvalResult *result, int i, int j, CoredError *error) {
  const EvalCell *from = &result->cells[i * result->n_tasks + j];
  const CoredPredictions view = prediction_view(&from->prediction);
  const CoredModelInfo *info = &result->infos[i];
  double *scores = malloc((view.n + 1) * sizeof *scores);
  uint8_t *positive = malloc(view.n + 1);
  Candidate *list = malloc((view.n + 1) * sizeof *list);
  CoredRocPoint *roc = NULL;
  char *title = NULL, *label = eval_label(result, i);
  bool ok = scores && positive && list && label &&
            asprintf(&title, "%s, on %s", label, result->names[j]) >= 0;
  *cell = (CoredReportCell){.title = ok ? title : NULL,
                            .info = info,
                            .metrics = &from->metrics,
                            .by_group = from->grouped ? &from->by_group : NULL};
  if (!ok) {
    no_memory(error);
  } else {
    cored_predictions_scores(&view, info->temperature, scores, positive);
    ok = cored_metrics_roc(scores, positive, view.n, &roc, &cell->n_roc, error);
    cell->roc = roc;
    ok = ok &&
         add_mistakes(cell, &from->prediction, result->sets[i * result->n_tasks + j], list,
                      choose(list, &from->prediction, scores, positive, info->threshold), error);
  }
  free(scores);
  free(positive);
  free(list);
  free(label);
  return ok;
}

/* Cells for every model and task of result, which has to stay. Pictures that cannot be read any
 * more are left out. */
static bool build_cells(ReportCells *cells, const EvalResult *result, CoredError *error) {
  const int n = result->n_models * result->n_tasks;
  *cells = (ReportCells){.cells = calloc((size_t)n + 1, sizeof *cells->cells)};
  if (!cells->cells)
    return no_memory(error);
  for (int k = 0; k < n; k++) {
    cells->n++;
    if (!fill(&cells->cells[k], result, k / result->n_tasks, k % result->n_tasks, error))
      return false;
  }
  return true;
}

static void clear_cells(ReportCells *cells) {
  for (size_t k = 0; k < cells->n; k++) {
    CoredReportCell *cell = &cells->cells[k];
    for (size_t i = 0; i < cell->n_mistakes; i++) {
      free((char *)cell->mistakes[i].name);
      free((uint8_t *)cell->mistakes[i].rgb);
    }
    free((CoredReportMistake *)cell->mistakes);
    free((CoredRocPoint *)cell->roc);
    free((char *)cell->title);
  }
  free(cells->cells);
  *cells = (ReportCells){0};
}

/* ==== A run =================================================================================== */

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

static bool make_curves(Curves *curves, const RunFacts *run, CoredError *error) {
  static const char *const terms[] = {"total",          "student",        "distillation",
                                      "representation", "starting_point", "classifier"};
  const json_t *history = run->progress->history;
  const size_t n_terms = sizeof terms / sizeof *terms;
  const size_t most = n_terms + 2 * (size_t)run->sets->n_tasks;
  curves->n_rows = json_array_size(history);
  curves->series = calloc(most, sizeof *curves->series);
  curves->numbers = calloc((1 + most) * (curves->n_rows + 1), sizeof *curves->numbers);
  if (!curves->series || !curves->numbers)
    return no_memory(error);
  for (size_t i = 0; i < curves->n_rows; i++)
    curves->numbers[i] = json_number_value(json_object_get(json_array_get(history, i), "epoch"));
  begin_curve(curves, "Losses on the training data");
  for (size_t i = 0; i < n_terms; i++)
    add_series(curves, history, terms[i], terms[i], -1);
  begin_curve(curves, "AUC on validation data");
  for (int j = 0; j < run->sets->n_tasks; j++)
    add_series(curves, history, run->sets->names[j], "auc", j);
  begin_curve(curves, "Accuracy on validation data");
  for (int j = 0; j < run->sets->n_tasks; j++)
    add_series(curves, history, run->sets->names[j], "accuracy", j);
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
    return no_memory(error);
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

static void make_facts(Facts *facts, const RunFacts *run, const CoredModel *best) {
  const CoredModelInfo *info = cored_model_info(best);
  const Options *options = run->options;
  const CoredDataset *train = run->sets->train;
  snprintf(next_fact(facts, "network"), FACT_SIZE, "%s (%s), input %d x %d",
           cored_network_title(info->network), info->network, info->input_width,
           info->input_height);
  snprintf(next_fact(facts, "method"), FACT_SIZE, "%s, started from %s", run->method,
           options->network.weights ? options->network.weights : "random weights");
  snprintf(next_fact(facts, "trained on"), FACT_SIZE, "%s: %zu samples of %zu groups",
           cored_dataset_root(train), cored_dataset_n_samples(train),
           cored_dataset_n_groups(train));
  snprintf(next_fact(facts, "best epoch"), FACT_SIZE, "%d of %zu", run->progress->best_epoch,
           json_array_size(run->progress->history));
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
static bool judge(EvalResult *result, const RunFacts *run, const CoredModel *best, Ui *ui,
                  CoredError *error) {
  result->infos[0] = *cored_model_info(best);
  result->n_models = 1;
  result->n_tasks = run->sets->n_tasks;
  for (int j = 0; j < result->n_tasks; j++) {
    result->sets[j] = run->sets->val[j];
    result->names[j] = run->sets->names[j];
  }
  result->cells = calloc((size_t)result->n_tasks, sizeof *result->cells);
  if (!result->cells)
    return no_memory(error);
  return eval_judge(result, 0, best, run->options->recipe.train.threads,
                    run->options->loader_threads, BOOTSTRAP, ui, error);
}

static bool write_report(const RunFacts *run, const EvalResult *result, const CoredModel *best,
                         const char *path, CoredError *error) {
  Curves curves = {0};
  Matrix *matrix = calloc(1, sizeof *matrix);
  Facts *facts = calloc(1, sizeof *facts);
  ReportCells cells = {0};
  char title[256];
  bool ok = matrix && facts;
  if (!ok) {
    no_memory(error);
  } else if ((ok = make_curves(&curves, run, error) && make_matrix(matrix, best, error) &&
                   build_cells(&cells, result, error))) {
    make_facts(facts, run, best);
    snprintf(title, sizeof title, "Training on %s", run->sets->names[0]);
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
  clear_cells(&cells);
  free(curves.series);
  free(curves.numbers);
  if (matrix) {
    json_decref(matrix->rows);
    free(matrix->auc);
  }
  free(matrix);
  free(facts);
  return ok;
}

bool report_write_run(const RunFacts *run, const CoredModel *best, const char *path, Ui *ui,
                      CoredError *error) {
  EvalResult *result = calloc(1, sizeof *result);
  if (!result)
    return no_memory(error);
  const bool ok =
      judge(result, run, best, ui, error) && write_report(run, result, best, path, error);
  eval_clear_cells(result); /* the sets are the run's */
  free(result);
  return ok;
}

/* ==== cored-eval ============================================================================== */

enum { MAX_EVAL_FACTS = 1 + 2 * MAX_TASKS };

typedef struct EvalFacts {
  CoredReportFact list[MAX_EVAL_FACTS];
  char *names[MAX_EVAL_FACTS], *values[MAX_EVAL_FACTS];
  size_t n;
  bool failed;
} EvalFacts;

static void add(EvalFacts *facts, char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* name becomes the list's. */
static void add(EvalFacts *facts, char *name, const char *format, ...) {
  const size_t n = facts->n++;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&facts->values[n], format, arguments) < 0)
    facts->values[n] = NULL;
  va_end(arguments);
  facts->names[n] = name;
  facts->failed |= !name || !facts->values[n];
  facts->list[n] = (CoredReportFact){facts->names[n], facts->values[n]};
}

__attribute__((format(printf, 1, 2))) static char *make_text(const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  const int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  return length < 0 ? NULL : text;
}

static void free_eval_facts(EvalFacts *facts) {
  for (size_t i = 0; i < facts->n; i++) {
    free(facts->names[i]);
    free(facts->values[i]);
  }
  free(facts);
}

static void add_eval_facts(EvalFacts *facts, const EvalResult *result) {
  add(facts, make_text("program"), "cored-eval %s", CORED_VERSION);
  for (int i = 0; i < result->n_models; i++) {
    const CoredModelInfo *info = &result->infos[i];
    add(facts, make_text("model %d", i + 1),
        "%s: %s, %d x %d, threshold %.3f, generation %llu, SHA-256 of the file %s",
        result->paths[i], info->network, info->input_width, info->input_height, info->threshold,
        (unsigned long long)info->generation, result->hashes[i]);
  }
  for (int j = 0; j < result->n_tasks; j++) {
    const CoredDataset *set = result->sets[j];
    add(facts, make_text("data %s", result->names[j]),
        "%s: %zu samples of %zu groups, %zu unreadable files", cored_dataset_root(set),
        cored_dataset_n_samples(set), cored_dataset_n_groups(set), cored_dataset_n_bad(set));
  }
}

static bool write_page(const EvalResult *result, const EvalOptions *options, const EvalFacts *facts,
                       char *const *labels, CoredError *error) {
  double auc[MAX_TASKS * MAX_TASKS];
  ReportCells cells = {0};
  eval_matrix(result, auc);
  bool ok = build_cells(&cells, result, error);
  const CoredReport report = {
      .title = "Evaluation",
      .facts = facts->list,
      .n_facts = facts->n,
      .matrix = {.models = (const char *const *)labels,
                 .sets = result->names,
                 .n_models = result->n_models * result->n_tasks > 1 ? result->n_models : 0,
                 .n_sets = result->n_tasks,
                 .auc = auc,
                 .sequence = eval_is_sequence(result)},
      .cells = cells.cells,
      .n_cells = cells.n};
  ok = ok && cored_report_write(&report, options->html, error);
  clear_cells(&cells);
  return ok;
}

bool report_write_eval(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  EvalFacts *facts = calloc(1, sizeof *facts);
  char *labels[MAX_TASKS] = {NULL};
  bool ok = facts != NULL;
  for (int i = 0; ok && i < result->n_models; i++)
    ok = (labels[i] = eval_label(result, i)) != NULL;
  if (ok) {
    add_eval_facts(facts, result);
    ok = !facts->failed;
  }
  if (!ok)
    no_memory(error);
  ok = ok && write_page(result, options, facts, labels, error);
  for (int i = 0; i < result->n_models; i++)
    free(labels[i]);
  if (facts)
    free_eval_facts(facts);
  return ok;
}
