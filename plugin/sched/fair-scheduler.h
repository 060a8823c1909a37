/* SPDX-License-Identifier: MIT
 * Whose turn it is, among users that share something: of those that want a turn, the one that had
 * the fewest, among equals the one that has wanted longest.
 *
 * First come, first served would be unfair to streams: a stream that was served asks again with its
 * next frame, so its period is the wait rounded up to whole frames, and of two streams whose frames
 * come a little sooner or later one can get twice as many turns. Counting turns evens that out.
 *
 * Who did not want turns for a while has few, and would keep all others waiting when it comes back.
 * So nobody may be behind the user who is served by more than CORED_FAIR_CREDIT turns. Nothing
 * here locks or knows the time. */
#ifndef CORED_SCHED_FAIR_SCHEDULER_H
#define CORED_SCHED_FAIR_SCHEDULER_H

#include <glib.h>

#define CORED_FAIR_CREDIT 8

typedef struct CoredFairClient { /* part of a user; all zero at first */
  guint64 had;                   /* turns, as they count for fairness */
  guint64 since;                 /* place in the order of asking */
  gboolean wanted;
  gpointer user;
  GList link;
} CoredFairClient;

typedef struct CoredFairScheduler {
  GQueue wanting;  /* of CoredFairClient */
  guint64 asked;   /* so often */
  guint64 reached; /* the most that a user had had when it was its turn */
} CoredFairScheduler;

void cored_fair_scheduler_init(CoredFairScheduler *turns);
/* Ask for a turn, with what `user` is for. FALSE when the user wanted one already. */
gboolean cored_fair_scheduler_request(CoredFairScheduler *turns, CoredFairClient *turn,
                                      gpointer user);
/* Not to want it any more, if it was wanted. */
void cored_fair_scheduler_withdraw(CoredFairScheduler *turns, CoredFairClient *turn);
/* The user whose turn it is, who wants none any more; NULL when nobody wants one. */
gpointer cored_fair_scheduler_next(CoredFairScheduler *turns);

#endif /* CORED_SCHED_FAIR_SCHEDULER_H */
