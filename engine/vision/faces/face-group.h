/* SPDX-License-Identifier: MIT
 * Many overlapping hits of a sliding window to one face each. */
#ifndef CORED_VISION_FACES_FACE_GROUP_H
#define CORED_VISION_FACES_FACE_GROUP_H

#include "cored.h"

/* More raw hits than this are never grouped: the work is quadratic. */
#define CORED_MAX_HITS 8192

typedef struct CoredHit { /* one window that passed all stages */
  int x, y, w, h;
  float margin; /* how far the last stage was passed, >= 0 */
} CoredHit;

/* Hits whose corners differ by at most a fifth of their size belong together, also through others;
 * a group of more than min_neighbors hits is a face with the mean box; one inside a surer one is
 * dropped (OpenCV's groupRectangles with eps 0.2). Score: hits in the group, plus the mean margin
 * m as m / (1 + m). min_neighbors 0: every hit is a face of its own. Writes up to max faces,
 * surest first, to faces and returns their number, -1 when there is no memory. */
int cored_group_hits(const CoredHit *hits, int n_hits, int min_neighbors, CoredFace *faces,
                     int max);

#endif /* CORED_VISION_FACES_FACE_GROUP_H */
