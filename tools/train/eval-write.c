/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "eval-run.h"
#include "base/file.h"
#include "base/text.h"

/* What was not measured is no figure at all. */
static FigureText matrix_text(double x) {
  return isnan(x) ? (FigureText){"-"} : figure_text(x);
}

static void print_figure(double x) {
  printf(" %12s", matrix_text(x).s);
}

static void print_row(const EvalResult *result, int i, const double *auc) {
  for (int j = 0; j < result->n_tasks; j++) {
    const size_t length = strlen(cored_show(result->names[j]).text);
    printf(" %*s", length > 12 ? (int)length : 12, matrix_text(auc[i * result->n_tasks + j]).s);
  }
  if (eval_is_sequence(result)) {
    const CoredContinual c = cored_metrics_continual(auc, result->n_tasks, i);
    print_figure(c.average);
    print_figure(c.forgetting);
    print_figure(c.backward);
  }
  putchar('\n');
}

/* Names are whole, so columns are as wide as they are. */
static void print_matrix(const EvalResult *result) {
  double auc[MAX_TASKS * MAX_TASKS];
  char *labels[MAX_TASKS];
  int width = 20;
  eval_matrix(result, auc);
  for (int i = 0; i < result->n_models; i++) {
    labels[i] = eval_label(result, i);
    width = (int)fmax(width, (double)strlen(cored_show(labels[i]).text));
  }
  printf("%-*s", width, "AUC");
  for (int j = 0; j < result->n_tasks; j++)
    printf(" %12s", cored_show(result->names[j]).text);
  puts(eval_is_sequence(result) ? "      average   forgetting     backward" : "");
  for (int i = 0; i < result->n_models; i++) {
    printf("%-*s", width, cored_show(labels[i]).text);
    print_row(result, i, auc);
    free(labels[i]);
  }
}

static void print_cell(const EvalResult *result, int i, int j) {
  const EvalCell *cell = &result->cells[i * result->n_tasks + j];
  const CoredModelInfo *info = &result->infos[i];
  printf("model %d (%s, %d x %d, file %.12s) on %s\n", i + 1, cored_show(info->network).text,
         info->input_width, info->input_height, result->hashes[i],
         cored_show(result->names[j]).text);
  metrics_print(&cell->metrics, info);
  if (cell->grouped)
    printf("per group  accuracy %s at the threshold, %s at 0.5   AUC %s   EER %s   (%zu groups)\n",
           figure_text(cell->by_group.accuracy_threshold).s, figure_text(cell->by_group.accuracy).s,
           figure_text(cell->by_group.auc).s, figure_text(cell->by_group.eer).s, cell->by_group.n);
  putchar('\n');
}

void eval_print(const EvalResult *result) {
  for (int i = 0; i < result->n_models; i++)
    for (int j = 0; j < result->n_tasks; j++)
      print_cell(result, i, j);
  if (result->n_models * result->n_tasks > 1)
    print_matrix(result);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* A name with every byte that is not UTF-8 as \xNN; where a name itself has such a text its
 * backslash becomes \x5c, so that two names never look alike. */
static void add_exact_name(CoredText *text, const char *name) {
  for (const char *c = name; *c; c++) {
    const bool like_escape = c[0] == '\\' && c[1] == 'x' && isxdigit((unsigned char)c[2]) &&
                             isxdigit((unsigned char)c[3]);
    cored_text_add_bytes(text, like_escape ? "\\x5c" : c, like_escape ? 4 : 1);
  }
}

static json_t *json_name(const char *name) {
  CoredText text = {0};
  add_exact_name(&text, name);
  json_t *json = text.failed ? NULL : json_string(cored_show_utf8(text.n ? text.s : "").text);
  cored_text_clear(&text);
  return json;
}

static json_t *model_json(const EvalResult *result, int i) {
  const CoredModelInfo *info = &result->infos[i];
  json_t *tasks = json_array(), *labels = json_array();
  for (int t = 0; t < info->n_tasks; t++)
    json_array_append_new(tasks, json_pack("{s:o,s:o}", "name", json_name(info->tasks[t].name),
                                           "auc", json_figure(info->tasks[t].auc)));
  for (int c = 0; c < info->n_classes; c++)
    json_array_append_new(labels, json_name(info->labels[c]));
  return json_pack("{s:o,s:s,s:s,s:s,s:s,s:o,s:o,s:I,s:f,s:f,s:[i,i]}", "path",
                   json_name(result->paths[i]), "file_sha256", result->hashes[i], "weights_sha256",
                   info->sha256, "sha256", result->hashes[i] /* of the file: its earlier name */,
                   "network", info->network, "labels", labels, "tasks", tasks, "generation",
                   (json_int_t)info->generation, "threshold", info->threshold, "temperature",
                   info->temperature, "input", info->input_width, info->input_height);
}

static json_t *roc_json(const EvalCell *cell, double temperature) {
  const CoredPredictions view = prediction_view(&cell->prediction);
  double *scores = malloc((view.n + 1) * sizeof *scores);
  uint8_t *positive = malloc(view.n + 1);
  CoredRocPoint *points = NULL;
  size_t n = 0;
  json_t *roc = json_array();
  if (scores && positive) {
    cored_predictions_scores(&view, temperature, scores, positive);
    if (!cored_metrics_roc(scores, positive, view.n, &points, &n, NULL))
      n = 0;
  }
  for (size_t k = 0; k < n && !isnan(points[k].fpr) && !isnan(points[k].tpr); k++)
    json_array_append_new(roc, json_pack("[f,f]", points[k].fpr, points[k].tpr));
  free(points);
  free(scores);
  free(positive);
  return roc;
}

static json_t *cell_json(const EvalResult *result, int i, int j) {
  const EvalCell *cell = &result->cells[i * result->n_tasks + j];
  json_t *json = json_pack("{s:i,s:o,s:o,s:o}", "model", i, "task", json_name(result->names[j]),
                           "metrics", metrics_json(&cell->metrics, &result->infos[i]), "roc",
                           roc_json(cell, result->infos[i].temperature));
  json_object_set_new(json, "by_group",
                      cell->grouped ? metrics_json(&cell->by_group, &result->infos[i])
                                    : json_null());
  return json;
}

static json_t *set_json(const EvalResult *result, int j) {
  char manifest[65];
  const CoredDataset *set = result->sets[j];
  cored_dataset_manifest(set, manifest);
  return json_pack("{s:o,s:o,s:I,s:I,s:I,s:s}", "name", json_name(result->names[j]), "folder",
                   json_name(cored_dataset_root(set)), "samples",
                   (json_int_t)cored_dataset_n_samples(set), "groups",
                   (json_int_t)cored_dataset_n_groups(set), "bad",
                   (json_int_t)cored_dataset_n_bad(set), "manifest", manifest);
}

static void add_sequence(json_t *json, const EvalResult *result, const double *auc) {
  json_t *rows = json_array();
  for (int i = 0; i < result->n_models; i++) {
    const CoredContinual c = cored_metrics_continual(auc, result->n_tasks, i);
    json_array_append_new(rows, json_pack("{s:o,s:o,s:o}", "average_auc", json_figure(c.average),
                                          "forgetting", json_figure(c.forgetting),
                                          "backward_transfer", json_figure(c.backward)));
  }
  json_object_set_new(json, "continual", rows);
}

json_t *eval_json(const EvalResult *result) {
  double auc[MAX_TASKS * MAX_TASKS];
  json_t *models = json_array(), *sets = json_array(), *cells = json_array(),
         *matrix = json_array();
  eval_matrix(result, auc);
  for (int j = 0; j < result->n_tasks; j++)
    json_array_append_new(sets, set_json(result, j));
  for (int i = 0; i < result->n_models; i++) {
    json_t *row = json_array();
    json_array_append_new(models, model_json(result, i));
    for (int j = 0; j < result->n_tasks; j++) {
      json_array_append_new(cells, cell_json(result, i, j));
      json_array_append_new(row, json_figure(auc[i * result->n_tasks + j]));
    }
    json_array_append_new(matrix, row);
  }
  const size_t n_cells = (size_t)(result->n_models * result->n_tasks);
  if (json_array_size(sets) < (size_t)result->n_tasks || json_array_size(cells) < n_cells ||
      json_array_size(models) < (size_t)result->n_models) { /* nothing may be missing unsaid */
    json_decref(sets);
    json_decref(cells);
    json_decref(models);
    json_decref(matrix);
    return NULL;
  }
  json_t *json = json_pack("{s:s,s:o,s:o,s:o,s:o}", "program", "cored-eval " CORED_VERSION,
                           "models", models, "tasks", sets, "results", cells, "auc_matrix", matrix);
  if (eval_is_sequence(result))
    add_sequence(json, result, auc);
  return json;
}

bool eval_write_json(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  json_t *json = eval_json(result);
  char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(json);
  if (!text)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "JSON");
  const CoredChunk chunk = {text, strlen(text)};
  const bool ok = cored_file_write(options->json, &chunk, 1, 0666, error);
  free(text);
  return ok;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void put_field(FILE *file, const char *name) {
  CoredText exact = {0}, cell = {0};
  add_exact_name(&exact, name);
  cored_text_add_csv(&cell, exact.n ? exact.s : "");
  if (cell.n > 0)
    fputs(cell.s, file);
  cored_text_clear(&exact);
  cored_text_clear(&cell);
}

/* log(p / (1 - p)) of p = cored_p_fake, which near 1 holds nothing of 1 - p. */
static double fake_log_odds(const CoredModelInfo *info, const float *logits) {
  const double real = (double)logits[info->real_class] / info->temperature;
  double top = -(double)INFINITY, sum = 0.0;
  for (int c = 0; c < info->n_classes; c++)
    if (c != info->real_class)
      top = fmax(top, (double)logits[c] / info->temperature);
  for (int c = 0; c < info->n_classes; c++)
    if (c != info->real_class)
      sum += exp((double)logits[c] / info->temperature - top);
  return top + log(sum) - real;
}

static void put_cell(FILE *file, const EvalResult *result, int i, int j) {
  const CoredModelInfo *info = &result->infos[i];
  const Prediction *p = &result->cells[i * result->n_tasks + j].prediction;
  const CoredDataset *set = result->sets[i * result->n_tasks + j];
  for (size_t k = 0; k < p->n; k++) {
    const CoredDataSample sample = cored_dataset_sample(set, p->samples[k]);
    const CoredDataFile *from = cored_dataset_file(set, sample.file);
    const float *logits = p->logits + k * (size_t)p->n_classes;
    fprintf(file, "%d,", i + 1);
    put_field(file, result->names[j]);
    fputc(',', file);
    put_field(file, from->path);
    fprintf(file, ",%u,%u,", sample.frame, p->groups[k]);
    put_field(file, from->group_text);
    fputc(',', file);
    put_field(file, info->labels[p->labels[k]]);
    fprintf(file, ",%.17g,%.17g\n", cored_p_fake(info, logits), fake_log_odds(info, logits));
  }
}

bool eval_write_csv(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream(&text, &size);
  if (!file)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "CSV");
  fputs("model,task,file,frame,group,group_name,label,p-fake,logit\n", file);
  for (int i = 0; i < result->n_models; i++)
    for (int j = 0; j < result->n_tasks; j++)
      put_cell(file, result, i, j);
  fclose(file);
  const CoredChunk chunk = {text, size};
  const bool ok = cored_file_write(options->csv, &chunk, 1, 0666, error);
  free(text);
  return ok;
}
