/* SPDX-License-Identifier: MIT
 * Pieces of a drawing: rectangles of pixels that become parts of a GstVideoOverlayComposition, and
 * the means to fill them. */
#ifndef CORED_PIECE_H
#define CORED_PIECE_H

#include <gst/video/video-overlay-composition.h>
#include <pango/pangocairo.h>

/* The picture that is drawn on, and what has been drawn. */
typedef struct CoredCanvas {
  gint width, height;
  GstVideoOverlayComposition *composition; /* NULL until there is a piece */
} CoredCanvas;

typedef struct CoredRect {
  gint x, y, w, h;
} CoredRect;

typedef struct CoredPiece {
  CoredRect at; /* of the canvas, cut to it */
  GstBuffer *buffer;
  GstMapInfo map;
  cairo_surface_t *surface;
  cairo_t *cr; /* 0, 0 is the corner of the rectangle that was asked for */
} CoredPiece;

/* Transparent. FALSE, and nothing to end: no part of it is in the picture. */
gboolean cored_piece_begin(CoredPiece *piece, const CoredCanvas *canvas, const CoredRect *rect);
void cored_piece_end(CoredPiece *piece, CoredCanvas *canvas);

/* 0xAARRGGBB, its alpha times `strength`. */
void cored_set_color(cairo_t *cr, guint argb, double strength);
void cored_fill(cairo_t *cr, double x, double y, double w, double h);

typedef struct CoredText {
  const char *text; /* lines are separated by \n */
  double em;        /* height of a letter, pixels */
  gboolean bold;
  gint width; /* longer lines end in an ellipsis; 0: as long as they are */
} CoredText;

void cored_text_measure(const CoredText *text, gint *width, gint *height);
/* In the source colour of cr. */
void cored_text_draw(cairo_t *cr, const CoredText *text, double x, double y);

#endif /* CORED_PIECE_H */
