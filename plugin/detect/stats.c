/* SPDX-License-Identifier: MIT */
#include "detect/stats.h"

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

static void set(GstStructure *structure, const char *name, guint64 value) {
  gst_structure_set(structure, name, G_TYPE_UINT64, value, NULL);
}

static void set_latencies(GstStructure *structure, const CoredStats *stats) {
  set(structure, "latency-us-avg",
      stats->n_latencies ? stats->latency_sum / stats->n_latencies : 0);
  set(structure, "latency-us-p50", cored_stats_latency_percentile(stats, 0.50));
  set(structure, "latency-us-p95", cored_stats_latency_percentile(stats, 0.95));
  set(structure, "latency-us-p99", cored_stats_latency_percentile(stats, 0.99));
  set(structure, "latency-us-max", stats->latency_max);
}

GstStructure *cored_stats_to_structure(const CoredStats *stats) {
  static const char *const names[CORED_N_SKIPS] = {
      [CORED_SKIP_NONE] = "inferred",
      [CORED_SKIP_INTERVAL] = "skipped-interval",
      [CORED_SKIP_NO_MODEL] = "skipped-no-model",
      [CORED_SKIP_NO_SIGNAL] = "skipped-no-signal",
      [CORED_SKIP_FPS] = "skipped-fps",
      [CORED_SKIP_BUSY] = "skipped-busy",
      [CORED_SKIP_QOS] = "skipped-qos",
      [CORED_SKIP_FLUSH] = "skipped-flush",
  };
  GstStructure *structure = gst_structure_new_empty("cored-stats");
  set(structure, "frames-in", stats->frames_in);
  for (guint i = 0; i < CORED_N_SKIPS; i++)
    set(structure, names[i], stats->frames[i]);
  set(structure, "faces", stats->faces);
  set(structure, "skipped-small", stats->skipped_small);
  set(structure, "skipped-blurred", stats->skipped_blurred);
  set(structure, "bad-regions", stats->bad_regions);
  set(structure, "messages", stats->messages);
  set(structure, "alerts", stats->alerts);
  set(structure, "resets", stats->resets);
  set_latencies(structure, stats);
  set(structure, "model-swaps", stats->model_swaps);
  set(structure, "swap-failures", stats->swap_failures);
  set(structure, "last-swap-us", stats->last_swap_us);
  set(structure, "max-swap-us", stats->max_swap_us);
  return structure;
}
