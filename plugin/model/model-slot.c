/* SPDX-License-Identifier: MIT */
#include "model/model-slot.h"

#include "base/error.h"
#include "model/model-source.h"
#include "sched/work-queue.h"

/* The highest generation that was used of each trusted key: none below it may be used. */
typedef struct TrustFloors {
  GHashTable *by_key_id; /* guint64, lives as long as the slot */
  char *trusted_keys;    /* that they belong to */
  char *state_path;      /* file that keeps them, NULL or "": none */
  gboolean guarded;      /* they are heeded */
} TrustFloors;

struct CoredModelSlot {
  GObject *owner;
  CoredModelSlotFunc report;
  gpointer user;
  CoredWorkQueue *queue; /* of reload jobs; NULL when stopped */

  /* Of the reload job, and of start and stop while none runs. */
  CoredModelSource *source;
  TrustFloors floors;

  GMutex mutex;       /* all below */
  gboolean accepting; /* between start and stop: requests are stored */
  gboolean started;   /* start has returned: requests are carried out */
  guint stop_count;   /* work that began before the last stop belongs to nobody */
  char *path;         /* absolute; as set last */
  char *instance, *trusted_keys;
  gboolean watch;
  guint threads;

  gboolean path_changed, reload_wanted, revert_wanted; /* requests that no job has taken yet */
  guint choice_count;       /* of requests that overrule everything requested before them */
  gboolean changing_source; /* a job has taken the new path and is not at the new source yet */
  gboolean loading;         /* the source was asked for a version, which will come as an event */
  gboolean load_overruled;  /* the user went back since that version was asked for */
  GQueue events;            /* of CoredModelEvent */
  GQueue retired;           /* of CoredClassifier, to be freed by a job */
  GQueue retired_versions;  /* of CoredModelVersion, to be unreferenced by a job */
  CoredClassifier *ready;   /* for the next swap */
  CoredModelVersion *version, *previous; /* that runs, that ran before */
  gboolean reverted;                     /* the user's last wish was to go back from a version */
  gboolean failed;                       /* as reported last */
};

CoredModelSlot *cored_model_slot_new(GObject *owner, CoredModelSlotFunc report, gpointer user) {
  CoredModelSlot *slot = g_new0(CoredModelSlot, 1);
  slot->owner = owner;
  slot->report = report;
  slot->user = user;
  slot->floors.by_key_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&slot->mutex);
  g_queue_init(&slot->events);
  g_queue_init(&slot->retired);
  g_queue_init(&slot->retired_versions);
  return slot;
}

void cored_model_slot_free(CoredModelSlot *slot) {
  cored_model_slot_stop(slot);
  g_free(slot->path);
  g_free(slot->floors.trusted_keys);
  g_free(slot->floors.state_path);
  g_hash_table_unref(slot->floors.by_key_id);
  g_mutex_clear(&slot->mutex);
  g_free(slot);
}

/* ---- Trust ---------------------------------------------------------------------------------- */

/* Other keys have other floors. */
static void floors_configure(TrustFloors *floors, const CoredModelSlotSettings *settings) {
  if (g_strcmp0(floors->trusted_keys, settings->trusted_keys) != 0)
    g_hash_table_remove_all(floors->by_key_id);
  g_free(floors->trusted_keys);
  g_free(floors->state_path);
  floors->trusted_keys = g_strdup(settings->trusted_keys);
  floors->state_path = g_strdup(settings->trust_state);
  floors->guarded = settings->guarded;
}

/* May this version be used? If so its generation is the floor from now on: this is asked only of
 * versions that are about to run. */
static gboolean floors_admit(TrustFloors *floors, const CoredModelVersion *version,
                             CoredError *error) {
  const guint64 generation = version->info->generation;
  if (!floors->guarded || !*version->key_id)
    return TRUE;
  guint64 *floor = g_hash_table_lookup(floors->by_key_id, version->key_id);
  if (floor && generation < *floor)
    return cored_error_set(error, CORED_ERROR_GENERATION,
                           "%s: expected generation %" G_GUINT64_FORMAT
                           " or later of key %s, which this element has used, found "
                           "%" G_GUINT64_FORMAT,
                           version->path, *floor, version->key_id, generation);
  if (floors->state_path && *floors->state_path &&
      !cored_floor_raise(floors->state_path, version->key_id, generation, version->path, error))
    return FALSE;
  g_hash_table_insert(floors->by_key_id, g_strdup(version->key_id),
                      g_memdup2(&generation, sizeof generation));
  return TRUE;
}

/* ---- Model events --------------------------------------------------------------------------- */

/* Their versions are not asked for any more; failures are reported all the same. */
static void supersede(GQueue *events) {
  for (GList *item = events->head; item; item = item->next)
    ((CoredModelEvent *)item->data)->superseded = TRUE;
}

/* With the mutex held. A request that no job has taken yet may be overruled already. */
static void end_loading(CoredModelSlot *slot) {
  slot->loading = FALSE;
  if (!slot->path_changed && !slot->reload_wanted)
    slot->load_overruled = FALSE;
}

/* CoredModelSourceFunc. */
static void store_event(gpointer user, CoredModelEvent *event) {
  CoredModelSlot *slot = user;
  g_mutex_lock(&slot->mutex);
  if (event->kind == CORED_MODEL_EVENT_LOADED)
    event->superseded = slot->load_overruled;
  if (!slot->changing_source &&
      (event->kind == CORED_MODEL_EVENT_LOADED || event->kind == CORED_MODEL_EVENT_FAILED))
    end_loading(slot);
  g_queue_push_tail(&slot->events, event);
  g_mutex_unlock(&slot->mutex);
  cored_work_queue_wake(slot->queue);
}

/* ---- The reload job ------------------------------------------------------------------------- */

typedef struct ReloadJob {        /* what there is to do, taken out of the slot at once */
  guint stop_count, choice_count; /* of the slot at that time */
  gboolean change_source, reload;
  char *path, *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  GQueue events, retired, retired_versions;
  CoredModelVersion *revert_to; /* owned; NULL: no such request */
  CoredModelVersion *candidate; /* owned; what should run next, NULL: no change */
} ReloadJob;

static void job_begin(CoredModelSlot *slot, ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean started = slot->started;
  *job = (ReloadJob){.stop_count = slot->stop_count,
                     .choice_count = slot->choice_count,
                     .change_source = started && slot->path_changed,
                     .reload = started && slot->reload_wanted,
                     .path = g_strdup(slot->path),
                     .instance = g_strdup(slot->instance),
                     .trusted_keys = g_strdup(slot->trusted_keys),
                     .watch = slot->watch,
                     .threads = slot->threads,
                     .retired = slot->retired,
                     .retired_versions = slot->retired_versions};
  if (started && slot->revert_wanted && slot->previous)
    job->revert_to = cored_model_version_ref(slot->previous);
  if (started) {
    slot->changing_source = slot->path_changed;
    slot->path_changed = slot->revert_wanted = FALSE;
    job->events = slot->events;
    g_queue_init(&slot->events);
  }
  g_queue_init(&slot->retired);
  g_queue_init(&slot->retired_versions);
  g_mutex_unlock(&slot->mutex);
}

static void job_clear(ReloadJob *job) {
  cored_model_version_unref(job->revert_to);
  cored_model_version_unref(job->candidate);
  g_free(job->path);
  g_free(job->instance);
  g_free(job->trusted_keys);
}

/* A report may have stopped the slot, and even started it again: the rest of the job is void. */
static gboolean job_is_void(CoredModelSlot *slot, const ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean stopped = slot->stop_count != job->stop_count;
  g_mutex_unlock(&slot->mutex);
  return stopped;
}

/* With the mutex held: no request that overrules the job came since it began. */
static gboolean job_is_wanted(const CoredModelSlot *slot, const ReloadJob *job) {
  return slot->stop_count == job->stop_count && slot->choice_count == job->choice_count;
}

static void report(CoredModelSlot *slot, const ReloadJob *job, CoredModelSlotStatus status,
                   const char *path, const CoredError *error) {
  g_mutex_lock(&slot->mutex);
  const gboolean stopped = slot->stop_count != job->stop_count;
  CoredModelVersion *version = slot->version ? cored_model_version_ref(slot->version) : NULL;
  if (!stopped && status != CORED_MODEL_SLOT_UNWATCHED)
    slot->failed = status == CORED_MODEL_SLOT_FAILED;
  g_mutex_unlock(&slot->mutex);
  const CoredModelSlotReport message = {
      .status = status,
      .path = path ? path : "",
      .old_id = version ? version->id : "",
      .new_id = version && status == CORED_MODEL_SLOT_KEPT ? version->id : "",
      .generation = version ? version->info->generation : 0,
      .error = error};
  if (!stopped)
    slot->report(slot->user, &message);
  cored_model_version_unref(version);
}

static void set_candidate(ReloadJob *job, CoredModelVersion *version) {
  cored_model_version_unref(job->candidate);
  job->candidate = version ? cored_model_version_ref(version) : NULL;
}

static void expect_no_version(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  end_loading(slot);
  g_mutex_unlock(&slot->mutex);
}

/* Leave the old source, whose events do not matter any more, and get the version of the new one. */
static void change_source(CoredModelSlot *slot, ReloadJob *job) {
  CoredError error = {CORED_ERROR_NONE, ""};
  cored_model_source_leave(slot->source, slot);
  slot->source = NULL;
  supersede(&job->events);
  g_mutex_lock(&slot->mutex);
  supersede(&slot->events);
  slot->changing_source = FALSE;
  slot->loading = TRUE;
  g_mutex_unlock(&slot->mutex);
  if (!job->path || !*job->path) {
    expect_no_version(slot);
    return;
  }
  const CoredModelSourceSettings settings = {.path = job->path,
                                             .instance = job->instance,
                                             .trusted_keys = job->trusted_keys,
                                             .watch = job->watch};
  slot->source = cored_model_source_join(&settings, FALSE, store_event, slot, &error);
  CoredModelVersion *version = cored_model_source_valid_version(slot->source);
  if (version) { /* loaded already by another element, so there may be no event */
    expect_no_version(slot);
    set_candidate(job, version);
  }
  cored_model_version_unref(version);
}

static void reload_source(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  /* Not before: until it is `loading`, going back overrules it as a request. */
  slot->reload_wanted = FALSE;
  slot->loading = slot->source != NULL;
  g_mutex_unlock(&slot->mutex);
  if (slot->source)
    cored_model_source_reload(slot->source);
}

/* Did the user go back from this version? It is the previous one after any other switch, too. */
static gboolean was_reverted(CoredModelSlot *slot, const CoredModelVersion *version) {
  g_mutex_lock(&slot->mutex);
  const gboolean reverted = slot->reverted && slot->previous == version;
  g_mutex_unlock(&slot->mutex);
  return reverted;
}

static void handle_event(CoredModelSlot *slot, ReloadJob *job, const CoredModelEvent *event) {
  switch (event->kind) {
  case CORED_MODEL_EVENT_LOADED:
    if (!event->superseded)
      set_candidate(job, event->version);
    break;
  case CORED_MODEL_EVENT_RESTORED:
    if (was_reverted(slot, event->version))
      report(slot, job, CORED_MODEL_SLOT_KEPT, event->path, NULL);
    else if (!event->superseded)
      set_candidate(job, event->version);
    break;
  case CORED_MODEL_EVENT_FAILED:
    report(slot, job, CORED_MODEL_SLOT_FAILED, event->path, &event->error);
    break;
  case CORED_MODEL_EVENT_UNWATCHED:
    report(slot, job, CORED_MODEL_SLOT_UNWATCHED, event->path, &event->error);
    break;
  }
}

/* The newest version wins; every failure is reported. */
static void handle_events(CoredModelSlot *slot, ReloadJob *job) {
  CoredModelEvent *event;
  while ((event = g_queue_pop_head(&job->events))) {
    if (!job_is_void(slot, job))
      handle_event(slot, job, event);
    cored_model_event_free(event);
  }
}

/* Ready for the next swap, unless it is not wanted any more. */
static void offer(CoredModelSlot *slot, const ReloadJob *job, CoredClassifier *classifier) {
  g_mutex_lock(&slot->mutex);
  CoredClassifier *unused = classifier;
  if (job_is_wanted(slot, job)) {
    unused = slot->ready;
    slot->ready = classifier;
  }
  g_mutex_unlock(&slot->mutex);
  cored_classifier_free(unused);
}

/* To prepare it took a while: one that is not wanted any more must not raise a floor. */
static gboolean candidate_is_wanted(CoredModelSlot *slot, const ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean wanted = job_is_wanted(slot, job);
  g_mutex_unlock(&slot->mutex);
  return wanted;
}

/* Going back by one is the application's own wish: no floor applies. */
static gboolean admit_candidate(CoredModelSlot *slot, const ReloadJob *job, CoredError *error) {
  return job->candidate == job->revert_to || floors_admit(&slot->floors, job->candidate, error);
}

static void prepare_candidate(CoredModelSlot *slot, const ReloadJob *job) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredClassifier *classifier = cored_classifier_new(job->candidate, job->threads, &error);
  if (classifier) {
    cored_classifier_warm_up(classifier);
    if (!candidate_is_wanted(slot, job))
      g_clear_pointer(&classifier, cored_classifier_free);
    else if (admit_candidate(slot, job, &error))
      offer(slot, job, g_steal_pointer(&classifier));
  }
  if (error.code != CORED_ERROR_NONE)
    report(slot, job, CORED_MODEL_SLOT_FAILED, job->candidate->path, &error);
  cored_classifier_free(classifier);
}

static void use_candidate(CoredModelSlot *slot, const ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean wanted = job_is_wanted(slot, job), failed = slot->failed;
  const CoredModelVersion *next =
      slot->ready ? cored_classifier_version(slot->ready) : slot->version;
  const gboolean in_use = next == job->candidate; /* now, or from the next frame on */
  g_mutex_unlock(&slot->mutex);
  if (wanted && !in_use)
    prepare_candidate(slot, job);
  else if (wanted && failed)
    report(slot, job, CORED_MODEL_SLOT_KEPT, job->candidate->path, NULL);
}

static void free_retired(GQueue *classifiers, GQueue *versions) {
  CoredClassifier *classifier;
  CoredModelVersion *version;
  while ((classifier = g_queue_pop_head(classifiers)))
    cored_classifier_free(classifier);
  while ((version = g_queue_pop_head(versions)))
    cored_model_version_unref(version);
}

static void run_job(CoredModelSlot *slot) {
  ReloadJob job;
  job_begin(slot, &job);
  free_retired(&job.retired, &job.retired_versions);
  if (job.change_source)
    change_source(slot, &job);
  if (job.reload)
    reload_source(slot);
  if (job.revert_to)
    set_candidate(&job, job.revert_to);
  handle_events(slot, &job);
  if (job.candidate)
    use_candidate(slot, &job);
  job_clear(&job);
}

/* CoredWorkFunc. A report may make the application drop its last reference to the owner: this one
 * keeps the slot alive until the worker has left it. */
static void work(gpointer data) {
  CoredModelSlot *slot = data;
  GObject *owner = g_object_ref(slot->owner);
  run_job(slot);
  g_object_unref(owner);
}

/* ---- Start, stop, requests ------------------------------------------------------------------ */

/* Load and prepare the first version, while jobs leave the source alone. */
static gboolean load_first(CoredModelSlot *slot, const char *path,
                           const CoredModelSlotSettings *settings, CoredError *error) {
  const CoredModelSourceSettings of_source = {.path = path,
                                              .instance = settings->instance,
                                              .trusted_keys = settings->trusted_keys,
                                              .watch = settings->watch};
  if (!path || !*path)
    return TRUE;
  slot->source = cored_model_source_join(&of_source, TRUE, store_event, slot, error);
  if (!slot->source)
    return FALSE;
  CoredModelVersion *version = cored_model_source_version(slot->source);
  CoredClassifier *classifier = cored_classifier_new(version, settings->threads, error);
  if (classifier && !floors_admit(&slot->floors, version, error))
    g_clear_pointer(&classifier, cored_classifier_free);
  cored_model_version_unref(version);
  g_mutex_lock(&slot->mutex);
  CoredClassifier *overtaken = slot->ready;
  slot->ready = classifier;
  g_mutex_unlock(&slot->mutex);
  cored_classifier_free(overtaken);
  return classifier != NULL;
}

/* With the mutex held, so that the queue cannot be freed in between. */
static void wake_if_started(CoredModelSlot *slot) {
  if (slot->started)
    cored_work_queue_wake(slot->queue);
}

gboolean cored_model_slot_start(CoredModelSlot *slot, const CoredModelSlotSettings *settings,
                                CoredError *error) {
  floors_configure(&slot->floors, settings);
  slot->queue = cored_work_queue_new(CORED_WORK_JOBS, work, slot);
  g_mutex_lock(&slot->mutex);
  slot->accepting = TRUE;
  slot->instance = g_strdup(settings->instance);
  slot->trusted_keys = g_strdup(settings->trusted_keys);
  slot->watch = settings->watch;
  slot->threads = settings->threads;
  char *path = g_strdup(slot->path); /* one that is set from now on is a request */
  g_mutex_unlock(&slot->mutex);
  const gboolean ok = load_first(slot, path, settings, error);
  g_free(path);
  g_mutex_lock(&slot->mutex);
  slot->started = TRUE;
  wake_if_started(slot); /* for requests that came in the meantime */
  g_mutex_unlock(&slot->mutex);
  return ok;
}

/* With the mutex held, and no job running. */
static void clear(CoredModelSlot *slot) {
  CoredModelEvent *event;
  while ((event = g_queue_pop_head(&slot->events)))
    cored_model_event_free(event);
  free_retired(&slot->retired, &slot->retired_versions);
  g_clear_pointer(&slot->ready, cored_classifier_free);
  g_clear_pointer(&slot->version, cored_model_version_unref);
  g_clear_pointer(&slot->previous, cored_model_version_unref);
  g_clear_pointer(&slot->instance, g_free);
  g_clear_pointer(&slot->trusted_keys, g_free);
  slot->path_changed = slot->reload_wanted = slot->revert_wanted = FALSE;
  slot->reverted = slot->failed = FALSE;
  slot->changing_source = slot->loading = slot->load_overruled = FALSE;
}

void cored_model_slot_stop(CoredModelSlot *slot) {
  if (!slot->queue)
    return;
  g_mutex_lock(&slot->mutex);
  slot->accepting = slot->started = FALSE;
  slot->stop_count++;
  slot->path_changed = slot->reload_wanted = slot->revert_wanted = FALSE;
  g_mutex_unlock(&slot->mutex);
  cored_work_queue_cancel(slot->queue);
  cored_model_source_leave(slot->source, slot);
  slot->source = NULL;
  cored_work_queue_free(slot->queue);
  slot->queue = NULL;
  g_mutex_lock(&slot->mutex);
  clear(slot);
  g_mutex_unlock(&slot->mutex);
}

void cored_model_slot_set_path(CoredModelSlot *slot, const char *path) {
  g_mutex_lock(&slot->mutex);
  g_free(slot->path);
  slot->path = g_strdup(path);
  slot->path_changed = slot->accepting;
  slot->revert_wanted = slot->reverted = slot->load_overruled = FALSE;
  slot->choice_count++;
  wake_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

void cored_model_slot_reload(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  slot->reload_wanted = slot->accepting;
  slot->reverted = slot->load_overruled = FALSE;
  wake_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

void cored_model_slot_revert(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  slot->revert_wanted = slot->accepting && slot->previous;
  if (slot->revert_wanted) {
    slot->reverted = TRUE;
    supersede(&slot->events);
    slot->load_overruled =
        slot->path_changed || slot->changing_source || slot->reload_wanted || slot->loading;
    slot->choice_count++;
  }
  wake_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

/* ---- Between two frames --------------------------------------------------------------------- */

CoredClassifier *cored_model_slot_swap(CoredModelSlot *slot, CoredClassifier *current,
                                       CoredModelSwap *swap) {
  const gint64 start = g_get_monotonic_time();
  *swap = (CoredModelSwap){0};
  /* A frame does not wait for a worker of lower priority: the next frame will do. */
  if (!current)
    g_mutex_lock(&slot->mutex);
  else if (!g_mutex_trylock(&slot->mutex))
    return current;
  CoredClassifier *classifier = g_steal_pointer(&slot->ready);
  if (!classifier) {
    g_mutex_unlock(&slot->mutex);
    return current;
  }
  if (slot->previous)
    g_queue_push_tail(&slot->retired_versions, slot->previous);
  slot->previous = slot->version;
  slot->version = cored_model_version_ref(cored_classifier_version(classifier));
  slot->failed = FALSE;
  if (current)
    g_queue_push_tail(&slot->retired, current);
  if (slot->retired.length || slot->retired_versions.length)
    wake_if_started(slot);
  swap->old = slot->previous ? cored_model_version_ref(slot->previous) : NULL;
  swap->version = cored_model_version_ref(slot->version);
  swap->stop_count = slot->stop_count;
  g_mutex_unlock(&slot->mutex);
  swap->swap_us = (guint64)(g_get_monotonic_time() - start);
  return classifier;
}

void cored_model_slot_report_swap(CoredModelSlot *slot, CoredModelSwap *swap) {
  const CoredModelVersion *old = swap->old, *version = swap->version;
  if (!version)
    return;
  const CoredModelSlotReport message = {.status = CORED_MODEL_SLOT_LOADED,
                                        .path = version->path,
                                        .old_id = old ? old->id : "",
                                        .new_id = version->id,
                                        .generation = version->info->generation,
                                        .load_us = version->load_us,
                                        .swap_us = swap->swap_us};
  g_mutex_lock(&slot->mutex);
  const gboolean stopped = slot->stop_count != swap->stop_count; /* by the report before this */
  g_mutex_unlock(&slot->mutex);
  if (!stopped)
    slot->report(slot->user, &message);
  g_clear_pointer(&swap->old, cored_model_version_unref);
  g_clear_pointer(&swap->version, cored_model_version_unref);
}

gboolean cored_model_slot_is_ready(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  const gboolean ready = slot->ready != NULL;
  g_mutex_unlock(&slot->mutex);
  return ready;
}

CoredModelVersion *cored_model_slot_version(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  CoredModelVersion *version = slot->version ? cored_model_version_ref(slot->version) : NULL;
  g_mutex_unlock(&slot->mutex);
  return version;
}
