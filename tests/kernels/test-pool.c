/* SPDX-License-Identifier: MIT
 * The thread pool: everyone runs, barriers hold, work is divided without gaps, tasks are done once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include "base/thread-pool.h"

#define ROUNDS 300

typedef struct Round {
  CoredThreadPool *pool;
  int seen[CORED_THREAD_POOL_MAX]; /* rounds each thread has finished */
  int errors[CORED_THREAD_POOL_MAX];
} Round;

/* Between two barriers every thread sees that all others have come as far as itself. */
static void count_rounds(void *arg, int thread, int n_threads) {
  Round *const round = arg;
  for (int i = 1; i <= ROUNDS; i++) {
    round->seen[thread] = i;
    cored_thread_pool_barrier(round->pool);
    for (int j = 0; j < n_threads; j++)
      round->errors[thread] += round->seen[j] != i;
    cored_thread_pool_barrier(round->pool);
  }
}

static void test_barriers(void **state) {
  (void)state;
  for (int threads = 1; threads <= 5; threads++) { /* more than there may be CPUs */
    CoredError error;
    Round round;
    memset(&round, 0, sizeof round);
    round.pool = cored_thread_pool_new(threads, &error);
    assert_non_null(round.pool);
    assert_int_equal(cored_thread_pool_threads(round.pool), threads);
    for (int run = 0; run < 3; run++) {
      cored_thread_pool_run(round.pool, count_rounds, &round);
      for (int i = 0; i < threads; i++) {
        assert_int_equal(round.seen[i], ROUNDS);
        assert_int_equal(round.errors[i], 0);
      }
    }
    cored_thread_pool_free(round.pool);
  }
}

static void test_arguments(void **state) {
  (void)state;
  CoredError error;
  assert_null(cored_thread_pool_new(CORED_THREAD_POOL_MAX + 1, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  assert_null(cored_thread_pool_new(-1, &error));
  CoredThreadPool *const pool = cored_thread_pool_new(0, &error);
  assert_non_null(pool);
  assert_in_range(cored_thread_pool_threads(pool), 1, CORED_THREAD_POOL_MAX);
  cored_thread_pool_free(pool);
  cored_thread_pool_free(NULL);
}

enum { most_tasks = 400 };

typedef struct TaskLog {
  atomic_int done[most_tasks]; /* how often */
  atomic_int order[most_tasks], n_done;
  atomic_int wrong_threads;
  int threads;
} TaskLog;

static void log_task(void *context, int task, int thread) {
  TaskLog *const log = context;
  atomic_fetch_add(&log->done[task], 1);
  atomic_store(&log->order[atomic_fetch_add(&log->n_done, 1)], task);
  if (thread < 0 || thread >= log->threads)
    atomic_fetch_add(&log->wrong_threads, 1);
}

/* n tasks, each exactly once. */
static void check_tasks(CoredThreadPool *pool, int n, TaskLog *log) {
  *log = (TaskLog){.threads = cored_thread_pool_threads(pool)};
  cored_thread_pool_tasks(pool, log_task, log, n);
  assert_int_equal(log->n_done, n);
  assert_int_equal(log->wrong_threads, 0);
  for (int i = 0; i < n; i++)
    assert_int_equal(log->done[i], 1);
}

static void test_tasks(void **state) {
  (void)state;
  static const int counts[] = {0, 1, 2, 3, 64, most_tasks};
  TaskLog log;
  for (int threads = 1; threads <= 5; threads++) {
    CoredError error;
    CoredThreadPool *const pool = cored_thread_pool_new(threads, &error);
    assert_non_null(pool);
    for (int run = 0; run < ROUNDS; run++)
      check_tasks(pool, counts[run % 6], &log);
    cored_thread_pool_free(pool);
  }
  for (int i = 0; i < 6; i++) { /* without a pool in order */
    check_tasks(NULL, counts[i], &log);
    for (int j = 0; j < counts[i]; j++)
      assert_int_equal(log.order[j], j);
  }
}

static void test_parts(void **state) {
  (void)state;
  for (int count = 0; count < 70; count += 3)
    for (int grain = 1; grain < 20; grain += 5)
      for (int n = 1; n < 9; n++) {
        int end = 0;
        for (int i = 0; i < n; i++) {
          int from, to;
          cored_thread_pool_part(count, grain, i, n, &from, &to);
          assert_int_equal(from, end);
          assert_true(from % grain == 0 || from == count);
          assert_true(to - from <= ((count + grain - 1) / grain + n - 1) / n * grain);
          end = to;
        }
        assert_int_equal(end, count);
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_barriers),
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_parts),
      cmocka_unit_test(test_tasks),
  };
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
