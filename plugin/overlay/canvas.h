/* SPDX-License-Identifier: MIT
 * Pieces of a drawing: rectangles of pixels that become parts of a GstVideoOverlayComposition, and
 * the means to fill them. */
#ifndef CORED_OVERLAY_CANVAS_H
#define CORED_OVERLAY_CANVAS_H

#include <gst/video/video-overlay-composition.h>
#include <pango/pangocairo.h>

/* The picture that is drawn on, and what has been drawn. */
typedef struct CoredCanvas {
  gint width, height;
  GstVideoOverlayComposition *composition; /* NULL until there is a patch */
} CoredCanvas;

typedef struct CoredRect {
  gint x, y, w, h;
} CoredRect;

typedef struct CoredPatch {
  CoredRect at; /* of the canvas, cut to it */
  GstBuffer *buffer;
  GstMapInfo map;
  cairo_surface_t *surface;
  cairo_t *cr; /* 0, 0 is the corner of the rectangle that was asked for */
} CoredPatch;

/* Transparent. FALSE, and nothing to end: no part of it is in the picture. */
gboolean cored_patch_begin(CoredPatch *patch, const CoredCanvas *canvas, const CoredRect *rect);
void cored_patch_end(CoredPatch *patch, CoredCanvas *canvas);

/* 0xAARRGGBB, its alpha times `strength`. */
void cored_set_color(cairo_t *cr, guint argb, double strength);
void cored_fill(cairo_t *cr, double x, double y, double w, double h);

typedef struct CoredLabel {
  const char *text; /* lines are separated by \n */
  double em;        /* height of a letter, pixels */
  gboolean bold;
  gint width; /* longer lines end in an ellipsis; 0: as long as they are */
} CoredLabel;

void cored_label_measure(const CoredLabel *text, gint *width, gint *height);
/* In the source colour of cr. */
void cored_label_draw(cairo_t *cr, const CoredLabel *text, double x, double y);

#endif /* CORED_OVERLAY_CANVAS_H */
