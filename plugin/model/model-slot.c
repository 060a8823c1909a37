/* SPDX-License-Identifier: MIT */
#include "model/model-slot.h"

#include "sched/work-queue.h"
#include "model/path.h"
#include "base/error.h"

struct CoredModelSlot {
  CoredModelSlotFunc report;
  gpointer user;
  CoredWorkQueue *queue;

  /* Of the queue, and of start and stop while it rests. */
  CoredModelSource *source;
  GHashTable *floors; /* highest generation used, by key id: lives as long as the object */
  char *floors_of;    /* trusted_keys that they belong to */
  char *trust_state;
  gboolean guarded;

  GMutex mutex;     /* all below */
  gboolean open;    /* between start and stop: requests are taken */
  gboolean started; /* start has returned: requests are carried out */
  guint life;       /* counts stops */
  char *path;       /* absolute; as set last */
  char *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  gboolean path_changed, again, back; /* asked for */
  guint choices;                      /* counts what was asked for that overrules all before it */
  gboolean joining;                   /* another source: that one's path was taken */
  gboolean loading;                   /* the source was asked for a version, which will be news */
  gboolean overruled;                 /* the user went back since that was asked for */
  GQueue events;                      /* of CoredModelEvent */
  GQueue retired,
      retired_versions;   /* of CoredClassifier, CoredModelVersion: freeing them takes time */
  CoredClassifier *ready; /* to be taken at the next frame */
  CoredModelVersion *version, *previous; /* that classifiers, that judged before */
  gboolean failed;                       /* what was told last */
};

CoredModelSlot *cored_model_slot_new(CoredModelSlotFunc report, gpointer user) {
  CoredModelSlot *slot = g_new0(CoredModelSlot, 1);
  slot->report = report;
  slot->user = user;
  slot->floors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&slot->mutex);
  g_queue_init(&slot->events);
  g_queue_init(&slot->retired);
  g_queue_init(&slot->retired_versions);
  return slot;
}

void cored_model_slot_free(CoredModelSlot *slot) {
  cored_model_slot_stop(slot);
  g_free(slot->path);
  g_free(slot->floors_of);
  g_free(slot->trust_state);
  g_hash_table_unref(slot->floors);
  g_mutex_clear(&slot->mutex);
  g_free(slot);
}

/* Nobody asks for these models any more; failures are told all the same. */
static void make_stale(GQueue *event) {
  for (GList *item = event->head; item; item = item->next)
    ((CoredModelEvent *)item->data)->stale = TRUE;
}

/* With the mutex held. What is still to be asked of a source may be overruled already. */
static void end_loading(CoredModelSlot *slot) {
  slot->loading = FALSE;
  if (!slot->path_changed && !slot->again)
    slot->overruled = FALSE;
}

static void on_news(gpointer user, CoredModelEvent *event) {
  CoredModelSlot *slot = user;
  g_mutex_lock(&slot->mutex);
  if (event->kind == CORED_MODEL_EVENT_LOADED)
    event->stale = slot->overruled;
  if (!slot->joining &&
      (event->kind == CORED_MODEL_EVENT_LOADED || event->kind == CORED_MODEL_EVENT_FAILED))
    end_loading(slot);
  g_queue_push_tail(&slot->events, event);
  g_mutex_unlock(&slot->mutex);
  cored_work_queue_wake(slot->queue);
}

/* ---- The queue ------------------------------------------------------------------------------- */

typedef struct ReloadJob { /* what there is to do, taken out of the object at once */
  guint life, choices;
  gboolean join, again;
  char *path, *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  GQueue events, retired, retired_versions;
  CoredModelVersion *back, *candidate; /* owned */
} ReloadJob;

static void take_job(CoredModelSlot *slot, ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean started = slot->started;
  *job = (ReloadJob){.life = slot->life,
                     .choices = slot->choices,
                     .join = started && slot->path_changed,
                     .again = started && slot->again,
                     .path = g_strdup(slot->path),
                     .instance = g_strdup(slot->instance),
                     .trusted_keys = g_strdup(slot->trusted_keys),
                     .watch = slot->watch,
                     .threads = slot->threads,
                     .retired = slot->retired,
                     .retired_versions = slot->retired_versions};
  if (started && slot->back && slot->previous)
    job->back = cored_model_version_ref(slot->previous);
  if (started) {
    slot->joining = slot->path_changed;
    slot->path_changed = slot->back = FALSE;
    job->events = slot->events;
    g_queue_init(&slot->events);
  }
  g_queue_init(&slot->retired);
  g_queue_init(&slot->retired_versions);
  g_mutex_unlock(&slot->mutex);
}

static void report(CoredModelSlot *slot, const ReloadJob *job, CoredModelSlotStatus status,
                   const char *path, const CoredError *error) {
  g_mutex_lock(&slot->mutex);
  const gboolean alive = slot->life == job->life; /* else the report before this ended it */
  CoredModelVersion *version = slot->version ? cored_model_version_ref(slot->version) : NULL;
  if (alive && status != CORED_MODEL_SLOT_UNWATCHED)
    slot->failed = status == CORED_MODEL_SLOT_FAILED;
  g_mutex_unlock(&slot->mutex);
  const CoredModelSlotReport told = {
      .status = status,
      .path = path ? path : "",
      .old_id = version ? version->id : "",
      .new_id = version && status == CORED_MODEL_SLOT_KEPT ? version->id : "",
      .generation = version ? version->info->generation : 0,
      .error = error};
  if (alive)
    slot->report(slot->user, &told);
  cored_model_version_unref(version);
}

static void set_candidate(ReloadJob *job, CoredModelVersion *version) {
  cored_model_version_unref(job->candidate);
  job->candidate = version ? cored_model_version_ref(version) : NULL;
}

static void expect_no_news(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  end_loading(slot);
  g_mutex_unlock(&slot->mutex);
}

/* Another file: leave the old source, whose news are of no interest any more, and have the new one
 * tell its version. */
static void join(CoredModelSlot *slot, ReloadJob *job) {
  CoredError error = {CORED_ERROR_NONE, ""};
  cored_model_source_leave(slot->source, slot);
  slot->source = NULL;
  make_stale(&job->events);
  g_mutex_lock(&slot->mutex);
  make_stale(&slot->events);
  slot->joining = FALSE;
  slot->loading = TRUE;
  g_mutex_unlock(&slot->mutex);
  if (!job->path || !*job->path) {
    expect_no_news(slot);
    return;
  }
  const CoredModelSourceSettings settings = {.path = job->path,
                                             .instance = job->instance,
                                             .trusted_keys = job->trusted_keys,
                                             .watch = job->watch};
  slot->source = cored_model_source_join(&settings, FALSE, on_news, slot, &error);
  CoredModelVersion *version = cored_model_source_valid_version(slot->source);
  if (version) { /* loaded already by somebody else, so there may be no news */
    expect_no_news(slot);
    set_candidate(job, version);
  }
  cored_model_version_unref(version);
}

/* Is it what classifiers, or will at the next frame? */
static gboolean is_current(CoredModelSlot *slot, const CoredModelVersion *version) {
  g_mutex_lock(&slot->mutex);
  const CoredModelVersion *current =
      slot->ready ? cored_classifier_version(slot->ready) : slot->version;
  const gboolean same = current == version;
  g_mutex_unlock(&slot->mutex);
  return same;
}

/* Went the user back from it? */
static gboolean was_left(CoredModelSlot *slot, const CoredModelVersion *version) {
  g_mutex_lock(&slot->mutex);
  const gboolean left = slot->previous == version;
  g_mutex_unlock(&slot->mutex);
  return left;
}

static void read_one(CoredModelSlot *slot, ReloadJob *job, const CoredModelEvent *event) {
  switch (event->kind) {
  case CORED_MODEL_EVENT_LOADED:
    if (!event->stale)
      set_candidate(job, event->version);
    break;
  case CORED_MODEL_EVENT_BACK:
    if (was_left(slot, event->version))
      report(slot, job, CORED_MODEL_SLOT_KEPT, event->path, NULL);
    else if (!event->stale)
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

/* A report may have stopped all, and even started it again: what is left of the job is nobody's
 * any more. */
static gboolean has_ended(CoredModelSlot *slot, const ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean ended = slot->life != job->life;
  g_mutex_unlock(&slot->mutex);
  return ended;
}

/* The newest version wins; every failure is told. */
static void read_news(CoredModelSlot *slot, ReloadJob *job) {
  CoredModelEvent *event;
  while ((event = g_queue_pop_head(&job->events))) {
    if (!has_ended(slot, job))
      read_one(slot, job, event);
    cored_model_event_free(event);
  }
}

/* Only who uses a model says so, and only then may it raise the floor. */
static gboolean may_use(CoredModelSlot *slot, const CoredModelVersion *version, CoredError *error) {
  const guint64 generation = version->info->generation;
  if (!slot->guarded || !*version->key_id)
    return TRUE;
  guint64 *floor = g_hash_table_lookup(slot->floors, version->key_id);
  if (floor && generation < *floor)
    return cored_error_set(error, CORED_ERROR_GENERATION,
                           "%s: expected generation %" G_GUINT64_FORMAT
                           " or later of key %s, which this element has used, found "
                           "%" G_GUINT64_FORMAT,
                           version->path, *floor, version->key_id, generation);
  if (slot->trust_state && *slot->trust_state &&
      !cored_floor_raise(slot->trust_state, version->key_id, generation, version->path, error))
    return FALSE;
  g_hash_table_insert(slot->floors, g_strdup(version->key_id),
                      g_memdup2(&generation, sizeof generation));
  return TRUE;
}

/* With the mutex held: nothing that overrules the job was asked for since it began. */
static gboolean is_wanted(const CoredModelSlot *slot, const ReloadJob *job) {
  return slot->life == job->life && slot->choices == job->choices;
}

/* The classifier is taken over, unless all was stopped or another asked for in the meantime. */
static void hand_over(CoredModelSlot *slot, const ReloadJob *job, CoredClassifier *classifier) {
  g_mutex_lock(&slot->mutex);
  CoredClassifier *unused = classifier;
  if (is_wanted(slot, job)) {
    unused = slot->ready;
    slot->ready = classifier;
  }
  g_mutex_unlock(&slot->mutex);
  cored_classifier_free(unused);
}

static void make_ready(CoredModelSlot *slot, const ReloadJob *job) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredClassifier *classifier = cored_classifier_new(job->candidate, job->threads, &error);
  /* Going back by one is the application's own wish. */
  if (classifier && job->candidate != job->back && !may_use(slot, job->candidate, &error))
    g_clear_pointer(&classifier, cored_classifier_free);
  if (!classifier) {
    report(slot, job, CORED_MODEL_SLOT_FAILED, job->candidate->path, &error);
    return;
  }
  cored_classifier_warm_up(classifier);
  hand_over(slot, job, classifier);
}

static void use_candidate(CoredModelSlot *slot, const ReloadJob *job) {
  g_mutex_lock(&slot->mutex);
  const gboolean wanted = is_wanted(slot, job), failed = slot->failed;
  g_mutex_unlock(&slot->mutex);
  if (!wanted)
    return;
  if (!is_current(slot, job->candidate))
    make_ready(slot, job);
  else if (failed)
    report(slot, job, CORED_MODEL_SLOT_KEPT, job->candidate->path, NULL);
}

static void free_retired(GQueue *classifiers, GQueue *nets) {
  CoredClassifier *classifier;
  CoredModelVersion *version;
  while ((classifier = g_queue_pop_head(classifiers)))
    cored_classifier_free(classifier);
  while ((version = g_queue_pop_head(nets)))
    cored_model_version_unref(version);
}

static void ask_again(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  slot->again = FALSE; /* not before: until it is loading it can be overruled as being asked for */
  slot->loading = slot->source != NULL;
  g_mutex_unlock(&slot->mutex);
  if (slot->source)
    cored_model_source_reload(slot->source);
}

static void work_once(CoredModelSlot *slot) {
  ReloadJob job;
  take_job(slot, &job);
  free_retired(&job.retired, &job.retired_versions);
  if (job.join)
    join(slot, &job);
  if (job.again)
    ask_again(slot);
  if (job.back)
    set_candidate(&job, job.back);
  read_news(slot, &job);
  if (job.candidate)
    use_candidate(slot, &job);
  cored_model_version_unref(job.back);
  cored_model_version_unref(job.candidate);
  g_free(job.path);
  g_free(job.instance);
  g_free(job.trusted_keys);
}

/* Called back, the application may stop the user and drop its last reference: this one keeps the
 * reload alive until its thread has left it. */
static void work(gpointer data) {
  CoredModelSlot *slot = data;
  gpointer user = g_object_ref(slot->user);
  work_once(slot);
  g_object_unref(user);
}

/* ---- Start, stop, requests ------------------------------------------------------------------ */

/* Load and make the first classifier, while the queue leaves the source alone. */
static gboolean open_first(CoredModelSlot *slot, const char *path,
                           const CoredModelSlotSettings *settings, CoredError *error) {
  const CoredModelSourceSettings of_source = {.path = path,
                                              .instance = settings->instance,
                                              .trusted_keys = settings->trusted_keys,
                                              .watch = settings->watch};
  if (!path || !*path)
    return TRUE;
  slot->source = cored_model_source_join(&of_source, TRUE, on_news, slot, error);
  if (!slot->source)
    return FALSE;
  CoredModelVersion *version = cored_model_source_version(slot->source);
  CoredClassifier *classifier = cored_classifier_new(version, settings->threads, error);
  if (classifier && !may_use(slot, version, error))
    g_clear_pointer(&classifier, cored_classifier_free);
  cored_model_version_unref(version);
  g_mutex_lock(&slot->mutex);
  CoredClassifier *overtaken = slot->ready;
  slot->ready = classifier;
  g_mutex_unlock(&slot->mutex);
  cored_classifier_free(overtaken);
  return classifier != NULL;
}

/* With the mutex held, so that the queue cannot go away in between. */
static void kick_if_started(CoredModelSlot *slot) {
  if (slot->started)
    cored_work_queue_wake(slot->queue);
}

/* Other keys, other floors. */
static void set_guard(CoredModelSlot *slot, const CoredModelSlotSettings *settings) {
  if (g_strcmp0(slot->floors_of, settings->trusted_keys) != 0)
    g_hash_table_remove_all(slot->floors);
  g_free(slot->floors_of);
  g_free(slot->trust_state);
  slot->floors_of = g_strdup(settings->trusted_keys);
  slot->trust_state = g_strdup(settings->trust_state);
  slot->guarded = settings->guarded;
}

gboolean cored_model_slot_start(CoredModelSlot *slot, const CoredModelSlotSettings *settings,
                                CoredError *error) {
  set_guard(slot, settings);
  slot->queue = cored_work_queue_new(CORED_WORK_JOBS, work, slot);
  g_mutex_lock(&slot->mutex);
  slot->open = TRUE;
  slot->instance = g_strdup(settings->instance);
  slot->trusted_keys = g_strdup(settings->trusted_keys);
  slot->watch = settings->watch;
  slot->threads = settings->threads;
  char *path = g_strdup(slot->path); /* what is set from now on is asked for */
  g_mutex_unlock(&slot->mutex);
  const gboolean ok = open_first(slot, path, settings, error);
  g_free(path);
  g_mutex_lock(&slot->mutex);
  slot->started = TRUE;
  kick_if_started(slot); /* for what was asked for in the meantime */
  g_mutex_unlock(&slot->mutex);
  return ok;
}

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
  slot->path_changed = slot->again = slot->back = slot->failed = FALSE;
  slot->joining = slot->loading = slot->overruled = FALSE;
}

void cored_model_slot_stop(CoredModelSlot *slot) {
  if (!slot->queue)
    return;
  g_mutex_lock(&slot->mutex);
  slot->open = slot->started = FALSE;
  slot->life++;
  slot->path_changed = slot->again = slot->back = FALSE;
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
  char *absolute = cored_absolute_path(path);
  g_mutex_lock(&slot->mutex);
  g_free(slot->path);
  slot->path = absolute;
  slot->path_changed = slot->open;
  slot->back = slot->overruled = FALSE;
  slot->choices++;
  kick_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

void cored_model_slot_again(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  slot->again = slot->open;
  slot->overruled = FALSE;
  kick_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

void cored_model_slot_previous(CoredModelSlot *slot) {
  g_mutex_lock(&slot->mutex);
  slot->back = slot->open && slot->previous;
  if (slot->back) {
    make_stale(&slot->events);
    slot->overruled = slot->path_changed || slot->joining || slot->again || slot->loading;
    slot->choices++;
  }
  kick_if_started(slot);
  g_mutex_unlock(&slot->mutex);
}

/* ---- Between two frames --------------------------------------------------------------------- */

CoredClassifier *cored_model_slot_exchange(CoredModelSlot *slot, CoredClassifier *current,
                                           CoredSwap *swap) {
  const gint64 start = g_get_monotonic_time();
  *swap = (CoredSwap){0};
  /* A frame does not wait for a queue of lower priority: the next one will do. */
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
    kick_if_started(slot);
  swap->old = slot->previous ? cored_model_version_ref(slot->previous) : NULL;
  swap->version = cored_model_version_ref(slot->version);
  swap->life = slot->life;
  g_mutex_unlock(&slot->mutex);
  swap->swap_us = (guint64)(g_get_monotonic_time() - start);
  return classifier;
}

void cored_model_slot_tell(CoredModelSlot *slot, CoredSwap *swap) {
  const CoredModelVersion *old = swap->old, *version = swap->version;
  if (!version)
    return;
  const CoredModelSlotReport report = {.status = CORED_MODEL_SLOT_LOADED,
                                       .path = version->path,
                                       .old_id = old ? old->id : "",
                                       .new_id = version->id,
                                       .generation = version->info->generation,
                                       .load_us = version->load_us,
                                       .swap_us = swap->swap_us};
  g_mutex_lock(&slot->mutex);
  const gboolean alive = slot->life == swap->life; /* else the report before this ended it */
  g_mutex_unlock(&slot->mutex);
  if (alive)
    slot->report(slot->user, &report);
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
