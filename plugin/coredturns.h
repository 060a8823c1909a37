/* SPDX-License-Identifier: MIT
 * Whose turn it is, among users that share something: of those that want a turn, the one that had
 * the fewest, among equals the one that has wanted longest.
 *
 * First come, first served would be unfair to streams: a stream that was served asks again with its
 * next frame, so its period is the wait rounded up to whole frames, and of two streams whose frames
 * come a little sooner or later one can get twice as many turns. Counting turns evens that out.
 *
 * Who did not want turns for a while has few, and would keep all others waiting when it comes back.
 * So nobody may be behind the user who is served by more than CORED_TURNS_CREDIT turns. Nothing
 * here locks or knows the time. */
#ifndef CORED_TURNS_H
#define CORED_TURNS_H

#include <glib.h>

#define CORED_TURNS_CREDIT 8

typedef struct CoredTurn { /* part of a user; all zero at first */
  guint64 had;             /* turns, as they count for fairness */
  guint64 since;           /* place in the order of asking */
  gboolean wanted;
  gpointer user;
  GList link;
} CoredTurn;

typedef struct CoredTurns {
  GQueue wanting;  /* of CoredTurn */
  guint64 asked;   /* so often */
  guint64 reached; /* the most that a user had had when it was its turn */
} CoredTurns;

void cored_turns_init(CoredTurns *turns);
/* Ask for a turn, with what `user` is for. FALSE when the user wanted one already. */
gboolean cored_turns_want(CoredTurns *turns, CoredTurn *turn, gpointer user);
/* Not to want it any more, if it was wanted. */
void cored_turns_forgo(CoredTurns *turns, CoredTurn *turn);
/* The user whose turn it is, who wants none any more; NULL when nobody wants one. */
gpointer cored_turns_take(CoredTurns *turns);

#endif /* CORED_TURNS_H */
