/* SPDX-License-Identifier: MIT */
#include "coredturns.h"

void cored_turns_init(CoredTurns *turns) {
  *turns = (CoredTurns){0};
  g_queue_init(&turns->wanting);
}

gboolean cored_turns_want(CoredTurns *turns, CoredTurn *turn, gpointer user) {
  const gboolean newcomer = turn->since == 0;
  const guint64 credit = newcomer ? 0 : CORED_TURNS_CREDIT;
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

void cored_turns_forgo(CoredTurns *turns, CoredTurn *turn) {
  if (turn->wanted)
    g_queue_unlink(&turns->wanting, &turn->link);
  turn->wanted = FALSE;
}

/* The queue is in the order of asking, so the first of equals has waited longest. */
static CoredTurn *find_next(const CoredTurns *turns) {
  CoredTurn *best = NULL;
  for (const GList *item = turns->wanting.head; item; item = item->next) {
    CoredTurn *turn = item->data;
    if (!best || turn->had < best->had)
      best = turn;
  }
  return best;
}

gpointer cored_turns_take(CoredTurns *turns) {
  CoredTurn *turn = find_next(turns);
  if (!turn)
    return NULL;
  g_queue_unlink(&turns->wanting, &turn->link);
  turns->reached = MAX(turns->reached, turn->had);
  turn->had++;
  turn->wanted = FALSE;
  return turn->user;
}
