/* SPDX-License-Identifier: MIT
 * Where the panels of the faces go: beside their face, off the other faces and panels. */
#ifndef CORED_PLACES_H
#define CORED_PLACES_H

#include "coredpiece.h"
#include "coredscene.h"

typedef enum CoredPlace { /* the earlier the better */
                          CORED_PLACE_ABOVE,
                          CORED_PLACE_ABOVE_RIGHT, /* flush with the face's right side */
                          CORED_PLACE_BELOW,
                          CORED_PLACE_BELOW_RIGHT,
                          CORED_PLACE_RIGHT,
                          CORED_PLACE_LEFT,
                          CORED_PLACE_RIGHT_LOW, /* flush with the face's lower side */
                          CORED_PLACE_LEFT_LOW,
                          CORED_PLACE_OVER, /* over the face's top */
                          CORED_PLACE_N
} CoredPlace;

/* What a panel should not cover. */
typedef struct CoredGround {
  gint width, height;
  gint gap; /* between a face and its panel */
  guint n_faces, n_panels;
  CoredRect face[CORED_SCENE_FACES], panel[CORED_SCENE_FACES + 1];
} CoredGround;

/* The panel of w x h pixels of the i-th face: into *rect. *place is where it was before
 * (CORED_PLACE_N: nowhere), which it leaves when something is in its way there. Returns the pixels
 * of panels and other faces that it covers. */
gint64 cored_places_find(const CoredGround *ground, guint i, gint w, gint h, CoredPlace *place,
                         CoredRect *rect);

#endif /* CORED_PLACES_H */
