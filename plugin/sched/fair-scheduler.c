/* SPDX-License-Identifier: MIT */
#include "sched/fair-scheduler.h"

void cored_fair_scheduler_init(CoredFairScheduler *turns) {
  *turns = (CoredFairScheduler){0};
  g_queue_init(&turns->wanting);
}

gboolean cored_fair_scheduler_request(CoredFairScheduler *turns, CoredFairClient *turn,
                                      gpointer user) {
  const gboolean newcomer = turn->since == 0;
  const guint64 credit = newcomer ? 0 : CORED_FAIR_CREDIT;
  if (turn->wanted)
    return FALSE;
  if (turn->had + credit < turns->reached)
    turn->had = turns->reached - credit;
  turn->since = ++turns->asked;
  turn->wanted = TRUE;
  turn->user = user;
  turn->link = (GList){.data = turn};
  g_queue_push_tail_link(&turns->wanting, &turn->link);
  return TRUE;
}

void cored_fair_scheduler_withdraw(CoredFairScheduler *turns, CoredFairClient *turn) {
  if (turn->wanted)
    g_queue_unlink(&turns->wanting, &turn->link);
  turn->wanted = FALSE;
}

/* The queue is in the order of asking, so the first of equals has waited longest. */
static CoredFairClient *find_next(const CoredFairScheduler *turns) {
  CoredFairClient *best = NULL;
  for (const GList *item = turns->wanting.head; item; item = item->next) {
    CoredFairClient *turn = item->data;
    if (!best || turn->had < best->had)
      best = turn;
  }
  return best;
}

gpointer cored_fair_scheduler_next(CoredFairScheduler *turns) {
  CoredFairClient *turn = find_next(turns);
  if (!turn)
    return NULL;
  g_queue_unlink(&turns->wanting, &turn->link);
  turns->reached = MAX(turns->reached, turn->had);
  turn->had++;
  turn->wanted = FALSE;
  return turn->user;
}
