/* SPDX-License-Identifier: MIT
 * Tables of the report. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "tools/report/html.h"

void cored_table_facts(CoredText *out, const CoredReport *report) {
  if (report->n_facts == 0)
    return;
  cored_text_add(out, "<table class='facts'>");
  for (size_t i = 0; i < report->n_facts; i++) {
    cored_text_add(out, "<tr><th>");
    cored_text_add_html(out, report->facts[i].name);
    cored_text_add(out, "</th><td>");
    cored_text_add_html(out, report->facts[i].value);
    cored_text_add(out, "</td></tr>\n");
  }
  cored_text_add(out, "</table>\n");
}

/* A cell whose shade grows from share 0 to 1; dark shades get light text. */
static void begin_shaded(CoredText *out, double share) {
  if (isnan(share)) {
    cored_text_add(out, "<td class='none'>");
    return;
  }
  share = fmin(fmax(share, 0), 1);
  cored_html_format(out, "<td class='%s' style='background:hsl(212 62%% %d%%)'>",
                    share > 0.5 ? "heat light" : "heat", (int)lround(94 - 64 * share));
}

static void put_column_title(CoredText *out, const char *title) {
  cored_text_add(out, "<th>");
  cored_text_add_html(out, title);
  cored_text_add(out, "</th>");
}

static void put_number(CoredText *out, double value) {
  cored_text_add(out, "<td>");
  cored_html_fixed(out, value, 4);
  cored_text_add(out, "</td>");
}

static void put_matrix_row(CoredText *out, const CoredReportMatrix *m, int i) {
  cored_text_add(out, "<tr><th>");
  cored_text_add_html(out, m->models[i]);
  cored_text_add(out, "</th>");
  for (int j = 0; j < m->n_sets; j++) {
    double auc = m->auc[i * m->n_sets + j];
    begin_shaded(out, 2 * auc - 1); /* chance is white */
    cored_html_fixed(out, auc, 4);
    cored_text_add(out, "</td>");
  }
  if (m->sequence) {
    CoredContinual c = cored_metrics_continual(m->auc, m->n_sets, i);
    put_number(out, c.average);
    put_number(out, c.forgetting);
    put_number(out, c.backward);
  }
  cored_text_add(out, "</tr>\n");
}

void cored_table_matrix(CoredText *out, const CoredReportMatrix *m) {
  if (m->n_models == 0)
    return;
  cored_text_add(out, "<h2>AUC, model by data</h2>\n<table class='matrix'><tr><th></th>");
  for (int j = 0; j < m->n_sets; j++)
    put_column_title(out, m->sets[j]);
  if (m->sequence) {
    put_column_title(out, "average");
    put_column_title(out, "forgetting");
    put_column_title(out, "backward transfer");
  }
  cored_text_add(out, "</tr>\n");
  for (int i = 0; i < m->n_models; i++)
    put_matrix_row(out, m, i);
  cored_text_add(out, "</table>\n");
  if (m->sequence)
    cored_text_add(out,
                   "<p class='note'>Row: after learning that task. Average: mean AUC of the tasks "
                   "learned so far. Forgetting: mean loss against the best an earlier model had. "
                   "Backward transfer: mean change since the task was learned.</p>\n");
}

static const struct {
  const char *name;
  size_t field; /* of CoredMetrics, a double */
} figures[] = {
    {"AUC", offsetof(CoredMetrics, auc)},
    {"AUC, lower end of 95 %", offsetof(CoredMetrics, auc_low)},
    {"AUC, upper end of 95 %", offsetof(CoredMetrics, auc_high)},
    {"average precision", offsetof(CoredMetrics, ap)},
    {"equal error rate", offsetof(CoredMetrics, eer)},
    {"accuracy at the threshold", offsetof(CoredMetrics, accuracy_threshold)},
    {"balanced accuracy at the threshold", offsetof(CoredMetrics, balanced_threshold)},
    {"real called fake at the threshold", offsetof(CoredMetrics, fpr_threshold)},
    {"fake called real at the threshold", offsetof(CoredMetrics, fnr_threshold)},
    {"accuracy at 0.5", offsetof(CoredMetrics, accuracy)},
    {"balanced accuracy at 0.5", offsetof(CoredMetrics, balanced_accuracy)},
    {"log loss", offsetof(CoredMetrics, log_loss)},
    {"Brier score", offsetof(CoredMetrics, brier)},
    {"expected calibration error", offsetof(CoredMetrics, ece)},
};

static double figure(const CoredMetrics *metrics, size_t field) {
  double value;
  memcpy(&value, (const char *)metrics + field, sizeof value);
  return value;
}

static void put_classes(CoredText *out, const CoredReportCell *cell) {
  cored_text_add(out, "<table class='figures'><tr><th>class</th><th>precision</th>"
                      "<th>recall</th><th>F1</th><th>samples</th></tr>\n");
  for (int i = 0; i < cell->info->n_classes; i++) {
    const CoredClassMetrics *c = &cell->metrics->classes[i];
    cored_text_add(out, "<tr><th>");
    cored_text_add_html(out, cell->info->labels[i]);
    cored_text_add(out, "</th>");
    put_number(out, c->precision);
    put_number(out, c->recall);
    put_number(out, c->f1);
    cored_html_format(out, "<td>%zu</td></tr>\n", c->support);
  }
  cored_text_add(out, "</table>\n");
}

void cored_table_figures(CoredText *out, const CoredReportCell *cell) {
  const CoredMetrics *m = cell->metrics, *g = cell->by_group;
  cored_text_add(out, "<table class='figures'><tr><th></th><th>per sample</th>");
  cored_text_add(out, g ? "<th>per group</th></tr>\n" : "</tr>\n");
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
    cored_html_format(out, "<tr><th>%s</th>", figures[i].name);
    put_number(out, figure(m, figures[i].field));
    if (g)
      put_number(out, figure(g, figures[i].field));
    cored_text_add(out, "</tr>\n");
  }
  cored_html_format(out, "<tr><th>number</th><td>%zu</td>", m->n);
  if (g)
    cored_html_format(out, "<td>%zu</td>", g->n);
  cored_text_add(out, "</tr></table>\n");
  put_classes(out, cell);
}

void cored_table_decisions(CoredText *out, const CoredReportCell *cell) {
  static const char *const sides[] = {"real", "fake"};
  cored_text_add(out, "<table class='matrix'><tr><th>truth \\ called</th><th>real</th>"
                      "<th>fake</th></tr>\n");
  for (int i = 0; i < 2; i++) {
    const size_t *row = cell->metrics->decisions[i], sum = row[0] + row[1];
    cored_html_format(out, "<tr><th>%s</th>", sides[i]);
    for (int j = 0; j < 2; j++) {
      begin_shaded(out, sum ? (double)row[j] / (double)sum : 0);
      cored_html_format(out, "%zu</td>", row[j]);
    }
    cored_text_add(out, "</tr>\n");
  }
  cored_text_add(out, "</table>\n");
}

void cored_table_confusion(CoredText *out, const CoredReportCell *cell) {
  int n = cell->info->n_classes;
  const size_t *counts = cell->metrics->confusion;
  if (!counts)
    return;
  cored_text_add(out, "<table class='matrix'><tr><th>truth \\ called</th>");
  for (int j = 0; j < n; j++)
    put_column_title(out, cell->info->labels[j]);
  cored_text_add(out, "</tr>\n");
  for (int i = 0; i < n; i++) {
    size_t row = 0;
    for (int j = 0; j < n; j++)
      row += counts[i * n + j];
    cored_text_add(out, "<tr><th>");
    cored_text_add_html(out, cell->info->labels[i]);
    cored_text_add(out, "</th>");
    for (int j = 0; j < n; j++) {
      begin_shaded(out, row ? (double)counts[i * n + j] / (double)row : 0);
      cored_html_format(out, "%zu</td>", counts[i * n + j]);
    }
    cored_text_add(out, "</tr>\n");
  }
  cored_text_add(out, "</table>\n");
}
