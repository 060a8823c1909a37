/* SPDX-License-Identifier: MIT
 * Evaluates the frames of one stream, one at a time and in order: at once in the caller's thread,
 * or in a work queue, with the newest frame only (mode latest) or with every frame that can be
 * finished in time (mode delay). Owns what evaluating takes (the slots of the model and of the
 * shadow model, the face locator, the analyser) and keeps the last finished result.
 *
 * Threads: the "evaluating thread" is the one that runs a frame: the caller of cored_evaluator_run
 * or a worker. load_models, start, stop and unload_models are the owner's, with no frame coming in.
 * All other functions are thread-safe. */
#ifndef CORED_ANALYSIS_EVALUATOR_H
#define CORED_ANALYSIS_EVALUATOR_H

#include "analysis/analyser.h"
#include "analysis/clock.h"
#include "analysis/face-detector.h"
#include "model/model-slot.h"

typedef struct CoredEvaluator CoredEvaluator;

typedef enum CoredModelRole {
  CORED_ROLE_MODEL,  /* its verdict counts */
  CORED_ROLE_SHADOW, /* a candidate that is compared with it */
  CORED_N_ROLES
} CoredModelRole;

typedef enum CoredFrameTaskState {
  CORED_TASK_WAITING,
  CORED_TASK_RUNNING,
  CORED_TASK_DONE,
  CORED_TASK_DROPPED /* has no result and will have none */
} CoredFrameTaskState;

typedef struct CoredFrameTask { /* one frame to evaluate; reference counted */
  gatomicrefcount refs;
  GstBuffer *buffer; /* given back as soon as the frame is evaluated */
  GstVideoInfo info;
  CoredParams params;
  CoredRegions upstream;
  CoredFrameTimes times;
  guint64 number;
  guint stop_count;          /* of the evaluator when the task began */
  guint epoch;               /* frames of different epochs have nothing to do with each other */
  gint64 deadline;           /* monotonic microseconds; later its result comes too late */
  CoredFrameTaskState state; /* under the evaluator's mutex */
  CoredResult result;        /* when done */
} CoredFrameTask;

typedef enum CoredEvaluatorEventKind {
  CORED_EVALUATOR_RESULT,      /* a frame was evaluated */
  CORED_EVALUATOR_DROPPED,     /* tasks were dropped that could not have been finished in time */
  CORED_EVALUATOR_MODEL,       /* a model was loaded, or could not be */
  CORED_EVALUATOR_FACE_MODEL,  /* a new version of face-model was taken, or could not be */
  CORED_EVALUATOR_OTHER_CROPS, /* a model that runs from now on was trained on other crops */
  CORED_EVALUATOR_NO_EYES,     /* crops are to be turned, but nothing finds eyes: they are not */
  CORED_EVALUATOR_NO_LOCATOR   /* there is no face locator: the whole frame is looked at */
} CoredEvaluatorEventKind;

typedef struct CoredEvaluatorEvent {
  CoredEvaluatorEventKind kind;
  CoredFrameTask *task;               /* RESULT: the receiver may add to its result */
  const CoredError *error;            /* RESULT: NULL when all went well; NO_LOCATOR */
  guint n_dropped;                    /* DROPPED */
  CoredModelRole role;                /* MODEL, OTHER_CROPS */
  const CoredModelSlotReport *report; /* MODEL, FACE_MODEL */
  const char *text;                   /* OTHER_CROPS: what differs (cored_model_crop_differs);
                                         NO_EYES: why */
} CoredEvaluatorEvent;

/* Called with no lock held, by the evaluating thread; of MODEL also by a worker that loads, and by
 * the caller of load_models. What it calls may stop the evaluator, and start it again. */
typedef void (*CoredEvaluatorFunc)(gpointer user, const CoredEvaluatorEvent *event);

/* `owner` is the object that frees the evaluator: it is referenced while a worker is at work, and
 * handed to on_event. */
CoredEvaluator *cored_evaluator_new(GObject *owner, CoredEvaluatorFunc on_event);
void cored_evaluator_free(CoredEvaluator *evaluator);

/* The slots take requests at any time; they belong to the evaluator. */
CoredModelSlot *cored_evaluator_slot(CoredEvaluator *evaluator, CoredModelRole role);
/* Load the models whose paths are set. False with *error filled, and nothing loaded, when the model
 * cannot be used; a shadow model that cannot be used is an event. */
gboolean cored_evaluator_load_models(CoredEvaluator *evaluator,
                                     const CoredModelSlotSettings *settings, CoredError *error);
void cored_evaluator_unload_models(CoredEvaluator *evaluator);

/* Between load_models and unload_models. files: of the face detectors; one is opened at the start,
 * or when the settings first ask for it. With in_queue, frames are submitted to a work queue. */
void cored_evaluator_start(CoredEvaluator *evaluator, const CoredParams *params,
                           const CoredFaceDetectorFiles *files, gboolean in_queue);
/* Called by on_event it does not wait for the task that is under way: that one is dropped. */
void cored_evaluator_stop(CoredEvaluator *evaluator);

/* Takes a reference to the buffer. There is no deadline until one is set. */
CoredFrameTask *cored_task_new(GstBuffer *buffer, const GstVideoInfo *info,
                               const CoredParams *params, const CoredRegions *upstream,
                               const CoredFrameTimes *times, guint64 number, guint epoch);
void cored_task_unref(CoredFrameTask *task); /* NULL is fine */

/* Evaluate at once, in the caller's thread. */
void cored_evaluator_run(CoredEvaluator *evaluator, CoredFrameTask *task);
/* Hand to the queue. newest_only: tasks that wait are dropped; returns how many. */
guint cored_evaluator_submit(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean newest_only);
/* Wait for the task's result until its deadline, at most. True when it is done. Else it goes on if
 * it runs or is the newest that waits; if not, it is dropped (*dropped). */
gboolean cored_evaluator_wait(CoredEvaluator *evaluator, CoredFrameTask *task, gboolean *dropped);
/* Drop all tasks that wait; returns how many. */
guint cored_evaluator_cancel(CoredEvaluator *evaluator);
/* While flushing, cored_evaluator_wait does not wait. The next start ends it. */
void cored_evaluator_set_flushing(CoredEvaluator *evaluator, gboolean flushing);
/* Wait until no task waits or runs, and say whether that is so. It is not when on_event calls this,
 * or when an on_event call does not return: it may need a lock that the caller holds. */
gboolean cored_evaluator_drain(CoredEvaluator *evaluator);

/* By on_event, after what may have led to the application: was the evaluator not stopped since the
 * task began? */
gboolean cored_evaluator_is_current(CoredEvaluator *evaluator, const CoredFrameTask *task);
/* The last result of the epoch; FALSE without one. */
gboolean cored_evaluator_last(CoredEvaluator *evaluator, guint epoch, CoredResult *result);
/* Is there a model to evaluate with, now or from the next frame on? */
gboolean cored_evaluator_has_model(CoredEvaluator *evaluator);

#endif /* CORED_ANALYSIS_EVALUATOR_H */
