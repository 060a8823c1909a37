/* SPDX-License-Identifier: MIT
 * coreddetect behind its class: the instance, and what its files call of one another.
 *   gstcoreddetect.c  class, properties, start and stop
 *   properties.c      the properties that may change with every frame
 *   frames.c          negotiation, events, queries, frames
 *   report.c          errors, messages, signals, statistics
 *
 * Threads. The application sets properties, changes states, calls actions. The streaming thread
 * brings frames and events. Frames are evaluated by the "evaluating thread", one at a time: that is
 * the streaming thread in mode sync, else a worker. After the start, models are loaded by the
 * thread that watches their file or by workers of lower priority, and made ready by such workers.
 * Each part of the instance belongs to one of these threads or to a lock, as noted.
 *
 * Lock order, from outside to inside; no lock is taken while one to the right of it is held:
 *
 *   frame_lock > object lock > model slot's mutex > work queues' group mutex
 *   source's load_mutex > source's mutex > model slot's mutex > work queues' group mutex
 *
 * The mutex of the evaluator, the mutex of the list of sources and that of the list of worker
 * groups are leaves: no other lock is taken inside them, and no buffer is released, which may run a
 * pool's code or the application's. No message, signal or event is sent with a lock held, but for
 * frame_lock, which is recursive for that reason: what a message calls back may push events. The
 * thread that evaluates may therefore find the element stopped, and even started again, when it
 * returns from a message; it asks cored_evaluator_is_current() then. */
#ifndef CORED_DETECT_DETECT_PRIVATE_H
#define CORED_DETECT_DETECT_PRIVATE_H

#include <gst/video/video.h>

#include "analysis/evaluator.h"
#include "detect/alerts.h"
#include "detect/gstcoreddetect.h"
#include "detect/properties.h"

GST_DEBUG_CATEGORY_EXTERN(cored_detect_debug);
GST_DEBUG_CATEGORY_EXTERN(cored_model_debug);

/* A frame between the pads, see frames.c. */
typedef struct CoredPendingFrame CoredPendingFrame;

/* ---- Statistics ----------------------------------------------------------------------------- */

/* Why a frame was not evaluated. */
typedef enum CoredSkip {
  CORED_SKIP_NONE, /* it was: inferred */
  CORED_SKIP_INTERVAL,
  CORED_SKIP_NO_MODEL,
  CORED_SKIP_NO_SIGNAL, /* gap or corrupted buffer */
  CORED_SKIP_FPS,       /* max-fps */
  CORED_SKIP_BUSY,      /* a newer frame came first, or its deadline passed */
  CORED_SKIP_QOS,       /* downstream is late */
  CORED_SKIP_FLUSH,     /* thrown away by a flush or a stop */
  CORED_N_SKIPS
} CoredSkip;

/* Latencies in buckets of 1/8 octave: a percentile is exact to 9 %. */
#define CORED_LATENCY_BUCKETS (32 * 8)

/* Every frame is counted as inferred or under exactly one reason: frames_in is their sum and those
 * that are being evaluated. */
typedef struct CoredStats {
  guint64 frames_in;
  guint64 frames[CORED_N_SKIPS];
  guint64 faces, skipped_small, skipped_blurred, bad_regions, messages, resets, alerts;
  guint64 model_swaps, swap_failures, last_swap_us, max_swap_us;
  guint64 n_latencies, latency_sum, latency_max; /* microseconds */
  guint64 latency[CORED_LATENCY_BUCKETS];
} CoredStats;

/* ---- The instance --------------------------------------------------------------------------- */

typedef struct CoredThrottle { /* which frames are evaluated, by inference-interval and max-fps */
  guint64 number;              /* of the frame, counted from 1 */
  guint64 since_due;           /* frames since one was due by the interval; 0: none was yet */
  GstClockTime last_due;       /* time of the last frame within max-fps */
} CoredThrottle;

typedef struct CoredComparison { /* of the two models on the same faces */
  guint64 faces, agree;
  double shift, abs_shift, max_shift; /* sums of p-shadow - p-fake, and the largest */
} CoredComparison;                    /* since the shadow model was last replaced */

struct _CoredDetect {
  GstBaseTransform parent;
  CoredEvaluator *evaluator;
  /* Held while a frame or event is handled, not while it is pushed on. Pads take frames a moment
   * before start() and, when a flush ends, while stop() is at work: frames and events that find the
   * element not running touch nothing. */
  GRecMutex frame_lock;
  gboolean running; /* under frame_lock: between start and stop */

  /* Under the object lock. */
  CoredPath model_path, shadow_path; /* also set in the evaluator's slots */
  CoredPath trusted_keys, trust_state, cascade_path, face_model_path;
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
  GstClockTime latency;      /* that the element adds */

  /* Streaming thread, under frame_lock. */
  GstVideoInfo info;
  CoredClock clock;
  CoredFrameTimes times; /* of the current frame */
  gboolean cut;          /* the current frame does not continue the one before */
  CoredThrottle throttle;
  guint epoch;             /* counts cuts: results do not pass from one epoch to another */
  guint64 attached_number; /* CoredResult.number on the frame before */
  gboolean mode_known;
  CoredPendingFrame *pending; /* from transform_ip to generate_output */
  GQueue delayed;             /* of CoredPendingFrame, mode=delay */
  gsize delayed_bytes;
  CoredResult current;
  gint reset_requested; /* atomic: set by any thread */

  /* Evaluating thread. */
  guint reported_epoch;
  GstClockTime last_message;
  CoredAlerts *alerts; /* too large for an instance */
  CoredComparison comparison;
  gboolean failure_reported; /* a frame could not be evaluated; once for each start */
  gint end_of_stream; /* atomic, set by the streaming thread: end alerts after the current frame */
};

/* ---- frames.c ------------------------------------------------------------------------------- */

void cored_detect_class_init_frames(GstBaseTransformClass *klass);
void cored_detect_init_frames(CoredDetect *self);
/* What comes next has nothing to do with what came before. With frame_lock held. */
void cored_detect_reset_stream(CoredDetect *self);
/* Throw away the frames that wait. */
void cored_detect_drop_frames(CoredDetect *self);

/* ---- report.c ------------------------------------------------------------------------------- */

void cored_detect_class_init_report(GObjectClass *klass);
/* CoredEvaluatorFunc: alerts, with which the result is marked, counters, messages, signals. */
void cored_detect_on_event(gpointer self, const CoredEvaluatorEvent *event);
/* Post an engine error as an error or warning: what happened, what to do, and `cored-code` in the
 * details for programs. */
void cored_detect_post_error(CoredDetect *self, GstMessageType type, const char *what,
                             const CoredError *error);
/* Post how the models compare. By the evaluating thread, or with none. */
void cored_detect_post_comparison(CoredDetect *self);
/* End all alerts. By the evaluating thread, or with none. */
void cored_detect_end_alerts(CoredDetect *self);
void cored_detect_count(CoredDetect *self, CoredSkip skip, guint n);
/* The caller frees it. */
char *cored_detect_dup_stream_id(CoredDetect *self);
/* The caller locks, and owns the structure. */
GstStructure *cored_stats_to_structure(const CoredStats *stats);
/* What to do about an engine error. */
const char *cored_error_hint(CoredErrorCode code);

#endif /* CORED_DETECT_DETECT_PRIVATE_H */
