/* SPDX-License-Identifier: MIT
 * The report as a page. */
#include "tools/report/report.h"

#include "base/error.h"
#include "base/file.h"
#include "tools/report/html.h"

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
  cored_table_figures(out, cell);
  cored_text_add(out, "</div>\n<div><h3>ROC (dot: the threshold)</h3>");
  cored_chart_roc(out, cell);
  cored_text_add(out, "</div>\n<div><h3>Reliability (outline: share of samples)</h3>");
  cored_chart_reliability(out, cell->metrics);
  cored_text_add(out, "</div>\n<div><h3>Confusion at the threshold of the model, ");
  cored_html_fixed(out, cell->info->threshold, 3);
  cored_text_add(out, "</h3>");
  cored_table_decisions(out, cell);
  cored_text_add(out, "<h3>Confusion at 0.5</h3>");
  cored_table_confusion(out, cell);
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
  cored_table_facts(out, report);
  cored_table_matrix(out, &report->matrix);
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
