/* SPDX-License-Identifier: MIT */
#include "coredlane.h"

struct CoredLane {
  CoredLaneFunc func;
  gpointer user;
  GMutex mutex;
  GCond idle;
  gboolean queued;  /* in the pool's queue */
  GThread *running; /* who runs the function now */
  gboolean again;   /* kicked while running */
};

static GMutex pool_mutex;
static GThreadPool *pool;
static guint pool_users;

static void run(gpointer data, gpointer unused) {
  CoredLane *lane = data;
  (void)unused;
  g_mutex_lock(&lane->mutex);
  lane->queued = FALSE;
  lane->running = g_thread_self();
  g_mutex_unlock(&lane->mutex);
  lane->func(lane->user);
  g_mutex_lock(&lane->mutex);
  lane->running = NULL;
  if (lane->again) { /* at the end of the queue: the others first */
    lane->again = FALSE;
    lane->queued = TRUE;
    g_thread_pool_push(pool, lane, NULL);
  } else {
    g_cond_broadcast(&lane->idle);
  }
  g_mutex_unlock(&lane->mutex);
}

CoredLane *cored_lane_new(CoredLaneFunc func, gpointer user) {
  CoredLane *lane = g_new0(CoredLane, 1);
  lane->func = func;
  lane->user = user;
  g_mutex_init(&lane->mutex);
  g_cond_init(&lane->idle);
  g_mutex_lock(&pool_mutex);
  if (pool_users++ == 0)
    pool = g_thread_pool_new(run, NULL, (gint)MAX(1, g_get_num_processors()), TRUE, NULL);
  g_mutex_unlock(&pool_mutex);
  return lane;
}

void cored_lane_free(CoredLane *lane) {
  GThreadPool *unused = NULL;
  if (!lane)
    return;
  cored_lane_wait(lane);
  g_mutex_lock(&pool_mutex);
  if (--pool_users == 0)
    unused = g_steal_pointer(&pool);
  g_mutex_unlock(&pool_mutex);
  if (unused)
    g_thread_pool_free(unused, FALSE, TRUE);
  g_mutex_clear(&lane->mutex);
  g_cond_clear(&lane->idle);
  g_free(lane);
}

void cored_lane_kick(CoredLane *lane) {
  g_mutex_lock(&lane->mutex);
  if (lane->running) {
    lane->again = TRUE;
  } else if (!lane->queued) {
    lane->queued = TRUE;
    g_thread_pool_push(pool, lane, NULL);
  }
  g_mutex_unlock(&lane->mutex);
}

void cored_lane_wait(CoredLane *lane) {
  g_mutex_lock(&lane->mutex);
  while (lane->queued || (lane->running && lane->running != g_thread_self()))
    g_cond_wait(&lane->idle, &lane->mutex);
  g_mutex_unlock(&lane->mutex);
}
