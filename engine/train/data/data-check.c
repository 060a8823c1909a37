/* SPDX-License-Identifier: MIT
 * Reading every file of a set once, in threads, before anything is learned from it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "train/data/data-private.h"

enum { MAX_THREADS = 64 };

typedef struct Check {
  CoredDataset *set;
  CoredDataReader *readers[MAX_THREADS];
  size_t floats; /* of one input */
  atomic_ullong video_budget;
  atomic_size_t next, done;
  atomic_bool stop;
  pthread_mutex_t lock; /* guards error */
  CoredError error;
} Check;

typedef struct Worker {
  Check *check;
  CoredDataReader *reader;
  pthread_t thread;
} Worker;

static void *work(void *data) {
  const Worker *worker = data;
  Check *check = worker->check;
  float *scratch = malloc(check->floats * sizeof *scratch);
  while (!atomic_load(&check->stop)) {
    const size_t i = atomic_fetch_add(&check->next, 1);
    if (i >= check->set->n_files)
      break;
    CoredDataFile *file = &check->set->files[i];
    float *out = i < check->set->n_cached ? check->set->cache + i * check->floats : scratch;
    CoredError error = {0};
    if (!file->bad && (!scratch || !cored_data_examine(worker->reader, file, out,
                                                       &check->video_budget, &error))) {
      if (error.code == CORED_ERROR_NONE)
        cored_error_set(&error, CORED_ERROR_NO_MEMORY, "'%s'", file->path);
      pthread_mutex_lock(&check->lock);
      check->error = error;
      pthread_mutex_unlock(&check->lock);
      atomic_store(&check->stop, true);
    }
    atomic_fetch_add(&check->done, 1);
  }
  free(scratch);
  return NULL;
}

/* Tell the caller ten times a second; stop when it says so. */
static bool watch(Check *check, CoredDataProgress progress, void *user) {
  const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
  for (int tick = 0;; tick++) {
    const size_t done = atomic_load(&check->done);
    if (progress && tick % 5 == 0 && !progress(user, done, check->set->n_files)) {
      atomic_store(&check->stop, true);
      return false;
    }
    if (done >= check->set->n_files || atomic_load(&check->stop)) {
      if (progress)
        progress(user, done, check->set->n_files);
      return true;
    }
    nanosleep(&pause, NULL);
  }
}

static bool run_workers(Check *check, int n_threads, CoredDataProgress progress, void *user,
                        CoredError *error) {
  Worker workers[MAX_THREADS];
  int started = 0;
  for (; started < n_threads; started++) {
    workers[started] = (Worker){.check = check, .reader = check->readers[started]};
    if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
      break;
  }
  bool ok = started > 0;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "no thread could be started");
  else if (!watch(check, progress, user))
    ok = cored_error_set(error, CORED_ERROR_CANCELLED, "interrupted");
  for (int i = 0; i < started; i++)
    pthread_join(workers[i].thread, NULL);
  if (ok && check->error.code != CORED_ERROR_NONE) {
    if (error)
      *error = check->error;
    ok = false;
  }
  return ok;
}

/* Good files become samples in order of their paths. */
static bool collect(CoredDataset *set, CoredError *error) {
  size_t n = 0;
  set->n_bad = 0;
  for (size_t i = 0; i < set->n_files; i++) {
    set->n_bad += set->files[i].bad;
    n += set->files[i].bad ? 0 : set->files[i].video ? set->files[i].n_frames : 1;
  }
  set->samples = malloc((n + 1) * sizeof *set->samples);
  if (!set->samples || n > UINT32_MAX)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "list of %zu samples", n);
  for (size_t i = 0; i < set->n_files; i++) {
    const CoredDataFile *file = &set->files[i];
    const uint32_t n_frames = file->bad ? 0 : file->video ? file->n_frames : 1;
    for (uint32_t k = 0; k < n_frames; k++)
      set->samples[set->n_samples++] = (CoredDataSample){(uint32_t)i, k};
  }
  for (int c = 0; c < set->n_classes; c++)
    if (cored_dataset_class_count(set, (uint32_t)c) == 0)
      return cored_error_set(error, CORED_ERROR_DATASET,
                             "'%s': not one file of class '%s' can be used (%zu files are bad)",
                             set->root, set->classes[c], set->n_bad);
  return cored_data_check_labels(set, error);
}

/* The cache is one block that the system fills page by page as it is written. */
static void reserve_cache(Check *check, uint64_t bytes) {
  CoredDataset *set = check->set;
  const size_t each = check->floats * sizeof(float);
  const uint64_t fit = bytes / each;
  size_t n = fit < set->n_files ? (size_t)fit : set->n_files;
  while (n > 0 && !(set->cache = malloc(n * each)))
    n /= 2;
  set->n_cached = n;
}

bool cored_dataset_check(CoredDataset *set, const CoredDataParams *params,
                         CoredDataProgress progress, void *user, CoredError *error) {
  const int n_threads = params->threads < 1             ? 1
                        : params->threads > MAX_THREADS ? MAX_THREADS
                                                        : params->threads;
  Check check = {.set = set,
                 .floats = (size_t)params->width * (size_t)params->height * 3,
                 .video_budget = params->video_bytes,
                 .lock = PTHREAD_MUTEX_INITIALIZER};
  bool ok = true;
  set->params = *params;
  set->params.cascade = NULL;
  if (params->cascade && params->faces) /* frames of videos are all made by now */
    ok = (set->params.cascade = set->cascade = strdup(params->cascade)) != NULL ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "'%s'", params->cascade);
  for (int i = 0; ok && i < n_threads; i++)
    ok = (check.readers[i] = cored_data_reader_new(params, error)) != NULL;
  if (ok) {
    reserve_cache(&check, params->cache_bytes);
    ok = run_workers(&check, n_threads, progress, user, error) && collect(set, error);
  }
  for (int i = 0; i < n_threads; i++)
    cored_data_reader_free(check.readers[i]);
  return ok;
}
