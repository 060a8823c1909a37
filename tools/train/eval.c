/* SPDX-License-Identifier: MIT */
#include "eval.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/text.h"
#include "model/hash.h"
#include "models.h"

static const uint64_t max_model_bytes = UINT64_C(1) << 30;

static bool open_set(EvalResult *result, int i, int j, const EvalOptions *options, Ui *ui,
                     CoredError *error) {
  const SetNeeds needs = {&options->data, &result->infos[i], options->loader_threads,
                          &result->detector};
  char *root = NULL;
  const int length = options->n_tasks ? asprintf(&root, "%s/%s/%s", options->data.folder,
                                                 options->tasks[j], options->split)
                                      : asprintf(&root, "%s", options->data.folder);
  if (length < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path of a task");
  CoredDataset **set = &result->sets[i * result->n_tasks + j];
  *set = set_open(root, &needs, ui, error);
  free(root);
  return *set != NULL;
}

/* Do both take the same input and tell the same classes apart, by the same numbers? */
static bool read_alike(const CoredModelInfo *a, const CoredModelInfo *b) {
  return info_same_input(a, b) && a->n_classes == b->n_classes &&
         memcmp(a->labels, b->labels, sizeof a->labels) == 0;
}

/* The sets as model i reads them: those of an earlier model that reads alike. */
static bool open_sets(EvalResult *result, int i, const EvalOptions *options, Ui *ui,
                      CoredError *error) {
  int like = 0;
  bool ok = true;
  while (like < i && !read_alike(&result->infos[like], &result->infos[i]))
    like++;
  result->reads_like[i] = like;
  for (int j = 0; ok && j < result->n_tasks; j++) {
    if (like < i)
      result->sets[i * result->n_tasks + j] = result->sets[like * result->n_tasks + j];
    else
      ok = open_set(result, i, j, options, ui, error);
  }
  return ok;
}

static bool hash_file(const char *path, char hex[65], CoredError *error) {
  CoredBytes bytes;
  if (!cored_file_read(path, 1, max_model_bytes, NULL, &bytes, error))
    return false;
  cored_hash_bytes(bytes.data, bytes.size, hex);
  cored_bytes_clear(&bytes);
  return true;
}

static bool compute(EvalCell *cell, const CoredModelInfo *info, int bootstrap, CoredError *error) {
  const CoredPredictions view = prediction_view(&cell->prediction);
  if (!cored_metrics_compute(&cell->metrics, &view, info->temperature, info->threshold, bootstrap,
                             1, error))
    return false;
  if (cell->metrics.n_groups == cell->metrics.n)
    return true;
  float *logits;
  uint32_t *labels;
  size_t n;
  if (!cored_metrics_aggregate(&view, &logits, &labels, &n, error))
    return false;
  const CoredPredictions groups = {.n = n,
                                   .n_classes = view.n_classes,
                                   .real_class = view.real_class,
                                   .logits = logits,
                                   .labels = labels};
  cell->grouped = cored_metrics_compute(&cell->by_group, &groups, info->temperature,
                                        info->threshold, bootstrap, 1, error);
  free(logits);
  free(labels);
  return cell->grouped;
}

bool eval_judge(EvalResult *result, int i, const CoredModel *model, int threads, int loader_threads,
                int bootstrap, Ui *ui, CoredError *error) {
  Evaluator *evaluator = evaluator_new(model, threads, error);
  bool ok = evaluator != NULL;
  for (int j = 0; ok && j < result->n_tasks; j++) {
    EvalCell *cell = &result->cells[i * result->n_tasks + j];
    ok = evaluator_predict(evaluator, result->sets[i * result->n_tasks + j], loader_threads, ui,
                           result->names[j], &cell->prediction, error) &&
         compute(cell, &result->infos[i], bootstrap, error);
  }
  evaluator_free(evaluator);
  return ok;
}

static bool run_model(EvalResult *result, int i, const EvalOptions *options, Ui *ui,
                      CoredError *error) {
  char *path = weights_file(options->models[i], error);
  CoredModel *model = path ? weights_load_sized(path, options->input_size, error) : NULL;
  bool ok = model && hash_file(path, result->hashes[i], error);
  if (ok) {
    const char *matrix = cored_model_metadata(model, KEY_MATRIX);
    result->infos[i] = *cored_model_info(model);
    result->paths[i] = options->models[i];
    result->lineage[i] = matrix ? json_loads(matrix, 0, NULL) : NULL;
    result->n_models++;
    ok = open_sets(result, i, options, ui, error);
    if (ok)
      face_detector_compare(&result->detector, model, path, ui);
  }
  ok = ok && eval_judge(result, i, model, options->threads, options->loader_threads,
                        options->bootstrap, ui, error);
  cored_model_unref(model);
  free(path);
  return ok;
}

bool eval_run(EvalResult *result, const EvalOptions *options, Ui *ui, CoredError *error) {
  *result = (EvalResult){.n_tasks = options->n_tasks ? options->n_tasks : 1};
  for (int j = 0; j < result->n_tasks; j++)
    result->names[j] = options->n_tasks ? options->tasks[j] : "all";
  result->cells =
      calloc((size_t)options->n_models * (size_t)result->n_tasks, sizeof *result->cells);
  if (!result->cells)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "results");
  for (int i = 0; i < options->n_models; i++)
    if (!run_model(result, i, options, ui, error))
      return false;
  return true;
}

void eval_clear_cells(EvalResult *result) {
  for (int i = 0; result->cells && i < result->n_models * result->n_tasks; i++) {
    prediction_clear(&result->cells[i].prediction);
    cored_metrics_clear(&result->cells[i].metrics);
    cored_metrics_clear(&result->cells[i].by_group);
  }
  free(result->cells);
  result->cells = NULL;
}

void eval_result_clear(EvalResult *result) {
  eval_clear_cells(result);
  for (int i = 0; i < result->n_models; i++) {
    json_decref(result->lineage[i]);
    for (int j = 0; result->reads_like[i] == i && j < result->n_tasks; j++)
      cored_dataset_free(result->sets[i * result->n_tasks + j]);
  }
  face_detector_close(&result->detector);
  *result = (EvalResult){0};
}

void eval_matrix(const EvalResult *result, double *auc) {
  for (int k = 0; k < result->n_models * result->n_tasks; k++)
    auc[k] = result->cells[k].metrics.auc;
}

/* b began as a: its history begins with that of a, with the same figures where both tell them. */
static bool continues(const EvalResult *result, int a, int b) {
  const CoredModelInfo *old = &result->infos[a], *new = &result->infos[b];
  const json_t *rows = result->lineage[a], *more = result->lineage[b];
  if (old->n_tasks == 0 || old->n_tasks >= new->n_tasks || !rows != !more ||
      json_array_size(rows) > json_array_size(more))
    return false;
  for (int t = 0; t < old->n_tasks; t++)
    if (strcmp(old->tasks[t].name, new->tasks[t].name) != 0)
      return false;
  for (size_t r = 0; r < json_array_size(rows); r++)
    if (!json_equal(json_array_get(rows, r), json_array_get(more, r)))
      return false;
  return true;
}

/* Does each model continue the one before it, by its history? */
static bool is_lineage(const EvalResult *result) {
  for (int i = 1; i < result->n_models; i++)
    if (!continues(result, i - 1, i))
      return false;
  return result->infos[0].n_tasks > 0;
}

static const char *last_task(const CoredModelInfo *info) {
  return info->tasks[info->n_tasks - 1].name;
}

bool eval_is_sequence(const EvalResult *result) {
  if (result->n_models != result->n_tasks || result->n_tasks < 2 || !is_lineage(result))
    return false;
  for (int i = 0; i < result->n_models; i++)
    if (strcmp(last_task(&result->infos[i]), result->names[i]) != 0)
      return false;
  return true;
}

char *eval_label(const EvalResult *result, int i) {
  const CoredModelInfo *info = &result->infos[i];
  char *label;
  const int length = is_lineage(result) ? asprintf(&label, "after %s", last_task(info))
                     : result->paths[i] ? asprintf(&label, "model %d (%s, %s)", i + 1,
                                                   info->network, result->paths[i])
                                        : asprintf(&label, "%s", info->network);
  return length < 0 ? NULL : label;
}

/* ---- What is written of them ----------------------------------------------------------------- */

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

static json_t *result_json(const EvalResult *result) {
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
  json_t *json = result_json(result);
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
