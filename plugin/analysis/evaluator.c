/* SPDX-License-Identifier: MIT */
#include "analysis/evaluator.h"

#include "analysis/frame.h"
#include "sched/work-queue.h"

/* A callback that takes longer may be waiting for the very stream that waits for it. */
#define CALLBACK_TIMEOUT (G_TIME_SPAN_SECOND / 2)

struct CoredEvaluator {
  GObject *owner;
  CoredEvaluatorFunc on_event;
  CoredModelSlot *slot[CORED_N_ROLES];
  CoredWorkQueue *queue;        /* NULL: frames are evaluated in the caller's thread */
  CoredFaceDetectorFiles files; /* its strings are owned */

  /* Of the evaluating thread. */
  CoredAnalyser *analyser;
  CoredFaceModel *face_model;
  CoredFaceDetector opened;       /* that was last tried; NONE: none yet */
  char locator[CORED_LABEL_SIZE]; /* name of the analyser's; "" without one */
  gboolean told_no_eyes;          /* since the start */
  guint analyser_epoch;
  gint64 typical_us; /* that a frame takes in the queue, smoothed; 0: not known */

  GMutex mutex; /* all below, and the states of tasks */
  GCond changed;
  CoredClassifier *classifier[CORED_N_ROLES]; /* the evaluating thread reads them without */
  guint stop_count;         /* a thread in a callback may be left behind by a stop */
  GQueue waiting;           /* of CoredFrameTask, each with a reference */
  GThread *evaluating;      /* the thread that evaluates a frame now */
  gint64 in_callback_since; /* when that thread called on_event; 0: it is not in there */
  gboolean flushing;
  gboolean has_last;
  guint last_epoch;
  CoredResult last;
};

/* ---- Tasks ---------------------------------------------------------------------------------- */

CoredFrameTask *cored_task_new(GstBuffer *buffer, const GstVideoInfo *info,
                               const CoredParams *params, const CoredRegions *upstream,
                               const CoredFrameTimes *times, guint64 number, guint epoch) {
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

/* With the mutex held. */
static void task_begin(CoredEvaluator *evaluator, CoredFrameTask *task) {
  evaluator->evaluating = g_thread_self();
  task->stop_count = evaluator->stop_count;
}

/* With the mutex held: takes over the evaluator's reference to the task. */
static void task_drop(CoredFrameTask *task, GQueue *dropped) {
  task->state = CORED_TASK_DROPPED;
  g_queue_push_tail(dropped, task);
}

/* Without the mutex: giving back the last reference to a buffer may run a pool's code or the
 * application's, which may send the element an event. Returns how many tasks there were. */
static guint release_dropped(GQueue *dropped) {
  CoredFrameTask *task;
  const guint n = dropped->length;
  while ((task = g_queue_pop_head(dropped))) {
    gst_clear_buffer(&task->buffer);
    cored_task_unref(task);
  }
  return n;
}

/* ---- Models and the locator ----------------------------------------------------------------- */

/* A stop by a callback does not wait for the thread that called back. That thread then must leave
 * the evaluator alone, which may have been started again. */
static gboolean was_stopped(CoredEvaluator *evaluator, guint stop_count) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean stopped = evaluator->stop_count != stop_count;
  g_mutex_unlock(&evaluator->mutex);
  return stopped;
}

static void use_locator(CoredEvaluator *evaluator, CoredLocator *locator) {
  g_strlcpy(evaluator->locator, locator ? cored_locator_name(locator) : "",
            sizeof evaluator->locator);
  cored_analyser_set_locator(evaluator->analyser, locator);
}

/* No face detector is no reason to stop: the whole frame is looked at then. */
static void open_locator(CoredEvaluator *evaluator, CoredFaceDetector detector, guint stop_count) {
  CoredError error = {CORED_ERROR_NONE, ""};
  evaluator->opened = detector;
  CoredLocator *locator =
      cored_face_detector_open(evaluator->face_model, detector, &evaluator->files, &error);
  const CoredEvaluatorEvent event = {.kind = CORED_EVALUATOR_NO_LOCATOR, .error = &error};
  if (!locator)
    evaluator->on_event(evaluator->owner, &event);
  if (was_stopped(evaluator, stop_count)) {
    cored_locator_free(locator);
    return;
  }
  use_locator(evaluator, locator);
}

/* A version with an error: what was there before stays in use. */
static void report_face_model(CoredEvaluator *evaluator, const CoredModelEvent *event,
                              const CoredModelVersion *old) {
  static const CoredModelSlotStatus status[] = {
      [CORED_MODEL_EVENT_LOADED] = CORED_MODEL_SLOT_LOADED,
      [CORED_MODEL_EVENT_RESTORED] = CORED_MODEL_SLOT_KEPT,
      [CORED_MODEL_EVENT_FAILED] = CORED_MODEL_SLOT_FAILED,
      [CORED_MODEL_EVENT_UNWATCHED] = CORED_MODEL_SLOT_UNWATCHED};
  const gboolean usable = event->kind <= CORED_MODEL_EVENT_RESTORED;
  const CoredModelVersion *in_use = usable ? event->version : old;
  const CoredModelSlotReport report = {.status = status[event->kind],
                                       .path = event->path,
                                       .old_id = old->id,
                                       .new_id = usable ? event->version->id : "",
                                       .generation = in_use->info->generation,
                                       .load_us = usable ? event->version->load_us : 0,
                                       .error = usable ? NULL : &event->error};
  const CoredEvaluatorEvent message = {.kind = CORED_EVALUATOR_FACE_MODEL, .report = &report};
  evaluator->on_event(evaluator->owner, &message);
}

/* Take over new versions of the face model. False when a report stopped the evaluator. */
static gboolean update_face_model(CoredEvaluator *evaluator, guint stop_count) {
  CoredModelEvent *event;
  CoredModelVersion *old;
  CoredLocator *locator;
  gboolean going_on = TRUE;
  while (going_on && (event = cored_face_model_next(evaluator->face_model, &locator, &old))) {
    if (locator)
      use_locator(evaluator, locator);
    report_face_model(evaluator, event, old);
    going_on = !was_stopped(evaluator, stop_count);
    cored_model_version_unref(old);
    cored_model_event_free(event);
  }
  return going_on;
}

/* Open the face detector that is wanted, unless that is what was tried last. */
static void update_locator(CoredEvaluator *evaluator, const CoredParams *params, guint stop_count) {
  const CoredFaceDetector wanted =
      cored_face_detector_resolve(params->face_detector, &evaluator->files);
  if (params->region_mode == CORED_REGION_MODE_AUTO && wanted != CORED_FACE_DETECTOR_NONE &&
      wanted != evaluator->opened)
    open_locator(evaluator, wanted, stop_count);
}

/* Why no region can have eyes to turn its crop by; NULL where one may. */
static const char *why_no_eyes(const CoredEvaluator *evaluator, const CoredParams *params) {
  if (params->region_mode == CORED_REGION_MODE_FULL_FRAME)
    return "inference-region=full-frame looks for no faces";
  if (params->region_mode == CORED_REGION_MODE_ROI_LIST)
    return "regions of upstream (inference-region=roi-list) name no eyes";
  if (params->face_detector == CORED_FACE_DETECTOR_NONE)
    return "face-detector=none looks for no faces";
  return evaluator->opened == CORED_FACE_DETECTOR_CASCADE ? "a cascade finds no eyes" : NULL;
}

/* Once in a stream. */
static void look_for_eyes(CoredEvaluator *evaluator, const CoredParams *params) {
  if (params->align != CORED_ALIGN_EYES || evaluator->told_no_eyes)
    return;
  const CoredEvaluatorEvent event = {.kind = CORED_EVALUATOR_NO_EYES,
                                     .text = why_no_eyes(evaluator, params)};
  evaluator->told_no_eyes = event.text != NULL;
  if (event.text)
    evaluator->on_event(evaluator->owner, &event);
}

/* How the faces are cut out that a model gets here. Of whole frames nothing is known: they may show
 * one face each. */
static CoredModelCrop crop_of(const CoredEvaluator *evaluator, const CoredParams *params) {
  CoredModelCrop crop = {.known = params->region_mode != CORED_REGION_MODE_FULL_FRAME,
                         .margin = params->roi_padding,
                         .align =
                             params->align == CORED_ALIGN_EYES && !why_no_eyes(evaluator, params)
                                 ? CORED_CROP_ALIGN_EYES
                                 : CORED_CROP_ALIGN_NONE};
  if (params->region_mode == CORED_REGION_MODE_AUTO &&
      params->face_detector != CORED_FACE_DETECTOR_NONE)
    g_strlcpy(crop.locator, evaluator->locator, sizeof crop.locator);
  return crop;
}

/* Once for each time that a model takes over, after the locator is known. */
static void compare_crops(CoredEvaluator *evaluator, CoredModelRole role,
                          const CoredParams *params) {
  char text[CORED_CROP_TEXT_SIZE];
  const CoredModelInfo *info = cored_classifier_version(evaluator->classifier[role])->info;
  const CoredModelCrop used = crop_of(evaluator, params);
  const CoredEvaluatorEvent event = {
      .kind = CORED_EVALUATOR_OTHER_CROPS, .role = role, .text = text};
  if (cored_model_crop_differs(&info->crop, &used, text))
    evaluator->on_event(evaluator->owner, &event);
}

/* Take over what is new of models and settings, and report it. */
static void update_models(CoredEvaluator *evaluator, const CoredParams *params, guint stop_count) {
  CoredModelSwap swap[CORED_N_ROLES];
  gboolean swapped[CORED_N_ROLES];
  for (guint role = 0; role < CORED_N_ROLES; role++) {
    CoredClassifier *classifier =
        cored_model_slot_swap(evaluator->slot[role], evaluator->classifier[role], &swap[role]);
    swapped[role] = swap[role].version != NULL;
    g_mutex_lock(&evaluator->mutex);
    evaluator->classifier[role] = classifier;
    g_mutex_unlock(&evaluator->mutex);
  }
  cored_analyser_set_classifiers(evaluator->analyser, evaluator->classifier[CORED_ROLE_MODEL],
                                 evaluator->classifier[CORED_ROLE_SHADOW]);
  /* Only now, for a report may stop the evaluator. */
  for (guint role = CORED_N_ROLES; role-- > 0;)
    cored_model_slot_report_swap(evaluator->slot[role], &swap[role]);
  if (!was_stopped(evaluator, stop_count) && update_face_model(evaluator, stop_count))
    update_locator(evaluator, params, stop_count);
  if (!was_stopped(evaluator, stop_count))
    look_for_eyes(evaluator, params);
  for (guint role = 0; role < CORED_N_ROLES; role++)
    if (swapped[role] && !was_stopped(evaluator, stop_count) && evaluator->classifier[role])
      compare_crops(evaluator, (CoredModelRole)role, params);
}

static void send_report(CoredEvaluator *evaluator, CoredModelRole role,
                        const CoredModelSlotReport *report) {
  const CoredEvaluatorEvent event = {.kind = CORED_EVALUATOR_MODEL, .role = role, .report = report};
  evaluator->on_event(evaluator->owner, &event);
}

static void on_model_report(gpointer evaluator, const CoredModelSlotReport *report) {
  send_report(evaluator, CORED_ROLE_MODEL, report);
}

static void on_shadow_report(gpointer evaluator, const CoredModelSlotReport *report) {
  send_report(evaluator, CORED_ROLE_SHADOW, report);
}

CoredModelSlot *cored_evaluator_slot(CoredEvaluator *evaluator, CoredModelRole role) {
  return evaluator->slot[role];
}

/* A candidate that does not load is no reason to stop. */
static void load_shadow(CoredEvaluator *evaluator, const CoredModelSlotSettings *settings) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredModelSlotSettings own = *settings;
  own.guarded = FALSE; /* it has no say, so it may be older, and its generation says nothing */
  const CoredModelSlotReport failed = {
      .status = CORED_MODEL_SLOT_FAILED, .path = "", .old_id = "", .new_id = "", .error = &error};
  if (!cored_model_slot_start(evaluator->slot[CORED_ROLE_SHADOW], &own, &error))
    send_report(evaluator, CORED_ROLE_SHADOW, &failed);
}

gboolean cored_evaluator_load_models(CoredEvaluator *evaluator,
                                     const CoredModelSlotSettings *settings, CoredError *error) {
  if (!cored_model_slot_start(evaluator->slot[CORED_ROLE_MODEL], settings, error)) {
    cored_model_slot_stop(evaluator->slot[CORED_ROLE_MODEL]);
    return FALSE;
  }
  load_shadow(evaluator, settings);
  return TRUE;
}

void cored_evaluator_unload_models(CoredEvaluator *evaluator) {
  for (guint role = 0; role < CORED_N_ROLES; role++)
    cored_model_slot_stop(evaluator->slot[role]);
}

/* ---- One frame ------------------------------------------------------------------------------ */

static gboolean analyse(CoredEvaluator *evaluator, CoredFrameTask *task, CoredError *error) {
  GstVideoFrame mapped;
  const char *why;
  if (!cored_frame_map(&mapped, &task->info, task->buffer, GST_MAP_READ, &why)) {
    cored_result_clear(&task->result, GST_VIDEO_INFO_WIDTH(&task->info),
                       GST_VIDEO_INFO_HEIGHT(&task->info), CORED_REASON_NO_OUTPUT);
    error->code = CORED_ERROR_IMAGE;
    g_strlcpy(error->message, why, sizeof error->message);
    return FALSE;
  }
  CoredAnalyserFrame frame = {
      .number = task->number, .time = task->times.position, .upstream = &task->upstream};
  cored_frame_to_image(&mapped, &frame.image);
  const gboolean ok =
      cored_analyser_run(evaluator->analyser, &task->params, &frame, &task->result, error);
  gst_video_frame_unmap(&mapped);
  return ok;
}

static void set_in_callback(CoredEvaluator *evaluator, gboolean in_callback) {
  g_mutex_lock(&evaluator->mutex);
  evaluator->in_callback_since = in_callback ? g_get_monotonic_time() : 0;
  g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
}

/* False, as by the next function: a callback stopped the evaluator, which must not be touched any
 * more. */
static gboolean prepare(CoredEvaluator *evaluator, const CoredFrameTask *task) {
  set_in_callback(evaluator, TRUE);
  update_models(evaluator, &task->params, task->stop_count);
  if (was_stopped(evaluator, task->stop_count))
    return FALSE;
  set_in_callback(evaluator, FALSE);
  if (task->epoch != evaluator->analyser_epoch) {
    cored_analyser_reset(evaluator->analyser);
    evaluator->analyser_epoch = task->epoch;
  }
  return TRUE;
}

static gboolean publish(CoredEvaluator *evaluator, CoredFrameTask *task, const CoredError *error) {
  const CoredEvaluatorEvent event = {.kind = CORED_EVALUATOR_RESULT, .task = task, .error = error};
  set_in_callback(evaluator, TRUE);
  evaluator->on_event(evaluator->owner, &event);
  if (was_stopped(evaluator, task->stop_count))
    return FALSE;
  set_in_callback(evaluator, FALSE);
  g_mutex_lock(&evaluator->mutex);
  evaluator->last = task->result;
  evaluator->last_epoch = task->epoch;
  evaluator->has_last = TRUE;
  g_mutex_unlock(&evaluator->mutex);
  return TRUE;
}

static gboolean evaluate(CoredEvaluator *evaluator, CoredFrameTask *task) {
  CoredError error = {CORED_ERROR_NONE, ""};
  gboolean ok = TRUE;
  if (!prepare(evaluator, task))
    return FALSE;
  if (evaluator->classifier[CORED_ROLE_MODEL])
    ok = analyse(evaluator, task, &error);
  else
    cored_result_clear(&task->result, GST_VIDEO_INFO_WIDTH(&task->info),
                       GST_VIDEO_INFO_HEIGHT(&task->info), CORED_REASON_NO_MODEL);
  gst_clear_buffer(&task->buffer);
  return publish(evaluator, task, ok ? NULL : &error);
}

/* After evaluate(), with what it returned. Are there more tasks? */
static gboolean conclude(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean done) {
  g_mutex_lock(&evaluator->mutex);
  task->state = done ? CORED_TASK_DONE : CORED_TASK_DROPPED;
  if (done)
    evaluator->evaluating = NULL;
  g_cond_broadcast(&evaluator->changed);
  const gboolean more = done && !g_queue_is_empty(&evaluator->waiting);
  g_mutex_unlock(&evaluator->mutex);
  gst_clear_buffer(&task->buffer); /* that of a task which was not evaluated */
  return more;
}

gboolean cored_evaluator_is_current(CoredEvaluator *evaluator, const CoredFrameTask *task) {
  return !was_stopped(evaluator, task->stop_count);
}

void cored_evaluator_run(CoredEvaluator *evaluator, CoredFrameTask *task) {
  g_mutex_lock(&evaluator->mutex);
  task_begin(evaluator, task);
  g_mutex_unlock(&evaluator->mutex);
  conclude(evaluator, task, evaluate(evaluator, task));
}

/* ---- In the worker -------------------------------------------------------------------------- */

/* With the mutex held: the oldest task that can be finished in time, else the newest. The oldest
 * whatever its deadline would, under overload, each time be finished a little too late. */
static CoredFrameTask *take_next(CoredEvaluator *evaluator, GQueue *dropped) {
  const gint64 finished = g_get_monotonic_time() + evaluator->typical_us;
  CoredFrameTask *task = g_queue_pop_head(&evaluator->waiting);
  while (task && task->deadline < finished && !g_queue_is_empty(&evaluator->waiting)) {
    task_drop(task, dropped);
    task = g_queue_pop_head(&evaluator->waiting);
  }
  if (task) {
    task_begin(evaluator, task);
    task->state = CORED_TASK_RUNNING;
  }
  return task;
}

static gboolean evaluate_timed(CoredEvaluator *evaluator, CoredFrameTask *task) {
  const gint64 start = g_get_monotonic_time();
  if (!evaluate(evaluator, task))
    return FALSE;
  const gint64 took = g_get_monotonic_time() - start;
  evaluator->typical_us += evaluator->typical_us ? (took - evaluator->typical_us) / 4 : took;
  return TRUE;
}

/* One task for each call, so that other streams are served in between. */
static void work_once(CoredEvaluator *evaluator) {
  GQueue dropped = G_QUEUE_INIT;
  g_mutex_lock(&evaluator->mutex);
  CoredFrameTask *task = take_next(evaluator, &dropped);
  if (dropped.length)
    g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
  const CoredEvaluatorEvent event = {.kind = CORED_EVALUATOR_DROPPED,
                                     .n_dropped = release_dropped(&dropped)};
  if (event.n_dropped)
    evaluator->on_event(evaluator->owner, &event);
  if (!task)
    return;
  const gboolean done = evaluate_timed(evaluator, task);
  if (conclude(evaluator, task, done))
    cored_work_queue_wake(evaluator->queue);
  cored_task_unref(task);
}

/* CoredWorkFunc. A callback may make the application drop its last reference to the owner: this one
 * keeps the evaluator alive until the worker has left it. */
static void work(gpointer data) {
  CoredEvaluator *evaluator = data;
  GObject *owner = g_object_ref(evaluator->owner);
  work_once(evaluator);
  g_object_unref(owner);
}

/* ---- Handing tasks to the worker ------------------------------------------------------------ */

/* With the mutex held. */
static void drop_waiting(CoredEvaluator *evaluator, GQueue *dropped) {
  CoredFrameTask *task;
  while ((task = g_queue_pop_head(&evaluator->waiting)))
    task_drop(task, dropped);
  g_cond_broadcast(&evaluator->changed);
}

guint cored_evaluator_submit(CoredEvaluator *evaluator, CoredFrameTask *task,
                             gboolean newest_only) {
  GQueue dropped = G_QUEUE_INIT;
  g_mutex_lock(&evaluator->mutex);
  if (newest_only)
    drop_waiting(evaluator, &dropped);
  g_atomic_ref_count_inc(&task->refs);
  g_queue_push_tail(&evaluator->waiting, task);
  g_mutex_unlock(&evaluator->mutex);
  cored_work_queue_wake(evaluator->queue);
  return release_dropped(&dropped);
}

static gboolean is_unfinished(const CoredFrameTask *task) {
  return task->state == CORED_TASK_WAITING || task->state == CORED_TASK_RUNNING;
}

gboolean cored_evaluator_wait(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean *dropped) {
  GQueue released = G_QUEUE_INIT;
  g_mutex_lock(&evaluator->mutex);
  /* A thread that is called back while it evaluates would wait for itself. */
  gboolean in_time = evaluator->evaluating != g_thread_self();
  while (in_time && is_unfinished(task) && !evaluator->flushing)
    in_time = g_cond_wait_until(&evaluator->changed, &evaluator->mutex, task->deadline);
  /* The newest is not dropped: its result goes with the next frames. */
  *dropped = task->state == CORED_TASK_WAITING && g_queue_peek_tail(&evaluator->waiting) != task;
  if (*dropped) {
    g_queue_remove(&evaluator->waiting, task);
    task_drop(task, &released);
  }
  const gboolean done = task->state == CORED_TASK_DONE;
  g_mutex_unlock(&evaluator->mutex);
  release_dropped(&released);
  return done;
}

guint cored_evaluator_cancel(CoredEvaluator *evaluator) {
  GQueue dropped = G_QUEUE_INIT;
  g_mutex_lock(&evaluator->mutex);
  drop_waiting(evaluator, &dropped);
  g_mutex_unlock(&evaluator->mutex);
  return release_dropped(&dropped);
}

void cored_evaluator_set_flushing(CoredEvaluator *evaluator, gboolean flushing) {
  g_mutex_lock(&evaluator->mutex);
  evaluator->flushing = flushing;
  g_cond_broadcast(&evaluator->changed);
  g_mutex_unlock(&evaluator->mutex);
}

/* With the mutex held. */
static gboolean is_idle(const CoredEvaluator *evaluator) {
  return !evaluator->evaluating && evaluator->waiting.length == 0;
}

/* Wait for as long as a frame takes, but for a callback only until its timeout: false then. With
 * the mutex held. */
static gboolean wait_for_change(CoredEvaluator *evaluator) {
  if (!evaluator->in_callback_since) {
    g_cond_wait(&evaluator->changed, &evaluator->mutex);
    return TRUE;
  }
  g_cond_wait_until(&evaluator->changed, &evaluator->mutex,
                    evaluator->in_callback_since + CALLBACK_TIMEOUT);
  return !evaluator->in_callback_since ||
         g_get_monotonic_time() < evaluator->in_callback_since + CALLBACK_TIMEOUT;
}

gboolean cored_evaluator_drain(CoredEvaluator *evaluator) {
  g_mutex_lock(&evaluator->mutex);
  gboolean waiting = evaluator->evaluating != g_thread_self();
  while (waiting && !is_idle(evaluator))
    waiting = wait_for_change(evaluator);
  const gboolean idle = is_idle(evaluator);
  g_mutex_unlock(&evaluator->mutex);
  return idle;
}

/* ---- New, start, stop ----------------------------------------------------------------------- */

CoredEvaluator *cored_evaluator_new(GObject *owner, CoredEvaluatorFunc on_event) {
  CoredEvaluator *evaluator = g_new0(CoredEvaluator, 1);
  evaluator->owner = owner;
  evaluator->on_event = on_event;
  evaluator->slot[CORED_ROLE_MODEL] = cored_model_slot_new(owner, on_model_report, evaluator);
  evaluator->slot[CORED_ROLE_SHADOW] = cored_model_slot_new(owner, on_shadow_report, evaluator);
  evaluator->analyser = cored_analyser_new();
  evaluator->face_model = cored_face_model_new();
  g_mutex_init(&evaluator->mutex);
  g_cond_init(&evaluator->changed);
  g_queue_init(&evaluator->waiting);
  return evaluator;
}

static void set_files(CoredEvaluator *evaluator, const CoredFaceDetectorFiles *files) {
  g_free((char *)evaluator->files.cascade);
  g_free((char *)evaluator->files.model);
  g_free((char *)evaluator->files.instance);
  g_free((char *)evaluator->files.trusted_keys);
  evaluator->files = (CoredFaceDetectorFiles){.cascade = g_strdup(files->cascade),
                                              .model = g_strdup(files->model),
                                              .instance = g_strdup(files->instance),
                                              .watch = files->watch,
                                              .trusted_keys = g_strdup(files->trusted_keys)};
}

void cored_evaluator_free(CoredEvaluator *evaluator) {
  cored_evaluator_stop(evaluator);
  for (guint role = 0; role < CORED_N_ROLES; role++)
    cored_model_slot_free(evaluator->slot[role]);
  cored_face_model_free(evaluator->face_model);
  cored_analyser_free(evaluator->analyser);
  set_files(evaluator, &(CoredFaceDetectorFiles){0});
  g_mutex_clear(&evaluator->mutex);
  g_cond_clear(&evaluator->changed);
  g_free(evaluator);
}

void cored_evaluator_start(CoredEvaluator *evaluator, const CoredParams *params,
                           const CoredFaceDetectorFiles *files, gboolean in_queue) {
  set_files(evaluator, files);
  evaluator->has_last = FALSE;
  evaluator->opened = CORED_FACE_DETECTOR_NONE;
  evaluator->locator[0] = '\0';
  evaluator->told_no_eyes = FALSE;
  evaluator->typical_us = 0;
  cored_evaluator_set_flushing(evaluator, FALSE);
  cored_analyser_reset(evaluator->analyser);
  update_models(evaluator, params, evaluator->stop_count);
  if (in_queue)
    evaluator->queue = cored_work_queue_new(CORED_WORK_FRAMES, work, evaluator);
}

void cored_evaluator_stop(CoredEvaluator *evaluator) {
  cored_evaluator_cancel(evaluator);
  cored_work_queue_free(evaluator->queue);
  evaluator->queue = NULL;
  g_mutex_lock(&evaluator->mutex);
  evaluator->stop_count++; /* not before: what other threads evaluated is finished and reported */
  evaluator->evaluating = NULL;
  evaluator->in_callback_since = 0;
  g_mutex_unlock(&evaluator->mutex);
  cored_analyser_set_classifiers(evaluator->analyser, NULL, NULL);
  cored_analyser_set_locator(evaluator->analyser, NULL);
  cored_face_model_close(evaluator->face_model);
  for (guint role = 0; role < CORED_N_ROLES; role++)
    cored_classifier_free(g_steal_pointer(&evaluator->classifier[role]));
}

gboolean cored_evaluator_last(CoredEvaluator *evaluator, guint epoch, CoredResult *result) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean known = evaluator->has_last && evaluator->last_epoch == epoch;
  if (known)
    *result = evaluator->last;
  g_mutex_unlock(&evaluator->mutex);
  return known;
}

gboolean cored_evaluator_has_model(CoredEvaluator *evaluator) {
  g_mutex_lock(&evaluator->mutex);
  const gboolean has = evaluator->classifier[CORED_ROLE_MODEL] != NULL;
  g_mutex_unlock(&evaluator->mutex);
  return has || cored_model_slot_is_ready(evaluator->slot[CORED_ROLE_MODEL]);
}
