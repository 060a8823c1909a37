/* SPDX-License-Identifier: MIT */
#include "analysis/evaluator.h"

#include "analysis/frame.h"
#include "sched/work-queue.h"

/* A callback that takes longer may be waiting for the very stream that waits for it. */
#define CALLBACK_PATIENCE (G_TIME_SPAN_SECOND / 2)

struct CoredEvaluator {
  CoredEvaluatorFuncs funcs;
  gpointer user;
  CoredWorkQueue *queue; /* NULL: everything runs in the caller's thread */

  /* Of whoever evaluates: one thread at a time. */
  CoredAnalyser *analyser;
  CoredClassifier *classifier, *shadow; /* the analyser's */
  gboolean locator_asked;
  guint analyser_epoch;
  gint64 typical; /* microseconds that a frame takes in the queue, smoothed; 0: not known */

  GMutex mutex; /* all below, and the states of tasks */
  GCond changed;
  guint life;       /* counts stops: a thread that called back may have been left behind by one */
  GQueue waiting;   /* of CoredFrameTask, each with a reference */
  GThread *worker;  /* evaluates now */
  gint64 called_at; /* when it called what may lead to the application; 0: it has not */
  gboolean flushing;
  gboolean has_last;
  guint last_epoch;
  CoredResult last;
};

CoredFrameTask *cored_task_new(GstBuffer *buffer, const GstVideoInfo *info,
                               const CoredParams *params, const CoredRegions *upstream,
                               const CoredTimes *times, guint64 number, guint epoch) {
  CoredFrameTask *task = g_new(CoredFrameTask, 1);
  g_atomic_ref_count_init(&task->refs);
  task->buffer = gst_buffer_ref(buffer);
  task->info = *info;
  task->params = *params;
  task->upstream = *upstream;
  task->times = *times;
  task->number = number;
  task->epoch = epoch;
  task->deadline = G_MAXINT64;
  task->state = CORED_TASK_WAITING;
  return task;
}

void cored_task_unref(CoredFrameTask *task) {
  if (!task || !g_atomic_ref_count_dec(&task->refs))
    return;
  gst_clear_buffer(&task->buffer);
  g_free(task);
}

/* ---- One frame ------------------------------------------------------------------------------ */

/* A stop from inside a callback does not wait for the thread that called back. What there is after
 * it belongs to another life, which may have begun already. */
static gboolean has_ended(CoredEvaluator *evaluator, guint life) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean ended = evaluator->life != life;
  g_mutex_unlock(&evaluator->mutex);
  return ended;
}

static void set_locator(CoredEvaluator *evaluator, guint life) {
  evaluator->locator_asked = TRUE;
  CoredLocator *locator = evaluator->funcs.open_locator(evaluator->user);
  if (has_ended(evaluator, life))
    cored_locator_free(locator);
  else
    cored_analyser_set_locator(evaluator->analyser, locator);
}

static void follow_settings(CoredEvaluator *evaluator, const CoredParams *params, guint life) {
  CoredSwap swap, shadow_swap;
  CoredClassifier *classifier =
      evaluator->funcs.exchange(evaluator->user, evaluator->classifier, &swap);
  g_mutex_lock(&evaluator->mutex);
  evaluator->classifier = classifier;
  g_mutex_unlock(&evaluator->mutex);
  cored_analyser_set_classifier(evaluator->analyser, classifier);
  evaluator->shadow =
      evaluator->funcs.exchange_shadow(evaluator->user, evaluator->shadow, &shadow_swap);
  cored_analyser_set_shadow(evaluator->analyser, evaluator->shadow);
  evaluator->funcs.tell(evaluator->user, &swap, &shadow_swap);
  if (!has_ended(evaluator, life) && !evaluator->locator_asked &&
      params->region_mode == CORED_REGION_MODE_AUTO &&
      params->face_detector == CORED_FACE_DETECTOR_CASCADE)
    set_locator(evaluator, life);
}

static void describe_view(CoredView *view, const CoredFrameTask *task, const GstVideoFrame *frame) {
  cored_frame_to_image(frame, &view->image);
  view->number = task->number;
  view->time = task->times.position;
  view->upstream = &task->upstream;
}

static gboolean analyse(CoredEvaluator *evaluator, CoredFrameTask *task, CoredError *error) {
  GstVideoFrame frame;
  CoredView view;
  const char *why;
  if (!cored_frame_map(&frame, &task->info, task->buffer, GST_MAP_READ, &why)) {
    cored_result_clear(&task->result, GST_VIDEO_INFO_WIDTH(&task->info),
                       GST_VIDEO_INFO_HEIGHT(&task->info), CORED_REASON_NO_OUTPUT);
    error->code = CORED_ERROR_IMAGE;
    g_strlcpy(error->message, why, sizeof error->message);
    return FALSE;
  }
  describe_view(&view, task, &frame);
  const gboolean ok =
      cored_analyser_run(evaluator->analyser, &task->params, &view, &task->result, error);
  gst_video_frame_unmap(&frame);
  return ok;
}

static void set_calling(CoredEvaluator *evaluator, gboolean calling) {
  g_mutex_lock(&evaluator->mutex);
  evaluator->called_at = calling ? g_get_monotonic_time() : 0;
  g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
}

/* With the lock held. */
static void begin(CoredEvaluator *evaluator, CoredFrameTask *task) {
  evaluator->worker = g_thread_self();
  task->life = evaluator->life;
}

/* False when a callback stopped the evaluator: nothing of it may be touched then. */
static gboolean evaluate(CoredEvaluator *evaluator, CoredFrameTask *task) {
  CoredError error = {CORED_ERROR_NONE, ""};
  gboolean ok = TRUE;
  set_calling(evaluator, TRUE);
  follow_settings(evaluator, &task->params, task->life);
  if (has_ended(evaluator, task->life))
    return FALSE;
  set_calling(evaluator, FALSE);
  if (task->epoch != evaluator->analyser_epoch) {
    cored_analyser_reset(evaluator->analyser);
    evaluator->analyser_epoch = task->epoch;
  }
  if (evaluator->classifier)
    ok = analyse(evaluator, task, &error);
  else
    cored_result_clear(&task->result, GST_VIDEO_INFO_WIDTH(&task->info),
                       GST_VIDEO_INFO_HEIGHT(&task->info), CORED_REASON_NO_MODEL);
  gst_clear_buffer(&task->buffer);
  set_calling(evaluator, TRUE);
  evaluator->funcs.done(evaluator->user, task, ok ? NULL : &error);
  if (has_ended(evaluator, task->life))
    return FALSE;
  set_calling(evaluator, FALSE);
  g_mutex_lock(&evaluator->mutex);
  evaluator->last = task->result;
  evaluator->last_epoch = task->epoch;
  evaluator->has_last = TRUE;
  g_mutex_unlock(&evaluator->mutex);
  return TRUE;
}

/* With the lock held. */
static void finish(CoredEvaluator *evaluator, CoredFrameTask *task) {
  task->state = CORED_TASK_DONE;
  evaluator->worker = NULL;
  g_cond_broadcast(&evaluator->changed);
}

/* With the lock held. */
static void give_up(CoredEvaluator *evaluator, CoredFrameTask *task) {
  task->state = CORED_TASK_DROPPED;
  gst_clear_buffer(&task->buffer);
  g_cond_broadcast(&evaluator->changed);
}

/* Is there more to do? */
static gboolean conclude(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean done) {
  g_mutex_lock(&evaluator->mutex);
  if (done)
    finish(evaluator, task);
  else
    give_up(evaluator, task);
  const gboolean more = done && !g_queue_is_empty(&evaluator->waiting);
  g_mutex_unlock(&evaluator->mutex);
  return more;
}

gboolean cored_evaluator_goes_on(CoredEvaluator *evaluator, const CoredFrameTask *task) {
  return !has_ended(evaluator, task->life);
}

void cored_evaluator_run(CoredEvaluator *evaluator, CoredFrameTask *task) {
  g_mutex_lock(&evaluator->mutex);
  begin(evaluator, task);
  g_mutex_unlock(&evaluator->mutex);
  conclude(evaluator, task, evaluate(evaluator, task));
}

/* ---- The queue ------------------------------------------------------------------------------- */

/* With the lock held. */
static void drop(CoredFrameTask *task) {
  task->state = CORED_TASK_DROPPED;
  gst_clear_buffer(&task->buffer);
  cored_task_unref(task);
}

/* The oldest task that can be finished in time, else the newest; with the lock held. The oldest
 * whatever its deadline would, with too much to do, each time be finished a little too late. */
static CoredFrameTask *take(CoredEvaluator *evaluator, guint *passed_over) {
  const gint64 finished = g_get_monotonic_time() + evaluator->typical;
  CoredFrameTask *task = g_queue_pop_head(&evaluator->waiting);
  while (task && task->deadline < finished && !g_queue_is_empty(&evaluator->waiting)) {
    drop(task);
    ++*passed_over;
    task = g_queue_pop_head(&evaluator->waiting);
  }
  if (task) {
    begin(evaluator, task);
    task->state = CORED_TASK_RUNNING;
  }
  return task;
}

static gboolean evaluate_timed(CoredEvaluator *evaluator, CoredFrameTask *task) {
  const gint64 start = g_get_monotonic_time();
  if (!evaluate(evaluator, task))
    return FALSE;
  const gint64 took = g_get_monotonic_time() - start;
  evaluator->typical += evaluator->typical ? (took - evaluator->typical) / 4 : took;
  return TRUE;
}

/* One task per turn: other streams come in between. */
static void work_once(CoredEvaluator *evaluator) {
  guint passed_over = 0;
  g_mutex_lock(&evaluator->mutex);
  CoredFrameTask *task = take(evaluator, &passed_over);
  if (passed_over)
    g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
  if (passed_over)
    evaluator->funcs.passed_over(evaluator->user, passed_over);
  if (!task)
    return;
  const gboolean done = evaluate_timed(evaluator, task);
  if (conclude(evaluator, task, done))
    cored_work_queue_wake(evaluator->queue);
  cored_task_unref(task);
}

/* Called back, the application may stop the user and drop its last reference: this one keeps the
 * evaluator alive until its thread has left it. */
static void work(gpointer data) {
  CoredEvaluator *evaluator = data;
  gpointer user = g_object_ref(evaluator->user);
  work_once(evaluator);
  g_object_unref(user);
}

/* ---- The queue ------------------------------------------------------------------------------ */

/* With the lock held. */
static guint drop_waiting(CoredEvaluator *evaluator) {
  CoredFrameTask *task;
  guint n = 0;
  for (; (task = g_queue_pop_head(&evaluator->waiting)); n++)
    drop(task);
  g_cond_broadcast(&evaluator->changed);
  return n;
}

guint cored_evaluator_submit(CoredEvaluator *evaluator, CoredFrameTask *task,
                             gboolean newest_only) {
  guint dropped = 0;
  g_mutex_lock(&evaluator->mutex);
  if (newest_only)
    dropped = drop_waiting(evaluator);
  g_atomic_ref_count_inc(&task->refs);
  g_queue_push_tail(&evaluator->waiting, task);
  g_mutex_unlock(&evaluator->mutex);
  cored_work_queue_wake(evaluator->queue);
  return dropped;
}

static gboolean is_pending(const CoredFrameTask *task) {
  return task->state == CORED_TASK_WAITING || task->state == CORED_TASK_RUNNING;
}

gboolean cored_evaluator_wait(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean *dropped) {
  g_mutex_lock(&evaluator->mutex);
  /* Called back while it evaluates, a thread would wait for itself. */
  gboolean in_time = evaluator->worker != g_thread_self();
  while (in_time && is_pending(task) && !evaluator->flushing)
    in_time = g_cond_wait_until(&evaluator->changed, &evaluator->mutex, task->deadline);
  /* The newest may still be worth its while: its result is what the next frames carry. */
  *dropped = task->state == CORED_TASK_WAITING && g_queue_peek_tail(&evaluator->waiting) != task;
  if (*dropped) {
    g_queue_remove(&evaluator->waiting, task);
    drop(task);
  }
  const gboolean done = task->state == CORED_TASK_DONE;
  g_mutex_unlock(&evaluator->mutex);
  return done;
}

guint cored_evaluator_cancel(CoredEvaluator *evaluator) {
  g_mutex_lock(&evaluator->mutex);
  const guint dropped = drop_waiting(evaluator);
  g_mutex_unlock(&evaluator->mutex);
  return dropped;
}

void cored_evaluator_set_flushing(CoredEvaluator *evaluator, gboolean flushing) {
  g_mutex_lock(&evaluator->mutex);
  evaluator->flushing = flushing;
  g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
}

/* With the lock held. */
static gboolean is_idle(const CoredEvaluator *evaluator) {
  return !evaluator->worker && evaluator->waiting.length == 0;
}

/* For as long as a frame takes, but for a callback only so long; with the lock held. */
static gboolean await_change(CoredEvaluator *evaluator) {
  if (!evaluator->called_at) {
    g_cond_wait(&evaluator->changed, &evaluator->mutex);
    return TRUE;
  }
  g_cond_wait_until(&evaluator->changed, &evaluator->mutex,
                    evaluator->called_at + CALLBACK_PATIENCE);
  return !evaluator->called_at || g_get_monotonic_time() < evaluator->called_at + CALLBACK_PATIENCE;
}

gboolean cored_evaluator_drain(CoredEvaluator *evaluator) {
  g_mutex_lock(&evaluator->mutex);
  gboolean patient = evaluator->worker != g_thread_self();
  while (patient && !is_idle(evaluator))
    patient = await_change(evaluator);
  const gboolean idle = is_idle(evaluator);
  g_mutex_unlock(&evaluator->mutex);
  return idle;
}

/* ---- Life ----------------------------------------------------------------------------------- */

CoredEvaluator *cored_evaluator_new(const CoredEvaluatorFuncs *funcs, gpointer user) {
  CoredEvaluator *evaluator = g_new0(CoredEvaluator, 1);
  evaluator->funcs = *funcs;
  evaluator->user = user;
  evaluator->analyser = cored_analyser_new();
  g_mutex_init(&evaluator->mutex);
  g_cond_init(&evaluator->changed);
  g_queue_init(&evaluator->waiting);
  return evaluator;
}

void cored_evaluator_free(CoredEvaluator *evaluator) {
  cored_evaluator_stop(evaluator);
  cored_analyser_free(evaluator->analyser);
  g_mutex_clear(&evaluator->mutex);
  g_cond_clear(&evaluator->changed);
  g_free(evaluator);
}

void cored_evaluator_start(CoredEvaluator *evaluator, const CoredParams *params,
                           gboolean in_queue) {
  evaluator->has_last = FALSE;
  evaluator->locator_asked = FALSE;
  evaluator->typical = 0;
  cored_evaluator_set_flushing(evaluator, FALSE);
  cored_analyser_reset(evaluator->analyser);
  follow_settings(evaluator, params, evaluator->life);
  if (in_queue)
    evaluator->queue = cored_work_queue_new(CORED_WORK_FRAMES, work, evaluator);
}

void cored_evaluator_stop(CoredEvaluator *evaluator) {
  cored_evaluator_cancel(evaluator);
  cored_work_queue_free(evaluator->queue);
  evaluator->queue = NULL;
  g_mutex_lock(&evaluator->mutex);
  evaluator->life++; /* not before: what other threads were at is finished and told */
  evaluator->worker = NULL;
  evaluator->called_at = 0;
  g_mutex_unlock(&evaluator->mutex);
  cored_analyser_set_classifier(evaluator->analyser, NULL);
  cored_analyser_set_locator(evaluator->analyser, NULL);
  cored_analyser_set_shadow(evaluator->analyser, NULL);
  cored_classifier_free(g_steal_pointer(&evaluator->classifier));
  cored_classifier_free(g_steal_pointer(&evaluator->shadow));
}

gboolean cored_evaluator_last(CoredEvaluator *evaluator, guint epoch, CoredResult *result) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean known = evaluator->has_last && evaluator->last_epoch == epoch;
  if (known)
    *result = evaluator->last;
  g_mutex_unlock(&evaluator->mutex);
  return known;
}

gboolean cored_evaluator_has_classifier(CoredEvaluator *evaluator) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean has = evaluator->classifier != NULL;
  g_mutex_unlock(&evaluator->mutex);
  return has;
}
