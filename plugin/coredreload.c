/* SPDX-License-Identifier: MIT */
#include "coredreload.h"

#include "coredlane.h"
#include "coredpath.h"
#include "error.h"

struct CoredReload {
  CoredReloadFunc report;
  gpointer user;
  CoredLane *lane;

  /* Of the lane, and of start and stop while it rests. */
  CoredSource *source;
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
  gboolean loading;                   /* the source was asked for a net, which will be news */
  gboolean overruled;                 /* the user went back since that was asked for */
  GQueue news;                        /* of CoredNews */
  GQueue retired, retired_nets;       /* of CoredJudge, CoredNet: freeing them takes time */
  CoredJudge *ready;                  /* to be taken at the next frame */
  CoredNet *net, *previous;           /* that judges, that judged before */
  gboolean failed;                    /* what was told last */
};

CoredReload *cored_reload_new(CoredReloadFunc report, gpointer user) {
  CoredReload *reload = g_new0(CoredReload, 1);
  reload->report = report;
  reload->user = user;
  reload->floors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&reload->mutex);
  g_queue_init(&reload->news);
  g_queue_init(&reload->retired);
  g_queue_init(&reload->retired_nets);
  return reload;
}

void cored_reload_free(CoredReload *reload) {
  cored_reload_stop(reload);
  g_free(reload->path);
  g_free(reload->floors_of);
  g_free(reload->trust_state);
  g_hash_table_unref(reload->floors);
  g_mutex_clear(&reload->mutex);
  g_free(reload);
}

/* Nobody asks for these models any more; failures are told all the same. */
static void make_stale(GQueue *news) {
  for (GList *item = news->head; item; item = item->next)
    ((CoredNews *)item->data)->stale = TRUE;
}

/* With the mutex held. What is still to be asked of a source may be overruled already. */
static void end_loading(CoredReload *reload) {
  reload->loading = FALSE;
  if (!reload->path_changed && !reload->again)
    reload->overruled = FALSE;
}

static void on_news(gpointer user, CoredNews *news) {
  CoredReload *reload = user;
  g_mutex_lock(&reload->mutex);
  if (news->kind == CORED_NEWS_LOADED)
    news->stale = reload->overruled;
  if (!reload->joining && (news->kind == CORED_NEWS_LOADED || news->kind == CORED_NEWS_FAILED))
    end_loading(reload);
  g_queue_push_tail(&reload->news, news);
  g_mutex_unlock(&reload->mutex);
  cored_lane_kick(reload->lane);
}

/* ---- The lane ------------------------------------------------------------------------------- */

typedef struct Errand { /* what there is to do, taken out of the object at once */
  guint life, choices;
  gboolean join, again;
  char *path, *instance, *trusted_keys;
  gboolean watch;
  guint threads;
  GQueue news, retired, retired_nets;
  CoredNet *back, *candidate; /* owned */
} Errand;

static void take_errand(CoredReload *reload, Errand *errand) {
  g_mutex_lock(&reload->mutex);
  const gboolean started = reload->started;
  *errand = (Errand){.life = reload->life,
                     .choices = reload->choices,
                     .join = started && reload->path_changed,
                     .again = started && reload->again,
                     .path = g_strdup(reload->path),
                     .instance = g_strdup(reload->instance),
                     .trusted_keys = g_strdup(reload->trusted_keys),
                     .watch = reload->watch,
                     .threads = reload->threads,
                     .retired = reload->retired,
                     .retired_nets = reload->retired_nets};
  if (started && reload->back && reload->previous)
    errand->back = cored_net_ref(reload->previous);
  if (started) {
    reload->joining = reload->path_changed;
    reload->path_changed = reload->back = FALSE;
    errand->news = reload->news;
    g_queue_init(&reload->news);
  }
  g_queue_init(&reload->retired);
  g_queue_init(&reload->retired_nets);
  g_mutex_unlock(&reload->mutex);
}

static void report(CoredReload *reload, const Errand *errand, CoredReloadStatus status,
                   const char *path, const CoredError *error) {
  g_mutex_lock(&reload->mutex);
  const gboolean alive = reload->life == errand->life; /* else the report before this ended it */
  CoredNet *net = reload->net ? cored_net_ref(reload->net) : NULL;
  if (alive && status != CORED_RELOAD_UNWATCHED)
    reload->failed = status == CORED_RELOAD_FAILED;
  g_mutex_unlock(&reload->mutex);
  const CoredReloadReport told = {.status = status,
                                  .path = path ? path : "",
                                  .old_id = net ? net->id : "",
                                  .new_id = net && status == CORED_RELOAD_KEPT ? net->id : "",
                                  .generation = net ? net->info->generation : 0,
                                  .error = error};
  if (alive)
    reload->report(reload->user, &told);
  cored_net_unref(net);
}

static void set_candidate(Errand *errand, CoredNet *net) {
  cored_net_unref(errand->candidate);
  errand->candidate = net ? cored_net_ref(net) : NULL;
}

static void expect_no_news(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  end_loading(reload);
  g_mutex_unlock(&reload->mutex);
}

/* Another file: leave the old source, whose news are of no interest any more, and have the new one
 * tell its net. */
static void join(CoredReload *reload, Errand *errand) {
  CoredError error = {CORED_ERROR_NONE, ""};
  cored_source_leave(reload->source, reload);
  reload->source = NULL;
  make_stale(&errand->news);
  g_mutex_lock(&reload->mutex);
  make_stale(&reload->news);
  reload->joining = FALSE;
  reload->loading = TRUE;
  g_mutex_unlock(&reload->mutex);
  if (!errand->path || !*errand->path) {
    expect_no_news(reload);
    return;
  }
  const CoredSourceSettings settings = {.path = errand->path,
                                        .instance = errand->instance,
                                        .trusted_keys = errand->trusted_keys,
                                        .watch = errand->watch};
  reload->source = cored_source_join(&settings, FALSE, on_news, reload, &error);
  CoredNet *net = cored_source_valid_net(reload->source);
  if (net) { /* loaded already by somebody else, so there may be no news */
    expect_no_news(reload);
    set_candidate(errand, net);
  }
  cored_net_unref(net);
}

/* Is it what judges, or will at the next frame? */
static gboolean is_current(CoredReload *reload, const CoredNet *net) {
  g_mutex_lock(&reload->mutex);
  const CoredNet *current = reload->ready ? cored_judge_net(reload->ready) : reload->net;
  const gboolean same = current == net;
  g_mutex_unlock(&reload->mutex);
  return same;
}

/* Went the user back from it? */
static gboolean was_left(CoredReload *reload, const CoredNet *net) {
  g_mutex_lock(&reload->mutex);
  const gboolean left = reload->previous == net;
  g_mutex_unlock(&reload->mutex);
  return left;
}

static void read_one(CoredReload *reload, Errand *errand, const CoredNews *news) {
  switch (news->kind) {
  case CORED_NEWS_LOADED:
    if (!news->stale)
      set_candidate(errand, news->net);
    break;
  case CORED_NEWS_BACK:
    if (was_left(reload, news->net))
      report(reload, errand, CORED_RELOAD_KEPT, news->path, NULL);
    else if (!news->stale)
      set_candidate(errand, news->net);
    break;
  case CORED_NEWS_FAILED:
    report(reload, errand, CORED_RELOAD_FAILED, news->path, &news->error);
    break;
  case CORED_NEWS_UNWATCHED:
    report(reload, errand, CORED_RELOAD_UNWATCHED, news->path, &news->error);
    break;
  }
}

/* A report may have stopped all, and even started it again: what is left of the errand is nobody's
 * any more. */
static gboolean has_ended(CoredReload *reload, const Errand *errand) {
  g_mutex_lock(&reload->mutex);
  const gboolean ended = reload->life != errand->life;
  g_mutex_unlock(&reload->mutex);
  return ended;
}

/* The newest net wins; every failure is told. */
static void read_news(CoredReload *reload, Errand *errand) {
  CoredNews *news;
  while ((news = g_queue_pop_head(&errand->news))) {
    if (!has_ended(reload, errand))
      read_one(reload, errand, news);
    cored_news_free(news);
  }
}

/* Only who uses a model says so, and only then may it raise the floor. */
static gboolean may_use(CoredReload *reload, const CoredNet *net, CoredError *error) {
  const guint64 generation = net->info->generation;
  if (!reload->guarded || !*net->key_id)
    return TRUE;
  guint64 *floor = g_hash_table_lookup(reload->floors, net->key_id);
  if (floor && generation < *floor)
    return cored_error_set(error, CORED_ERROR_GENERATION,
                           "%s: expected generation %" G_GUINT64_FORMAT
                           " or later of key %s, which this element has used, found "
                           "%" G_GUINT64_FORMAT,
                           net->path, *floor, net->key_id, generation);
  if (reload->trust_state && *reload->trust_state &&
      !cored_floor_raise(reload->trust_state, net->key_id, generation, net->path, error))
    return FALSE;
  g_hash_table_insert(reload->floors, g_strdup(net->key_id),
                      g_memdup2(&generation, sizeof generation));
  return TRUE;
}

/* With the mutex held: nothing that overrules the errand was asked for since it began. */
static gboolean is_wanted(const CoredReload *reload, const Errand *errand) {
  return reload->life == errand->life && reload->choices == errand->choices;
}

/* The judge is taken over, unless all was stopped or another asked for in the meantime. */
static void hand_over(CoredReload *reload, const Errand *errand, CoredJudge *judge) {
  g_mutex_lock(&reload->mutex);
  CoredJudge *unused = judge;
  if (is_wanted(reload, errand)) {
    unused = reload->ready;
    reload->ready = judge;
  }
  g_mutex_unlock(&reload->mutex);
  cored_judge_free(unused);
}

static void make_ready(CoredReload *reload, const Errand *errand) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredJudge *judge = cored_judge_new(errand->candidate, errand->threads, &error);
  /* Going back by one is the application's own wish. */
  if (judge && errand->candidate != errand->back && !may_use(reload, errand->candidate, &error))
    g_clear_pointer(&judge, cored_judge_free);
  if (!judge) {
    report(reload, errand, CORED_RELOAD_FAILED, errand->candidate->path, &error);
    return;
  }
  cored_judge_warm_up(judge);
  hand_over(reload, errand, judge);
}

static void use_candidate(CoredReload *reload, const Errand *errand) {
  g_mutex_lock(&reload->mutex);
  const gboolean wanted = is_wanted(reload, errand), failed = reload->failed;
  g_mutex_unlock(&reload->mutex);
  if (!wanted)
    return;
  if (!is_current(reload, errand->candidate))
    make_ready(reload, errand);
  else if (failed)
    report(reload, errand, CORED_RELOAD_KEPT, errand->candidate->path, NULL);
}

static void free_retired(GQueue *judges, GQueue *nets) {
  CoredJudge *judge;
  CoredNet *net;
  while ((judge = g_queue_pop_head(judges)))
    cored_judge_free(judge);
  while ((net = g_queue_pop_head(nets)))
    cored_net_unref(net);
}

static void ask_again(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  reload->again =
      FALSE; /* not before: until it is loading it can be overruled as being asked for */
  reload->loading = reload->source != NULL;
  g_mutex_unlock(&reload->mutex);
  if (reload->source)
    cored_source_reload(reload->source);
}

static void work_once(CoredReload *reload) {
  Errand errand;
  take_errand(reload, &errand);
  free_retired(&errand.retired, &errand.retired_nets);
  if (errand.join)
    join(reload, &errand);
  if (errand.again)
    ask_again(reload);
  if (errand.back)
    set_candidate(&errand, errand.back);
  read_news(reload, &errand);
  if (errand.candidate)
    use_candidate(reload, &errand);
  cored_net_unref(errand.back);
  cored_net_unref(errand.candidate);
  g_free(errand.path);
  g_free(errand.instance);
  g_free(errand.trusted_keys);
}

/* Called back, the application may stop the user and drop its last reference: this one keeps the
 * reload alive until its thread has left it. */
static void work(gpointer data) {
  CoredReload *reload = data;
  gpointer user = g_object_ref(reload->user);
  work_once(reload);
  g_object_unref(user);
}

/* ---- Start, stop, requests ------------------------------------------------------------------ */

/* Load and make the first judge, while the lane leaves the source alone. */
static gboolean open_first(CoredReload *reload, const char *path,
                           const CoredReloadSettings *settings, CoredError *error) {
  const CoredSourceSettings of_source = {.path = path,
                                         .instance = settings->instance,
                                         .trusted_keys = settings->trusted_keys,
                                         .watch = settings->watch};
  if (!path || !*path)
    return TRUE;
  reload->source = cored_source_join(&of_source, TRUE, on_news, reload, error);
  if (!reload->source)
    return FALSE;
  CoredNet *net = cored_source_net(reload->source);
  CoredJudge *judge = cored_judge_new(net, settings->threads, error);
  if (judge && !may_use(reload, net, error))
    g_clear_pointer(&judge, cored_judge_free);
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

/* Other keys, other floors. */
static void set_guard(CoredReload *reload, const CoredReloadSettings *settings) {
  if (g_strcmp0(reload->floors_of, settings->trusted_keys) != 0)
    g_hash_table_remove_all(reload->floors);
  g_free(reload->floors_of);
  g_free(reload->trust_state);
  reload->floors_of = g_strdup(settings->trusted_keys);
  reload->trust_state = g_strdup(settings->trust_state);
  reload->guarded = settings->guarded;
}

gboolean cored_reload_start(CoredReload *reload, const CoredReloadSettings *settings,
                            CoredError *error) {
  set_guard(reload, settings);
  reload->lane = cored_lane_new(CORED_LANE_ERRANDS, work, reload);
  g_mutex_lock(&reload->mutex);
  reload->open = TRUE;
  reload->instance = g_strdup(settings->instance);
  reload->trusted_keys = g_strdup(settings->trusted_keys);
  reload->watch = settings->watch;
  reload->threads = settings->threads;
  char *path = g_strdup(reload->path); /* what is set from now on is asked for */
  g_mutex_unlock(&reload->mutex);
  const gboolean ok = open_first(reload, path, settings, error);
  g_free(path);
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
  g_clear_pointer(&reload->instance, g_free);
  g_clear_pointer(&reload->trusted_keys, g_free);
  reload->path_changed = reload->again = reload->back = reload->failed = FALSE;
  reload->joining = reload->loading = reload->overruled = FALSE;
}

void cored_reload_stop(CoredReload *reload) {
  if (!reload->lane)
    return;
  g_mutex_lock(&reload->mutex);
  reload->open = reload->started = FALSE;
  reload->life++;
  reload->path_changed = reload->again = reload->back = FALSE;
  g_mutex_unlock(&reload->mutex);
  cored_lane_rest(reload->lane);
  cored_source_leave(reload->source, reload);
  reload->source = NULL;
  cored_lane_free(reload->lane);
  reload->lane = NULL;
  g_mutex_lock(&reload->mutex);
  clear(reload);
  g_mutex_unlock(&reload->mutex);
}

void cored_reload_set_path(CoredReload *reload, const char *path) {
  char *absolute = cored_absolute_path(path);
  g_mutex_lock(&reload->mutex);
  g_free(reload->path);
  reload->path = absolute;
  reload->path_changed = reload->open;
  reload->back = reload->overruled = FALSE;
  reload->choices++;
  kick_if_started(reload);
  g_mutex_unlock(&reload->mutex);
}

void cored_reload_again(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  reload->again = reload->open;
  reload->overruled = FALSE;
  kick_if_started(reload);
  g_mutex_unlock(&reload->mutex);
}

void cored_reload_previous(CoredReload *reload) {
  g_mutex_lock(&reload->mutex);
  reload->back = reload->open && reload->previous;
  if (reload->back) {
    make_stale(&reload->news);
    reload->overruled = reload->path_changed || reload->joining || reload->again || reload->loading;
    reload->choices++;
  }
  kick_if_started(reload);
  g_mutex_unlock(&reload->mutex);
}

/* ---- Between two frames --------------------------------------------------------------------- */

CoredJudge *cored_reload_exchange(CoredReload *reload, CoredJudge *current, CoredSwap *swap) {
  const gint64 start = g_get_monotonic_time();
  *swap = (CoredSwap){0};
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
  reload->failed = FALSE;
  if (current)
    g_queue_push_tail(&reload->retired, current);
  if (reload->retired.length || reload->retired_nets.length)
    kick_if_started(reload);
  swap->old = reload->previous ? cored_net_ref(reload->previous) : NULL;
  swap->net = cored_net_ref(reload->net);
  swap->life = reload->life;
  g_mutex_unlock(&reload->mutex);
  swap->swap_us = (guint64)(g_get_monotonic_time() - start);
  return judge;
}

void cored_reload_tell(CoredReload *reload, CoredSwap *swap) {
  const CoredNet *old = swap->old, *net = swap->net;
  if (!net)
    return;
  const CoredReloadReport report = {.status = CORED_RELOAD_LOADED,
                                    .path = net->path,
                                    .old_id = old ? old->id : "",
                                    .new_id = net->id,
                                    .generation = net->info->generation,
                                    .load_us = net->load_us,
                                    .swap_us = swap->swap_us};
  g_mutex_lock(&reload->mutex);
  const gboolean alive = reload->life == swap->life; /* else the report before this ended it */
  g_mutex_unlock(&reload->mutex);
  if (alive)
    reload->report(reload->user, &report);
  g_clear_pointer(&swap->old, cored_net_unref);
  g_clear_pointer(&swap->net, cored_net_unref);
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
