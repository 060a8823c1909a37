/* SPDX-License-Identifier: MIT */
#include "base/thread-pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/block.h"
#include "base/error.h"

#define SPINS_AT_BARRIER 4000 /* about 0.1 ms: layers end within that of each other */
#define SPINS_IDLE 1000

/* A word that threads wait on until it changes. */
typedef struct Signal {
  _Alignas(64) atomic_uint value;
  atomic_uint sleepers;
} Signal;

struct CoredThreadPool {
  int threads, started;
  int spins_at_barrier, spins_idle; /* 0 where there are more threads than CPUs */
  pthread_t workers[CORED_THREAD_POOL_MAX];
  CoredThreadPoolFn *fn; /* of the current run; NULL tells the workers to end */
  void *arg;
  Signal start; /* counts runs */
  Signal phase; /* counts barriers */
  _Alignas(64) atomic_int arrived;
};

typedef struct Worker {
  CoredThreadPool *pool;
  int thread;
} Worker;

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Return once the signal no longer has the value `old`. Order matters: a sleeper announces itself
 * before the kernel compares the value, signal_raise() changes the value before it looks for
 * sleepers, so one of the two always sees the other. */
static void signal_wait(Signal *signal, unsigned old, int spins) {
  for (int i = 0; i < spins; i++) {
    if (atomic_load_explicit(&signal->value, memory_order_acquire) != old)
      return;
    pause_cpu();
  }
  atomic_fetch_add(&signal->sleepers, 1);
  while (atomic_load(&signal->value) == old)
    syscall(SYS_futex, &signal->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub(&signal->sleepers, 1);
}

static void signal_raise(Signal *signal) {
  atomic_fetch_add(&signal->value, 1);
  if (atomic_load(&signal->sleepers) > 0)
    syscall(SYS_futex, &signal->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void cored_thread_pool_barrier(CoredThreadPool *pool) {
  if (pool->threads == 1)
    return;
  const unsigned phase = atomic_load(&pool->phase.value);
  if (atomic_fetch_add(&pool->arrived, 1) == pool->threads - 1) {
    atomic_store(&pool->arrived, 0);
    signal_raise(&pool->phase);
  } else {
    signal_wait(&pool->phase, phase, pool->spins_at_barrier);
  }
}

static void *work(void *data) {
  const Worker worker = *(Worker *)data;
  CoredThreadPool *const pool = worker.pool;
  free(data);
  for (unsigned run = 0;; run++) {
    signal_wait(&pool->start, run, pool->spins_idle);
    if (!pool->fn)
      return NULL;
    pool->fn(pool->arg, worker.thread, pool->threads);
    cored_thread_pool_barrier(pool);
  }
}

void cored_thread_pool_run(CoredThreadPool *pool, CoredThreadPoolFn *fn, void *arg) {
  pool->fn = fn;
  pool->arg = arg;
  if (pool->threads > 1)
    signal_raise(&pool->start);
  fn(arg, 0, pool->threads);
  cored_thread_pool_barrier(pool);
}

int cored_thread_pool_threads(const CoredThreadPool *pool) {
  return pool ? pool->threads : 1;
}

typedef struct Tasks {
  CoredThreadPoolTask *task;
  void *context;
  int n;
  atomic_int next;
} Tasks;

static void work_off(void *arg, int thread, int n_threads) {
  (void)n_threads;
  Tasks *const tasks = arg;
  for (int i; (i = atomic_fetch_add(&tasks->next, 1)) < tasks->n;)
    tasks->task(tasks->context, i, thread);
}

void cored_thread_pool_tasks(CoredThreadPool *pool, CoredThreadPoolTask *task, void *context,
                             int n) {
  Tasks tasks = {.task = task, .context = context, .n = n};
  if (cored_thread_pool_threads(pool) == 1 || n <= 1)
    work_off(&tasks, 0, 1);
  else
    cored_thread_pool_run(pool, work_off, &tasks);
}

static int count_cpus(void) {
  cpu_set_t set;
  const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                            : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > CORED_THREAD_POOL_MAX ? CORED_THREAD_POOL_MAX : n;
}

static bool start_worker(CoredThreadPool *pool, int thread) {
  Worker *const worker = malloc(sizeof *worker);
  if (!worker)
    return false;
  *worker = (Worker){.pool = pool, .thread = thread};
  if (pthread_create(&pool->workers[thread], NULL, work, worker) != 0) {
    free(worker);
    return false;
  }
  pool->started++;
  return true;
}

CoredThreadPool *cored_thread_pool_new(int threads, CoredError *error) {
  const int cpus = count_cpus();
  if (threads < 0 || threads > CORED_THREAD_POOL_MAX) {
    cored_error_set(error, CORED_ERROR_ARGUMENT, "threads: expected 0 to %d, got %d",
                    CORED_THREAD_POOL_MAX, threads);
    return NULL;
  }
  CoredThreadPool *const pool = cored_block_new(1, sizeof *pool);
  if (!pool) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "thread pool: no memory");
    return NULL;
  }
  *pool = (CoredThreadPool){.threads = threads ? threads : cpus};
  if (pool->threads <= cpus) {
    pool->spins_at_barrier = SPINS_AT_BARRIER;
    pool->spins_idle = SPINS_IDLE;
  }
  /* Signals belong to the host's threads: the workers inherit a mask that blocks them all. */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  bool ok = true;
  for (int i = 1; ok && i < pool->threads; i++)
    ok = start_worker(pool, i);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (!ok) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "thread pool: thread %d of %d did not start",
                    pool->started + 2, pool->threads);
    cored_thread_pool_free(pool);
    return NULL;
  }
  return pool;
}

void cored_thread_pool_free(CoredThreadPool *pool) {
  if (!pool)
    return;
  pool->fn = NULL;
  signal_raise(&pool->start);
  for (int i = 1; i <= pool->started; i++)
    pthread_join(pool->workers[i], NULL);
  cored_block_free(pool, 1, sizeof *pool);
}

void cored_thread_pool_part(int count, int grain, int thread, int n_threads, int *from, int *to) {
  const long long grains = ((long long)count + grain - 1) / grain;
  const long long a = grains * thread / n_threads * grain;
  const long long b = grains * (thread + 1) / n_threads * grain;
  *from = a < count ? (int)a : count;
  *to = b < count ? (int)b : count;
}
