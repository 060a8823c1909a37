/* SPDX-License-Identifier: MIT
 * The worker threads that all elements of the process share, and each user's queue to them. A queue
 * runs its function one call at a time. What there is to do, the owner knows: a queue is only
 * kicked. There are two workers of threads, so that loading a model never keeps a frame waiting:
 *
 *   CORED_WORK_FRAMES   one thread per CPU. Lanes that want it take turns fairly (coredturns.h):
 *                       streams that are always busy get the same number of evaluations.
 *   CORED_WORK_JOBS  few threads of lower priority, for what takes long and is not urgent.
 *
 * A workers's threads exist while it has queues. */
#ifndef CORED_SCHED_WORK_QUEUE_H
#define CORED_SCHED_WORK_QUEUE_H

#include <glib.h>

typedef struct CoredWorkQueue CoredWorkQueue;
typedef void (*CoredWorkFunc)(gpointer user);

typedef enum CoredWorkKind { CORED_WORK_FRAMES, CORED_WORK_JOBS, CORED_N_WORK_KINDS } CoredWorkKind;

CoredWorkQueue *cored_work_queue_new(CoredWorkKind kind, CoredWorkFunc func, gpointer user);
/* Rests first; from inside the queue's own function the queue ends with it. NULL is fine. */
void cored_work_queue_free(CoredWorkQueue *queue);

/* Have the function run soon: once for all kicks that come before it starts, once more for those
 * that come while it runs. Thread-safe. */
void cored_work_queue_wake(CoredWorkQueue *queue);
/* What is due is not done any more; waits while the function runs. It does not wait for a turn: the
 * only thread that could serve it may be the caller. From inside the function it returns at once:
 * user code that is called from there may do anything. */
void cored_work_queue_cancel(CoredWorkQueue *queue);

#endif /* CORED_SCHED_WORK_QUEUE_H */
