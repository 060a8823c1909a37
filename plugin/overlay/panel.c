/* SPDX-License-Identifier: MIT */
#include "overlay/panel.h"

#include "base/threshold-text.h"
#include "overlay/panel-layout.h"
#include "base/escape.h"

#include <math.h>

/* The parts of a panel from top to bottom, in pixels. */
typedef struct Panel {
  char *label, *track;
  double em; /* height of a letter */
  gint w, h, pad;
  gint text_w, text_h, bar_h, strip_h; /* 0: not shown */
  gint track_w, track_h;
} Panel;

/* ---- Words ---------------------------------------------------------------------------------- */

char *cored_verdict_text(CoredOverlayVerdict verdict, double p, double threshold,
                         const char *reason) {
  if (verdict == CORED_OVERLAY_UNKNOWN) {
    char *text =
        *reason ? g_strdup_printf("unknown: %s", cored_show(reason).text) : g_strdup("unknown");
    return g_strdelimit(text, "-", ' ');
  }
  const char *word = verdict == CORED_OVERLAY_FAKE ? "FAKE" : "real";
  if (p < 0 || threshold < 0)
    return g_strdup(word);
  const CoredThresholdText text = cored_threshold_text(MIN(p, 1.0), MIN(threshold, 1.0));
  return g_strdup_printf("%s %s %s %s", word, text.p, p >= threshold ? "≥" : "<", text.threshold);
}

/* Nobody takes what was for what is: a face that is not found any more, or about which an alert
 * still goes on, says so. */
static char *face_text(const CoredOverlayFace *face, double threshold) {
  char *verdict = cored_verdict_text(face->verdict, face->p_fake, threshold, face->reason);
  const char *before = !face->present                                       ? "not seen, was "
                       : face->alert && face->verdict != CORED_OVERLAY_FAKE ? "ALERT, now "
                                                                            : "";
  char *text = g_strconcat(before, verdict, NULL);
  g_free(verdict);
  return text;
}

/* ---- Measures ------------------------------------------------------------------------------- */

static CoredLabel label_of(const Panel *panel) {
  return (CoredLabel){.text = panel->label, .em = panel->em, .bold = TRUE};
}

static CoredLabel track_of(const Panel *panel) {
  return (CoredLabel){.text = panel->track, .em = panel->em * 0.8};
}

static void panel_sum(Panel *panel) {
  const gint parts = (panel->text_h > 0) + (panel->bar_h > 0) + (panel->strip_h > 0);
  panel->h = panel->text_h + panel->bar_h + panel->strip_h + (parts + 1) * panel->pad;
}

static void panel_clear(Panel *panel) {
  g_free(panel->label);
  g_free(panel->track);
}

/* Of the numbers in the label only the first. */
static void shorten(Panel *panel) {
  char *against = strstr(panel->label, " ≥ ");
  if (!against)
    against = strstr(panel->label, " < ");
  if (!against)
    return;
  *against = '\0';
  const CoredLabel label = label_of(panel);
  cored_label_measure(&label, &panel->text_w, &panel->text_h);
}

static void panel_measure(Panel *panel, const CoredPainter *p, const CoredOverlayFace *face,
                          double em) {
  *panel = (Panel){.em = em, .pad = (gint)ceil(em * 0.35)};
  panel->label = face_text(face, p->data->threshold);
  panel->track = g_strdup_printf("#%" G_GUINT64_FORMAT, face->track_id);
  if (p->look->show & CORED_SHOW_LABELS) {
    const CoredLabel label = label_of(panel), track = track_of(panel);
    cored_label_measure(&label, &panel->text_w, &panel->text_h);
    if (face->track_id)
      cored_label_measure(&track, &panel->track_w, &panel->track_h);
  }
  if (p->look->show & CORED_SHOW_BAR && face->p_fake >= 0 && face->present)
    panel->bar_h = (gint)ceil(em * 0.45);
  if (panel->bar_h && panel->text_h) /* a mark in the bar shows the threshold */
    shorten(panel);
  if (p->look->show & CORED_SHOW_HISTORY && face->track_id)
    panel->strip_h = (gint)ceil(em * 1.5);
  const gint wide = (gint)CLAMP(face->w, 7 * em, 14 * em);
  panel->w = 2 * panel->pad + MAX(wide, panel->text_w + panel->track_w + (gint)em);
  panel_sum(panel);
}

/* Letters as large as they should be, or as the picture has room for. */
static void panel_fit(Panel *panel, const CoredPainter *p, const CoredOverlayFace *face) {
  const double least = MIN(p->em, CORED_MIN_EM);
  panel_measure(panel, p, face, p->em);
  for (;;) {
    const double room =
        MIN((double)p->canvas.width / panel->w, (double)p->canvas.height / panel->h);
    if (room >= 1.0 || panel->em <= least)
      return;
    const double em = MAX(least, MIN(panel->em - 1.0, panel->em * room));
    panel_clear(panel);
    panel_measure(panel, p, face, em);
  }
}

/* Only the label. */
static void panel_shrink(Panel *panel) {
  shorten(panel);
  panel->w = 3 * panel->pad + panel->text_w + panel->track_w;
  panel->bar_h = panel->strip_h = 0;
  panel_sum(panel);
}

/* ---- Drawing -------------------------------------------------------------------------------- */

static void draw_bar(cairo_t *cr, const CoredPainter *p, const CoredOverlayFace *face, double x,
                     double y, double w, double h) {
  cairo_set_source_rgba(cr, 1, 1, 1, 0.25);
  cored_fill(cr, x, y, w, h);
  cored_set_color(cr, p->look->color[face->verdict], 1);
  cored_fill(cr, x, y, w * face->p_fake, h);
  if (p->data->threshold >= 0 && p->data->threshold <= 1) {
    const double mark = MAX(1.0, rint(p->em / 10));
    cairo_set_source_rgb(cr, 1, 1, 1);
    cored_fill(cr, x + (w - mark) * p->data->threshold, y - mark, mark, h + 2 * mark);
  }
}

/* One bar per column of time, as high as the probability, in the colour of its verdict; whole
 * pixels, or there are seams. */
static void draw_strip(cairo_t *cr, const CoredPainter *p, const float *columns, double x, double y,
                       double w, double h) {
  const double step = w / CORED_HISTORY_COLUMNS;
  const double threshold = p->data->threshold >= 0 ? p->data->threshold : 0.5;
  cairo_set_source_rgba(cr, 1, 1, 1, 0.12);
  cored_fill(cr, x, y, w, h);
  for (guint i = 0; i < CORED_HISTORY_COLUMNS; i++) {
    if (columns[i] < 0)
      continue;
    const CoredOverlayVerdict verdict =
        columns[i] >= (float)threshold ? CORED_OVERLAY_FAKE : CORED_OVERLAY_REAL;
    const double left = rint(x + i * step), right = rint(x + (i + 1) * step);
    const double top = rint(y + h * (1 - MAX((double)columns[i], 0.04)));
    cored_set_color(cr, p->look->color[verdict], 1);
    cored_fill(cr, left, top, right - left, y + h - top);
  }
  cairo_set_source_rgba(cr, 1, 1, 1, 0.6);
  cored_fill(cr, x, rint(y + h * (1 - threshold)), w, MAX(1.0, rint(p->em / 16)));
}

/* The ground, and at its left the colour of the verdict; about an alert the label lies on that of
 * a forgery, whatever the verdict is by now. */
static void draw_ground(cairo_t *cr, const Panel *panel, const CoredPainter *p,
                        const CoredOverlayFace *face) {
  cairo_set_source_rgba(cr, 0, 0, 0, p->look->opacity);
  cairo_paint(cr);
  if (face->alert) {
    cored_set_color(cr, p->look->color[CORED_OVERLAY_FAKE], 1);
    cored_fill(cr, 0, 0, panel->w, panel->text_h + panel->pad * 1.5);
  }
  cored_set_color(cr, p->look->color[face->verdict], 1);
  cored_fill(cr, 0, 0, MAX(2, panel->pad / 3), panel->h);
}

static void panel_draw(const Panel *panel, cairo_t *cr, const CoredPainter *painter,
                       const CoredOverlayFace *face, const float *columns) {
  CoredPainter own = *painter;
  own.em = panel->em;
  const CoredPainter *p = &own;
  const double inner = panel->w - 2 * panel->pad;
  double y = panel->pad;
  draw_ground(cr, panel, p, face);
  if (panel->text_h) {
    const CoredLabel label = label_of(panel), track = track_of(panel);
    cairo_set_source_rgba(cr, 1, 1, 1, face->present ? 1 : 0.8);
    cored_label_draw(cr, &label, panel->pad, y);
    if (face->track_id) {
      cairo_set_source_rgba(cr, 1, 1, 1, 0.8);
      cored_label_draw(cr, &track, panel->w - panel->pad - panel->track_w,
                       y + panel->text_h - panel->track_h);
    }
    y += panel->text_h + panel->pad;
  }
  if (panel->bar_h) {
    draw_bar(cr, p, face, panel->pad, y, inner, panel->bar_h);
    y += panel->bar_h + panel->pad;
  }
  if (panel->strip_h)
    draw_strip(cr, p, columns, panel->pad, y, inner, panel->strip_h);
}

/* ---- All of them ---------------------------------------------------------------------------- */

typedef struct Placed {
  const CoredOverlayFace *face;
  Panel panel;
  CoredRect rect;
  gboolean shown;
} Placed;

/* Where every place covers something, as little as can be said. */
static void place(Placed *placed, CoredPanelLayout *ground, guint i, CoredHistory *history) {
  Panel *panel = &placed->panel;
  guint8 *kept = cored_history_place(history, placed->face->track_id);
  CoredPanelSpot where = kept && *kept ? (CoredPanelSpot)(*kept - 1) : CORED_PANEL_N;
  CoredPanelSpot shrunk = where;
  const gboolean empty = !panel->text_h && !panel->bar_h && !panel->strip_h;
  placed->shown = !empty && panel->w <= ground->width && panel->h <= ground->height;
  if (!placed->shown)
    return;
  if (cored_panel_layout_find(ground, i, panel->w, panel->h, &where, &placed->rect) &&
      panel->text_h) {
    panel_shrink(panel);
    cored_panel_layout_find(ground, i, panel->w, panel->h, &shrunk, &placed->rect);
    where = shrunk;
  }
  if (kept)
    *kept = (guint8)(where + 1);
  ground->panel[ground->n_panels++] = placed->rect;
}

/* Where the panels would cover more than a third of the picture each says as little as can be. */
static void make_room(Placed *placed, guint n, const CoredPainter *p) {
  gint64 sum = 0;
  for (guint i = 0; i < n; i++)
    sum += (gint64)placed[i].panel.w * placed[i].panel.h;
  for (guint i = 0; i < n && sum > (gint64)p->canvas.width * p->canvas.height / 3; i++)
    if (n > 1 && placed[i].panel.text_h)
      panel_shrink(&placed[i].panel);
}

static CoredRect face_rect(const CoredOverlayFace *face) {
  return (CoredRect){(gint)face->x, (gint)face->y, (gint)face->w, (gint)face->h};
}

/* Faces with an alert choose first, those that are gone last. */
static guint urgency(const CoredOverlayFace *face) {
  return face->alert ? 0 : face->present ? 1 : 2;
}

void cored_paint_panels(CoredPainter *p, CoredHistory *history, GstClockTime now,
                        const CoredRect *status) {
  Placed placed[CORED_OVERLAY_FACES];
  const guint n = p->data->n_faces;
  CoredPanelLayout ground = {.width = p->canvas.width,
                             .height = p->canvas.height,
                             .gap = (gint)(p->em / 4),
                             .n_faces = n,
                             .n_panels = 1,
                             .panel = {*status}};
  for (guint i = 0; i < n; i++) {
    placed[i] = (Placed){.face = &p->data->face[i]};
    panel_fit(&placed[i].panel, p, placed[i].face);
    ground.face[i] = face_rect(placed[i].face);
  }
  make_room(placed, n, p);
  for (guint pass = 0; pass < 3; pass++)
    for (guint i = 0; i < n; i++)
      if (urgency(placed[i].face) == pass)
        place(&placed[i], &ground, i, history);
  for (guint pass = 3; pass-- > 0;) /* where they meet, the urgent ones lie above */
    for (guint i = n; i-- > 0;) {
      CoredPatch patch;
      if (urgency(placed[i].face) != pass || !placed[i].shown ||
          !cored_patch_begin(&patch, &p->canvas, &placed[i].rect))
        continue;
      float columns[CORED_HISTORY_COLUMNS];
      cored_history_read(history, placed[i].face->track_id, now, columns);
      panel_draw(&placed[i].panel, patch.cr, p, placed[i].face, columns);
      cored_patch_end(&patch, &p->canvas);
    }
  for (guint i = 0; i < n; i++)
    panel_clear(&placed[i].panel);
}
