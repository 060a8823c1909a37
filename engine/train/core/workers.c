/* SPDX-License-Identifier: MIT */
#include "train/core/workers.h"

#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct CoredWorkers {
  int threads, started;
  pthread_t *handles;
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  uint64_t generation; /* counts runs; a change wakes the threads */
  int busy;            /* threads that have not finished this run */
  int next_thread;     /* numbers threads as they start */
  bool quit;
  CoredWork task;
  void *context;
  int n;
  atomic_int next;
};

static void work_off(CoredWorkers *workers, int thread) {
  for (int i; (i = atomic_fetch_add(&workers->next, 1)) < workers->n;)
    workers->task(workers->context, i, thread);
}

static void *thread_main(void *data) {
  CoredWorkers *const workers = data;
  uint64_t seen = 0;
  pthread_mutex_lock(&workers->lock);
  const int thread = ++workers->next_thread;
  for (;;) {
    while (!workers->quit && workers->generation == seen)
      pthread_cond_wait(&workers->work, &workers->lock);
    if (workers->quit)
      break;
    seen = workers->generation;
    pthread_mutex_unlock(&workers->lock);
    work_off(workers, thread);
    pthread_mutex_lock(&workers->lock);
    if (--workers->busy == 0)
      pthread_cond_signal(&workers->done);
  }
  pthread_mutex_unlock(&workers->lock);
  return NULL;
}

CoredWorkers *cored_workers_new(int threads, CoredError *error) {
  CoredWorkers *const workers = calloc(1, sizeof *workers);
  pthread_t *const handles = calloc((size_t)threads, sizeof *handles);
  if (!workers || !handles) {
    free(workers);
    free(handles);
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "worker threads: no memory");
    return NULL;
  }
  workers->threads = threads;
  workers->handles = handles;
  pthread_mutex_init(&workers->lock, NULL);
  pthread_cond_init(&workers->work, NULL);
  pthread_cond_init(&workers->done, NULL);
  for (; workers->started < threads - 1; workers->started++)
    if (pthread_create(&handles[workers->started], NULL, thread_main, workers) != 0) {
      cored_error_set(error, CORED_ERROR_NO_MEMORY, "worker thread %d of %d cannot be started",
                      workers->started + 2, threads);
      cored_workers_free(workers);
      return NULL;
    }
  return workers;
}

void cored_workers_free(CoredWorkers *workers) {
  if (!workers)
    return;
  pthread_mutex_lock(&workers->lock);
  workers->quit = true;
  pthread_cond_broadcast(&workers->work);
  pthread_mutex_unlock(&workers->lock);
  for (int i = 0; i < workers->started; i++)
    pthread_join(workers->handles[i], NULL);
  pthread_cond_destroy(&workers->done);
  pthread_cond_destroy(&workers->work);
  pthread_mutex_destroy(&workers->lock);
  free(workers->handles);
  free(workers);
}

int cored_workers_threads(const CoredWorkers *workers) {
  return workers ? workers->threads : 1;
}

void cored_workers_run(CoredWorkers *workers, CoredWork task, void *context, int n) {
  if (!workers || workers->threads == 1 || n <= 1) {
    for (int i = 0; i < n; i++)
      task(context, i, 0);
    return;
  }
  pthread_mutex_lock(&workers->lock);
  workers->task = task;
  workers->context = context;
  workers->n = n;
  atomic_store(&workers->next, 0);
  workers->busy = workers->started;
  workers->generation++;
  pthread_cond_broadcast(&workers->work);
  pthread_mutex_unlock(&workers->lock);
  work_off(workers, 0);
  pthread_mutex_lock(&workers->lock);
  while (workers->busy > 0)
    pthread_cond_wait(&workers->done, &workers->lock);
  pthread_mutex_unlock(&workers->lock);
}
