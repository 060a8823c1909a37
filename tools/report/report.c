/* SPDX-License-Identifier: MIT
 * The report as a page. */
#include "tools/report/report.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/report/chart.h"
#include "tools/report/html.h"

/* ---- Tables ---------------------------------------------------------------------------------- */

static void put_facts(CoredText *out, const CoredReport *report) {
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

static void put_matrix(CoredText *out, const CoredReportMatrix *m) {
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

static void put_figures(CoredText *out, const CoredReportCell *cell) {
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

static void put_decisions(CoredText *out, const CoredReportCell *cell) {
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

static void put_confusion(CoredText *out, const CoredReportCell *cell) {
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

/* ---- The page -------------------------------------------------------------------------------- */

/* Colours of Okabe and Ito (2008), which the colour-blind can tell apart. */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2128;--soft:#667080;--line:#d5dae1;--page:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e3e7ed;--soft:#9aa5b4;--line:#3a424d;"
    "--page:#161a20}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);"
    "max-width:1180px;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}"
    "h3{font-size:.95rem;margin:.3rem 0;color:var(--soft)}.note{color:var(--soft);font-size:.85rem}"
    "table{border-collapse:collapse;margin:.6rem 1.6rem .6rem 0;font-variant-numeric:tabular-nums}"
    "th{text-align:left;font-weight:600;padding:.2rem .7rem .2rem 0}"
    "td{text-align:right;padding:.2rem .7rem}.facts td{text-align:left;overflow-wrap:anywhere}"
    ".figures tr+tr{border-top:1px solid var(--line)}.matrix th{padding:.3rem .7rem}"
    ".heat{color:#10151c;text-align:center}.heat.light{color:#fff}.none{color:var(--soft)}"
    ".row{display:flex;flex-wrap:wrap;gap:1rem 2rem;align-items:flex-start}"
    "svg{overflow:visible;max-width:100%}.grid{stroke:var(--line)}"
    ".chance{stroke:var(--soft);stroke-dasharray:4 4}.tick{font-size:11px;fill:var(--soft)}"
    ".axis{font-size:12px;fill:var(--ink)}.middle{text-anchor:middle}.end{text-anchor:end}"
    ".curve{fill:none;stroke-width:2}.c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}"
    ".c3{stroke:#cc79a7}.c4{stroke:#e69f00}.c5{stroke:#56b4e9}.c6{stroke:#8a7500}"
    ".c7{stroke:#7f7f7f}.mark{fill:#d55e00}.bar{fill:#0072b2;opacity:.75}"
    ".gap{fill:#d55e00;opacity:.45}.count{fill:none;stroke:var(--soft);stroke-width:.7}"
    ".mistakes{display:flex;flex-wrap:wrap;gap:.8rem}figure{margin:0;width:128px;font-size:.75rem}"
    "figure img{width:128px;display:block;border-radius:4px}figcaption{overflow-wrap:anywhere}"
    "@media print{body{max-width:none}h2{break-after:avoid}.row,figure{break-inside:avoid}}";

static void put_mistakes(CoredText *out, const CoredReportCell *cell) {
  if (cell->n_mistakes == 0)
    return;
  cored_text_add(out, "<h3>Worst mistakes</h3><div class='mistakes'>\n");
  for (size_t i = 0; i < cell->n_mistakes; i++) {
    const CoredReportMistake *m = &cell->mistakes[i];
    cored_text_add(out, "<figure>");
    if (m->rgb) {
      cored_text_add(out, "<img alt='' src='");
      cored_html_picture(out, m->rgb, m->width, m->height);
      cored_text_add(out, "'>");
    }
    cored_text_add(out, "<figcaption>");
    cored_text_add_html(out, m->truth);
    cored_text_add(out, ", p-fake ");
    cored_html_fixed(out, m->p_fake, 3);
    cored_text_add(out, "<br>");
    cored_text_add_html(out, m->name);
    cored_text_add(out, "</figcaption></figure>\n");
  }
  cored_text_add(out, "</div>\n");
}

static void put_cell(CoredText *out, const CoredReportCell *cell) {
  cored_text_add(out, "<section><h2>");
  cored_text_add_html(out, cell->title);
  cored_text_add(out, "</h2>\n<div class='row'><div>");
  put_figures(out, cell);
  cored_text_add(out, "</div>\n<div><h3>ROC (dot: the threshold)</h3>");
  cored_chart_roc(out, cell);
  cored_text_add(out, "</div>\n<div><h3>Reliability (outline: share of samples)</h3>");
  cored_chart_reliability(out, cell->metrics);
  cored_text_add(out, "</div>\n<div><h3>Confusion at the threshold of the model, ");
  cored_html_fixed(out, cell->info->threshold, 3);
  cored_text_add(out, "</h3>");
  put_decisions(out, cell);
  cored_text_add(out, "<h3>Confusion at 0.5</h3>");
  put_confusion(out, cell);
  cored_text_add(out, "</div></div>\n");
  put_mistakes(out, cell);
  cored_text_add(out, "</section>\n");
}

static void put_curves(CoredText *out, const CoredReport *report) {
  if (report->n_curves == 0)
    return;
  cored_text_add(out, "<h2>Course of training</h2>\n<div class='row'>\n");
  for (size_t i = 0; i < report->n_curves; i++) {
    cored_text_add(out, "<div><h3>");
    cored_text_add_html(out, report->curves[i].title);
    cored_text_add(out, "</h3>");
    cored_chart_lines(out, &report->curves[i]);
    cored_text_add(out, "</div>\n");
  }
  cored_text_add(out, "</div>\n");
}

static void put_page(CoredText *out, const CoredReport *report) {
  cored_text_add(out, "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
                      "<meta name='viewport' content='width=device-width,initial-scale=1'>"
                      "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
                      "img-src data:; style-src 'unsafe-inline'\">\n<title>");
  cored_text_add_html(out, report->title);
  cored_text_add(out, "</title>\n<style>");
  cored_text_add(out, style);
  cored_text_add(out, "</style></head><body>\n<h1>");
  cored_text_add_html(out, report->title);
  cored_text_add(out, "</h1>\n");
  put_facts(out, report);
  put_matrix(out, &report->matrix);
  put_curves(out, report);
  for (size_t i = 0; i < report->n_cells; i++)
    put_cell(out, &report->cells[i]);
  cored_text_add(out, "</body></html>\n");
}

bool cored_report_write(const CoredReport *report, const char *path, CoredError *error) {
  CoredText page = {0};
  put_page(&page, report);
  bool ok;
  if (page.failed) {
    ok = cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the report", path);
  } else {
    CoredChunk chunk = {page.s, page.n};
    ok = cored_file_write(path, &chunk, 1, 0666, error);
  }
  cored_text_clear(&page);
  return ok;
}
