/* SPDX-License-Identifier: MIT
 * A small pool of threads. Sessions let them work in step: all run one function, meet at barriers
 * inside it and leave it together. The trainer gives them numbered tasks.
 *
 * The caller is thread 0, so a pool of one has no thread of its own and costs nothing. Threads that
 * wait spin briefly (a layer takes some ten microseconds) and then sleep in the kernel. A pool
 * belongs to one caller at a time. Nothing is allocated after cored_thread_pool_new(). */
#ifndef CORED_BASE_THREAD_POOL_H
#define CORED_BASE_THREAD_POOL_H

#include "cored.h"

#define CORED_THREAD_POOL_MAX 64

typedef struct CoredThreadPool CoredThreadPool;

/* thread is 0..n_threads-1. */
typedef void CoredThreadPoolFn(void *arg, int thread, int n_threads);

/* threads: 1..CORED_THREAD_POOL_MAX, or 0 for one per CPU this process may use. */
CoredThreadPool *cored_thread_pool_new(int threads, CoredError *error);
void cored_thread_pool_free(CoredThreadPool *pool);         /* NULL is fine */
int cored_thread_pool_threads(const CoredThreadPool *pool); /* 1 for NULL */
/* Call fn on every thread and return when all have returned. */
void cored_thread_pool_run(CoredThreadPool *pool, CoredThreadPoolFn *fn, void *arg);
/* Inside fn, to be called by all threads equally often: none goes on before all have come; what was
 * written before is seen after. */
void cored_thread_pool_barrier(CoredThreadPool *pool);

/* Call task(context, i, thread) for every i in 0..n-1 and return when all are done; thread is in
 * 0..threads-1. Which thread does a task is left to chance: what a task computes must not depend on
 * it, nor on the number of threads, and tasks must not touch each other's output. A NULL pool does
 * them in this thread, in order. */
typedef void CoredThreadPoolTask(void *context, int task, int thread);
void cored_thread_pool_tasks(CoredThreadPool *pool, CoredThreadPoolTask *task, void *context,
                             int n);

/* The part [*from, *to) of `count` units, `grain` at a time, that falls to one of n threads: equal
 * to within one grain. */
void cored_thread_pool_part(int count, int grain, int thread, int n_threads, int *from, int *to);

#endif /* CORED_BASE_THREAD_POOL_H */
