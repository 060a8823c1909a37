/* SPDX-License-Identifier: MIT
 * A fair scheduler: of the clients that have a request pending it serves the one that was served
 * least often, among equals the one whose request is the oldest.
 *
 * First come, first served would be unfair to streams: a stream that was served makes its next
 * request with its next frame, so its period is its waiting time rounded up to whole frames. Of two
 * streams whose frames come a little sooner or later, one can then be served twice as often.
 * Counting how often each was served evens that out.
 *
 * A client that made no requests for a while has a low count, and would keep all others waiting
 * when it comes back. So no client may be behind the one being served by more than
 * CORED_FAIR_CREDIT. The scheduler neither locks nor looks at a clock: the caller locks. */
#ifndef CORED_SCHED_FAIR_SCHEDULER_H
#define CORED_SCHED_FAIR_SCHEDULER_H

#include <glib.h>

#define CORED_FAIR_CREDIT 8

typedef struct CoredFairClient { /* embedded in a user; all zero at first */
  guint64 served;                /* how often, as it counts for fairness */
  gboolean known;                /* made a request before */
  gboolean pending;              /* has a request that was not served yet */
  gpointer user;
  GList link;
} CoredFairClient;

typedef struct CoredFairScheduler {
  GQueue pending; /* of CoredFairClient, in the order of their requests */
  guint64 served; /* the highest count of a client at the time when it was served */
} CoredFairScheduler;

void cored_fair_scheduler_init(CoredFairScheduler *scheduler);
/* Make a request; `user` is what cored_fair_scheduler_next() will return for it. FALSE, and nothing
 * done, when the client has one pending already. */
gboolean cored_fair_scheduler_request(CoredFairScheduler *scheduler, CoredFairClient *client,
                                      gpointer user);
/* Take the client's request back, if it has one pending. */
void cored_fair_scheduler_withdraw(CoredFairScheduler *scheduler, CoredFairClient *client);
/* The user to serve next, whose request is not pending any more; NULL without requests. */
gpointer cored_fair_scheduler_next(CoredFairScheduler *scheduler);

#endif /* CORED_SCHED_FAIR_SCHEDULER_H */
