/* SPDX-License-Identifier: MIT
 * Threads that share out numbered tasks. Which thread does a task is left to chance; what a task is
 * must therefore not depend on the number of threads, and tasks must not touch each other's output.
 */
#ifndef CORED_TRAIN_CORE_WORKERS_H
#define CORED_TRAIN_CORE_WORKERS_H

#include "cored.h"

typedef struct CoredWorkers CoredWorkers;
typedef void (*CoredWork)(void *context, int task, int thread);

/* threads >= 1, the caller's included. */
CoredWorkers *cored_workers_new(int threads, CoredError *error);
void cored_workers_free(CoredWorkers *workers);         /* NULL is fine */
int cored_workers_threads(const CoredWorkers *workers); /* 1 for NULL */
/* Calls task(context, i, thread) for i in 0..n-1 and returns when all are done; thread is in
 * 0..threads-1. NULL workers: in this thread, in order. */
void cored_workers_run(CoredWorkers *workers, CoredWork task, void *context, int n);

#endif /* CORED_TRAIN_CORE_WORKERS_H */
