/* SPDX-License-Identifier: MIT */
#include "overlay/canvas.h"

#include <gst/video/gstvideometa.h>

#define FONT "Sans"
#define MAX_PATCH 16384
/* Groups of so many pixels can be blended apart from the rest, in all formats of the elements. */
#define GROUP 4

/* ---- Patches -------------------------------------------------------------------------------- */

gboolean cored_patch_begin(CoredPatch *patch, const CoredCanvas *canvas, const CoredRect *rect) {
  const gint right = MIN(rect->x + rect->w, canvas->width);
  const gint bottom = MIN(rect->y + rect->h, canvas->height);
  *patch = (CoredPatch){.at = {.x = MAX(rect->x, 0), .y = MAX(rect->y, 0)}};
  CoredRect *at = &patch->at;
  at->w = right - at->x;
  at->h = bottom - at->y;
  if (at->w < 1 || at->h < 1 || at->w > MAX_PATCH || at->h > MAX_PATCH)
    return FALSE;
  const gsize size = (gsize)at->w * 4 * (gsize)at->h;
  patch->buffer = gst_buffer_new_allocate(NULL, size, NULL);
  if (!patch->buffer || !gst_buffer_map(patch->buffer, &patch->map, GST_MAP_READWRITE)) {
    gst_clear_buffer(&patch->buffer);
    return FALSE;
  }
  memset(patch->map.data, 0, size);
  patch->surface = cairo_image_surface_create_for_data(patch->map.data, CAIRO_FORMAT_ARGB32, at->w,
                                                       at->h, at->w * 4);
  patch->cr = cairo_create(patch->surface);
  cairo_translate(patch->cr, rect->x - at->x, rect->y - at->y);
  return TRUE;
}

/* Cairo's pixels are premultiplied words in the machine's order: the composition's RGB format. */
void cored_patch_end(CoredPatch *patch, CoredCanvas *canvas) {
  const CoredRect *at = &patch->at;
  cairo_destroy(patch->cr);
  cairo_surface_flush(patch->surface);
  cairo_surface_destroy(patch->surface);
  gst_buffer_unmap(patch->buffer, &patch->map);
  gst_buffer_add_video_meta(patch->buffer, GST_VIDEO_FRAME_FLAG_NONE,
                            GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, (guint)at->w, (guint)at->h);
  GstVideoOverlayRectangle *rectangle =
      gst_video_overlay_rectangle_new_raw(patch->buffer, at->x, at->y, (guint)at->w, (guint)at->h,
                                          GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref(patch->buffer);
  if (canvas->composition)
    gst_video_overlay_composition_add_rectangle(canvas->composition, rectangle);
  else
    canvas->composition = gst_video_overlay_composition_new(rectangle);
  gst_video_overlay_rectangle_unref(rectangle);
}

void cored_set_color(cairo_t *cr, guint argb, double strength) {
  cairo_set_source_rgba(cr, (argb >> 16 & 0xff) / 255.0, (argb >> 8 & 0xff) / 255.0,
                        (argb & 0xff) / 255.0, (argb >> 24) / 255.0 * strength);
}

void cored_fill(cairo_t *cr, double x, double y, double w, double h) {
  cairo_rectangle(cr, x, y, w, h);
  cairo_fill(cr);
}

/* ---- Text ----------------------------------------------------------------------------------- */

static PangoLayout *layout_new(cairo_t *cr, const CoredLabel *label) {
  PangoLayout *layout = pango_cairo_create_layout(cr);
  PangoFontDescription *font = pango_font_description_from_string(FONT);
  pango_font_description_set_absolute_size(font, label->em * PANGO_SCALE);
  pango_font_description_set_weight(font, label->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
  pango_layout_set_font_description(layout, font);
  if (label->width > 0) {
    pango_layout_set_width(layout, label->width * PANGO_SCALE);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
  }
  pango_layout_set_text(layout, label->text, -1);
  pango_font_description_free(font);
  return layout;
}

void cored_label_measure(const CoredLabel *label, gint *width, gint *height) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, 1, 1);
  cairo_t *cr = cairo_create(surface);
  PangoLayout *layout = layout_new(cr, label);
  pango_layout_get_pixel_size(layout, width, height);
  g_object_unref(layout);
  cairo_destroy(cr);
  cairo_surface_destroy(surface);
}

void cored_label_draw(cairo_t *cr, const CoredLabel *label, double x, double y) {
  PangoLayout *layout = layout_new(cr, label);
  cairo_move_to(cr, x, y);
  pango_cairo_show_layout(cr, layout);
  g_object_unref(layout);
}

/* ---- Blending ------------------------------------------------------------------------------- */

/* The part of the frame from x, y, both multiples of GROUP, as a frame. */
static GstVideoFrame part_of(const GstVideoFrame *frame, gint x, gint y, gint w, gint h) {
  const GstVideoFormatInfo *format = frame->info.finfo;
  GstVideoFrame part = *frame;
  part.info.width = w;
  part.info.height = h;
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(frame); plane++) {
    gint component[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(format, plane, component);
    const guint c = (guint)component[0];
    const gint row = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(format, c, y);
    const gint column = GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(format, c, x);
    part.data[plane] = (guint8 *)frame->data[plane] +
                       (gssize)row * GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane) +
                       (gssize)column * GST_VIDEO_FORMAT_INFO_PSTRIDE(format, c);
  }
  return part;
}

/* Blend into the part under the rectangle alone: GStreamer converts whole rows of the frame for
 * every rectangle, however narrow it is. */
static gboolean blend_one(GstVideoOverlayRectangle *rectangle, const GstVideoFrame *frame) {
  gint x, y;
  guint w, h;
  gst_video_overlay_rectangle_get_render_rectangle(rectangle, &x, &y, &w, &h);
  const gint left = MAX(x, 0) / GROUP * GROUP, top = MAX(y, 0) / GROUP * GROUP;
  const gint right = MIN(GST_ROUND_UP_4(x + (gint)w), GST_VIDEO_FRAME_WIDTH(frame));
  const gint bottom = MIN(GST_ROUND_UP_4(y + (gint)h), GST_VIDEO_FRAME_HEIGHT(frame));
  if (left >= right || top >= bottom)
    return TRUE;
  GstVideoFrame part = part_of(frame, left, top, right - left, bottom - top);
  GstVideoOverlayRectangle *moved = gst_video_overlay_rectangle_copy(rectangle);
  gst_video_overlay_rectangle_set_render_rectangle(moved, x - left, y - top, w, h);
  GstVideoOverlayComposition *single = gst_video_overlay_composition_new(moved);
  const gboolean ok = gst_video_overlay_composition_blend(single, &part);
  gst_video_overlay_composition_unref(single);
  gst_video_overlay_rectangle_unref(moved);
  return ok;
}

gboolean cored_blend(GstVideoOverlayComposition *composition, GstVideoFrame *frame) {
  gboolean ok = TRUE;
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles(composition); i++)
    ok &= blend_one(gst_video_overlay_composition_get_rectangle(composition, i), frame);
  return ok;
}
