/* SPDX-License-Identifier: MIT */
#include "coredstats.h"

#include <math.h>

static guint bucket_of(guint64 microseconds) {
  if (microseconds < 1)
    return 0;
  const double bucket = 8.0 * log2((double)microseconds);
  return (guint)MIN(bucket, CORED_LATENCY_BUCKETS - 1);
}

void cored_stats_add_latency(CoredStats *stats, guint64 microseconds) {
  stats->n_latencies++;
  stats->latency_sum += microseconds;
  stats->latency_max = MAX(stats->latency_max, microseconds);
  stats->latency[bucket_of(microseconds)]++;
}

guint64 cored_stats_latency_percentile(const CoredStats *stats, double share) {
  const double wanted = share * (double)stats->n_latencies;
  guint64 seen = 0;
  for (guint i = 0; i < CORED_LATENCY_BUCKETS && stats->n_latencies > 0; i++) {
    seen += stats->latency[i];
    if ((double)seen >= wanted) /* the bucket's upper end, but no more than was ever seen */
      return MIN((guint64)ceil(exp2((i + 1) / 8.0)), stats->latency_max);
  }
  return 0;
}

GstStructure *cored_stats_to_structure(const CoredStats *stats) {
  guint64 frames_in = 0;
  for (guint i = 0; i < CORED_N_SKIPS; i++)
    frames_in += stats->frames[i];
  const guint64 average = stats->n_latencies ? stats->latency_sum / stats->n_latencies : 0;
  return gst_structure_new(
      "cored-stats", "frames-in", G_TYPE_UINT64, frames_in, "inferred", G_TYPE_UINT64,
      stats->frames[CORED_SKIP_NONE], "skipped-interval", G_TYPE_UINT64,
      stats->frames[CORED_SKIP_INTERVAL], "skipped-no-model", G_TYPE_UINT64,
      stats->frames[CORED_SKIP_NO_MODEL], "skipped-no-signal", G_TYPE_UINT64,
      stats->frames[CORED_SKIP_NO_SIGNAL], "faces", G_TYPE_UINT64, stats->faces, "skipped-small",
      G_TYPE_UINT64, stats->skipped_small, "bad-regions", G_TYPE_UINT64, stats->bad_regions,
      "messages", G_TYPE_UINT64, stats->messages, "resets", G_TYPE_UINT64, stats->resets,
      "latency-us-avg", G_TYPE_UINT64, average, "latency-us-p50", G_TYPE_UINT64,
      cored_stats_latency_percentile(stats, 0.50), "latency-us-p95", G_TYPE_UINT64,
      cored_stats_latency_percentile(stats, 0.95), "latency-us-p99", G_TYPE_UINT64,
      cored_stats_latency_percentile(stats, 0.99), "latency-us-max", G_TYPE_UINT64,
      stats->latency_max, NULL);
}
