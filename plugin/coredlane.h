/* SPDX-License-Identifier: MIT
 * The worker threads that all elements of the process share, and each user's lane to them. A lane
 * runs its function one call at a time. What there is to do, the owner knows: a lane is only
 * kicked. There are two crews of threads, so that loading a model never keeps a frame waiting:
 *
 *   CORED_LANE_FRAMES   one thread per CPU. Lanes that want it take turns fairly (coredturns.h):
 *                       streams that are always busy get the same number of evaluations.
 *   CORED_LANE_ERRANDS  few threads of lower priority, for what takes long and is not urgent.
 *
 * A crew's threads exist while it has lanes. */
#ifndef CORED_LANE_H
#define CORED_LANE_H

#include <glib.h>

typedef struct CoredLane CoredLane;
typedef void (*CoredLaneFunc)(gpointer user);

typedef enum CoredLaneKind {
  CORED_LANE_FRAMES,
  CORED_LANE_ERRANDS,
  CORED_N_LANE_KINDS
} CoredLaneKind;

CoredLane *cored_lane_new(CoredLaneKind kind, CoredLaneFunc func, gpointer user);
/* Rests first; from inside the lane's own function the lane ends with it. NULL is fine. */
void cored_lane_free(CoredLane *lane);

/* Have the function run soon: once for all kicks that come before it starts, once more for those
 * that come while it runs. Thread-safe. */
void cored_lane_kick(CoredLane *lane);
/* What is due is not done any more; waits while the function runs. It does not wait for a turn: the
 * only thread that could serve it may be the caller. From inside the function it returns at once:
 * user code that is called from there may do anything. */
void cored_lane_rest(CoredLane *lane);

#endif /* CORED_LANE_H */
