/* SPDX-License-Identifier: MIT
 * The panels of the overlay: what is said about each face, and how it has been. */
#ifndef CORED_OVERLAY_PANEL_H
#define CORED_OVERLAY_PANEL_H

#include "overlay/painter.h"

/* "FAKE 0.53 ≥ 0.50", "real 0.37 < 0.50": the probability of a forgery against the threshold. Only
 * the word where either is not known (negative). */
char *cored_verdict_text(CoredOverlayVerdict verdict, double p, double threshold,
                         const char *reason);
/* A panel beside each face, none over `status`, the frame's line of text. */
void cored_paint_panels(CoredPainter *painter, CoredHistory *history, GstClockTime now,
                        const CoredRect *status);

#endif /* CORED_OVERLAY_PANEL_H */
