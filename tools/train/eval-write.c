/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "escape.h"
#include "eval-run.h"
#include "model/file.h"
#include "model/text.h"

/* The continual figures need as many models as tasks, in the same order. */
static bool is_sequence(const EvalResult *result) {
  return result->n_models == result->n_tasks && result->n_tasks > 1;
}

static void print_figure(double x) {
  if (isnan(x))
    printf(" %12s", "-");
  else
    printf(" %12.4f", x);
}

static void print_matrix(const EvalResult *result) {
  double auc[MAX_TASKS * MAX_TASKS];
  eval_matrix(result, auc);
  printf("AUC%17s", "");
  for (int j = 0; j < result->n_tasks; j++)
    printf(" %12.12s", cored_show(result->names[j]).text);
  puts(is_sequence(result) ? "      average   forgetting     backward" : "");
  for (int i = 0; i < result->n_models; i++) {
    const CoredModelInfo *info = &result->infos[i];
    const char *name = info->n_tasks ? info->tasks[info->n_tasks - 1].name : info->network;
    printf("after %-14.14s", cored_show(name).text);
    for (int j = 0; j < result->n_tasks; j++)
      print_figure(auc[i * result->n_tasks + j]);
    if (is_sequence(result)) {
      const CoredContinual c = cored_metrics_continual(auc, result->n_tasks, i);
      print_figure(c.average);
      print_figure(c.forgetting);
      print_figure(c.backward);
    }
    putchar('\n');
  }
}

void eval_print(const EvalResult *result) {
  for (int i = 0; i < result->n_models; i++)
    for (int j = 0; j < result->n_tasks; j++) {
      const EvalCell *cell = &result->cells[i * result->n_tasks + j];
      printf("model %d (%s, %.12s) on %s\n", i + 1, result->infos[i].network, result->hashes[i],
             cored_show(result->names[j]).text);
      metrics_print(&cell->metrics, &result->infos[i]);
      if (cell->grouped)
        printf("per group  accuracy %.4f   AUC %.4f   EER %.4f   (%zu groups)\n",
               cell->by_group.accuracy, cell->by_group.auc, cell->by_group.eer, cell->by_group.n);
      putchar('\n');
    }
  if (result->n_models * result->n_tasks > 1)
    print_matrix(result);
}

static json_t *model_json(const EvalResult *result, int i, const EvalOptions *options) {
  const CoredModelInfo *info = &result->infos[i];
  json_t *tasks = json_array(), *labels = json_array();
  for (int t = 0; t < info->n_tasks; t++)
    json_array_append_new(tasks, json_pack("{s:s,s:o}", "name", info->tasks[t].name, "auc",
                                           json_figure(info->tasks[t].auc)));
  for (int c = 0; c < info->n_classes; c++)
    json_array_append_new(labels, json_string(info->labels[c]));
  return json_pack("{s:s,s:s,s:s,s:o,s:o,s:I,s:f,s:f,s:[i,i]}", "path", options->models[i],
                   "sha256", result->hashes[i], "network", info->network, "labels", labels, "tasks",
                   tasks, "generation", (json_int_t)info->generation, "threshold", info->threshold,
                   "temperature", info->temperature, "input", info->input_width,
                   info->input_height);
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
  json_t *json = json_pack("{s:i,s:s,s:o,s:o}", "model", i, "task", result->names[j], "metrics",
                           metrics_json(&cell->metrics, &result->infos[i]), "roc",
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
  return json_pack("{s:s,s:s,s:I,s:I,s:I,s:s}", "name", result->names[j], "folder",
                   cored_dataset_root(set), "samples", (json_int_t)cored_dataset_n_samples(set),
                   "groups", (json_int_t)cored_dataset_n_groups(set), "bad",
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

json_t *eval_json(const EvalResult *result, const EvalOptions *options) {
  double auc[MAX_TASKS * MAX_TASKS];
  json_t *models = json_array(), *sets = json_array(), *cells = json_array(),
         *matrix = json_array();
  eval_matrix(result, auc);
  for (int j = 0; j < result->n_tasks; j++)
    json_array_append_new(sets, set_json(result, j));
  for (int i = 0; i < result->n_models; i++) {
    json_t *row = json_array();
    json_array_append_new(models, model_json(result, i, options));
    for (int j = 0; j < result->n_tasks; j++) {
      json_array_append_new(cells, cell_json(result, i, j));
      json_array_append_new(row, json_figure(auc[i * result->n_tasks + j]));
    }
    json_array_append_new(matrix, row);
  }
  json_t *json = json_pack("{s:s,s:o,s:o,s:o,s:o}", "program", "cored-eval " CORED_VERSION,
                           "models", models, "tasks", sets, "results", cells, "auc_matrix", matrix);
  if (is_sequence(result))
    add_sequence(json, result, auc);
  return json;
}

bool eval_write_json(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  json_t *json = eval_json(result, options);
  char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  json_decref(json);
  if (!text)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "JSON");
  const CoredChunk chunk = {text, strlen(text)};
  const bool ok = cored_file_write(options->json, &chunk, 1, 0666, error);
  free(text);
  return ok;
}

static void put_field(FILE *file, const char *text) {
  CoredText cell = {0};
  cored_text_add_csv(&cell, text);
  if (cell.n > 0)
    fputs(cell.s, file);
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
  for (size_t k = 0; k < p->n; k++) {
    const CoredDataSample sample = cored_dataset_sample(result->sets[j], p->samples[k]);
    const float *logits = p->logits + k * (size_t)p->n_classes;
    fprintf(file, "%d,", i + 1);
    put_field(file, result->names[j]);
    fputc(',', file);
    put_field(file, cored_dataset_file(result->sets[j], sample.file)->path);
    fprintf(file, ",%u,%u,", sample.frame, p->groups[k]);
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
  fputs("model,task,file,frame,group,label,p_fake,logit\n", file);
  for (int i = 0; i < result->n_models; i++)
    for (int j = 0; j < result->n_tasks; j++)
      put_cell(file, result, i, j);
  fclose(file);
  const CoredChunk chunk = {text, size};
  const bool ok = cored_file_write(options->csv, &chunk, 1, 0666, error);
  free(text);
  return ok;
}
