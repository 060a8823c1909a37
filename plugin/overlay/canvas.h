/* SPDX-License-Identifier: MIT
 * The canvas: a drawing over a picture, made of patches. A patch is a rectangle of pixels, drawn on
 * with Cairo and Pango, that becomes a part of a GstVideoOverlayComposition. */
#ifndef CORED_OVERLAY_CANVAS_H
#define CORED_OVERLAY_CANVAS_H

#include <gst/video/video.h>
#include <pango/pangocairo.h>

typedef struct CoredCanvas {
  gint width, height;                      /* of the picture that is drawn on */
  GstVideoOverlayComposition *composition; /* NULL until there is a patch */
} CoredCanvas;

typedef struct CoredRect {
  gint x, y, w, h;
} CoredRect;

typedef struct CoredPatch {
  CoredRect at; /* in the canvas, cut to it */
  GstBuffer *buffer;
  GstMapInfo map;
  cairo_surface_t *surface;
  cairo_t *cr; /* 0, 0 is the corner of the rectangle that was asked for */
} CoredPatch;

/* A transparent patch. FALSE, and nothing to end, when no part of it is in the picture. */
gboolean cored_patch_begin(CoredPatch *patch, const CoredCanvas *canvas, const CoredRect *rect);
/* Adds it to the canvas. */
void cored_patch_end(CoredPatch *patch, CoredCanvas *canvas);

/* 0xAARRGGBB, its alpha times `strength`. */
void cored_set_color(cairo_t *cr, guint argb, double strength);
void cored_fill(cairo_t *cr, double x, double y, double w, double h);

typedef struct CoredLabel {
  const char *text; /* lines are separated by \n */
  double em;        /* size of the font, pixels */
  gboolean bold;
  gint width; /* longer lines end in an ellipsis; 0: no limit */
} CoredLabel;

void cored_label_measure(const CoredLabel *label, gint *width, gint *height);
/* In the source colour of cr. */
void cored_label_draw(cairo_t *cr, const CoredLabel *label, double x, double y);

/* Draw into the picture: what gst_video_overlay_composition_blend does, to the bit, at a cost that
 * depends on what is drawn, not on the picture. The frame is mapped for reading and writing. */
gboolean cored_blend(GstVideoOverlayComposition *composition, GstVideoFrame *frame);

#endif /* CORED_OVERLAY_CANVAS_H */
