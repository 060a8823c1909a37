/* SPDX-License-Identifier: MIT
 * The panels of the overlay: what is said about each face, and how it has been. */
#ifndef CORED_PANEL_H
#define CORED_PANEL_H

#include "coredpainter.h"

/* "FAKE 53%": the number is always the probability of a forgery, also next to "real". */
char *cored_verdict_text(CoredSceneVerdict verdict, double p, const char *reason);
/* A panel beside each face, none over `status`, the frame's line of text. */
void cored_paint_panels(CoredPainter *painter, CoredHistory *history, GstClockTime now,
                        const CoredRect *status);

#endif /* CORED_PANEL_H */
