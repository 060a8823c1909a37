/* SPDX-License-Identifier: MIT */
#include "sched/work-queue.h"

#include <sys/resource.h>
#include <unistd.h>

#include "sched/fair-scheduler.h"

#define JOB_THREADS 2  /* on one CPU, too: a callback that takes long keeps one of them */
#define JOB_NICENESS 5 /* as the thread that watches a model file: frames go first */

typedef struct Workers {
  guint queues; /* under groups_mutex */
  GPtrArray *threads;
  GMutex mutex; /* all below, and the queues */
  GCond work, idle;
  CoredFairScheduler scheduler;
  gboolean over;
  GThread *orphan; /* the thread that frees the group, when nobody can wait for it */
} Workers;

struct CoredWorkQueue {
  CoredWorkKind kind;
  CoredWorkFunc func;
  gpointer user;
  Workers *group;
  CoredFairClient client;
  GThread *running; /* who runs the function now */
  gboolean again;   /* woken while running */
  gboolean closed;  /* freed by its own function */
};

static GMutex groups_mutex;
static Workers *groups[CORED_N_WORK_KINDS];

/* ---- Threads -------------------------------------------------------------------------------- */

static void workers_free(Workers *group) {
  g_mutex_clear(&group->mutex);
  g_cond_clear(&group->work);
  g_cond_clear(&group->idle);
  g_ptr_array_unref(group->threads);
  g_free(group);
}

/* With the group's mutex held, which is not held while the function runs. */
static void run(Workers *group, CoredWorkQueue *queue) {
  queue->running = g_thread_self();
  g_mutex_unlock(&group->mutex);
  queue->func(queue->user);
  g_mutex_lock(&group->mutex);
  queue->running = NULL;
  if (queue->closed) {
    g_free(queue);
    return;
  }
  if (queue->again)
    cored_fair_scheduler_request(&group->scheduler, &queue->client, queue);
  queue->again = FALSE;
  g_cond_broadcast(&group->idle);
}

static void work(Workers *group) {
  g_mutex_lock(&group->mutex);
  for (;;) {
    CoredWorkQueue *queue = cored_fair_scheduler_next(&group->scheduler);
    if (queue)
      run(group, queue);
    else if (!group->over)
      g_cond_wait(&group->work, &group->mutex);
    else
      break;
  }
  const gboolean mine = group->orphan == g_thread_self();
  g_mutex_unlock(&group->mutex);
  if (mine)
    workers_free(group);
}

static gpointer run_frames(gpointer group) {
  work(group);
  return NULL;
}

static gpointer run_jobs(gpointer group) {
  setpriority(PRIO_PROCESS, (id_t)gettid(), JOB_NICENESS);
  work(group);
  return NULL;
}

static Workers *workers_new(CoredWorkKind kind) {
  const guint cpus = MAX(1, g_get_num_processors());
  const guint n = kind == CORED_WORK_FRAMES ? cpus : JOB_THREADS;
  Workers *group = g_new0(Workers, 1);
  group->threads = g_ptr_array_new();
  g_mutex_init(&group->mutex);
  g_cond_init(&group->work);
  g_cond_init(&group->idle);
  cored_fair_scheduler_init(&group->scheduler);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(group->threads, kind == CORED_WORK_FRAMES
                                        ? g_thread_new("cored-frames", run_frames, group)
                                        : g_thread_new("cored-jobs", run_jobs, group));
  return group;
}

static void join(gpointer thread, gpointer unused) {
  (void)unused;
  g_thread_join(thread);
}

/* A group's last queue may end in one of its threads: that one cannot be waited for and frees the
 * group when it ends. */
static void dismiss(Workers *group) {
  GThread *self = g_thread_self();
  const gboolean own = g_ptr_array_remove_fast(group->threads, self);
  g_mutex_lock(&group->mutex);
  group->over = TRUE;
  group->orphan = own ? self : NULL;
  g_cond_broadcast(&group->work);
  g_mutex_unlock(&group->mutex);
  g_ptr_array_foreach(group->threads, join, NULL);
  if (own)
    g_thread_unref(self);
  else
    workers_free(group);
}

/* ---- Queues --------------------------------------------------------------------------------- */

CoredWorkQueue *cored_work_queue_new(CoredWorkKind kind, CoredWorkFunc func, gpointer user) {
  CoredWorkQueue *queue = g_new0(CoredWorkQueue, 1);
  queue->kind = kind;
  queue->func = func;
  queue->user = user;
  g_mutex_lock(&groups_mutex);
  if (!groups[kind])
    groups[kind] = workers_new(kind);
  queue->group = groups[kind];
  queue->group->queues++;
  g_mutex_unlock(&groups_mutex);
  return queue;
}

void cored_work_queue_free(CoredWorkQueue *queue) {
  Workers *unused = NULL;
  if (!queue)
    return;
  cored_work_queue_cancel(queue);
  Workers *group = queue->group;
  g_mutex_lock(&groups_mutex);
  if (--group->queues == 0)
    unused = g_steal_pointer(&groups[queue->kind]);
  g_mutex_unlock(&groups_mutex);
  g_mutex_lock(&group->mutex);
  const gboolean inside = queue->running != NULL;
  queue->closed = inside;
  g_mutex_unlock(&group->mutex);
  if (!inside)
    g_free(queue);
  if (unused)
    dismiss(unused);
}

void cored_work_queue_wake(CoredWorkQueue *queue) {
  Workers *group = queue->group;
  g_mutex_lock(&group->mutex);
  if (queue->running)
    queue->again = TRUE;
  else if (cored_fair_scheduler_request(&group->scheduler, &queue->client, queue))
    g_cond_signal(&group->work);
  g_mutex_unlock(&group->mutex);
}

void cored_work_queue_cancel(CoredWorkQueue *queue) {
  Workers *group = queue->group;
  g_mutex_lock(&group->mutex);
  cored_fair_scheduler_withdraw(&group->scheduler, &queue->client);
  queue->again = FALSE;
  while (queue->running && queue->running != g_thread_self())
    g_cond_wait(&group->idle, &group->mutex);
  g_mutex_unlock(&group->mutex);
}
