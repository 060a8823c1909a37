/* SPDX-License-Identifier: MIT
 * Draws a data as patches that can be laid over a frame: the lines of the boxes, a panel for each
 * face, a line of text for the frame. */
#ifndef CORED_OVERLAY_PAINTER_H
#define CORED_OVERLAY_PAINTER_H

#include "overlay/history.h"
#include "overlay/canvas.h"
#include "overlay/overlay-data.h"

#define CORED_MIN_EM 11.0 /* smaller letters can hardly be read */

typedef enum CoredShow { /* what is drawn */
                         CORED_SHOW_BOXES = 1 << 0,
                         CORED_SHOW_LABELS = 1 << 1,
                         CORED_SHOW_BAR = 1 << 2,
                         CORED_SHOW_HISTORY = 1 << 3,
                         CORED_SHOW_STATUS = 1 << 4,
                         CORED_SHOW_HEAT = 1 << 5,
                         CORED_SHOW_ALL = (1 << 6) - 1
} CoredShow;

typedef struct CoredLook {
  CoredShow show;
  double text_scale; /* 1: a letter is a 26th of the picture's smaller side, at least CORED_MIN_EM;
                        smaller where there is no room for it */
  double opacity;    /* of the panels' ground, 0..1 */
  guint color[CORED_OVERLAY_N_VERDICTS]; /* 0xAARRGGBB by verdict */
} CoredLook;

/* What the parts of a drawing share. */
typedef struct CoredPainter {
  const CoredOverlayData *data;
  const CoredLook *look;
  double em; /* height of a letter, pixels */
  CoredCanvas canvas;
} CoredPainter;

/* NULL where there is nothing to draw. The caller owns the composition. The history also keeps
 * where the panels are. */
GstVideoOverlayComposition *cored_paint(const CoredOverlayData *data, CoredHistory *history,
                                        GstClockTime now, const CoredLook *look);

#endif /* CORED_OVERLAY_PAINTER_H */
