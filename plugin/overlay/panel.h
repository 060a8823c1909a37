/* SPDX-License-Identifier: MIT
 * The panels of the overlay: what is said about each face and its history, and where each panel
 * goes: beside its face, off the other faces and panels. Everything is measured in em, the size of
 * the font, so that it looks the same in a picture of any size. */
#ifndef CORED_OVERLAY_PANEL_H
#define CORED_OVERLAY_PANEL_H

#include "meta/meta-reader.h"
#include "overlay/canvas.h"
#include "overlay/history.h"

#define CORED_MIN_EM 11.0 /* smaller text can hardly be read */

/* What is drawn. */
typedef enum CoredShow {
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
  double text_scale; /* 1: em is a 26th of the picture's smaller side, at least CORED_MIN_EM; it is
                        smaller where there is no room */
  double opacity;    /* of the panels' background, 0..1 */
  guint color[CORED_N_VERDICTS]; /* 0xAARRGGBB by verdict */
} CoredLook;

typedef struct CoredPainter { /* what the parts of a drawing share */
  const CoredOverlayData *data;
  const CoredLook *look;
  double em; /* size of the font, pixels */
  CoredCanvas canvas;
} CoredPainter;

/* "FAKE 0.53 ≥ 0.50", "real 0.37 < 0.50": the probability of forgery against the threshold. Only
 * the word where either is not known (negative). The caller frees it. */
char *cored_verdict_text(CoredVerdict verdict, double p, double threshold, const char *reason);
/* Draw a panel beside each face, none over `status`, the frame's status line. The history also
 * keeps where the panels are. */
void cored_paint_panels(CoredPainter *painter, CoredHistory *history, GstClockTime now,
                        const CoredRect *status);

#endif /* CORED_OVERLAY_PANEL_H */
