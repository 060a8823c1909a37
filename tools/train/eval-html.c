/* SPDX-License-Identifier: MIT
 * The report of cored-eval. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "report-cells.h"

enum { MAX_FACTS = 1 + 2 * MAX_TASKS };

typedef struct Facts {
  CoredReportFact list[MAX_FACTS];
  char *names[MAX_FACTS], *values[MAX_FACTS];
  size_t n;
  bool failed;
} Facts;

static void add(Facts *facts, char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* name becomes the list's. */
static void add(Facts *facts, char *name, const char *format, ...) {
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

static void free_facts(Facts *facts) {
  for (size_t i = 0; i < facts->n; i++) {
    free(facts->names[i]);
    free(facts->values[i]);
  }
  free(facts);
}

static void add_facts(Facts *facts, const EvalResult *result) {
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

static bool write_page(const EvalResult *result, const EvalOptions *options, const Facts *facts,
                       char *const *labels, CoredError *error) {
  double auc[MAX_TASKS * MAX_TASKS];
  ReportCells cells = {0};
  eval_matrix(result, auc);
  bool ok = report_cells_build(&cells, result, error);
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
  report_cells_clear(&cells);
  return ok;
}

bool eval_write_html(const EvalResult *result, const EvalOptions *options, CoredError *error) {
  Facts *facts = calloc(1, sizeof *facts);
  char *labels[MAX_TASKS] = {NULL};
  bool ok = facts != NULL;
  for (int i = 0; ok && i < result->n_models; i++)
    ok = (labels[i] = eval_label(result, i)) != NULL;
  if (ok) {
    add_facts(facts, result);
    ok = !facts->failed;
  }
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  ok = ok && write_page(result, options, facts, labels, error);
  for (int i = 0; i < result->n_models; i++)
    free(labels[i]);
  if (facts)
    free_facts(facts);
  return ok;
}
