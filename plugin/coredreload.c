/* SPDX-License-Identifier: MIT */
#include "coredreload.h"

#include "coredlane.h"

struct CoredReload {
  CoredReloadFunc report;
  gpointer user;
  CoredLane *lane;

  /* Of the lane, and of start and stop while it rests. */
  CoredSource *source;

  GMutex mutex;     /* all below */
  gboolean open;    /* between start and stop: requests are taken */
  gboolean started; /* start has returned: requests are carried out */
  char *path, *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  gboolean path_changed, again, back; /* asked for */
  GQueue news;                        /* of CoredNews */
  GQueue retired, retired_nets;       /* of CoredJudge, CoredNet: freeing them takes time */
  CoredJudge *ready;                  /* to be taken at the next frame */
  CoredNet *net, *previous;           /* that judges, that judged before */
};

CoredReload *cored_reload_new(CoredReloadFunc report, gpointer user) {
  CoredReload *reload = g_new0(CoredReload, 1);
  reload->report = report;
  reload->user = user;
  g_mutex_init(&reload->mutex);
  g_queue_init(&reload->news);
  g_queue_init(&reload->retired);
  g_queue_init(&reload->retired_nets);
  return reload;
}

void cored_reload_free(CoredReload *reload) {
  cored_reload_stop(reload);
  g_free(reload->path); /* set, but never started */
  g_free(reload->instance);
  g_mutex_clear(&reload->mutex);
  g_free(reload);
}

static void on_news(gpointer user, CoredNews *news) {
  CoredReload *reload = user;
  g_mutex_lock(&reload->mutex);
  g_queue_push_tail(&reload->news, news);
  g_mutex_unlock(&reload->mutex);
  cored_lane_kick(reload->lane);
}

/* ---- The lane ------------------------------------------------------------------------------- */

typedef struct Errand { /* what there is to do, taken out of the object at once */
  gboolean join, again;
  char *path, *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  GQueue news, retired, retired_nets;
  CoredNet *candidate; /* owned */
} Errand;

static void take_errand(CoredReload *reload, Errand *errand) {
  g_mutex_lock(&reload->mutex);
  const gboolean started = reload->started;
  *errand = (Errand){.join = started && reload->path_changed,
                     .again = started && reload->again,
                     .path = g_strdup(reload->path),
                     .instance = g_strdup(reload->instance),
                     .trusted_keys = g_strdup(reload->trusted_keys),
                     .watch = reload->watch,
                     .threads = reload->threads,
                     .news = reload->news,
                     .retired = reload->retired,
                     .retired_nets = reload->retired_nets};
  if (started && reload->back && reload->previous)
    errand->candidate = cored_net_ref(reload->previous);
  if (started)
    reload->path_changed = reload->again = reload->back = FALSE;
  g_queue_init(&reload->news);
  g_queue_init(&reload->retired);
  g_queue_init(&reload->retired_nets);
  g_mutex_unlock(&reload->mutex);
}

static void report_failure(CoredReload *reload, const char *path, const CoredError *error,
                           CoredReloadStatus status) {
  CoredNet *net = cored_reload_net(reload);
  const CoredReloadReport report = {.status = status,
                                    .path = path ? path : "",
                                    .old_id = net ? net->id : "",
                                    .new_id = "",
                                    .generation = net ? net->info->generation : 0,
                                    .error = error};
  reload->report(reload->user, &report);
  cored_net_unref(net);
}

/* Another file: leave the old source and have the new one tell its net. */
static void join(CoredReload *reload, Errand *errand) {
  CoredError error = {CORED_ERROR_NONE, ""};
  cored_source_leave(reload->source, reload);
  reload->source = NULL;
  if (!errand->path || !*errand->path)
    return;
  const CoredSourceSettings settings = {.path = errand->path,
                                        .instance = errand->instance,
                                        .trusted_keys = errand->trusted_keys,
                                        .watch = errand->watch};
  reload->source = cored_source_join(&settings, FALSE, on_news, reload, &error);
  CoredNet *net = cored_source_net(reload->source);
  if (net) { /* loaded already by somebody else, so there may be no news */
    cored_net_unref(errand->candidate);
    errand->candidate = net;
  }
}

/* The newest net wins; every failure is told. */
static void read_news(CoredReload *reload, Errand *errand) {
  CoredNews *news;
  while ((news = g_queue_pop_head(&errand->news))) {
    if (news->net) {
      cored_net_unref(errand->candidate);
      errand->candidate = cored_net_ref(news->net);
    } else {
      report_failure(reload, errand->path, &news->error,
                     news->degraded ? CORED_RELOAD_DEGRADED : CORED_RELOAD_FAILED);
    }
    cored_news_free(news);
  }
}

static void make_ready(CoredReload *reload, Errand *errand) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredJudge *judge = cored_judge_new(errand->candidate, errand->threads, &error);
  if (!judge) {
    report_failure(reload, errand->path, &error, CORED_RELOAD_FAILED);
    return;
  }
  cored_judge_warm_up(judge);
  g_mutex_lock(&reload->mutex);
  CoredJudge *overtaken = reload->ready;
  reload->ready = judge;
  g_mutex_unlock(&reload->mutex);
  cored_judge_free(overtaken);
}

/* Is it what judges, or will at the next frame? */
static gboolean is_current(CoredReload *reload, const CoredNet *net) {
  g_mutex_lock(&reload->mutex);
  const CoredNet *current = reload->ready ? cored_judge_net(reload->ready) : reload->net;
  const gboolean same = current == net;
  g_mutex_unlock(&reload->mutex);
  return same;
}

static void free_retired(GQueue *judges, GQueue *nets) {
  CoredJudge *judge;
  CoredNet *net;
  while ((judge = g_queue_pop_head(judges)))
    cored_judge_free(judge);
  while ((net = g_queue_pop_head(nets)))
    cored_net_unref(net);
}

static void work(gpointer user) {
  CoredReload *reload = user;
  Errand errand;
  take_errand(reload, &errand);
  free_retired(&errand.retired, &errand.retired_nets);
  if (errand.join)
    join(reload, &errand);
  if (errand.again && reload->source)
    cored_source_reload(reload->source);
  read_news(reload, &errand);
  if (errand.candidate && !is_current(reload, errand.candidate))
    make_ready(reload, &errand);
  cored_net_unref(errand.candidate);
  g_free(errand.path);
  g_free(errand.instance);
  g_free(errand.trusted_keys);
}

/* ---- Start, stop, requests ------------------------------------------------------------------ */

/* Load and make the first judge, while the lane leaves the source alone. */
static gboolean open_first(CoredReload *reload, const CoredReloadSettings *settings,
                           CoredError *error) {
  if (!settings->source.path || !*settings->source.path)
    return TRUE;
  reload->source = cored_source_join(&settings->source, TRUE, on_news, reload, error);
  if (!reload->source)
    return FALSE;
  CoredNet *net = cored_source_net(reload->source);
  CoredJudge *judge = cored_judge_new(net, settings->threads, error);
  cored_net_unref(net);
  g_mutex_lock(&reload->mutex);
  CoredJudge *overtaken = reload->ready;
  reload->ready = judge;
  g_mutex_unlock(&reload->mutex);
  cored_judge_free(overtaken);
  return judge != NULL;
}

/* With the mutex held, so that the lane cannot go away in between. */
static void kick_if_started(CoredReload *reload) {
  if (reload->started)
    cored_lane_kick(reload->lane);
}

gboolean cored_reload_start(CoredReload *reload, const CoredReloadSettings *settings,
                            CoredError *error) {
  reload->lane = cored_lane_new(CORED_LANE_ERRANDS, work, reload);
  g_mutex_lock(&reload->mutex);
  reload->open = TRUE;
  g_free(reload->path);
  reload->path = g_strdup(settings->source.path);
  reload->instance = g_strdup(settings->source.instance);
  reload->trusted_keys = g_strdup(settings->source.trusted_keys);
  reload->watch = settings->source.watch;
  reload->threads = settings->threads;
  g_mutex_unlock(&reload->mutex);
  const gboolean ok = open_first(reload, settings, error);
  g_mutex_lock(&reload->mutex);
  reload->started = TRUE;
  kick_if_started(reload); /* for what was asked for in the meantime */
  g_mutex_unlock(&reload->mutex);
  return ok;
}

static void clear(CoredReload *reload) {
  CoredNews *news;
  while ((news = g_queue_pop_head(&reload->news)))
    cored_news_free(news);
  free_retired(&reload->retired, &reload->retired_nets);
  g_clear_pointer(&reload->ready, cored_judge_free);
  g_clear_pointer(&reload->net, cored_net_unref);
  g_clear_pointer(&reload->previous, cored_net_unref);
  g_clear_pointer(&reload->path, g_free);
  g_clear_pointer(&reload->instance, g_free);
  g_clear_pointer(&reload->trusted_keys, g_free);
  reload->path_changed = reload->again = reload->back = FALSE;
}

void cored_reload_stop(CoredReload *reload) {
  if (!reload->lane)
    return;
  g_mutex_lock(&reload->mutex);
  reload->open = reload->started = FALSE;
  reload->path_changed = reload->again = reload->back = FALSE;
  g_mutex_unlock(&reload->mutex);
  cored_lane_wait(reload->lane);
  cored_source_leave(reload->source, reload);
  reload->source = NULL;
  cored_lane_free(reload->lane);
  reload->lane = NULL;
  g_mutex_lock(&reload->mutex);
  clear(reload);
  g_mutex_unlock(&reload->mutex);
}

static void ask(CoredReload *reload, gboolean *what) {
  g_mutex_lock(&reload->mutex);
  *what = reload->open;
  kick_if_started(reload);
  g_mutex_unlock(&reload->mutex);
}

void cored_reload_set_path(CoredReload *reload, const char *path) {
  g_mutex_lock(&reload->mutex);
  g_free(reload->path);
  reload->path = g_strdup(path);
  g_mutex_unlock(&reload->mutex);
  ask(reload, &reload->path_changed);
}

void cored_reload_again(CoredReload *reload) {
  ask(reload, &reload->again);
}

void cored_reload_previous(CoredReload *reload) {
  ask(reload, &reload->back);
}

/* ---- Between two frames --------------------------------------------------------------------- */

CoredJudge *cored_reload_exchange(CoredReload *reload, CoredJudge *current) {
  const gint64 start = g_get_monotonic_time();
  /* A frame does not wait for a lane of lower priority: the next one will do. */
  if (!current)
    g_mutex_lock(&reload->mutex);
  else if (!g_mutex_trylock(&reload->mutex))
    return current;
  CoredJudge *judge = g_steal_pointer(&reload->ready);
  if (!judge) {
    g_mutex_unlock(&reload->mutex);
    return current;
  }
  if (reload->previous)
    g_queue_push_tail(&reload->retired_nets, reload->previous);
  reload->previous = reload->net;
  reload->net = cored_net_ref(cored_judge_net(judge));
  if (current)
    g_queue_push_tail(&reload->retired, current);
  if (reload->retired.length || reload->retired_nets.length)
    kick_if_started(reload);
  CoredNet *old = reload->previous ? cored_net_ref(reload->previous) : NULL;
  g_mutex_unlock(&reload->mutex);
  const guint64 swap_us = (guint64)(g_get_monotonic_time() - start);

  const CoredNet *net = cored_judge_net(judge);
  const CoredReloadReport report = {.status = CORED_RELOAD_LOADED,
                                    .path = net->path,
                                    .old_id = old ? old->id : "",
                                    .new_id = net->id,
                                    .generation = net->info->generation,
                                    .load_us = net->load_us,
                                    .swap_us = swap_us};
  reload->report(reload->user, &report);
  cored_net_unref(old);
  return judge;
}

gboolean cored_reload_is_ready(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  const gboolean ready = reload->ready != NULL;
  g_mutex_unlock(&reload->mutex);
  return ready;
}

CoredNet *cored_reload_net(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  CoredNet *net = reload->net ? cored_net_ref(reload->net) : NULL;
  g_mutex_unlock(&reload->mutex);
  return net;
}
