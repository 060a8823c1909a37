/* SPDX-License-Identifier: MIT
 * A small pool of threads that work in step: all run one function, meet at barriers inside it and
 * leave it together. For sessions and for the trainer.
 *
 * The caller is thread 0, so a pool of one has no thread of its own and costs nothing. Threads that
 * wait spin briefly (a layer takes some ten microseconds) and then sleep in the kernel. A pool
 * belongs to one caller at a time. Nothing is allocated after cored_pool_new(). */
#ifndef CORED_POOL_H
#define CORED_POOL_H

#include "cored.h"

#define CORED_POOL_MAX_THREADS 64

typedef struct CoredPool CoredPool;

/* thread is 0..n_threads-1. */
typedef void CoredPoolFn(void *arg, int thread, int n_threads);

/* threads: 1..CORED_POOL_MAX_THREADS, or 0 for one per CPU this process may use. */
CoredPool *cored_pool_new(int threads, CoredError *error);
void cored_pool_free(CoredPool *pool); /* NULL is fine */
int cored_pool_threads(const CoredPool *pool);
/* Call fn on every thread and return when all have returned. */
void cored_pool_run(CoredPool *pool, CoredPoolFn *fn, void *arg);
/* Inside fn, to be called by all threads equally often: none goes on before all have come; what was
 * written before is seen after. */
void cored_pool_barrier(CoredPool *pool);

/* The part [*from, *to) of `count` units, `grain` at a time, that falls to one of n threads: equal
 * to within one grain. */
void cored_pool_part(int count, int grain, int thread, int n_threads, int *from, int *to);

#endif /* CORED_POOL_H */
