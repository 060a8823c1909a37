/* SPDX-License-Identifier: MIT */
#include "sched/fair-scheduler.h"

void cored_fair_scheduler_init(CoredFairScheduler *scheduler) {
  *scheduler = (CoredFairScheduler){0};
  g_queue_init(&scheduler->pending);
}

gboolean cored_fair_scheduler_request(CoredFairScheduler *scheduler, CoredFairClient *client,
                                      gpointer user) {
  const guint64 credit = client->known ? CORED_FAIR_CREDIT : 0;
  if (client->pending)
    return FALSE;
  if (client->served + credit < scheduler->served)
    client->served = scheduler->served - credit;
  client->known = client->pending = TRUE;
  client->user = user;
  client->link = (GList){.data = client};
  g_queue_push_tail_link(&scheduler->pending, &client->link);
  return TRUE;
}

void cored_fair_scheduler_withdraw(CoredFairScheduler *scheduler, CoredFairClient *client) {
  if (client->pending)
    g_queue_unlink(&scheduler->pending, &client->link);
  client->pending = FALSE;
}

/* The requests are in order, so the first of equals has waited longest. */
static CoredFairClient *find_next(const CoredFairScheduler *scheduler) {
  CoredFairClient *best = NULL;
  for (const GList *item = scheduler->pending.head; item; item = item->next) {
    CoredFairClient *client = item->data;
    if (!best || client->served < best->served)
      best = client;
  }
  return best;
}

gpointer cored_fair_scheduler_next(CoredFairScheduler *scheduler) {
  CoredFairClient *client = find_next(scheduler);
  if (!client)
    return NULL;
  g_queue_unlink(&scheduler->pending, &client->link);
  scheduler->served = MAX(scheduler->served, client->served);
  client->served++;
  client->pending = FALSE;
  return client->user;
}
