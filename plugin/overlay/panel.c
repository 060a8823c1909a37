/* SPDX-License-Identifier: MIT */
#include "overlay/panel.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/threshold-text.h"

/* The parts of a panel from top to bottom, in pixels. */
typedef struct Panel {
  char *label, *track;
  double em; /* size of the font */
  gint w, h, pad;
  gint text_w, text_h, bar_h, strip_h; /* 0: not shown */
  gint track_w, track_h;
} Panel;

/* ---- Text ----------------------------------------------------------------------------------- */

char *cored_verdict_text(CoredVerdict verdict, double p, double threshold, const char *reason) {
  if (verdict == CORED_VERDICT_UNKNOWN) {
    char *text =
        *reason ? g_strdup_printf("unknown: %s", cored_show(reason).text) : g_strdup("unknown");
    return g_strdelimit(text, "-", ' ');
  }
  const char *word = verdict == CORED_VERDICT_FAKE ? "FAKE" : "real";
  if (p < 0 || threshold < 0)
    return g_strdup(word);
  const CoredThresholdText text = cored_threshold_text(MIN(p, 1.0), MIN(threshold, 1.0));
  return g_strdup_printf("%s %s %s %s", word, text.p, p >= threshold ? "≥" : "<", text.threshold);
}

/* The label says whether it is about the present: a face may not be found any more, or have an
 * alert that has not ended yet. */
static char *face_text(const CoredOverlayFace *face, double threshold) {
  char *verdict = cored_verdict_text(face->verdict, face->p_fake, threshold, face->reason);
  const char *before = !face->present                                       ? "not seen, was "
                       : face->alert && face->verdict != CORED_VERDICT_FAKE ? "ALERT, now "
                                                                            : "";
  char *text = g_strconcat(before, verdict, NULL);
  g_free(verdict);
  return text;
}

/* ---- Size ----------------------------------------------------------------------------------- */

static CoredLabel label_of(const Panel *panel) {
  return (CoredLabel){.text = panel->label, .em = panel->em, .bold = TRUE};
}

static CoredLabel track_of(const Panel *panel) {
  return (CoredLabel){.text = panel->track, .em = panel->em * 0.8};
}

static void panel_update_height(Panel *panel) {
  const gint parts = (panel->text_h > 0) + (panel->bar_h > 0) + (panel->strip_h > 0);
  panel->h = panel->text_h + panel->bar_h + panel->strip_h + (parts + 1) * panel->pad;
}

static void panel_clear(Panel *panel) {
  g_free(panel->label);
  g_free(panel->track);
}

/* Leave only the first number in the label. */
static void label_shorten(Panel *panel) {
  char *second = strstr(panel->label, " ≥ ");
  if (!second)
    second = strstr(panel->label, " < ");
  if (!second)
    return;
  *second = '\0';
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
    label_shorten(panel);
  if (p->look->show & CORED_SHOW_HISTORY && face->track_id)
    panel->strip_h = (gint)ceil(em * 1.5);
  const gint wide = (gint)CLAMP(face->w, 7 * em, 14 * em);
  panel->w = 2 * panel->pad + MAX(wide, panel->text_w + panel->track_w + (gint)em);
  panel_update_height(panel);
}

/* In the wanted size, or as large as the picture has room for. */
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

/* Down to the label. */
static void panel_shrink(Panel *panel) {
  label_shorten(panel);
  panel->w = 3 * panel->pad + panel->text_w + panel->track_w;
  panel->bar_h = panel->strip_h = 0;
  panel_update_height(panel);
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
    const CoredVerdict verdict =
        columns[i] >= (float)threshold ? CORED_VERDICT_FAKE : CORED_VERDICT_REAL;
    const double left = rint(x + i * step), right = rint(x + (i + 1) * step);
    const double top = rint(y + h * (1 - MAX((double)columns[i], 0.04)));
    cored_set_color(cr, p->look->color[verdict], 1);
    cored_fill(cr, left, top, right - left, y + h - top);
  }
  cairo_set_source_rgba(cr, 1, 1, 1, 0.6);
  cored_fill(cr, x, rint(y + h * (1 - threshold)), w, MAX(1.0, rint(p->em / 16)));
}

/* The background, with the colour of the verdict at its left; during an alert the label lies on the
 * colour of a forgery, whatever the verdict is now. */
static void draw_background(cairo_t *cr, const Panel *panel, const CoredPainter *p,
                            const CoredOverlayFace *face) {
  cairo_set_source_rgba(cr, 0, 0, 0, p->look->opacity);
  cairo_paint(cr);
  if (face->alert) {
    cored_set_color(cr, p->look->color[CORED_VERDICT_FAKE], 1);
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
  draw_background(cr, panel, p, face);
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

/* ---- Layout --------------------------------------------------------------------------------- */

/* The earlier the better. */
typedef enum Spot {
  SPOT_ABOVE,
  SPOT_ABOVE_RIGHT, /* flush with the face's right side */
  SPOT_BELOW,
  SPOT_BELOW_RIGHT,
  SPOT_RIGHT,
  SPOT_LEFT,
  SPOT_RIGHT_LOW, /* flush with the face's lower side */
  SPOT_LEFT_LOW,
  SPOT_OVER, /* over the face's top */
  N_SPOTS
} Spot;

/* What panels should not cover. */
typedef struct PanelLayout {
  gint width, height;
  gint gap; /* between a face and its panel */
  guint n_faces, n_panels;
  CoredRect face[CORED_MAX_OBJECTS], panel[CORED_MAX_OBJECTS + 1];
} PanelLayout;

static gint64 overlap(const CoredRect *a, const CoredRect *b) {
  const gint64 w = MIN(a->x + a->w, b->x + b->w) - MAX(a->x, b->x);
  const gint64 h = MIN(a->y + a->h, b->y + b->h) - MAX(a->y, b->y);
  return w > 0 && h > 0 ? w * h : 0;
}

/* Move *r to the spot. FALSE: there is no room for it. */
static gboolean move_to_spot(const PanelLayout *layout, const CoredRect *face, Spot spot,
                             CoredRect *r) {
  const gint right = face->x + face->w, bottom = face->y + face->h, gap = layout->gap;
  const gint last_x = MAX(0, layout->width - r->w), last_y = MAX(0, layout->height - r->h);
  switch (spot) {
  case SPOT_ABOVE:
  case SPOT_ABOVE_RIGHT:
    r->y = face->y - gap - r->h;
    break;
  case SPOT_BELOW:
  case SPOT_BELOW_RIGHT:
    r->y = bottom + gap;
    break;
  case SPOT_RIGHT_LOW:
  case SPOT_LEFT_LOW:
    r->y = CLAMP(bottom - r->h, 0, last_y);
    break;
  default:
    r->y = CLAMP(spot == SPOT_OVER ? face->y + gap : face->y, 0, last_y);
    break;
  }
  switch (spot) {
  case SPOT_RIGHT:
  case SPOT_RIGHT_LOW:
    r->x = right + gap;
    break;
  case SPOT_LEFT:
  case SPOT_LEFT_LOW:
    r->x = face->x - gap - r->w;
    break;
  case SPOT_ABOVE_RIGHT:
  case SPOT_BELOW_RIGHT:
    r->x = CLAMP(right - r->w, 0, last_x);
    break;
  default:
    r->x = CLAMP(face->x, 0, last_x);
    break;
  }
  return r->x >= 0 && r->y >= 0 && r->x + r->w <= layout->width && r->y + r->h <= layout->height;
}

static gint64 covered_panels(const PanelLayout *layout, const CoredRect *r) {
  gint64 sum = 0;
  for (guint i = 0; i < layout->n_panels; i++)
    sum += overlap(r, &layout->panel[i]);
  return sum;
}

static gint64 covered_faces(const PanelLayout *layout, const CoredRect *r, guint but) {
  gint64 sum = 0;
  for (guint i = 0; i < layout->n_faces; i++)
    sum += i == but ? 0 : overlap(r, &layout->face[i]);
  return sum;
}

/* Find the spot for the panel of w x h pixels of the i-th face, and its rectangle. *spot is where
 * it was before (N_SPOTS: nowhere). Returns the pixels of panels and other faces that it covers
 * there.
 *
 * The cost of a spot is the pixels covered, those of panels many times, because two texts in one
 * place cannot be read, and a sixteenth of the panel for each better spot. A panel stays where it
 * was as long as it covers nothing there: one that jumps cannot be read either. */
static gint64 find_spot(const PanelLayout *layout, guint i, gint w, gint h, Spot *spot,
                        CoredRect *rect) {
  const Spot before = *spot;
  const gint64 step = (gint64)w * h / 16;
  gint64 least = G_MAXINT64, covered = 0;
  for (Spot s = 0; s < N_SPOTS; s++) {
    CoredRect r = {.w = w, .h = h};
    if (!move_to_spot(layout, &layout->face[i], s, &r))
      continue;
    const gint64 panels = covered_panels(layout, &r);
    const gint64 faces = covered_faces(layout, &r, i);
    const gint64 cost =
        16 * panels + faces + overlap(&r, &layout->face[i]) + (s == before ? -1 : (gint64)s * step);
    if (cost < least) {
      least = cost;
      covered = panels + faces;
      *spot = s;
      *rect = r;
    }
  }
  return covered;
}

/* ---- All panels ----------------------------------------------------------------------------- */

typedef struct PlacedPanel {
  const CoredOverlayFace *face;
  Panel panel;
  CoredRect rect;
  gboolean shown;
} PlacedPanel;

/* Where every spot covers something, the panel shrinks to its label. */
static void place_panel(PlacedPanel *placed, PanelLayout *layout, guint i, CoredHistory *history) {
  Panel *panel = &placed->panel;
  guint8 *kept = cored_history_note(history, placed->face->track_id);
  Spot spot = kept && *kept ? (Spot)(*kept - 1) : N_SPOTS;
  Spot spot_shrunk = spot;
  const gboolean empty = !panel->text_h && !panel->bar_h && !panel->strip_h;
  placed->shown = !empty && panel->w <= layout->width && panel->h <= layout->height;
  if (!placed->shown)
    return;
  if (find_spot(layout, i, panel->w, panel->h, &spot, &placed->rect) && panel->text_h) {
    panel_shrink(panel);
    find_spot(layout, i, panel->w, panel->h, &spot_shrunk, &placed->rect);
    spot = spot_shrunk;
  }
  if (kept)
    *kept = (guint8)(spot + 1);
  layout->panel[layout->n_panels++] = placed->rect;
}

/* Where the panels would cover more than a third of the picture all shrink to their labels. */
static void make_room(PlacedPanel *placed, guint n, const CoredPainter *p) {
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
enum { N_PRIORITIES = 3 };
static guint priority(const CoredOverlayFace *face) {
  return face->alert ? 0 : face->present ? 1 : 2;
}

static void draw_placed(const PlacedPanel *placed, CoredPainter *p, const CoredHistory *history,
                        GstClockTime now) {
  float columns[CORED_HISTORY_COLUMNS];
  CoredPatch patch;
  if (!placed->shown || !cored_patch_begin(&patch, &p->canvas, &placed->rect))
    return;
  cored_history_read(history, placed->face->track_id, now, columns);
  panel_draw(&placed->panel, patch.cr, p, placed->face, columns);
  cored_patch_end(&patch, &p->canvas);
}

void cored_paint_panels(CoredPainter *p, CoredHistory *history, GstClockTime now,
                        const CoredRect *status) {
  PlacedPanel placed[CORED_MAX_OBJECTS];
  const guint n = p->data->n_faces;
  PanelLayout layout = {.width = p->canvas.width,
                        .height = p->canvas.height,
                        .gap = (gint)(p->em / 4),
                        .n_faces = n,
                        .n_panels = 1,
                        .panel = {*status}};
  for (guint i = 0; i < n; i++) {
    placed[i] = (PlacedPanel){.face = &p->data->face[i]};
    panel_fit(&placed[i].panel, p, placed[i].face);
    layout.face[i] = face_rect(placed[i].face);
  }
  make_room(placed, n, p);
  for (guint pass = 0; pass < N_PRIORITIES; pass++)
    for (guint i = 0; i < n; i++)
      if (priority(placed[i].face) == pass)
        place_panel(&placed[i], &layout, i, history);
  for (guint pass = N_PRIORITIES; pass-- > 0;) /* where they overlap, the urgent ones are on top */
    for (guint i = n; i-- > 0;)
      if (priority(placed[i].face) == pass)
        draw_placed(&placed[i], p, history, now);
  for (guint i = 0; i < n; i++)
    panel_clear(&placed[i].panel);
}
