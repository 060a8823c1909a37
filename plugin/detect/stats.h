/* SPDX-License-Identifier: MIT
 * Counters of one element. Every frame is counted as inferred or under exactly one reason why it
 * was not: frames-in is their sum, and those whose evaluation is going on. The caller locks. */
#ifndef CORED_DETECT_STATS_H
#define CORED_DETECT_STATS_H

#include <gst/gst.h>

typedef enum CoredSkip {
  CORED_SKIP_NONE, /* inferred */
  CORED_SKIP_INTERVAL,
  CORED_SKIP_NO_MODEL,
  CORED_SKIP_NO_SIGNAL, /* gap or corrupted buffer */
  CORED_SKIP_FPS,       /* max-fps */
  CORED_SKIP_BUSY,      /* a newer frame came first, or its time was up */
  CORED_SKIP_QOS,       /* downstream is late */
  CORED_SKIP_FLUSH,     /* thrown away by a flush or a stop */
  CORED_N_SKIPS
} CoredSkip;

/* Latencies in buckets of 1/8 octave: a percentile is exact to 9 %. */
#define CORED_LATENCY_BUCKETS (32 * 8)

typedef struct CoredStats {
  guint64 frames_in;
  guint64 frames[CORED_N_SKIPS];
  guint64 faces, skipped_small, skipped_blurred, bad_regions, messages, resets, alerts;
  guint64 model_swaps, swap_failures, last_swap_us, max_swap_us;
  guint64 n_latencies, latency_sum, latency_max; /* microseconds */
  guint64 latency[CORED_LATENCY_BUCKETS];
} CoredStats;

void cored_stats_add_latency(CoredStats *stats, guint64 microseconds);
/* The value that share (0..1) of the latencies do not exceed; 0 without any. */
guint64 cored_stats_latency_percentile(const CoredStats *stats, double share);
/* The caller owns the structure. */
GstStructure *cored_stats_to_structure(const CoredStats *stats);

#endif /* CORED_DETECT_STATS_H */
