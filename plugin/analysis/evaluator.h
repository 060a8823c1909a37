/* SPDX-License-Identifier: MIT
 * Evaluates frames of one stream, one at a time and in order: at once in the caller's thread, or in
 * a queue, with the newest frame only (`latest`) or with every frame that can be finished in time
 * (`delay`). Also keeps the last finished result. */
#ifndef CORED_ANALYSIS_EVALUATOR_H
#define CORED_ANALYSIS_EVALUATOR_H

#include "analysis/analyser.h"
#include "meta/meta-writer.h"
#include "model/model-slot.h"

typedef struct CoredEvaluator CoredEvaluator;

typedef enum CoredFrameTaskState {
  CORED_TASK_WAITING,
  CORED_TASK_RUNNING,
  CORED_TASK_DONE,
  CORED_TASK_DROPPED /* never begun */
} CoredFrameTaskState;

typedef struct CoredFrameTask { /* one frame to evaluate; reference counted */
  gatomicrefcount refs;
  GstBuffer *buffer; /* gone when done: the memory is wanted back */
  GstVideoInfo info;
  CoredParams params;
  CoredRegions upstream;
  CoredTimes times;
  guint64 number;
  guint life;                /* of the evaluator, once it runs */
  guint epoch;               /* frames of different epochs have nothing to do with each other */
  gint64 deadline;           /* monotonic microseconds; later its result comes too late */
  CoredFrameTaskState state; /* under the evaluator's lock */
  CoredResult result;        /* when done */
} CoredFrameTask;

typedef struct CoredEvaluatorFuncs { /* called by whoever evaluates, with no lock held */
  /* The classifier for the next frame, in place of `current`; NULL when there is none. */
  CoredClassifier *(*exchange)(gpointer user, CoredClassifier *current, CoredSwap *swap);
  /* The same for the shadow model. */
  CoredClassifier *(*exchange_shadow)(gpointer user, CoredClassifier *current, CoredSwap *swap);
  /* The exchanges are done: tell of them. This may stop the evaluator. */
  void (*tell)(gpointer user, CoredSwap *swap, CoredSwap *shadow_swap);
  /* A face locator, NULL when there is none to be had; asked once between two starts. */
  CoredLocator *(*open_locator)(gpointer user);
  /* A task is done; `error` is NULL when all went well. May add to the result. What it calls may
   * stop the evaluator. */
  void (*done)(gpointer user, CoredFrameTask *task, const CoredError *error);
  /* So many tasks were dropped that could not have been finished in time. */
  void (*passed_over)(gpointer user, guint n);
} CoredEvaluatorFuncs;

/* user: the GObject that owns the evaluator. While a frame is evaluated in a queue there is a
 * reference to it. */
CoredEvaluator *cored_evaluator_new(const CoredEvaluatorFuncs *funcs, gpointer user);
void cored_evaluator_free(CoredEvaluator *evaluator);

/* Around a life of the stream. Threads exist in between only when `in_queue`. */
void cored_evaluator_start(CoredEvaluator *evaluator, const CoredParams *params, gboolean in_queue);
/* From inside a callback it does not wait for the task that is under way: that one is given up. */
void cored_evaluator_stop(CoredEvaluator *evaluator);

/* Takes a reference to the buffer. There is no deadline until one is set. */
CoredFrameTask *cored_task_new(GstBuffer *buffer, const GstVideoInfo *info,
                               const CoredParams *params, const CoredRegions *upstream,
                               const CoredTimes *times, guint64 number, guint epoch);
void cored_task_unref(CoredFrameTask *task); /* NULL is fine */

void cored_evaluator_run(CoredEvaluator *evaluator, CoredFrameTask *task);
/* In `done`, after a callback: the evaluator was not stopped since the task began. */
gboolean cored_evaluator_goes_on(CoredEvaluator *evaluator, const CoredFrameTask *task);
/* Hand to the queue. newest_only: tasks that wait are dropped; returns how many. */
guint cored_evaluator_submit(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean newest_only);
/* The task's frame is about to leave: wait for the result until the deadline, at most. True when it
 * is done. Else it goes on if it runs or nothing newer waits; if not, it is dropped (*dropped). */
gboolean cored_evaluator_wait(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean *dropped);
/* Drop what waits; returns how many. */
guint cored_evaluator_cancel(CoredEvaluator *evaluator);
/* From now on nobody waits for a deadline, until this is taken back or the next start. */
void cored_evaluator_set_flushing(CoredEvaluator *evaluator, gboolean flushing);
/* Wait until nothing waits or runs, and say whether that is so. It is not when the caller is called
 * back by the evaluation of a frame, or when another's callback does not return: it may need a lock
 * that the caller holds. */
gboolean cored_evaluator_drain(CoredEvaluator *evaluator);

/* The last result of the epoch; FALSE without one. */
gboolean cored_evaluator_last(CoredEvaluator *evaluator, guint epoch, CoredResult *result);
/* Is there a model to judge with? */
gboolean cored_evaluator_has_classifier(CoredEvaluator *evaluator);

#endif /* CORED_ANALYSIS_EVALUATOR_H */
