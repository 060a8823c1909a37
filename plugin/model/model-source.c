/* SPDX-License-Identifier: MIT
 * Locks: sources_mutex guards the list of sources and their numbers of users; a source's load_mutex
 * is held while it loads; its mutex guards the version and the listeners, and is held while
 * listeners are called, which is why they may only store the event. */
#include "model/model-source.h"

#include <string.h>

#include "base/error.h"

typedef struct Listener {
  CoredModelSourceFunc func;
  gpointer user;
} Listener;

struct CoredModelSource {
  char *key, *path, *trusted_keys;
  CoredModelKind kind;
  gboolean watched;
  guint n_users; /* under sources_mutex */
  GMutex load_mutex;
  CoredWatch *watch; /* under load_mutex */
  CoredTrust *trust; /* under load_mutex; read when first needed */
  GMutex mutex;      /* all below */
  CoredModelVersion *version;
  CoredFileStamp stamp; /* of the file that version came from */
  gboolean failed;      /* what the file has now cannot be used */
  CoredError error;     /* why, when failed */
  GList *listeners;
};

static GMutex sources_mutex;
static GList *sources;

void cored_model_event_free(CoredModelEvent *event) {
  cored_model_version_unref(event->version);
  g_free(event->path);
  g_free(event);
}

/* ---- Events --------------------------------------------------------------------------------- */

/* With the mutex held. */
static void notify_listener(CoredModelSource *source, const Listener *listener,
                            CoredModelEventKind kind, CoredModelVersion *version,
                            const CoredError *error) {
  CoredModelEvent *event = g_new0(CoredModelEvent, 1);
  event->kind = kind;
  event->version = version ? cored_model_version_ref(version) : NULL;
  event->path = g_strdup(source->path);
  if (error)
    event->error = *error;
  listener->func(listener->user, event);
}

/* With the mutex held. `only`: the user of one listener; NULL: all. */
static void notify(CoredModelSource *source, gpointer only, CoredModelEventKind kind,
                   CoredModelVersion *version, const CoredError *error) {
  for (GList *item = source->listeners; item; item = item->next) {
    const Listener *listener = item->data;
    if (!only || listener->user == only)
      notify_listener(source, listener, kind, version, error);
  }
}

static void publish_failure(CoredModelSource *source, gpointer only, CoredModelEventKind kind,
                            const CoredError *error) {
  g_mutex_lock(&source->mutex);
  if (kind == CORED_MODEL_EVENT_FAILED) {
    source->failed = TRUE;
    source->error = *error;
  }
  notify(source, only, kind, NULL, error);
  g_mutex_unlock(&source->mutex);
}

/* The file is this version now. It is an event also when it equals the version in use if a reload
 * was `requested`. Else it is none: an element that joined may have loaded it before the watch. */
static void publish_version(CoredModelSource *source, CoredModelVersion *version,
                            const CoredFileStamp *stamp, gboolean requested) {
  CoredModelVersion *old = NULL;
  g_mutex_lock(&source->mutex);
  const gboolean known =
      source->version && g_str_equal(source->version->identity, version->identity);
  const gboolean recovered = source->failed;
  source->stamp = *stamp;
  source->failed = FALSE;
  if (!known || requested) {
    old = source->version;
    source->version = cored_model_version_ref(version);
    notify(source, NULL, CORED_MODEL_EVENT_LOADED, version, NULL);
  } else if (recovered) {
    notify(source, NULL, CORED_MODEL_EVENT_RESTORED, source->version, NULL);
  }
  g_mutex_unlock(&source->mutex);
  cored_model_version_unref(old);
}

/* The watch sees its last good version again. That is the one in use, unless an element that joined
 * loaded another in between, which was replaced before the watch saw it. */
static void publish_restored(CoredModelSource *source, const CoredWatchEvent *event) {
  CoredModelVersion *version = cored_model_source_version(source);
  if (version && g_str_equal(version->identity, event->identity))
    publish_version(source, version, &event->stamp, FALSE);
  else
    cored_model_source_reload(source);
  cored_model_version_unref(version);
}

static void on_watch(void *user, const CoredWatchEvent *event) {
  CoredModelSource *source = user;
  CoredModelVersion *version = NULL;
  switch (event->status) {
  case CORED_WATCH_FAILED:
    publish_failure(source, NULL, CORED_MODEL_EVENT_FAILED, event->error);
    break;
  case CORED_WATCH_BACK:
    publish_restored(source, event);
    break;
  case CORED_WATCH_LOADED:
    version = cored_model_version_new(event->model, event->plan, source->path, event->identity,
                                      event->key_id,
                                      (guint64)((event->load_ms + event->prepare_ms) * 1000.0));
    publish_version(source, version, &event->stamp, event->asked);
    break;
  }
  cored_model_version_unref(version);
}

/* ---- The process-wide list ------------------------------------------------------------------ */

/* What is built in, without a path, is not watched. */
static char *key_of(const CoredModelSourceSettings *settings) {
  return g_strdup_printf("%s\n%s\n%s\n%d\n%d", settings->path,
                         settings->instance ? settings->instance : "",
                         settings->trusted_keys ? settings->trusted_keys : "",
                         settings->watch && *settings->path, (int)settings->kind);
}

static CoredModelSource *source_new(const CoredModelSourceSettings *settings, const char *key) {
  CoredModelSource *source = g_new0(CoredModelSource, 1);
  source->key = g_strdup(key);
  source->path = g_strdup(settings->path);
  if (settings->trusted_keys && *settings->trusted_keys)
    source->trusted_keys = g_strdup(settings->trusted_keys);
  source->kind = settings->kind;
  source->watched = settings->watch && *settings->path;
  g_mutex_init(&source->load_mutex);
  g_mutex_init(&source->mutex);
  return source;
}

static CoredModelSource *find_or_make(const CoredModelSourceSettings *settings) {
  char *key = key_of(settings);
  CoredModelSource *source = NULL;
  g_mutex_lock(&sources_mutex);
  for (GList *item = sources; item && !source; item = item->next) {
    if (g_str_equal(((CoredModelSource *)item->data)->key, key))
      source = item->data;
  }
  if (!source) {
    source = source_new(settings, key);
    sources = g_list_prepend(sources, source);
  }
  source->n_users++;
  g_mutex_unlock(&sources_mutex);
  g_free(key);
  return source;
}

/* With load_mutex held. report_failure: a failure that the others know is an event for it, too. */
static void add_listener(CoredModelSource *source, CoredModelSourceFunc func, gpointer user,
                         gboolean report_failure) {
  Listener *listener = g_new0(Listener, 1);
  listener->func = func;
  listener->user = user;
  g_mutex_lock(&source->mutex);
  source->listeners = g_list_append(source->listeners, listener);
  if (report_failure && source->failed)
    notify_listener(source, listener, CORED_MODEL_EVENT_FAILED, NULL, &source->error);
  g_mutex_unlock(&source->mutex);
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* With load_mutex held. Keys that cannot be read are an error, not a reason to trust all files. */
static gboolean read_keys(CoredModelSource *source, CoredError *error) {
  if (source->trusted_keys && !source->trust)
    source->trust = cored_trust_load(source->trusted_keys, error);
  return !source->trusted_keys || source->trust;
}

/* Where signatures count, an older model that was signed once must not come back. */
static gboolean may_succeed(const CoredModelSource *source, const CoredModelVersion *old,
                            const CoredModelVersion *version, CoredError *error) {
  if (!source->trust || !old || g_strcmp0(old->key_id, version->key_id) != 0 ||
      version->info->generation >= old->info->generation)
    return TRUE;
  return cored_error_set(error, CORED_ERROR_GENERATION,
                         "%s: expected generation %" G_GUINT64_FORMAT
                         " or later, found %" G_GUINT64_FORMAT,
                         source->path, old->info->generation, version->info->generation);
}

/* With load_mutex held: what the file has now, NULL with *error on failure. */
static CoredModelVersion *load_version(CoredModelSource *source, const CoredModelVersion *old,
                                       CoredError *error) {
  if (!read_keys(source, error))
    return NULL;
  CoredModelVersion *version =
      cored_model_version_load(source->path, source->kind, source->trust, error);
  if (version && !may_succeed(source, old, version, error))
    g_clear_pointer(&version, cored_model_version_unref);
  return version;
}

/* Is the version in use what the file has, as far as is known? With load_mutex held. */
static gboolean is_current(CoredModelSource *source) {
  CoredFileStamp stamp = {0};
  if (!source->watch)
    cored_file_stamp(source->path, &stamp);
  g_mutex_lock(&source->mutex);
  const gboolean current = source->version && !source->failed &&
                           (source->watch || memcmp(&stamp, &source->stamp, sizeof stamp) == 0);
  g_mutex_unlock(&source->mutex);
  return current;
}

/* With load_mutex held; `requested` as in publish_version. */
static gboolean load(CoredModelSource *source, gboolean requested, CoredError *error) {
  CoredFileStamp stamp;
  cored_file_stamp(source->path, &stamp);
  CoredModelVersion *old = cored_model_source_version(source);
  CoredModelVersion *version = load_version(source, old, error);
  if (version)
    publish_version(source, version, &stamp, requested);
  cored_model_version_unref(old);
  cored_model_version_unref(version);
  return version != NULL;
}

/* With load_mutex held. A watch that cannot be started is an event, not a failure. */
static void start_watch(CoredModelSource *source) {
  CoredError error = {CORED_ERROR_NONE, ""};
  if (!read_keys(source, &error))
    return; /* loading will report it */
  g_mutex_lock(&source->mutex);
  const CoredFileStamp stamp = source->stamp;
  const gboolean known = source->version != NULL;
  const CoredWatchParams params = {.known = known ? &stamp : NULL,
                                   .generation = known ? source->version->info->generation : 0,
                                   .trust = source->trust,
                                   .kind = source->kind,
                                   .refuse_older = source->trust != NULL};
  g_mutex_unlock(&source->mutex);
  source->watch = cored_watch_new(source->path, &params, on_watch, source, &error);
  if (!source->watch)
    publish_failure(source, NULL, CORED_MODEL_EVENT_UNWATCHED, &error);
}

/* With load_mutex held: a failure is an event for the listener that joined alone. */
static void load_for(CoredModelSource *source, gpointer user) {
  CoredError error = {CORED_ERROR_NONE, ""};
  if (!is_current(source) && !load(source, FALSE, &error))
    publish_failure(source, user, CORED_MODEL_EVENT_FAILED, &error);
}

/* With load_mutex held. */
static gboolean open_now(CoredModelSource *source, CoredError *error) {
  if (!is_current(source) && !load(source, FALSE, error))
    return FALSE;
  if (source->watched && !source->watch)
    start_watch(source);
  return TRUE;
}

/* With load_mutex held: a watch that starts loads the file. */
static void open_later(CoredModelSource *source, gpointer user) {
  if (source->watch)
    return;
  if (source->watched)
    start_watch(source);
  if (!source->watch)
    load_for(source, user);
}

/* ---- Listeners ------------------------------------------------------------------------------ */

CoredModelSource *cored_model_source_join(const CoredModelSourceSettings *settings,
                                          gboolean load_now, CoredModelSourceFunc func,
                                          gpointer user, CoredError *error) {
  CoredModelSource *source = find_or_make(settings);
  gboolean ok = TRUE;
  g_mutex_lock(&source->load_mutex);
  add_listener(source, func, user, !load_now && source->watch);
  if (load_now)
    ok = open_now(source, error);
  else
    open_later(source, user);
  g_mutex_unlock(&source->load_mutex);
  if (ok)
    return source;
  cored_model_source_leave(source, user);
  return NULL;
}

static void source_free(CoredModelSource *source) {
  cored_watch_free(source->watch);
  cored_trust_unref(source->trust);
  cored_model_version_unref(source->version);
  g_mutex_clear(&source->load_mutex);
  g_mutex_clear(&source->mutex);
  g_free(source->key);
  g_free(source->path);
  g_free(source->trusted_keys);
  g_free(source);
}

void cored_model_source_leave(CoredModelSource *source, gpointer user) {
  if (!source)
    return;
  g_mutex_lock(&source->mutex);
  for (GList *item = source->listeners; item; item = item->next) {
    if (((Listener *)item->data)->user != user)
      continue;
    g_free(item->data);
    source->listeners = g_list_delete_link(source->listeners, item);
    break;
  }
  g_mutex_unlock(&source->mutex);
  g_mutex_lock(&sources_mutex);
  const gboolean last = --source->n_users == 0;
  if (last)
    sources = g_list_remove(sources, source);
  g_mutex_unlock(&sources_mutex);
  if (last)
    source_free(source);
}

CoredModelVersion *cored_model_source_version(CoredModelSource *source) {
  g_mutex_lock(&source->mutex);
  CoredModelVersion *version = source->version ? cored_model_version_ref(source->version) : NULL;
  g_mutex_unlock(&source->mutex);
  return version;
}

CoredModelVersion *cored_model_source_valid_version(CoredModelSource *source) {
  g_mutex_lock(&source->mutex);
  CoredModelVersion *version =
      source->version && !source->failed ? cored_model_version_ref(source->version) : NULL;
  g_mutex_unlock(&source->mutex);
  return version;
}

void cored_model_source_reload(CoredModelSource *source) {
  CoredError error = {CORED_ERROR_NONE, ""};
  g_mutex_lock(&source->load_mutex);
  if (source->watch)
    cored_watch_trigger(source->watch);
  else if (!load(source, TRUE, &error))
    publish_failure(source, NULL, CORED_MODEL_EVENT_FAILED, &error);
  g_mutex_unlock(&source->load_mutex);
}
