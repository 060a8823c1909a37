/* SPDX-License-Identifier: MIT
 * What coreddetect costs a pipeline. Three tables, tab separated:
 *   overhead  1080p through identity and through coreddetect that evaluates nothing, in turn: CPU
 *             time per frame, median of rounds, of a whole pipeline with a source that draws every
 *             frame (goal: 2 % more), and of the element alone, which is handed the same memory
 *             again and again
 *   reload    time of a frame through the element, without and with a model swapped every 10 frames
 *             (goal: p99.9 at most 5 ms more)
 *   streams   16 live streams of 640x360 at 30 fps with one shared model: time of a frame through
 *             the element (goal: p99 2 ms), and how evenly inference is shared (goal: 10 %)
 * With arguments, only the tables named. Timings of a machine that does something else besides are
 * good as ratios only. */
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cored.h"

#define ROUNDS 15
#define ROUND_FRAMES 100
#define DIRECT_FRAMES 2000
#define CAPS_1080P "video/x-raw,format=I420,width=1920,height=1080,framerate=30/1"
#define STREAMS 16
#define STREAM_FRAMES 600

static char *save_model(const char *folder, guint64 seed) {
  CoredError error;
  CoredModelInfo info;
  if (!cored_model_info_init(&info, "cored-compact", 2, &error))
    g_error("%s", error.message);
  info.generation = seed;
  CoredModel *model = cored_model_new_random(&info, seed, &error);
  char *path = g_strdup_printf("%s/%u.safetensors", folder, (guint)seed);
  if (!model || !cored_model_save(model, path, &error))
    g_error("%s", error.message);
  cored_model_unref(model);
  return path;
}

static int compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts; share 0..1. */
static double quantile(double *values, guint n, double share) {
  qsort(values, n, sizeof *values, compare_doubles);
  return values[MIN(n - 1, (guint)(share * n))];
}

/* ---- Overhead ------------------------------------------------------------------------------- */

static double cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double run_pipeline(const char *middle) {
  char *description = g_strdup_printf(
      "videotestsrc num-buffers=%d ! video/x-raw,format=I420,width=1920,height=1080 ! %s ! "
      "fakesink sync=false",
      ROUND_FRAMES, middle);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(description, &error);
  if (error)
    g_error("%s", error->message);
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  const double start = cpu_us();
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  gst_message_unref(
      gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const double used = (cpu_us() - start) / ROUND_FRAMES;
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  g_free(description);
  return used;
}

/* The same memory in every buffer, so that nothing but the element makes work. */
static double run_element(GstHarness *harness, GstBuffer *frame) {
  struct timespec start, end;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
  for (guint i = 0; i < DIRECT_FRAMES; i++) {
    GstBuffer *buffer = gst_buffer_copy(frame);
    GST_BUFFER_PTS(buffer) = i * GST_SECOND / 30;
    gst_buffer_unref(gst_harness_push_and_pull(harness, buffer));
  }
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  return ((double)(end.tv_sec - start.tv_sec) * 1e6 + (double)(end.tv_nsec - start.tv_nsec) / 1e3) /
         DIRECT_FRAMES;
}

static GstHarness *open_direct(const char *description) {
  GstHarness *harness = gst_harness_new_parse(description);
  gst_harness_set_src_caps_str(harness, CAPS_1080P);
  return harness;
}

static void print_overhead(const char *what, double *identity, double *detect) {
  const double a = quantile(identity, ROUNDS, 0.5), b = quantile(detect, ROUNDS, 0.5);
  printf("overhead\t%s\tidentity %.1f us/frame\tcoreddetect %.1f us/frame\t%+.1f us\t%+.2f %%\n",
         what, a, b, b - a, 100.0 * (b / a - 1.0));
}

static void bench_overhead(const char *model) {
  double identity[ROUNDS], detect[ROUNDS];
  char *middle = g_strdup_printf("coreddetect model=%s inference-interval=1000000000 "
                                 "inference-region=full-frame",
                                 model);
  run_pipeline("identity");
  for (guint i = 0; i < ROUNDS; i++) {
    identity[i] = run_pipeline("identity");
    detect[i] = run_pipeline(middle);
  }
  print_overhead("pipeline", identity, detect);
  GstHarness *plain = open_direct("identity"), *detector = open_direct(middle);
  GstBuffer *frame = gst_buffer_new_allocate(NULL, 1920 * 1080 * 3 / 2, NULL);
  gst_buffer_memset(frame, 0, 128, (gsize)-1);
  for (guint i = 0; i < ROUNDS; i++) {
    identity[i] = run_element(plain, frame);
    detect[i] = run_element(detector, frame);
  }
  print_overhead("element", identity, detect);
  gst_buffer_unref(frame);
  gst_harness_teardown(plain);
  gst_harness_teardown(detector);
  g_free(middle);
}

/* ---- Reload --------------------------------------------------------------------------------- */

static GstHarness *open_harness(const char *model, const char *mode, const char *caps) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  if (!element)
    g_error("no coreddetect: set GST_PLUGIN_PATH");
  g_object_set(element, "model", model, "threads", 1, "post-messages", FALSE, NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", mode);
  gst_util_set_object_arg(G_OBJECT(element), "inference-region", "full-frame");
  GstHarness *harness = gst_harness_new_with_element(element, "sink", "src");
  gst_harness_set_src_caps_str(harness, caps);
  gst_object_unref(element);
  return harness;
}

/* Microseconds of one frame through the element. */
static double pass(GstHarness *harness, GstBuffer *frame, guint number) {
  GstBuffer *buffer = gst_buffer_copy(frame);
  GST_BUFFER_PTS(buffer) = number * GST_SECOND / 30;
  const gint64 start = g_get_monotonic_time();
  gst_buffer_unref(gst_harness_push_and_pull(harness, buffer));
  return (double)(g_get_monotonic_time() - start);
}

static guint64 stat_of(GstHarness *harness, const char *name) {
  GstStructure *stats;
  guint64 value = 0;
  g_object_get(harness->element, "stats", &stats, NULL);
  gst_structure_get_uint64(stats, name, &value);
  gst_structure_free(stats);
  return value;
}

static void bench_reload(const char *model, const char *other) {
  enum { FRAMES = 4000 };
  double *plain = g_new(double, FRAMES), *swapped = g_new(double, FRAMES);
  GstHarness *harness =
      open_harness(model, "sync", "video/x-raw,format=I420,width=640,height=360,framerate=30/1");
  GstBuffer *frame = gst_buffer_new_allocate(NULL, 640 * 360 * 3 / 2, NULL);
  guint number = 0;
  gst_buffer_memset(frame, 0, 90, 640 * 360 * 3 / 2);
  pass(harness, frame, number++);
  g_object_set(harness->element, "model", other, NULL);
  while (stat_of(harness, "model-swaps") == 0)
    pass(harness, frame, number++);
  for (guint i = 0; i < FRAMES; i++) /* in turn, so that both see the same weather */
    plain[i] = pass(harness, frame, number++);
  const guint64 before = stat_of(harness, "model-swaps");
  for (guint i = 0; i < FRAMES; i++) {
    if (i % 10 == 0)
      g_signal_emit_by_name(harness->element, "previous-model");
    swapped[i] = pass(harness, frame, number++);
  }
  printf("reload\t%u swaps in %u frames\tp50 %.0f -> %.0f us\tp99.9 %.0f -> %.0f us\tslowest "
         "exchange %u us\n",
         (guint)(stat_of(harness, "model-swaps") - before), (guint)FRAMES,
         quantile(plain, FRAMES, 0.5), quantile(swapped, FRAMES, 0.5),
         quantile(plain, FRAMES, 0.999), quantile(swapped, FRAMES, 0.999),
         (guint)stat_of(harness, "max-swap-us"));
  gst_harness_teardown(harness);
  gst_buffer_unref(frame);
  g_free(plain);
  g_free(swapped);
}

/* ---- Streams -------------------------------------------------------------------------------- */

typedef struct Stream { /* with a thread of its own, as a camera has */
  GstHarness *harness;
  GstBuffer *frame;
  gint64 start; /* of its first frame: the streams' frames are spread over the period */
  double *times;
  guint passed;
} Stream;

static gpointer play(gpointer user) {
  Stream *stream = user;
  for (guint i = 0; i < STREAM_FRAMES; i++) {
    const gint64 due = stream->start + i * G_USEC_PER_SEC / 30, now = g_get_monotonic_time();
    if (due > now)
      g_usleep((gulong)(due - now));
    stream->times[i] = pass(stream->harness, stream->frame, i);
  }
  stream->passed = gst_harness_buffers_received(stream->harness);
  return NULL;
}

static void print_streams(Stream *streams, double *times, double seconds) {
  const guint n = STREAMS * STREAM_FRAMES;
  guint64 least = G_MAXUINT64, most = 0, sum = 0;
  guint passed = 0;
  for (guint s = 0; s < STREAMS; s++) {
    const guint64 inferred = stat_of(streams[s].harness, "inferred");
    least = MIN(least, inferred);
    most = MAX(most, inferred);
    sum += inferred;
    passed += streams[s].passed;
  }
  printf("streams\t%d x 30 fps in %.1f s\t%u of %u frames passed\tframe p50 %.0f us, p99 %.0f us, "
         "p99.9 %.0f us\tinferred %.0f/s, %u to %u per stream (%+.1f %%)\n",
         STREAMS, seconds, passed, n, quantile(times, n, 0.5), quantile(times, n, 0.99),
         quantile(times, n, 0.999), (double)sum / seconds, (guint)least, (guint)most,
         100.0 * ((double)most / (double)least - 1.0));
}

static void bench_streams(const char *model) {
  Stream streams[STREAMS];
  GThread *threads[STREAMS];
  double *times = g_new(double, STREAMS *STREAM_FRAMES);
  GstBuffer *frame = gst_buffer_new_allocate(NULL, 640 * 360 * 3 / 2, NULL);
  gst_buffer_memset(frame, 0, 90, 640 * 360 * 3 / 2);
  for (guint s = 0; s < STREAMS; s++)
    streams[s] = (Stream){.harness = open_harness(model, "latest",
                                                  "video/x-raw,format=I420,width=640,height=360,"
                                                  "framerate=30/1"),
                          .frame = frame,
                          .times = times + s * STREAM_FRAMES};
  const gint64 start = g_get_monotonic_time() + G_USEC_PER_SEC / 10;
  for (guint s = 0; s < STREAMS; s++) {
    streams[s].start = start + s * G_USEC_PER_SEC / 30 / STREAMS;
    threads[s] = g_thread_new("stream", play, &streams[s]);
  }
  for (guint s = 0; s < STREAMS; s++)
    g_thread_join(threads[s]);
  print_streams(streams, times, (double)(g_get_monotonic_time() - start) / 1e6);
  for (guint s = 0; s < STREAMS; s++)
    gst_harness_teardown(streams[s].harness);
  gst_buffer_unref(frame);
  g_free(times);
}

static gboolean is_wanted(int argc, char **argv, const char *table) {
  gboolean wanted = argc < 2;
  for (int i = 1; i < argc; i++)
    wanted |= g_str_equal(argv[i], table);
  return wanted;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  gst_init(&argc, &argv);
  char *folder = g_dir_make_tmp("cored-bench-XXXXXX", NULL);
  char *model = save_model(folder, 1), *other = save_model(folder, 2);
  if (is_wanted(argc, argv, "overhead"))
    bench_overhead(model);
  if (is_wanted(argc, argv, "reload"))
    bench_reload(model, other);
  if (is_wanted(argc, argv, "streams"))
    bench_streams(model);
  unlink(model);
  unlink(other);
  rmdir(folder);
  g_free(model);
  g_free(other);
  g_free(folder);
  return 0;
}
