/* SPDX-License-Identifier: MIT
 * The whole drawing of one frame, as a composition that can be laid over it: heat maps, the boxes
 * of the faces, their panels, the status line. */
#ifndef CORED_OVERLAY_PAINTER_H
#define CORED_OVERLAY_PAINTER_H

#include "overlay/panel.h"

/* NULL where there is nothing to draw. The caller owns the composition. */
GstVideoOverlayComposition *cored_paint(const CoredOverlayData *data, CoredHistory *history,
                                        GstClockTime now, const CoredLook *look);

#endif /* CORED_OVERLAY_PAINTER_H */
