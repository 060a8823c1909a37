/* SPDX-License-Identifier: MIT
 * Lines have a dark edge, so that they are visible on any background. */
#include "overlay/painter.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"

#define EMS_PER_SIDE 26.0
#define ABSENT_OPACITY 0.6 /* of the lines around a face that is not found any more */

/* ---- Boxes ---------------------------------------------------------------------------------- */

typedef struct Lines {
  CoredRect box;
  gint thick, edge; /* of a line; of its dark edges */
  guint color;
  gboolean present;
} Lines;

/* The lines of the whole box, whose corner is 0, 0; dashed around a face that is not found any
 * more. */
static void draw_lines(cairo_t *cr, const Lines *lines) {
  const double strength = lines->present ? 1 : ABSENT_OPACITY, half = lines->thick / 2.0;
  const double dash[] = {2.0 * lines->thick, 1.5 * lines->thick};
  cairo_set_operator(cr, CAIRO_OPERATOR_SOURCE);
  cairo_rectangle(cr, half, half, lines->box.w - lines->thick, lines->box.h - lines->thick);
  if (!lines->present)
    cairo_set_dash(cr, dash, G_N_ELEMENTS(dash), 0);
  cairo_set_line_width(cr, lines->thick);
  cairo_set_source_rgba(cr, 0, 0, 0, 0.55 * strength);
  cairo_stroke_preserve(cr);
  cairo_set_line_width(cr, lines->thick - 2 * lines->edge);
  cored_set_color(cr, lines->color, strength);
  cairo_stroke(cr);
}

/* The lines in that part of the box, which is given relative to its corner. */
static void paint_part(CoredPainter *p, const Lines *lines, gint x, gint y, gint w, gint h) {
  const CoredRect part = {lines->box.x + x, lines->box.y + y, w, h};
  CoredPatch patch;
  if (!cored_patch_begin(&patch, &p->canvas, &part))
    return;
  cairo_translate(patch.cr, -x, -y);
  draw_lines(patch.cr, lines);
  cored_patch_end(&patch, &p->canvas);
}

/* A box that is too small for lines is filled. */
static void paint_filled_box(CoredPainter *p, const Lines *lines) {
  CoredPatch patch;
  if (!cored_patch_begin(&patch, &p->canvas, &lines->box))
    return;
  cored_set_color(patch.cr, lines->color, lines->present ? 1 : ABSENT_OPACITY);
  cairo_paint(patch.cr);
  cored_patch_end(&patch, &p->canvas);
}

static void paint_box(CoredPainter *p, const CoredOverlayFace *face) {
  /* Inside the picture, so that the lines of a face at its border are seen. */
  const gint left = CLAMP((gint)rint(face->x), 0, p->canvas.width - 1);
  const gint top = CLAMP((gint)rint(face->y), 0, p->canvas.height - 1);
  const gint right = CLAMP((gint)rint(face->x + face->w), left + 1, p->canvas.width);
  const gint bottom = CLAMP((gint)rint(face->y + face->h), top + 1, p->canvas.height);
  const gint w = right - left, h = bottom - top;
  /* Thinner around a small face, which must not be hidden. */
  const double em = MIN(p->em, MIN(w, h) / 4.0);
  const gint edge = MAX(1, (gint)rint(em / 14));
  const gint thick = MAX(1, (gint)rint(em / (face->alert ? 4 : 7))) + 2 * edge;
  const Lines lines = {.box = {left, top, w, h},
                       .thick = thick,
                       .edge = edge,
                       .color = p->look->color[face->verdict],
                       .present = face->present};
  if (w < 2 * thick || h < 2 * thick) {
    paint_filled_box(p, &lines);
    return;
  }
  paint_part(p, &lines, 0, 0, w, thick);
  paint_part(p, &lines, 0, h - thick, w, thick);
  paint_part(p, &lines, 0, thick, thick, h - 2 * thick);
  paint_part(p, &lines, w - thick, thick, thick, h - 2 * thick);
}

/* ---- Heat maps ------------------------------------------------------------------------------ */

/* One pixel per cell, premultiplied: places that add to the logit of fake in its colour, the others
 * weakly in that of real; the smaller the value, the more transparent. */
static void color_cells(const CoredPainter *p, const CoredHeatMap *heat, guint8 *pixels,
                        int stride) {
  for (guint r = 0; r < heat->rows; r++)
    for (guint c = 0; c < heat->columns; c++) {
      const double e = (heat->value[r * heat->columns + c] - 128) / 127.0;
      const guint color = p->look->color[e > 0 ? CORED_VERDICT_FAKE : CORED_VERDICT_REAL];
      const double alpha = (e > 0 ? 0.6 * e : -0.25 * e) * (color >> 24) / 255.0;
      guint32 pixel = (guint32)lrint(alpha * 255) << 24;
      for (int shift = 0; shift < 24; shift += 8)
        pixel |= (guint32)lrint((color >> shift & 0xff) * alpha) << shift;
      memcpy(pixels + r * (guint)stride + 4 * c, &pixel, sizeof pixel);
    }
}

/* How half the diagonals of a turned area reach to its right and down, in pixels of the frame: what
 * is square on the screen are not pixels but pixels times their aspect. */
static void turned_reach(const CoredCropArea *area, double aspect, double *across, double *down) {
  const double c = fabs(cos(area->angle)), s = fabs(sin(area->angle));
  *across = 0.5 * (area->box.w * c + area->box.h * s / aspect);
  *down = 0.5 * (area->box.w * s * aspect + area->box.h * c);
}

/* The pixels of the frame that it touches; none of an area that is absurd or not in the frame. */
static CoredRect area_bounds(const CoredPainter *p, const CoredCropArea *area) {
  const CoredBox *b = &area->box;
  double across, down;
  if (area->angle == 0.0 && b->x < p->canvas.width && b->y < p->canvas.height)
    return (CoredRect){(gint)b->x, (gint)b->y, (gint)MIN(b->w, p->canvas.width - b->x),
                       (gint)MIN(b->h, p->canvas.height - b->y)};
  turned_reach(area, p->data->pixel_aspect, &across, &down);
  const double x = b->x + 0.5 * b->w, y = b->y + 0.5 * b->h;
  const double left = floor(fmax(x - across, 0.0)), top = floor(fmax(y - down, 0.0));
  const double right = ceil(fmin(x + across, p->canvas.width));
  const double bottom = ceil(fmin(y + down, p->canvas.height));
  return right > left && bottom > top
             ? (CoredRect){(gint)left, (gint)top, (gint)(right - left), (gint)(bottom - top)}
             : (CoredRect){0};
}

/* From the patch's corner to the area's, one unit per cell; nothing outside a turned area is drawn.
 */
static void place_cells(cairo_t *cr, const CoredRect *patch, const CoredHeatMap *heat,
                        double aspect) {
  const CoredBox *b = &heat->area.box;
  if (heat->area.angle != 0.0) {
    cairo_translate(cr, b->x + 0.5 * b->w - patch->x, b->y + 0.5 * b->h - patch->y);
    cairo_scale(cr, 1.0 / aspect, 1.0);
    cairo_rotate(cr, heat->area.angle);
    cairo_scale(cr, aspect, 1.0);
    cairo_translate(cr, -0.5 * b->w, -0.5 * b->h);
    cairo_rectangle(cr, 0, 0, b->w, b->h);
    cairo_clip(cr);
  }
  cairo_scale(cr, b->w / heat->columns, b->h / heat->rows);
}

static void paint_heat(CoredPainter *p, const CoredHeatMap *heat) {
  const CoredBox *b = &heat->area.box;
  if (!heat->rows || !(b->w >= 1) || !(b->h >= 1))
    return;
  const CoredRect rect = area_bounds(p, &heat->area);
  cairo_surface_t *cells =
      cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)heat->columns, (int)heat->rows);
  CoredPatch patch;
  if (cairo_surface_status(cells) == CAIRO_STATUS_SUCCESS &&
      cored_patch_begin(&patch, &p->canvas, &rect)) {
    cairo_surface_flush(cells);
    color_cells(p, heat, cairo_image_surface_get_data(cells),
                cairo_image_surface_get_stride(cells));
    cairo_surface_mark_dirty(cells);
    place_cells(patch.cr, &rect, heat, p->data->pixel_aspect);
    cairo_set_source_surface(patch.cr, cells, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(patch.cr), CAIRO_FILTER_BILINEAR);
    cairo_pattern_set_extend(cairo_get_source(patch.cr), CAIRO_EXTEND_PAD);
    cairo_paint(patch.cr);
    cored_patch_end(&patch, &p->canvas);
  }
  cairo_surface_destroy(cells);
}

/* ---- The status line ------------------------------------------------------------------------ */

/* Six digits of the hash in "xception-0123456789abcdef" tell models apart. */
static char *short_model_id(const char *id) {
  const char *hash = strrchr(id, '-');
  return g_strndup(id, hash ? (gsize)(hash - id) + MIN(strlen(hash), 7) : strlen(id));
}

/* "ALERT #2 #5  ": the tracks that it is about. */
static void add_alerts(GString *text, const CoredOverlayData *s) {
  if (!s->alert)
    return;
  g_string_append(text, "ALERT ");
  for (guint i = 0; i < s->n_faces; i++)
    if (s->face[i].alert && s->face[i].track_id)
      g_string_append_printf(text, "#%" G_GUINT64_FORMAT " ", s->face[i].track_id);
  g_string_append_c(text, ' ');
}

typedef struct Status {
  char *text;
  CoredLabel label;
  CoredRect rect; /* empty: there is no room for it */
  gint pad;
} Status;

/* Verdict of the frame, model and generation, in 1 to 3 lines. The caller frees it. */
static char *status_text(const CoredOverlayData *s, guint lines) {
  GString *text = g_string_new(NULL);
  char *verdict = cored_verdict_text(s->verdict, s->p_fake, s->threshold, s->reason);
  char *id = short_model_id(s->model_id);
  add_alerts(text, s);
  g_string_append_printf(text, "%s%s%s", verdict, lines > 1 ? "\n" : "  ",
                         *id ? cored_show(id).text : "no model");
  if (*id)
    g_string_append_printf(text, "%sgeneration %" G_GUINT64_FORMAT, lines > 2 ? "\n" : "  ",
                           s->generation);
  g_free(id);
  g_free(verdict);
  return g_string_free(text, FALSE);
}

/* In as many lines as it takes, up to three. Returns the pixels that are missing all the same. */
static gint status_lay_out(Status *status, const CoredPainter *p, double em) {
  const gint pad = (gint)ceil(em * 0.35), room = MAX(1, p->canvas.width - 3 * pad);
  gint w, h;
  *status = (Status){.pad = pad};
  for (guint lines = 1; lines <= 3; lines++) {
    g_free(status->text);
    status->text = status_text(p->data, lines);
    status->label = (CoredLabel){.text = status->text, .em = em, .bold = p->data->alert};
    cored_label_measure(&status->label, &w, &h);
    if (w <= room)
      break;
  }
  if (w > room)
    status->label.width = room;
  const gint height = h + 2 * pad;
  if (height <= p->canvas.height)
    status->rect = (CoredRect){0, p->canvas.height - height, MIN(w, room) + 3 * pad, height};
  return MAX(w - room, height - p->canvas.height);
}

/* Along the lower edge, where faces seldom are; smaller where there is no room. */
static void status_measure(Status *status, const CoredPainter *p) {
  const double least = MIN(p->em, CORED_MIN_EM) * 0.9;
  double em = p->em * 0.9;
  while (status_lay_out(status, p, em) > 0 && em > least) {
    g_free(status->text);
    em = MAX(least, em * 0.9);
  }
}

static void status_paint(const Status *status, CoredPainter *p) {
  const CoredOverlayData *s = p->data;
  CoredPatch patch;
  if (!cored_patch_begin(&patch, &p->canvas, &status->rect))
    return;
  if (s->alert)
    cored_set_color(patch.cr, p->look->color[CORED_VERDICT_FAKE], 1);
  else
    cairo_set_source_rgba(patch.cr, 0, 0, 0, p->look->opacity);
  cairo_paint(patch.cr);
  cored_set_color(patch.cr, p->look->color[s->verdict], 1);
  cored_fill(patch.cr, 0, 0, status->pad / 2.0, status->rect.h);
  cairo_set_source_rgb(patch.cr, 1, 1, 1);
  cored_label_draw(patch.cr, &status->label, 1.5 * status->pad, status->pad);
  cored_patch_end(&patch, &p->canvas);
}

/* ---- The frame ------------------------------------------------------------------------------ */

GstVideoOverlayComposition *cored_paint(const CoredOverlayData *data, CoredHistory *history,
                                        GstClockTime now, const CoredLook *look) {
  const gint side = MIN(data->width, data->height);
  CoredPainter p = {.data = data,
                    .look = look,
                    .em = look->text_scale * MAX(CORED_MIN_EM, side / EMS_PER_SIDE),
                    .canvas = {.width = data->width, .height = data->height}};
  Status status = {0};
  if (look->show & CORED_SHOW_HEAT)
    for (guint i = 0; i < data->n_faces; i++)
      if (data->face[i].present)
        paint_heat(&p, &data->face[i].heat);
  if (look->show & CORED_SHOW_BOXES)
    for (guint i = 0; i < data->n_faces; i++)
      paint_box(&p, &data->face[i]);
  if (look->show & CORED_SHOW_STATUS)
    status_measure(&status, &p);
  cored_paint_panels(&p, history, now, &status.rect);
  status_paint(&status, &p);
  g_free(status.text);
  return p.canvas.composition;
}
