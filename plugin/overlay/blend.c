/* SPDX-License-Identifier: MIT */
#include "overlay/blend.h"

/* Of all formats of the element groups of so many pixels stand by themselves. */
#define GROUP 4

/* The part of the frame from x, y, both multiples of GROUP, as a frame of its own. */
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

/* GStreamer converts whole rows of the frame for every rectangle, a thin line included. */
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
  GstVideoOverlayComposition *one = gst_video_overlay_composition_new(moved);
  const gboolean ok = gst_video_overlay_composition_blend(one, &part);
  gst_video_overlay_composition_unref(one);
  gst_video_overlay_rectangle_unref(moved);
  return ok;
}

gboolean cored_blend(GstVideoOverlayComposition *composition, GstVideoFrame *frame) {
  gboolean ok = TRUE;
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles(composition); i++)
    ok &= blend_one(gst_video_overlay_composition_get_rectangle(composition, i), frame);
  return ok;
}
