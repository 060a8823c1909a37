/* SPDX-License-Identifier: MIT
 * Everything is measured in em, the height of a letter, so that it looks the same at any size.
 * Lines have a dark edge: they stay visible on any ground. */
#include "coredpainter.h"

#include <gst/video/gstvideometa.h>
#include <math.h>
#include <pango/pangocairo.h>

#define MIN_EM 11.0
#define EMS_PER_SIDE 26.0
#define FONT "Sans"
#define MAX_PIECE 16384

typedef struct Painter {
  const CoredScene *scene;
  const CoredLook *look;
  double em;
  GstVideoOverlayComposition *composition; /* NULL until there is a piece */
} Painter;

/* A rectangle of pixels being drawn. */
typedef struct Piece {
  gint x, y, w, h;
  GstBuffer *buffer;
  GstMapInfo map;
  cairo_surface_t *surface;
  cairo_t *cr;
} Piece;

/* ---- Pieces --------------------------------------------------------------------------------- */

/* Transparent, cut to the picture. FALSE: nothing of it is inside. */
static gboolean piece_begin(Piece *piece, const Painter *p, gint x, gint y, gint w, gint h) {
  const gint right = MIN(x + w, p->scene->width), bottom = MIN(y + h, p->scene->height);
  *piece = (Piece){.x = MAX(x, 0), .y = MAX(y, 0)};
  piece->w = right - piece->x;
  piece->h = bottom - piece->y;
  if (piece->w < 1 || piece->h < 1 || piece->w > MAX_PIECE || piece->h > MAX_PIECE)
    return FALSE;
  const gsize size = (gsize)piece->w * 4 * (gsize)piece->h;
  piece->buffer = gst_buffer_new_allocate(NULL, size, NULL);
  if (!piece->buffer || !gst_buffer_map(piece->buffer, &piece->map, GST_MAP_READWRITE)) {
    gst_clear_buffer(&piece->buffer);
    return FALSE;
  }
  memset(piece->map.data, 0, size);
  piece->surface = cairo_image_surface_create_for_data(piece->map.data, CAIRO_FORMAT_ARGB32,
                                                       piece->w, piece->h, piece->w * 4);
  piece->cr = cairo_create(piece->surface);
  cairo_translate(piece->cr, x - piece->x, y - piece->y);
  return TRUE;
}

/* Cairo's pixels are premultiplied words in the machine's order: the composition's RGB format. */
static void piece_end(Piece *piece, Painter *p) {
  cairo_destroy(piece->cr);
  cairo_surface_flush(piece->surface);
  cairo_surface_destroy(piece->surface);
  gst_buffer_unmap(piece->buffer, &piece->map);
  gst_buffer_add_video_meta(piece->buffer, GST_VIDEO_FRAME_FLAG_NONE,
                            GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, (guint)piece->w,
                            (guint)piece->h);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw(
      piece->buffer, piece->x, piece->y, (guint)piece->w, (guint)piece->h,
      GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref(piece->buffer);
  if (p->composition)
    gst_video_overlay_composition_add_rectangle(p->composition, rectangle);
  else
    p->composition = gst_video_overlay_composition_new(rectangle);
  gst_video_overlay_rectangle_unref(rectangle);
}

static void set_color(cairo_t *cr, guint argb) {
  cairo_set_source_rgba(cr, (argb >> 16 & 0xff) / 255.0, (argb >> 8 & 0xff) / 255.0,
                        (argb & 0xff) / 255.0, (argb >> 24) / 255.0);
}

static void fill(cairo_t *cr, double x, double y, double w, double h) {
  cairo_rectangle(cr, x, y, w, h);
  cairo_fill(cr);
}

/* ---- Text ----------------------------------------------------------------------------------- */

static PangoLayout *layout_new(cairo_t *cr, const char *text, double em, gboolean bold) {
  PangoLayout *layout = pango_cairo_create_layout(cr);
  PangoFontDescription *font = pango_font_description_from_string(FONT);
  pango_font_description_set_absolute_size(font, em * PANGO_SCALE);
  pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
  pango_layout_set_font_description(layout, font);
  pango_layout_set_text(layout, text, -1);
  pango_font_description_free(font);
  return layout;
}

static void measure(const char *text, double em, gboolean bold, gint *width, gint *height) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, 1, 1);
  cairo_t *cr = cairo_create(surface);
  PangoLayout *layout = layout_new(cr, text, em, bold);
  pango_layout_get_pixel_size(layout, width, height);
  g_object_unref(layout);
  cairo_destroy(cr);
  cairo_surface_destroy(surface);
}

static void write_text(cairo_t *cr, const char *text, double em, gboolean bold, double x,
                       double y) {
  PangoLayout *layout = layout_new(cr, text, em, bold);
  cairo_move_to(cr, x, y);
  pango_cairo_show_layout(cr, layout);
  g_object_unref(layout);
}

/* The number is always the probability of a forgery, also next to "real". */
static char *verdict_text(CoredSceneVerdict verdict, double p, const char *reason) {
  if (verdict == CORED_SCENE_UNKNOWN)
    return *reason ? g_strdup_printf("unknown: %s", reason) : g_strdup("unknown");
  if (verdict == CORED_SCENE_FAKE)
    return p < 0 ? g_strdup("FAKE") : g_strdup_printf("FAKE %.0f%%", p * 100);
  return p < 0 ? g_strdup("real") : g_strdup_printf("real (%.0f%% fake)", p * 100);
}

/* ---- Faces ---------------------------------------------------------------------------------- */

/* A line of the box: the colour between dark edges. */
static void paint_line(Painter *p, gint x, gint y, gint w, gint h, gint edge, guint color) {
  Piece piece;
  if (!piece_begin(&piece, p, x, y, w, h))
    return;
  cairo_set_source_rgba(piece.cr, 0, 0, 0, 0.55);
  cairo_paint(piece.cr);
  cairo_set_operator(piece.cr, CAIRO_OPERATOR_SOURCE);
  set_color(piece.cr, color);
  fill(piece.cr, edge, edge, w - 2 * edge, h - 2 * edge);
  piece_end(&piece, p);
}

static void paint_box(Painter *p, const CoredSceneFace *face) {
  const gint edge = MAX(1, (gint)rint(p->em / 14));
  const gint line = MAX(1, (gint)rint(p->em / (face->alert ? 4 : 7))) + 2 * edge;
  const guint color = p->look->color[face->verdict];
  /* Inside the picture, so that the lines of a face at its border are seen. */
  const gint left = CLAMP((gint)rint(face->x), 0, p->scene->width - 1);
  const gint top = CLAMP((gint)rint(face->y), 0, p->scene->height - 1);
  const gint right = CLAMP((gint)rint(face->x + face->w), left + 1, p->scene->width);
  const gint bottom = CLAMP((gint)rint(face->y + face->h), top + 1, p->scene->height);
  const gint w = right - left, h = bottom - top;
  if (w < 2 * line || h < 2 * line) {
    paint_line(p, left, top, w, h, 0, color);
    return;
  }
  paint_line(p, left, top, w, line, edge, color);
  paint_line(p, left, bottom - line, w, line, edge, color);
  paint_line(p, left, top + line - edge, line, h - 2 * line + 2 * edge, edge, color);
  paint_line(p, right - line, top + line - edge, line, h - 2 * line + 2 * edge, edge, color);
}

/* One pixel per cell, premultiplied: places that speak for a forgery in its colour, the others
 * weakly in that of real; faint evidence is nearly clear. */
static void color_cells(const Painter *p, const CoredHeat *heat, guint8 *pixels, int stride) {
  for (guint r = 0; r < heat->rows; r++)
    for (guint c = 0; c < heat->columns; c++) {
      const double e = (heat->value[r * heat->columns + c] - 128) / 127.0;
      const guint color = p->look->color[e > 0 ? CORED_SCENE_FAKE : CORED_SCENE_REAL];
      const double alpha = (e > 0 ? 0.6 * e : -0.25 * e) * (color >> 24) / 255.0;
      guint32 pixel = (guint32)lrint(alpha * 255) << 24;
      for (int shift = 0; shift < 24; shift += 8)
        pixel |= (guint32)lrint((color >> shift & 0xff) * alpha) << shift;
      memcpy(pixels + r * (guint)stride + 4 * c, &pixel, sizeof pixel);
    }
}

static void paint_heat(Painter *p, const CoredHeat *heat) {
  const CoredBox *b = &heat->box;
  if (!heat->rows || !(b->w >= 1) || !(b->h >= 1) || b->x >= p->scene->width ||
      b->y >= p->scene->height)
    return;
  const double w = MIN(b->w, p->scene->width - b->x), h = MIN(b->h, p->scene->height - b->y);
  cairo_surface_t *cells =
      cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)heat->columns, (int)heat->rows);
  Piece piece;
  if (cairo_surface_status(cells) == CAIRO_STATUS_SUCCESS &&
      piece_begin(&piece, p, (gint)b->x, (gint)b->y, (gint)w, (gint)h)) {
    cairo_surface_flush(cells);
    color_cells(p, heat, cairo_image_surface_get_data(cells),
                cairo_image_surface_get_stride(cells));
    cairo_surface_mark_dirty(cells);
    cairo_scale(piece.cr, b->w / heat->columns, b->h / heat->rows);
    cairo_set_source_surface(piece.cr, cells, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(piece.cr), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend(cairo_get_source(piece.cr), CAIRO_EXTEND_PAD);
    cairo_paint(piece.cr);
    piece_end(&piece, p);
  }
  cairo_surface_destroy(cells);
}

/* The parts of a panel from top to bottom, in pixels. */
typedef struct Panel {
  char *label, *track;
  gint w, h, pad;
  gint text_w, text_h, bar_h, strip_h; /* 0: not shown */
} Panel;

static void panel_measure(Panel *panel, const Painter *p, const CoredSceneFace *face) {
  const double em = p->em;
  gint track_w = 0, track_h = 0;
  *panel = (Panel){.pad = (gint)ceil(em * 0.35)};
  panel->label = verdict_text(face->verdict, face->p_fake, face->reason);
  panel->track = g_strdup_printf("#%" G_GUINT64_FORMAT, face->track_id);
  if (p->look->show & CORED_SHOW_LABELS) {
    measure(panel->label, em, TRUE, &panel->text_w, &panel->text_h);
    if (face->track_id)
      measure(panel->track, em * 0.8, FALSE, &track_w, &track_h);
  }
  if (p->look->show & CORED_SHOW_BAR && face->p_fake >= 0)
    panel->bar_h = (gint)ceil(em * 0.45);
  if (p->look->show & CORED_SHOW_HISTORY && face->track_id)
    panel->strip_h = (gint)ceil(em * 1.5);
  const gint wide = (gint)CLAMP(face->w, 7 * em, 14 * em);
  const gint parts = (panel->text_h > 0) + (panel->bar_h > 0) + (panel->strip_h > 0);
  panel->w = 2 * panel->pad + MAX(wide, panel->text_w + track_w + (gint)em);
  panel->h = panel->text_h + panel->bar_h + panel->strip_h + (parts + 1) * panel->pad;
}

/* Above the face, else below it, else over its top. */
static void panel_place(const Panel *panel, const Painter *p, const CoredSceneFace *face, gint *x,
                        gint *y) {
  const gint gap = (gint)(p->em / 4);
  const gint above = (gint)face->y - gap - panel->h;
  const gint below = (gint)(face->y + face->h) + gap;
  *x = CLAMP((gint)face->x, 0, MAX(0, p->scene->width - panel->w));
  if (face->full_frame)
    *y = gap;
  else if (above >= 0)
    *y = above;
  else if (below + panel->h <= p->scene->height)
    *y = below;
  else
    *y = CLAMP((gint)face->y + gap, 0, MAX(0, p->scene->height - panel->h));
}

static void draw_bar(cairo_t *cr, const Painter *p, const CoredSceneFace *face, double x, double y,
                     double w, double h) {
  cairo_set_source_rgba(cr, 1, 1, 1, 0.25);
  fill(cr, x, y, w, h);
  set_color(cr, p->look->color[face->verdict]);
  fill(cr, x, y, w * face->p_fake, h);
  if (p->scene->threshold >= 0 && p->scene->threshold <= 1) {
    const double mark = MAX(1.0, rint(p->em / 10));
    cairo_set_source_rgb(cr, 1, 1, 1);
    fill(cr, x + (w - mark) * p->scene->threshold, y - mark, mark, h + 2 * mark);
  }
}

/* One bar per column of time, as high as the probability, in the colour of its verdict. */
static void draw_strip(cairo_t *cr, const Painter *p, const float *columns, double x, double y,
                       double w, double h) {
  const double step = w / CORED_HISTORY_COLUMNS;
  const double threshold = p->scene->threshold >= 0 ? p->scene->threshold : 0.5;
  cairo_set_source_rgba(cr, 1, 1, 1, 0.12);
  fill(cr, x, y, w, h);
  for (guint i = 0; i < CORED_HISTORY_COLUMNS; i++) {
    if (columns[i] < 0)
      continue;
    const double value = MAX((double)columns[i], 0.04);
    set_color(cr,
              p->look->color[columns[i] >= (float)threshold ? CORED_SCENE_FAKE : CORED_SCENE_REAL]);
    fill(cr, x + i * step, y + h * (1 - value), step, h * value);
  }
  cairo_set_source_rgba(cr, 1, 1, 1, 0.6);
  fill(cr, x, rint(y + h * (1 - threshold)), w, MAX(1.0, rint(p->em / 16)));
}

static void panel_draw(const Panel *panel, Piece *piece, const Painter *p,
                       const CoredSceneFace *face, const float *columns) {
  cairo_t *cr = piece->cr;
  const double inner = panel->w - 2 * panel->pad;
  double y = panel->pad;
  cairo_set_source_rgba(cr, 0, 0, 0, p->look->opacity);
  cairo_paint(cr);
  set_color(cr, p->look->color[face->verdict]);
  fill(cr, 0, 0, face->alert ? panel->w : MAX(2, panel->pad / 3),
       face->alert ? panel->text_h + panel->pad * 1.5 : panel->h);
  if (panel->text_h) {
    cairo_set_source_rgb(cr, 1, 1, 1);
    write_text(cr, panel->label, p->em, TRUE, panel->pad, y);
    if (face->track_id) {
      gint w, h;
      measure(panel->track, p->em * 0.8, FALSE, &w, &h);
      cairo_set_source_rgba(cr, 1, 1, 1, 0.75);
      write_text(cr, panel->track, p->em * 0.8, FALSE, panel->w - panel->pad - w,
                 y + panel->text_h - h);
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

static void paint_panel(Painter *p, const CoredSceneFace *face, const float *columns) {
  Panel panel;
  Piece piece;
  gint x, y;
  panel_measure(&panel, p, face);
  const gboolean empty = !panel.text_h && !panel.bar_h && !panel.strip_h;
  if (!empty && panel.w <= p->scene->width && panel.h <= p->scene->height) {
    panel_place(&panel, p, face, &x, &y);
    if (piece_begin(&piece, p, x, y, panel.w, panel.h)) {
      panel_draw(&panel, &piece, p, face, columns);
      piece_end(&piece, p);
    }
  }
  g_free(panel.label);
  g_free(panel.track);
}

/* ---- The frame ------------------------------------------------------------------------------ */

/* "xception-0123456789abcdef": of the hash, six digits tell models apart. */
static char *short_model_id(const char *id) {
  const char *hash = strrchr(id, '-');
  return g_strndup(id, hash ? (gsize)(hash - id) + MIN(strlen(hash), 7) : strlen(id));
}

static char *status_text(const CoredScene *s) {
  char *verdict = verdict_text(s->verdict, s->p_fake, s->reason);
  char *id = short_model_id(s->model_id);
  char *model = *id ? g_strdup_printf("  %s  generation %" G_GUINT64_FORMAT, id, s->generation)
                    : g_strdup("  no model");
  g_free(id);
  char *text = g_strconcat(s->alert ? "ALERT  " : "", verdict, model, NULL);
  g_free(verdict);
  g_free(model);
  return text;
}

/* Along the lower edge, where faces seldom are. */
static void paint_status(Painter *p) {
  const double em = p->em * 0.9;
  const gint pad = (gint)ceil(em * 0.35);
  const CoredScene *s = p->scene;
  char *text = status_text(s);
  Piece piece;
  gint w, h;
  measure(text, em, s->alert, &w, &h);
  if (h + 2 * pad <= s->height &&
      piece_begin(&piece, p, 0, s->height - h - 2 * pad, MIN(w + 3 * pad, s->width), h + 2 * pad)) {
    if (s->alert)
      set_color(piece.cr, p->look->color[CORED_SCENE_FAKE]);
    else
      cairo_set_source_rgba(piece.cr, 0, 0, 0, p->look->opacity);
    cairo_paint(piece.cr);
    set_color(piece.cr, p->look->color[s->verdict]);
    fill(piece.cr, 0, 0, pad / 2.0, h + 2 * pad);
    cairo_set_source_rgb(piece.cr, 1, 1, 1);
    write_text(piece.cr, text, em, s->alert, 1.5 * pad, pad);
    piece_end(&piece, p);
  }
  g_free(text);
}

GstVideoOverlayComposition *cored_paint(const CoredScene *scene, const CoredHistory *history,
                                        GstClockTime now, const CoredLook *look) {
  const gint side = MIN(scene->width, scene->height);
  Painter p = {
      .scene = scene, .look = look, .em = look->text_scale * MAX(MIN_EM, side / EMS_PER_SIDE)};
  if (look->show & CORED_SHOW_HEAT)
    for (guint i = 0; i < scene->n_faces; i++)
      paint_heat(&p, &scene->face[i].heat);
  if (look->show & CORED_SHOW_BOXES)
    for (guint i = 0; i < scene->n_faces; i++)
      paint_box(&p, &scene->face[i]);
  if (look->show & CORED_SHOW_STATUS)
    paint_status(&p);
  for (guint i = 0; i < scene->n_faces; i++) {
    float columns[CORED_HISTORY_COLUMNS];
    cored_history_read(history, scene->face[i].track_id, now, columns);
    paint_panel(&p, &scene->face[i], columns);
  }
  return p.composition;
}
