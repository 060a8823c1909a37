/* SPDX-License-Identifier: MIT
 * The worker threads that all elements of the process share, one per CPU, and each user's lane to
 * them. A lane runs its function one call at a time; lanes that have work take turns, so that a
 * busy stream cannot starve the others. What there is to do, the owner knows: a lane is only
 * kicked. The threads exist while there are lanes. */
#ifndef CORED_LANE_H
#define CORED_LANE_H

#include <glib.h>

typedef struct CoredLane CoredLane;
typedef void (*CoredLaneFunc)(gpointer user);

CoredLane *cored_lane_new(CoredLaneFunc func, gpointer user);
/* Waits. NULL is fine; must not be called from the lane's own function. */
void cored_lane_free(CoredLane *lane);

/* Have the function run soon: once for all kicks that come before it starts, once more for those
 * that come while it runs. Thread-safe. */
void cored_lane_kick(CoredLane *lane);
/* Until nothing is due or running. From inside the function it returns at once: user code that is
 * called from there may do anything. */
void cored_lane_wait(CoredLane *lane);

#endif /* CORED_LANE_H */
