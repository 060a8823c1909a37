/* SPDX-License-Identifier: MIT
 * The worker threads that all elements of the process share, and the queues that give them work. A
 * queue has one function, which runs one call at a time; what there is to do, its owner keeps, so
 * that a queue is only woken. There are two groups of workers, so that loading a model never keeps
 * a frame waiting:
 *
 *   CORED_WORK_FRAMES  one thread per CPU. The queues are served fairly (fair-scheduler.h): streams
 *                      that are always busy get the same number of evaluations.
 *   CORED_WORK_JOBS    few threads of lower priority, for jobs that take long and are not urgent.
 *
 * A group's threads exist as long as it has queues. All functions are thread-safe. */
#ifndef CORED_SCHED_WORK_QUEUE_H
#define CORED_SCHED_WORK_QUEUE_H

#include <glib.h>

typedef struct CoredWorkQueue CoredWorkQueue;
typedef void (*CoredWorkFunc)(gpointer user);

typedef enum CoredWorkKind { CORED_WORK_FRAMES, CORED_WORK_JOBS, CORED_N_WORK_KINDS } CoredWorkKind;

/* `func` is called from a worker, with no lock held. */
CoredWorkQueue *cored_work_queue_new(CoredWorkKind kind, CoredWorkFunc func, gpointer user);
/* Cancels first. When the queue's own function calls this, the queue goes as soon as the function
 * returns. NULL is fine. */
void cored_work_queue_free(CoredWorkQueue *queue);

/* Have the function run soon: once for all calls that come before it starts, and once more for
 * those that come while it runs. */
void cored_work_queue_wake(CoredWorkQueue *queue);
/* Withdraw the calls that have not started, and wait while the function runs. It is never run here
 * for the sake of waiting: the only worker that could serve it may be the caller. When the queue's
 * own function calls this it returns at once, because application code that the function calls may
 * do anything. */
void cored_work_queue_cancel(CoredWorkQueue *queue);

#endif /* CORED_SCHED_WORK_QUEUE_H */
