/* SPDX-License-Identifier: MIT */
#include "sched/work-queue.h"

#include <sys/resource.h>
#include <unistd.h>

#include "sched/fair-scheduler.h"

#define JOB_THREADS 2  /* on one CPU, too: a callback that takes long keeps one of them */
#define JOB_NICENESS 5 /* as the thread that watches a model file: frames go first */

typedef struct WorkerGroup {
  guint n_queues; /* under groups_mutex */
  GPtrArray *threads;
  GMutex mutex; /* all below, and the queues */
  GCond work_added, call_ended;
  CoredFairScheduler scheduler;
  gboolean stopping;
  GThread *last_thread; /* the worker that frees the group, when nobody can join it */
} WorkerGroup;

struct CoredWorkQueue {
  CoredWorkKind kind;
  CoredWorkFunc func;
  gpointer user;
  WorkerGroup *group;
  CoredFairClient client;
  GThread *running; /* the worker that runs the function now */
  gboolean again;   /* woken while running */
  gboolean freed;   /* by its own function */
};

static GMutex groups_mutex;
static WorkerGroup *groups[CORED_N_WORK_KINDS];

/* ---- Workers -------------------------------------------------------------------------------- */

static void group_free(WorkerGroup *group) {
  g_mutex_clear(&group->mutex);
  g_cond_clear(&group->work_added);
  g_cond_clear(&group->call_ended);
  g_ptr_array_unref(group->threads);
  g_free(group);
}

/* With the group's mutex held, which is released while the function runs. */
static void run_queue(WorkerGroup *group, CoredWorkQueue *queue) {
  queue->running = g_thread_self();
  g_mutex_unlock(&group->mutex);
  queue->func(queue->user);
  g_mutex_lock(&group->mutex);
  queue->running = NULL;
  if (queue->freed) {
    g_free(queue);
    return;
  }
  if (queue->again)
    cored_fair_scheduler_request(&group->scheduler, &queue->client, queue);
  queue->again = FALSE;
  g_cond_broadcast(&group->call_ended);
}

static void serve_queues(WorkerGroup *group) {
  g_mutex_lock(&group->mutex);
  for (;;) {
    CoredWorkQueue *queue = cored_fair_scheduler_next(&group->scheduler);
    if (queue)
      run_queue(group, queue);
    else if (!group->stopping)
      g_cond_wait(&group->work_added, &group->mutex);
    else
      break;
  }
  const gboolean last = group->last_thread == g_thread_self();
  g_mutex_unlock(&group->mutex);
  if (last)
    group_free(group);
}

static gpointer frame_worker(gpointer group) {
  serve_queues(group);
  return NULL;
}

static gpointer job_worker(gpointer group) {
  setpriority(PRIO_PROCESS, (id_t)gettid(), JOB_NICENESS);
  serve_queues(group);
  return NULL;
}

static WorkerGroup *group_new(CoredWorkKind kind) {
  const guint cpus = MAX(1, g_get_num_processors());
  const guint n = kind == CORED_WORK_FRAMES ? cpus : JOB_THREADS;
  WorkerGroup *group = g_new0(WorkerGroup, 1);
  group->threads = g_ptr_array_new();
  g_mutex_init(&group->mutex);
  g_cond_init(&group->work_added);
  g_cond_init(&group->call_ended);
  cored_fair_scheduler_init(&group->scheduler);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(group->threads, kind == CORED_WORK_FRAMES
                                        ? g_thread_new("cored-frames", frame_worker, group)
                                        : g_thread_new("cored-jobs", job_worker, group));
  return group;
}

static void join(gpointer thread, gpointer unused) {
  (void)unused;
  g_thread_join(thread);
}

/* A group's last queue may be freed by one of its own workers. That one cannot be joined: it frees
 * the group when it ends. */
static void group_stop(WorkerGroup *group) {
  GThread *self = g_thread_self();
  const gboolean own = g_ptr_array_remove_fast(group->threads, self);
  g_mutex_lock(&group->mutex);
  group->stopping = TRUE;
  group->last_thread = own ? self : NULL;
  g_cond_broadcast(&group->work_added);
  g_mutex_unlock(&group->mutex);
  g_ptr_array_foreach(group->threads, join, NULL);
  if (own)
    g_thread_unref(self);
  else
    group_free(group);
}

/* ---- Queues --------------------------------------------------------------------------------- */

CoredWorkQueue *cored_work_queue_new(CoredWorkKind kind, CoredWorkFunc func, gpointer user) {
  CoredWorkQueue *queue = g_new0(CoredWorkQueue, 1);
  queue->kind = kind;
  queue->func = func;
  queue->user = user;
  g_mutex_lock(&groups_mutex);
  if (!groups[kind])
    groups[kind] = group_new(kind);
  queue->group = groups[kind];
  queue->group->n_queues++;
  g_mutex_unlock(&groups_mutex);
  return queue;
}

void cored_work_queue_free(CoredWorkQueue *queue) {
  WorkerGroup *unused = NULL;
  if (!queue)
    return;
  cored_work_queue_cancel(queue);
  WorkerGroup *group = queue->group;
  g_mutex_lock(&groups_mutex);
  if (--group->n_queues == 0)
    unused = g_steal_pointer(&groups[queue->kind]);
  g_mutex_unlock(&groups_mutex);
  g_mutex_lock(&group->mutex);
  const gboolean from_inside = queue->running != NULL;
  queue->freed = from_inside;
  g_mutex_unlock(&group->mutex);
  if (!from_inside)
    g_free(queue);
  if (unused)
    group_stop(unused);
}

void cored_work_queue_wake(CoredWorkQueue *queue) {
  WorkerGroup *group = queue->group;
  g_mutex_lock(&group->mutex);
  if (queue->running)
    queue->again = TRUE;
  else if (cored_fair_scheduler_request(&group->scheduler, &queue->client, queue))
    g_cond_signal(&group->work_added);
  g_mutex_unlock(&group->mutex);
}

void cored_work_queue_cancel(CoredWorkQueue *queue) {
  WorkerGroup *group = queue->group;
  g_mutex_lock(&group->mutex);
  cored_fair_scheduler_withdraw(&group->scheduler, &queue->client);
  queue->again = FALSE;
  while (queue->running && queue->running != g_thread_self())
    g_cond_wait(&group->call_ended, &group->mutex);
  g_mutex_unlock(&group->mutex);
}
