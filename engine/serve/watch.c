/* SPDX-License-Identifier: MIT
 * Watching a model file: one thread that looks at the file's stamp again and again, waits until
 * a new version stays unchanged, loads it and hands over the plan. cored.h has the contract.
 *
 * What the thread knows of the file is a Version: `handled` is the last stamp an outcome is known
 * for, `latest` the last one seen. While they differ a version is pending; when it stayed the same
 * for a while it is loaded. A version that fails the way half-written files do is loaded once more
 * before it is called bad, and later now and then. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "serve/self-test.h"
#include "base/file.h"
#include "model/format.h"
#include "base/file-stamp.h"

#define STABLE_MS 200
#define POLL_MS 100
#define MISSING_MS 1000    /* a file moved away gets this long to come back */
#define IMPATIENCE_MS 2000 /* renames in a storm: one of them is loaded after so long */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 60000
#define NICENESS 5 /* frames go first */

typedef struct Version {
  CoredFileStamp handled, latest;
  bool pending, replaced; /* replaced: another inode, so whole as it came */
  int64_t first_change_ms, last_change_ms;
  bool bad, reported; /* of handled */
  int64_t retry_ms, backoff_ms;
} Version;

struct CoredWatch {
  CoredWatchCallback callback;
  void *user;
  pthread_t thread;
  int cancel; /* atomic: ends a load that goes on */

  pthread_mutex_t lock; /* of the requests */
  pthread_cond_t asked;
  bool stop, trigger;
  char *new_path;

  /* The thread's own: */
  CoredWatchParams params;
  char *path;
  Version version;
  bool forced;                         /* load whatever is there, and tell */
  bool wanted;                         /* because somebody asked for it */
  bool failed_told;                    /* the last event was a failure */
  char identity[CORED_SHA256_HEX + 1]; /* header hash of the last good version */
  char key_id[CORED_KEY_ID_HEX + 1];   /* of who signed it */
  uint64_t generation;
};

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static double since_ms(const struct timespec *start) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)(t.tv_sec - start->tv_sec) * 1e3 + (double)(t.tv_nsec - start->tv_nsec) * 1e-6;
}

/* ---- Outcomes ------------------------------------------------------------------------------- */

static bool stopped(CoredWatch *watch) {
  pthread_mutex_lock(&watch->lock);
  const bool stop = watch->stop;
  pthread_mutex_unlock(&watch->lock);
  return stop;
}

static void tell(CoredWatch *watch, CoredWatchEvent event) {
  event.path = watch->path;
  event.asked = watch->wanted;
  watch->failed_told = event.status == CORED_WATCH_FAILED;
  if (!stopped(watch))
    watch->callback(watch->user, &event);
}

/* Does a half-written file fail like this? */
static bool looks_unfinished(CoredErrorCode code) {
  switch ((int)code) {
  case CORED_ERROR_FILE_TOO_SMALL:
  case CORED_ERROR_FILE_CHANGED:
  case CORED_ERROR_HEADER_LENGTH:
  case CORED_ERROR_HEADER_ENCODING:
  case CORED_ERROR_HEADER_SYNTAX:
  case CORED_ERROR_TENSOR_GAP:
  case CORED_ERROR_TRUNCATED:
  case CORED_ERROR_HASH:
    return true;
  }
  return false;
}

/* May the same file give another outcome later? */
static bool may_pass(CoredErrorCode code) {
  return looks_unfinished(code) || code == CORED_ERROR_OPEN || code == CORED_ERROR_READ ||
         code == CORED_ERROR_NO_MEMORY;
}

static void handle_failure(CoredWatch *watch, const CoredFileStamp *stamp,
                           const CoredError *error) {
  Version *const v = &watch->version;
  const bool again = v->bad && cored_stamp_equal(stamp, &v->handled);
  const bool patient = !again && !watch->forced && looks_unfinished(error->code);
  if (!again) {
    v->backoff_ms = RETRY_FIRST_MS;
    v->reported = false;
  } else if (v->backoff_ms < RETRY_LAST_MS) {
    v->backoff_ms *= 2;
  }
  v->handled = *stamp;
  v->bad = true;
  v->retry_ms = may_pass(error->code) ? now_ms() + v->backoff_ms : INT64_MAX;
  if (patient || (v->reported && !watch->forced))
    return;
  v->reported = true;
  tell(watch, (CoredWatchEvent){.status = CORED_WATCH_FAILED, .error = error, .stamp = *stamp});
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Generations of one key are in order; another key begins anew. */
static bool check_generation(const CoredWatch *watch, const CoredModel *model, CoredError *error) {
  const CoredModelInfo *const info = cored_model_info(model);
  const char *const key_id = cored_model_metadata(model, CORED_KEY_KEY_ID);
  const bool other_key = watch->key_id[0] && key_id && strcmp(key_id, watch->key_id) != 0;
  if (!watch->params.refuse_older || other_key || info->generation >= watch->generation)
    return true;
  return cored_error_set(
      error, CORED_ERROR_GENERATION, "%s: expected generation %llu or later, found %llu",
      watch->path, (unsigned long long)watch->generation, (unsigned long long)info->generation);
}

/* Warm-up: one run at the size that will be used. The self-test was one already where that is the
 * model's own size; pages and caches are then as they will be. */
static bool warm_up(CoredPlan *plan, CoredError *error) {
  const CoredSessionParams params = {.max_batch = 1, .threads = 1};
  CoredSession *const session = cored_session_new(plan, &params, error);
  if (!session)
    return false;
  int width, height;
  cored_plan_input_size(plan, &width, &height);
  float *const input = cored_session_input(session);
  memset(input, 0, (size_t)width * (size_t)height * 3 * sizeof *input);
  CoredOutput output;
  cored_session_run(session, input, 1, &output);
  cored_session_free(session);
  return true;
}

static CoredPlan *prepare(CoredWatch *watch, const CoredModel *model, CoredError *error) {
  CoredPlanParams params = {.cpu = cored_cpu_flags()};
  if (watch->params.use_plan)
    params = watch->params.plan;
  params.cancel = &watch->cancel;
  CoredPlan *const plan = cored_plan_new(model, &params, error);
  if (!plan)
    return NULL;
  bool ok = cored_self_test_verify(model, plan, watch->path, error);
  if (ok && cored_cancelled(&watch->cancel))
    ok = cored_fail_cancelled(watch->path, error);
  ok = ok && warm_up(plan, error);
  if (ok)
    return plan;
  cored_plan_unref(plan);
  return NULL;
}

/* From the file to a plan that ran. *fresh: its bytes are not those of the last good version; only
 * then, or when forced, a plan is made. */
static bool load_version(CoredWatch *watch, bool *fresh, CoredWatchEvent *event,
                         CoredError *error) {
  const CoredModelLoadParams params = {.max_bytes = watch->params.max_bytes,
                                       .skip_self_test = true,
                                       .cancel = &watch->cancel,
                                       .trust = watch->params.trust,
                                       .kind = watch->params.kind};
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  CoredModel *const model = cored_model_load(watch->path, &params, error);
  if (!model)
    return false;
  event->load_ms = since_ms(&start);
  const char *const identity = cored_model_metadata(model, CORED_KEY_HEADER_SHA256);
  bool ok = check_generation(watch, model, error);
  *fresh = strcmp(identity, watch->identity) != 0;
  if (ok && (*fresh || watch->forced)) {
    clock_gettime(CLOCK_MONOTONIC, &start);
    event->plan = prepare(watch, model, error);
    event->prepare_ms = since_ms(&start);
    event->model = event->plan ? cored_model_ref(model) : NULL;
    ok = event->plan != NULL;
  }
  if (ok) {
    const char *const key_id = cored_model_metadata(model, CORED_KEY_KEY_ID);
    memcpy(watch->identity, identity, sizeof watch->identity);
    snprintf(watch->key_id, sizeof watch->key_id, "%s", key_id ? key_id : "");
    watch->generation = cored_model_info(model)->generation;
  }
  cored_model_unref(model);
  return ok;
}

static void tell_good(CoredWatch *watch, CoredWatchEvent *event) {
  event->status = event->plan ? CORED_WATCH_LOADED : CORED_WATCH_BACK;
  event->identity = watch->identity;
  event->key_id = watch->params.trust ? watch->key_id : NULL;
  if (event->plan || watch->failed_told)
    tell(watch, *event);
}

/* Where nothing can be said at the moment the stamp stays as it is. */
static void take_stamp(const CoredWatch *watch, CoredFileStamp *stamp) {
  CoredFileStamp seen;
  if (cored_stamp_look(watch->path, &seen))
    *stamp = seen;
}

static void attempt(CoredWatch *watch) {
  Version *const v = &watch->version;
  CoredWatchEvent event = {.stamp = v->latest};
  CoredError error = {0};
  bool fresh = false;
  take_stamp(watch, &event.stamp);
  const bool ok = load_version(watch, &fresh, &event, &error);
  if (!ok && error.code == CORED_ERROR_CANCELLED)
    return; /* the requests say what is next */
  v->pending = false;
  v->latest = event.stamp;
  if (!ok) {
    handle_failure(watch, &event.stamp, &error);
  } else {
    v->handled = event.stamp;
    v->bad = false;
    tell_good(watch, &event);
    cored_plan_unref(event.plan);
    cored_model_unref(event.model);
  }
  watch->forced = watch->wanted = false;
}

/* ---- Looking -------------------------------------------------------------------------------- */

static void look(CoredWatch *watch) {
  Version *const v = &watch->version;
  const int64_t now = now_ms();
  CoredFileStamp stamp = v->latest;
  take_stamp(watch, &stamp);
  if (cored_stamp_equal(&stamp, &v->latest))
    return;
  if (!v->pending) {
    v->first_change_ms = now;
    v->replaced = false;
  }
  v->replaced |= stamp.inode != v->latest.inode && !cored_stamp_is_missing(&stamp);
  v->last_change_ms = now;
  v->latest = stamp;
  v->pending = !cored_stamp_equal(&stamp, &v->handled);
}

static bool is_due(const CoredWatch *watch) {
  const Version *const v = &watch->version;
  const int64_t now = now_ms();
  const int stable_ms = cored_stamp_is_missing(&v->latest) && watch->params.stable_ms < MISSING_MS
                            ? MISSING_MS
                            : watch->params.stable_ms;
  if (watch->forced)
    return true;
  if (v->pending)
    return now - v->last_change_ms >= stable_ms ||
           (v->replaced && !cored_stamp_is_missing(&v->latest) &&
            now - v->first_change_ms >= IMPATIENCE_MS);
  return v->bad && now >= v->retry_ms;
}

/* How long until the next look. */
static int patience(const CoredWatch *watch) {
  const Version *const v = &watch->version;
  int64_t ms = watch->params.poll_ms;
  if (v->pending && ms > watch->params.stable_ms / 4)
    ms = watch->params.stable_ms / 4;
  if (!v->pending && v->bad && v->retry_ms - now_ms() < ms)
    ms = v->retry_ms - now_ms();
  return ms < 5 ? 5 : (int)ms;
}

/* Until the next look, or a request. */
static void rest(CoredWatch *watch) {
  struct timespec until;
  const int ms = patience(watch);
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += ms % 1000 * 1000000L;
  until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&watch->lock);
  if (!watch->stop && !watch->trigger && !watch->new_path)
    pthread_cond_timedwait(&watch->asked, &watch->lock, &until);
  pthread_mutex_unlock(&watch->lock);
}

/* False when it is time to end. */
static bool take_requests(CoredWatch *watch) {
  pthread_mutex_lock(&watch->lock);
  const bool stop = watch->stop;
  watch->forced |= watch->trigger;
  watch->wanted |= watch->trigger;
  watch->trigger = false;
  if (watch->new_path) {
    free(watch->path);
    watch->path = watch->new_path;
    watch->new_path = NULL;
    watch->version = (Version){0};
    watch->forced = watch->wanted = true;
  }
  if (!stop)
    __atomic_store_n(&watch->cancel, 0, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&watch->lock);
  return !stop;
}

static void *run(void *arg) {
  CoredWatch *const watch = arg;
  setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
  while (take_requests(watch)) {
    look(watch);
    if (is_due(watch))
      attempt(watch);
    else
      rest(watch);
  }
  return NULL;
}

/* ---- The object ----------------------------------------------------------------------------- */

static void destroy(CoredWatch *watch) {
  pthread_mutex_destroy(&watch->lock);
  pthread_cond_destroy(&watch->asked);
  free(watch->path);
  free(watch->new_path);
  cored_trust_unref(watch->params.trust);
  free(watch);
}

/* The thread takes no signals: they are the application's. */
static int start_thread(CoredWatch *watch) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&watch->thread, NULL, run, watch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!failed)
    pthread_setname_np(watch->thread, "cored-watch");
  return failed;
}

static void set_params(CoredWatch *watch, const CoredWatchParams *params) {
  if (params)
    watch->params = *params;
  if (watch->params.stable_ms <= 0)
    watch->params.stable_ms = STABLE_MS;
  if (watch->params.poll_ms <= 0)
    watch->params.poll_ms = POLL_MS;
  if (watch->params.trust)
    cored_trust_ref(watch->params.trust);
  watch->generation = watch->params.generation;
  watch->forced = !watch->params.known;
  if (watch->params.known) {
    watch->version.handled = *watch->params.known;
    watch->version.latest = *watch->params.known;
    watch->params.known = NULL; /* the caller's memory */
  }
}

static void init_lock(CoredWatch *watch) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&watch->lock, NULL);
  pthread_cond_init(&watch->asked, &attributes);
  pthread_condattr_destroy(&attributes);
}

CoredWatch *cored_watch_new(const char *path, const CoredWatchParams *params,
                            CoredWatchCallback callback, void *user, CoredError *error) {
  CoredWatch *const watch = calloc(1, sizeof *watch);
  if (!watch) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory to watch it", path);
    return NULL;
  }
  watch->callback = callback;
  watch->user = user;
  init_lock(watch);
  set_params(watch, params);
  watch->path = strdup(path);
  if (watch->path && start_thread(watch) == 0)
    return watch;
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no %s to watch it", path,
                  watch->path ? "thread" : "memory");
  destroy(watch);
  return NULL;
}

void cored_watch_free(CoredWatch *watch) {
  if (!watch)
    return;
  pthread_mutex_lock(&watch->lock);
  watch->stop = true;
  __atomic_store_n(&watch->cancel, 1, __ATOMIC_RELAXED);
  pthread_cond_signal(&watch->asked);
  pthread_mutex_unlock(&watch->lock);
  pthread_join(watch->thread, NULL);
  destroy(watch);
}

void cored_watch_trigger(CoredWatch *watch) {
  pthread_mutex_lock(&watch->lock);
  watch->trigger = true;
  pthread_cond_signal(&watch->asked);
  pthread_mutex_unlock(&watch->lock);
}

bool cored_watch_set_path(CoredWatch *watch, const char *path) {
  char *const copy = strdup(path);
  if (!copy)
    return false;
  pthread_mutex_lock(&watch->lock);
  free(watch->new_path);
  watch->new_path = copy;
  __atomic_store_n(&watch->cancel, 1, __ATOMIC_RELAXED);
  pthread_cond_signal(&watch->asked);
  pthread_mutex_unlock(&watch->lock);
  return true;
}
