/* SPDX-License-Identifier: MIT */
#include "coredlane.h"

#include <sys/resource.h>
#include <unistd.h>

#include "coredturns.h"

#define ERRAND_THREADS 2  /* on one CPU, too: a callback that takes long keeps one of them */
#define ERRAND_NICENESS 5 /* as the thread that watches a model file: frames go first */

typedef struct Crew {
  guint lanes; /* under crews_mutex */
  GPtrArray *threads;
  GMutex mutex; /* all below, and the lanes */
  GCond work, idle;
  CoredTurns turns;
  gboolean over;
  GThread *orphan; /* the thread that frees the crew, when nobody can wait for it */
} Crew;

struct CoredLane {
  CoredLaneKind kind;
  CoredLaneFunc func;
  gpointer user;
  Crew *crew;
  CoredTurn turn;
  GThread *running; /* who runs the function now */
  gboolean again;   /* kicked while running */
  gboolean closed;  /* freed by its own function */
};

static GMutex crews_mutex;
static Crew *crews[CORED_N_LANE_KINDS];

/* ---- Threads -------------------------------------------------------------------------------- */

static void crew_free(Crew *crew) {
  g_mutex_clear(&crew->mutex);
  g_cond_clear(&crew->work);
  g_cond_clear(&crew->idle);
  g_ptr_array_unref(crew->threads);
  g_free(crew);
}

/* With the crew's mutex held, which is not held while the function runs. */
static void run(Crew *crew, CoredLane *lane) {
  lane->running = g_thread_self();
  g_mutex_unlock(&crew->mutex);
  lane->func(lane->user);
  g_mutex_lock(&crew->mutex);
  lane->running = NULL;
  if (lane->closed) {
    g_free(lane);
    return;
  }
  if (lane->again)
    cored_turns_want(&crew->turns, &lane->turn, lane);
  lane->again = FALSE;
  g_cond_broadcast(&crew->idle);
}

static void work(Crew *crew) {
  g_mutex_lock(&crew->mutex);
  for (;;) {
    CoredLane *lane = cored_turns_take(&crew->turns);
    if (lane)
      run(crew, lane);
    else if (!crew->over)
      g_cond_wait(&crew->work, &crew->mutex);
    else
      break;
  }
  const gboolean mine = crew->orphan == g_thread_self();
  g_mutex_unlock(&crew->mutex);
  if (mine)
    crew_free(crew);
}

static gpointer serve_frames(gpointer crew) {
  work(crew);
  return NULL;
}

static gpointer run_errands(gpointer crew) {
  setpriority(PRIO_PROCESS, (id_t)gettid(), ERRAND_NICENESS);
  work(crew);
  return NULL;
}

static Crew *crew_new(CoredLaneKind kind) {
  const guint cpus = MAX(1, g_get_num_processors());
  const guint n = kind == CORED_LANE_FRAMES ? cpus : ERRAND_THREADS;
  Crew *crew = g_new0(Crew, 1);
  crew->threads = g_ptr_array_new();
  g_mutex_init(&crew->mutex);
  g_cond_init(&crew->work);
  g_cond_init(&crew->idle);
  cored_turns_init(&crew->turns);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(crew->threads, kind == CORED_LANE_FRAMES
                                       ? g_thread_new("cored-frames", serve_frames, crew)
                                       : g_thread_new("cored-errands", run_errands, crew));
  return crew;
}

static void join(gpointer thread, gpointer unused) {
  (void)unused;
  g_thread_join(thread);
}

/* A crew's last lane may end in one of its threads: that one cannot be waited for and frees the
 * crew when it ends. */
static void dismiss(Crew *crew) {
  GThread *self = g_thread_self();
  const gboolean own = g_ptr_array_remove_fast(crew->threads, self);
  g_mutex_lock(&crew->mutex);
  crew->over = TRUE;
  crew->orphan = own ? self : NULL;
  g_cond_broadcast(&crew->work);
  g_mutex_unlock(&crew->mutex);
  g_ptr_array_foreach(crew->threads, join, NULL);
  if (own)
    g_thread_unref(self);
  else
    crew_free(crew);
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

CoredLane *cored_lane_new(CoredLaneKind kind, CoredLaneFunc func, gpointer user) {
  CoredLane *lane = g_new0(CoredLane, 1);
  lane->kind = kind;
  lane->func = func;
  lane->user = user;
  g_mutex_lock(&crews_mutex);
  if (!crews[kind])
    crews[kind] = crew_new(kind);
  lane->crew = crews[kind];
  lane->crew->lanes++;
  g_mutex_unlock(&crews_mutex);
  return lane;
}

void cored_lane_free(CoredLane *lane) {
  Crew *unused = NULL;
  if (!lane)
    return;
  cored_lane_rest(lane);
  Crew *crew = lane->crew;
  g_mutex_lock(&crews_mutex);
  if (--crew->lanes == 0)
    unused = g_steal_pointer(&crews[lane->kind]);
  g_mutex_unlock(&crews_mutex);
  g_mutex_lock(&crew->mutex);
  const gboolean inside = lane->running != NULL;
  lane->closed = inside;
  g_mutex_unlock(&crew->mutex);
  if (!inside)
    g_free(lane);
  if (unused)
    dismiss(unused);
}

void cored_lane_kick(CoredLane *lane) {
  Crew *crew = lane->crew;
  g_mutex_lock(&crew->mutex);
  if (lane->running)
    lane->again = TRUE;
  else if (cored_turns_want(&crew->turns, &lane->turn, lane))
    g_cond_signal(&crew->work);
  g_mutex_unlock(&crew->mutex);
}

void cored_lane_rest(CoredLane *lane) {
  Crew *crew = lane->crew;
  g_mutex_lock(&crew->mutex);
  cored_turns_forgo(&crew->turns, &lane->turn);
  lane->again = FALSE;
  while (lane->running && lane->running != g_thread_self())
    g_cond_wait(&crew->idle, &crew->mutex);
  g_mutex_unlock(&crew->mutex);
}
