/* SPDX-License-Identifier: MIT
 * A chart is a plot area with margins; axes run from low to high. */
#include "tools/report/chart.h"

#include <math.h>
#include <string.h>

#include "tools/report/html.h"

enum { LEFT = 46, TOP = 12, RIGHT = 14, BOTTOM = 40 };

typedef struct Axis {
  double low, high; /* values at the ends */
  double step;      /* between ticks */
  int decimals;     /* of tick labels */
  const char *title;
} Axis;

typedef struct Chart {
  CoredText *out;
  double width, height; /* of the plot area */
  Axis x, y;
} Chart;

static double place_x(const Chart *c, double x) {
  return LEFT + (x - c->x.low) / (c->x.high - c->x.low) * c->width;
}

static double place_y(const Chart *c, double y) {
  return TOP + (c->y.high - y) / (c->y.high - c->y.low) * c->height;
}

static void put_line(const Chart *c, const char *class, double x1, double y1, double x2,
                     double y2) {
  cored_html_format(c->out, "<line class='%s'", class);
  cored_html_attribute(c->out, "x1", x1);
  cored_html_attribute(c->out, "y1", y1);
  cored_html_attribute(c->out, "x2", x2);
  cored_html_attribute(c->out, "y2", y2);
  cored_text_add(c->out, "/>");
}

static void put_rect(const Chart *c, const char *class, double x, double y, double w, double h) {
  cored_html_format(c->out, "<rect class='%s'", class);
  cored_html_attribute(c->out, "x", x);
  cored_html_attribute(c->out, "y", y);
  cored_html_attribute(c->out, "width", fmax(w, 0));
  cored_html_attribute(c->out, "height", fmax(h, 0));
  cored_text_add(c->out, "/>");
}

static void begin_text(const Chart *c, const char *class, double x, double y) {
  cored_html_format(c->out, "<text class='%s'", class);
  cored_html_attribute(c->out, "x", x);
  cored_html_attribute(c->out, "y", y);
  cored_text_add(c->out, ">");
}

static void put_text(const Chart *c, const char *class, double x, double y, const char *text) {
  begin_text(c, class, x, y);
  cored_text_add_html(c->out, text);
  cored_text_add(c->out, "</text>");
}

static void put_tick(const Chart *c, const char *class, double x, double y, double value,
                     int decimals) {
  begin_text(c, class, x, y);
  cored_html_fixed(c->out, value, decimals);
  cored_text_add(c->out, "</text>");
}

/* Frame, grid, ticks and titles; extra pixels to the right for a legend. */
static void begin_chart(const Chart *c, const char *title, double extra) {
  double width = LEFT + c->width + RIGHT + extra, height = TOP + c->height + BOTTOM;
  cored_text_add(c->out, "<svg role='img'");
  cored_html_attribute(c->out, "width", width);
  cored_html_attribute(c->out, "height", height);
  cored_html_format(c->out, " viewBox='0 0 %d %d'><title>", (int)width, (int)height);
  cored_text_add_html(c->out, title);
  cored_text_add(c->out, "</title>");
  double slack = 1e-9 * (c->x.high - c->x.low);
  for (double x = ceil(c->x.low / c->x.step) * c->x.step; x <= c->x.high + slack; x += c->x.step) {
    put_line(c, "grid", place_x(c, x), TOP, place_x(c, x), TOP + c->height);
    put_tick(c, "tick middle", place_x(c, x), TOP + c->height + 15, x, c->x.decimals);
  }
  slack = 1e-9 * (c->y.high - c->y.low);
  for (double y = ceil(c->y.low / c->y.step) * c->y.step; y <= c->y.high + slack; y += c->y.step) {
    put_line(c, "grid", LEFT, place_y(c, y), LEFT + c->width, place_y(c, y));
    put_tick(c, "tick end", LEFT - 6, place_y(c, y) + 4, y, c->y.decimals);
  }
  put_text(c, "axis middle", LEFT + c->width / 2, TOP + c->height + 33, c->x.title);
  cored_html_format(c->out, "<text class='axis middle' transform='translate(12 %d) rotate(-90)'>",
                    (int)(TOP + c->height / 2));
  cored_text_add_html(c->out, c->y.title);
  cored_text_add(c->out, "</text>");
}

static void put_point(const Chart *c, double x, double y) {
  cored_html_fixed(c->out, place_x(c, x), 1);
  cored_text_add(c->out, ",");
  cored_html_fixed(c->out, place_y(c, y), 1);
  cored_text_add(c->out, " ");
}

static const Axis unit_axis = {.low = 0, .high = 1, .step = 0.2, .decimals = 1};

static Chart unit_chart(CoredText *out, const char *x_title, const char *y_title) {
  Chart c = {.out = out, .width = 260, .height = 260, .x = unit_axis, .y = unit_axis};
  c.x.title = x_title;
  c.y.title = y_title;
  return c;
}

/* ---- ROC ------------------------------------------------------------------------------------- */

/* Points closer than half a pixel to the last one drawn are left out, but never the last. */
void cored_chart_roc(CoredText *out, const CoredReportCell *cell) {
  Chart c = unit_chart(out, "real called fake", "fake called fake");
  begin_chart(&c, "ROC curve", 0);
  put_line(&c, "chance", place_x(&c, 0), place_y(&c, 0), place_x(&c, 1), place_y(&c, 1));
  cored_text_add(out, "<polyline class='curve c0' points='");
  double last_x = -1, last_y = -1;
  for (size_t i = 0; i < cell->n_roc; i++) {
    double x = cell->roc[i].fpr, y = cell->roc[i].tpr;
    bool near = hypot(x - last_x, y - last_y) * c.width < 0.5;
    if (isnan(x) || isnan(y) || (near && i + 1 < cell->n_roc))
      continue;
    put_point(&c, x, y);
    last_x = x;
    last_y = y;
  }
  cored_text_add(out, "'/>");
  /* Where the model's threshold is: the last point at or above it. */
  const CoredRocPoint *at = NULL;
  for (size_t i = 0; i < cell->n_roc && cell->roc[i].threshold >= cell->info->threshold; i++)
    at = &cell->roc[i];
  if (at && !isnan(at->fpr) && !isnan(at->tpr)) {
    cored_text_add(out, "<circle class='mark'");
    cored_html_attribute(out, "cx", place_x(&c, at->fpr));
    cored_html_attribute(out, "cy", place_y(&c, at->tpr));
    cored_text_add(out, " r='4'><title>at the threshold ");
    cored_html_fixed(out, cell->info->threshold, 3);
    cored_text_add(out, "</title></circle>");
  }
  cored_text_add(out, "</svg>");
}

/* ---- Reliability ----------------------------------------------------------------------------- */

void cored_chart_reliability(CoredText *out, const CoredMetrics *metrics) {
  Chart c = unit_chart(out, "confidence", "accuracy");
  begin_chart(&c, "Reliability diagram", 0);
  size_t most = 1;
  for (int i = 0; i < CORED_ECE_BINS; i++)
    most = metrics->bins[i].n > most ? metrics->bins[i].n : most;
  double step = c.width / CORED_ECE_BINS;
  for (int i = 0; i < CORED_ECE_BINS; i++) {
    const CoredReliabilityBin *bin = &metrics->bins[i];
    if (bin->n == 0)
      continue;
    double x = LEFT + i * step, accuracy = place_y(&c, bin->accuracy),
           confidence = place_y(&c, bin->confidence), floor = place_y(&c, 0);
    double share = 0.2 * c.height * (double)bin->n / (double)most;
    put_rect(&c, "bar", x + 1, accuracy, step - 2, floor - accuracy);
    put_rect(&c, "gap", x + 1, fmin(accuracy, confidence), step - 2, fabs(accuracy - confidence));
    put_rect(&c, "count", x + 1, floor - share, step - 2, share);
  }
  put_line(&c, "chance", place_x(&c, 0), place_y(&c, 0), place_x(&c, 1), place_y(&c, 1));
  cored_text_add(out, "</svg>");
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* A round step that gives 4 to 10 ticks, and the decimals it needs. */
static void choose_ticks(Axis *axis) {
  if (!(axis->high > axis->low)) { /* one value: room around it */
    axis->high = axis->low + 1;
    axis->low -= axis->low > 0 && axis->low < 1 ? axis->low : 0;
  }
  double span = axis->high - axis->low, power = pow(10, floor(log10(span / 4)));
  double factor = span / 4 / power >= 5 ? 5 : span / 4 / power >= 2 ? 2 : 1;
  axis->step = factor * power;
  axis->decimals = power < 1 ? (int)fmin(6, ceil(-log10(power) - 1e-9)) : 0;
}

static void widen(Axis *axis, double value, bool *first) {
  if (!isfinite(value))
    return;
  axis->low = *first ? value : fmin(axis->low, value);
  axis->high = *first ? value : fmax(axis->high, value);
  *first = false;
}

static void put_series(const Chart *c, const CoredReportCurve *curve, size_t s) {
  const double *y = curve->series[s].y;
  bool open = false;
  for (size_t i = 0; i < curve->n; i++) {
    if (!isfinite(y[i])) {
      cored_text_add(c->out, open ? "'/>" : "");
      open = false;
      continue;
    }
    if (!open)
      cored_html_format(c->out, "<polyline class='curve c%d' points='", (int)(s % 8));
    open = true;
    put_point(c, curve->x[i], y[i]);
  }
  cored_text_add(c->out, open ? "'/>" : "");
}

void cored_chart_lines(CoredText *out, const CoredReportCurve *curve) {
  Chart c = {.out = out, .width = 420, .height = 220, .x.title = curve->x_title, .y.title = ""};
  bool first_x = true, first_y = true;
  for (size_t i = 0; i < curve->n; i++)
    widen(&c.x, curve->x[i], &first_x);
  for (size_t s = 0; s < curve->n_series; s++)
    for (size_t i = 0; i < curve->n; i++)
      widen(&c.y, curve->series[s].y[i], &first_y);
  if (first_x || first_y)
    return;
  choose_ticks(&c.x);
  choose_ticks(&c.y);
  begin_chart(&c, curve->title, 170);
  for (size_t s = 0; s < curve->n_series; s++) {
    char class[32] = "curve c0";
    class[7] = (char)('0' + s % 8);
    double y = TOP + 8 + 18 * (double)s, x = LEFT + c.width + 16;
    put_series(&c, curve, s);
    put_line(&c, class, x, y, x + 18, y);
    put_text(&c, "tick", x + 24, y + 4, curve->series[s].name);
  }
  cored_text_add(out, "</svg>");
}
