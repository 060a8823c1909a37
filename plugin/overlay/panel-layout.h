/* SPDX-License-Identifier: MIT
 * Where the panels of the faces go: beside their face, off the other faces and panels. */
#ifndef CORED_OVERLAY_PANEL_LAYOUT_H
#define CORED_OVERLAY_PANEL_LAYOUT_H

#include "overlay/canvas.h"
#include "overlay/overlay-data.h"

typedef enum CoredPanelSpot { /* the earlier the better */
                              CORED_PANEL_ABOVE,
                              CORED_PANEL_ABOVE_RIGHT, /* flush with the face's right side */
                              CORED_PANEL_BELOW,
                              CORED_PANEL_BELOW_RIGHT,
                              CORED_PANEL_RIGHT,
                              CORED_PANEL_LEFT,
                              CORED_PANEL_RIGHT_LOW, /* flush with the face's lower side */
                              CORED_PANEL_LEFT_LOW,
                              CORED_PANEL_OVER, /* over the face's top */
                              CORED_PANEL_N
} CoredPanelSpot;

/* What a panel should not cover. */
typedef struct CoredPanelLayout {
  gint width, height;
  gint gap; /* between a face and its panel */
  guint n_faces, n_panels;
  CoredRect face[CORED_OVERLAY_FACES], panel[CORED_OVERLAY_FACES + 1];
} CoredPanelLayout;

/* The panel of w x h pixels of the i-th face: into *rect. *place is where it was before
 * (CORED_PANEL_N: nowhere), which it leaves when something is in its way there. Returns the pixels
 * of panels and other faces that it covers. */
gint64 cored_panel_layout_find(const CoredPanelLayout *ground, guint i, gint w, gint h,
                               CoredPanelSpot *place, CoredRect *rect);

#endif /* CORED_OVERLAY_PANEL_LAYOUT_H */
