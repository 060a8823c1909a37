/* SPDX-License-Identifier: MIT
 * Locks: sources_mutex guards the list and the number of users; a source's load_mutex is held while
 * it loads; its mutex guards net and listeners and is held while listeners are called, which is why
 * they may only note what they hear. */
#include "coredsource.h"

#include "error.h"

typedef struct Listener {
  CoredSourceFunc func;
  gpointer user;
} Listener;

struct CoredSource {
  char *key, *path, *trusted_keys;
  gboolean watched;
  guint users;
  GMutex load_mutex;
  CoredFileStamp stamp; /* of the version loaded last; under load_mutex */
  CoredWatch *watch;    /* under load_mutex */
  CoredTrust *trust;    /* under load_mutex; read when first needed */
  GMutex mutex;
  CoredNet *net;
  GList *listeners;
};

static GMutex sources_mutex;
static GList *sources;

void cored_news_free(CoredNews *news) {
  cored_net_unref(news->net);
  g_free(news);
}

/* ---- News ----------------------------------------------------------------------------------- */

static CoredNews *news_new(CoredNet *net, const CoredError *error, gboolean degraded) {
  CoredNews *news = g_new0(CoredNews, 1);
  news->net = net ? cored_net_ref(net) : NULL;
  news->degraded = degraded;
  if (error)
    news->error = *error;
  return news;
}

static void tell(CoredSource *source, CoredNet *net, const CoredError *error, gboolean degraded) {
  g_mutex_lock(&source->mutex);
  CoredNet *old = NULL;
  if (net) {
    old = source->net;
    source->net = cored_net_ref(net);
  }
  for (GList *item = source->listeners; item; item = item->next) {
    const Listener *listener = item->data;
    listener->func(listener->user, news_new(net, error, degraded));
  }
  g_mutex_unlock(&source->mutex);
  cored_net_unref(old);
}

static void on_watch(void *user, const CoredWatchEvent *event) {
  CoredSource *source = user;
  if (event->status != CORED_WATCH_LOADED) {
    tell(source, NULL, event->error, event->status == CORED_WATCH_DEGRADED);
    return;
  }
  CoredNet *net = cored_net_new(event->plan, source->path,
                                (guint64)((event->load_ms + event->prepare_ms) * 1000.0));
  tell(source, net, NULL, FALSE);
  cored_net_unref(net);
}

/* ---- Joining -------------------------------------------------------------------------------- */

static char *key_of(const CoredSourceSettings *settings) {
  char *absolute = g_canonicalize_filename(settings->path, NULL);
  char *key =
      g_strdup_printf("%s\n%s\n%s\n%d", absolute, settings->instance ? settings->instance : "",
                      settings->trusted_keys ? settings->trusted_keys : "", settings->watch);
  g_free(absolute);
  return key;
}

static CoredSource *source_new(const CoredSourceSettings *settings, const char *key) {
  CoredSource *source = g_new0(CoredSource, 1);
  source->key = g_strdup(key);
  source->path = g_strdup(settings->path);
  if (settings->trusted_keys && *settings->trusted_keys)
    source->trusted_keys = g_strdup(settings->trusted_keys);
  source->watched = settings->watch;
  g_mutex_init(&source->load_mutex);
  g_mutex_init(&source->mutex);
  return source;
}

static CoredSource *find_or_make(const CoredSourceSettings *settings) {
  char *key = key_of(settings);
  CoredSource *source = NULL;
  g_mutex_lock(&sources_mutex);
  for (GList *item = sources; item && !source; item = item->next) {
    if (g_str_equal(((CoredSource *)item->data)->key, key))
      source = item->data;
  }
  if (!source) {
    source = source_new(settings, key);
    sources = g_list_prepend(sources, source);
  }
  source->users++;
  g_mutex_unlock(&sources_mutex);
  g_free(key);
  return source;
}

static void add_listener(CoredSource *source, CoredSourceFunc func, gpointer user) {
  Listener *listener = g_new0(Listener, 1);
  listener->func = func;
  listener->user = user;
  g_mutex_lock(&source->mutex);
  source->listeners = g_list_append(source->listeners, listener);
  g_mutex_unlock(&source->mutex);
}

/* With load_mutex held. Keys that cannot be read are no reason to believe everybody. */
static gboolean read_keys(CoredSource *source, CoredError *error) {
  if (source->trusted_keys && !source->trust)
    source->trust = cored_trust_load(source->trusted_keys, error);
  return !source->trusted_keys || source->trust;
}

/* Where signatures count, nobody may bring back an old model that was signed once. */
static gboolean may_follow(const CoredSource *source, const CoredNet *old, const CoredNet *net,
                           CoredError *error) {
  if (!source->trust || !old || net->info->generation >= old->info->generation)
    return TRUE;
  return cored_error_set(error, CORED_ERROR_GENERATION,
                         "%s: expected generation %" G_GUINT64_FORMAT
                         " or later, found %" G_GUINT64_FORMAT,
                         source->path, old->info->generation, net->info->generation);
}

/* With load_mutex held: the version that is there now, NULL with *error on failure. */
static CoredNet *load_net(CoredSource *source, const CoredNet *old, CoredError *error) {
  if (!read_keys(source, error))
    return NULL;
  CoredNet *net = cored_net_load(source->path, source->trust, error);
  if (net && !may_follow(source, old, net, error))
    g_clear_pointer(&net, cored_net_unref);
  return net;
}

/* Load unless the version that is there now is loaded. With load_mutex held. `tell_all`: the
 * caller asked in the background and hears of it as news, like everybody else. */
static gboolean load(CoredSource *source, gboolean force, gboolean tell_all, CoredError *error) {
  CoredFileStamp stamp;
  cored_file_stamp(source->path, &stamp);
  CoredNet *old = cored_source_net(source);
  const gboolean loaded = old != NULL;
  if (loaded && !force && memcmp(&stamp, &source->stamp, sizeof stamp) == 0) {
    cored_net_unref(old);
    return TRUE;
  }
  source->stamp = stamp;
  CoredNet *net = load_net(source, old, error);
  cored_net_unref(old);
  if (!net) {
    if (tell_all)
      tell(source, NULL, error, FALSE);
    return FALSE;
  }
  if (loaded || tell_all) {
    tell(source, net, NULL, FALSE);
  } else {
    g_mutex_lock(&source->mutex);
    source->net = cored_net_ref(net);
    g_mutex_unlock(&source->mutex);
  }
  cored_net_unref(net);
  return TRUE;
}

/* With load_mutex held. A watch that cannot be had is news, not a failure. */
static void start_watch(CoredSource *source) {
  CoredError error = {CORED_ERROR_NONE, ""};
  if (!read_keys(source, &error))
    return; /* loading tells */
  CoredNet *net = cored_source_net(source);
  const CoredWatchParams params = {.known = net ? &source->stamp : NULL,
                                   .generation = net ? net->info->generation : 0,
                                   .trust = source->trust,
                                   .refuse_older = source->trust != NULL};
  cored_net_unref(net);
  source->watch = cored_watch_new(source->path, &params, on_watch, source, &error);
  if (!source->watch)
    tell(source, NULL, &error, TRUE);
}

CoredSource *cored_source_join(const CoredSourceSettings *settings, gboolean now,
                               CoredSourceFunc func, gpointer user, CoredError *error) {
  CoredSource *source = find_or_make(settings);
  gboolean ok = TRUE;
  add_listener(source, func, user);
  g_mutex_lock(&source->load_mutex);
  if (now || !source->watched)
    ok = load(source, FALSE, !now, error);
  if (source->watched && !source->watch && (ok || !now)) {
    start_watch(source);
    if (!now && !source->watch) /* which would have loaded it */
      ok = load(source, FALSE, TRUE, error);
  }
  g_mutex_unlock(&source->load_mutex);
  if (ok || !now)
    return source;
  cored_source_leave(source, user);
  return NULL;
}

static void source_free(CoredSource *source) {
  cored_watch_free(source->watch);
  cored_trust_unref(source->trust);
  cored_net_unref(source->net);
  g_mutex_clear(&source->load_mutex);
  g_mutex_clear(&source->mutex);
  g_free(source->key);
  g_free(source->path);
  g_free(source->trusted_keys);
  g_free(source);
}

void cored_source_leave(CoredSource *source, gpointer user) {
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
  const gboolean last = --source->users == 0;
  if (last)
    sources = g_list_remove(sources, source);
  g_mutex_unlock(&sources_mutex);
  if (last)
    source_free(source);
}

CoredNet *cored_source_net(CoredSource *source) {
  g_mutex_lock(&source->mutex);
  CoredNet *net = source->net ? cored_net_ref(source->net) : NULL;
  g_mutex_unlock(&source->mutex);
  return net;
}

void cored_source_reload(CoredSource *source) {
  CoredError error = {CORED_ERROR_NONE, ""};
  g_mutex_lock(&source->load_mutex);
  if (source->watch)
    cored_watch_trigger(source->watch);
  else
    load(source, TRUE, TRUE, &error);
  g_mutex_unlock(&source->load_mutex);
}
