/* SPDX-License-Identifier: MIT
 * The report of cored-eval. */
#include <stdarg.h>
#include <stdlib.h>

#include "error.h"
#include "report-cells.h"

enum { FACT_SIZE = 512, MAX_FACTS = 2 + 2 * MAX_TASKS };

typedef struct Facts {
  CoredReportFact list[MAX_FACTS];
  char names[MAX_FACTS][64], values[MAX_FACTS][FACT_SIZE];
  size_t n;
} Facts;

static void add(Facts *facts, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(Facts *facts, const char *name, const char *format, ...) {
  const size_t n = facts->n++;
  va_list arguments;
  va_start(arguments, format);
  snprintf(facts->names[n], sizeof facts->names[n], "%s", name);
  vsnprintf(facts->values[n], sizeof facts->values[n], format, arguments);
  va_end(arguments);
  facts->list[n] = (CoredReportFact){facts->names[n], facts->values[n]};
}

static void add_facts(Facts *facts, const EvalResult *result, const EvalOptions *options) {
  add(facts, "program", "cored-eval %s", CORED_VERSION);
  for (int i = 0; i < result->n_models; i++) {
    const CoredModelInfo *info = &result->infos[i];
    char name[64];
    snprintf(name, sizeof name, "model %d", i + 1);
    add(facts, name, "%s: %s, %d x %d, generation %llu, SHA-256 %s", options->models[i],
        info->network, info->input_width, info->input_height, (unsigned long long)info->generation,
        result->hashes[i]);
  }
  for (int j = 0; j < result->n_tasks; j++) {
    const CoredDataset *set = result->sets[j];
    char name[64];
    snprintf(name, sizeof name, "data %s", result->names[j]);
    add(facts, name, "%s: %zu samples of %zu groups, %zu unreadable files", cored_dataset_root(set),
        cored_dataset_n_samples(set), cored_dataset_n_groups(set), cored_dataset_n_bad(set));
  }
}

bool eval_write_html(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  double auc[MAX_TASKS * MAX_TASKS];
  const char *models[MAX_TASKS];
  Facts *facts = calloc(1, sizeof *facts);
  ReportCells cells = {0};
  if (!facts)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  add_facts(facts, result, options);
  eval_matrix(result, auc);
  for (int i = 0; i < result->n_models; i++) {
    const CoredModelInfo *info = &result->infos[i];
    models[i] = info->n_tasks > 0 ? info->tasks[info->n_tasks - 1].name : options->models[i];
  }
  bool ok = report_cells_build(&cells, result, error);
  const CoredReport report = {
      .title = "Evaluation",
      .facts = facts->list,
      .n_facts = facts->n,
      .matrix = {.models = models,
                 .sets = result->names,
                 .n_models = result->n_models * result->n_tasks > 1 ? result->n_models : 0,
                 .n_sets = result->n_tasks,
                 .auc = auc,
                 .sequence = result->n_models == result->n_tasks && result->n_tasks > 1},
      .cells = cells.cells,
      .n_cells = cells.n};
  ok = ok && cored_report_write(&report, options->html, error);
  report_cells_clear(&cells);
  free(facts);
  return ok;
}
