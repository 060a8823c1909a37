/* SPDX-License-Identifier: MIT
 * coreddetect behind its class: the instance, and what its three files call of one another.
 *   gstcoreddetect.c         class, properties, states
 *   gstcoreddetect-frames.c  pads, events, queries, frames
 *   gstcoreddetect-report.c  messages and signals
 *
 * Threads: properties are stored under the object lock; the streaming thread takes a copy of them
 * per frame. Frames are evaluated by the streaming thread or by a queue, one at a time ("evaluating
 * thread"). No message is posted with a lock held but the gate: pads take frames a moment before
 * start() and, when a flush ends, while stop() is at work; frames and events that find the gate
 * closed touch nothing. It is recursive: what is called back by a message may push events. */
#ifndef CORED_DETECT_DETECT_PRIVATE_H
#define CORED_DETECT_DETECT_PRIVATE_H

#include "detect/gstcoreddetect.h"

#include <gst/video/video.h>

#include "detect/alerts.h"
#include "detect/clock.h"
#include "analysis/evaluator.h"
#include "detect/throttle.h"
#include "model/path.h"
#include "model/model-slot.h"
#include "detect/stats.h"

GST_DEBUG_CATEGORY_EXTERN(cored_detect_debug);
GST_DEBUG_CATEGORY_EXTERN(cored_model_debug);

typedef struct CoredPendingFrame
    CoredPendingFrame; /* a frame on its way through, gstcoreddetect-frames.c */

typedef struct CoredComparison { /* of two models on the same faces */
  guint64 faces, agree;
  double shift, abs_shift, max_shift; /* sums of p-shadow - p-fake, and the largest */
} CoredComparison;                    /* since the shadow model was last replaced */

struct _CoredDetect {
  GstBaseTransform parent;
  CoredModelSlot *model_slot, *shadow_slot;
  CoredEvaluator *evaluator;
  GRecMutex gate; /* held while a frame or event is dealt with, not while it is pushed on */
  gboolean open;  /* under the gate: between start and stop */

  /* Under the object lock. */
  char *model_path, *shadow_path; /* as set; CoredModelSlot has them, too */
  CoredPath trusted_keys, trust_state, cascade_path;
  char *model_instance, *stream_id, *pad_stream_id;
  gboolean model_watch;
  const char *model_status; /* static text */
  guint threads;
  CoredMode mode;
  GstClockTime delay;
  CoredParams params;
  CoredStats stats;
  GstClockTime qos_earliest; /* running time before which frames come too late */
  CoredMode started_mode;    /* `mode` when the element started */
  CoredMode running_mode;    /* never AUTO once frames flow */
  GstClockTime latency;      /* that we add */

  /* Streaming thread. */
  GstVideoInfo info;
  CoredClock clock;
  CoredTimes times; /* of the frame under way */
  gboolean cut;     /* it does not continue the one before */
  CoredThrottle throttle;
  guint epoch;
  gint reset_asked;        /* atomic: by any thread */
  guint64 attached_number; /* CoredResult.number of the frame before */
  gboolean mode_known;
  CoredPendingFrame *pending; /* from transform_ip to generate_output */
  GQueue delayed;             /* of CoredPendingFrame, mode=delay; under the gate, as its bytes */
  gsize delayed_bytes;
  CoredResult current;

  /* Evaluating thread. */
  guint reported_epoch;
  GstClockTime last_message;
  CoredAlerts *alerts;        /* too large for an instance */
  CoredComparison comparison; /* with the shadow model */
  gboolean analysis_failed;
  gint over; /* atomic, set by the streaming thread: end alerts after the frame being evaluated */
};

/* ---- gstcoreddetect-frames.c ---- */
void cored_detect_class_init_frames(GstBaseTransformClass *klass);
void cored_detect_init_frames(CoredDetect *self);
/* Nothing is known of a stream any more. With no frames under way. */
void cored_detect_forget(CoredDetect *self);
/* Throw away frames that wait for their turn. */
void cored_detect_discard(CoredDetect *self);

/* ---- gstcoreddetect-report.c ---- */
void cored_detect_class_init_report(GObjectClass *klass);
/* An engine error as error or warning: what happened, what to do, and `cored-code` in the details
 * for programs. */
void cored_detect_post_error(CoredDetect *self, GstMessageType type, const char *what,
                             const CoredError *error);
/* CoredModelSlotFunc: message 'cored-model', signal model-updated, warning on failure. */
void cored_detect_report_model(gpointer self, const CoredModelSlotReport *report);
/* CoredModelSlotFunc of the shadow model. */
void cored_detect_report_shadow(gpointer self, const CoredModelSlotReport *report);
/* Say how the models compare, in the evaluating thread or with none. */
void cored_detect_post_comparison(CoredDetect *self);
/* CoredEvaluatorFuncs.done: alerts, which the result is marked with, counters, message 'cored'. */
void cored_detect_report_result(gpointer self, CoredFrameTask *task, const CoredError *error);
/* End alerts, in the evaluating thread or with none. */
void cored_detect_end_alerts(CoredDetect *self);
void cored_detect_count(CoredDetect *self, CoredSkip skip, guint n);
char *cored_detect_dup_stream_id(CoredDetect *self);

#endif /* CORED_DETECT_DETECT_PRIVATE_H */
