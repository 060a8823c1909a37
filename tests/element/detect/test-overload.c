/* SPDX-License-Identifier: MIT
 * E40: frames come ten times as fast as they can be evaluated. They pass all the same, each in its
 * own time; what waits is bounded; every frame is accounted for. The argument is the number of
 * frames. Latencies are printed, not judged: they are the machine's. */
#include "held.h"
#include "models.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=100/1"
#define FRAME (10 * GST_MSECOND)
#define SIDE 224 /* of the network's input */
#define TIMES 10 /* too fast */
#define LAG 5    /* frames, mode delay */

static guint n_frames = 120;
static char *model;

static int save_model(void **state) {
  if (support_setup(state) != 0)
    return -1;
  model = support_path("slow.safetensors");
  model_save_random(model, 1, SIDE);
  return 0;
}

static int forget_model(void **state) {
  g_free(model);
  return support_teardown(state);
}

/* Microseconds that one frame takes where it is waited for. */
static guint64 time_of_inference(void) {
  Rig rig;
  rig_open(&rig, model, CAPS, "inference-region", "full-frame", NULL);
  for (guint n = 0; n < 5; n++)
    gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, n), NULL));
  const guint64 us = rig_stat(&rig, "latency-us-p50");
  rig_close(&rig);
  return us;
}

static int by_value(const void *a, const void *b) {
  const gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
  return (x > y) - (x < y);
}

static void print_times(const char *what, gint64 *times, guint n) {
  qsort(times, n, sizeof *times, by_value);
  print_message("  %s: frame p50 %u us, p99 %u us\n", what, (guint)times[n / 2],
                (guint)times[MIN(n - 1, n * 99 / 100)]);
}

/* Frames taken in that are neither inferred nor skipped: waiting or being evaluated. */
static guint64 backlog(Rig *rig) {
  const guint64 done = rig_stat(rig, "inferred") + rig_skipped(rig);
  return rig_stat(rig, "frames-in") - done;
}

static gboolean is_own(GstBuffer *frame) {
  gboolean inferred = FALSE;
  gst_structure_get_boolean(cored_meta_get(frame), "inferred", &inferred);
  return inferred;
}

/* Frames at a steady pace; returns how many came with results of their own. lag is by how many
 * frames the output is behind. */
static guint play(Rig *rig, guint64 period, guint lag, guint64 most_waiting) {
  const GstClockTime duration = period * GST_USECOND;
  gint64 *times = g_new(gint64, n_frames), due = g_get_monotonic_time();
  GstBuffer *picture = frame_new(&rig->info, 1, 0);
  guint own = 0;
  for (guint n = 0; n < n_frames; n++, due += (gint64)period) {
    GstBuffer *out, *frame = gst_buffer_copy(picture);
    const gint64 early = due - g_get_monotonic_time();
    if (early > 0)
      g_usleep((gulong)early);
    GST_BUFFER_PTS(frame) = n * duration;
    times[n] = g_get_monotonic_time();
    assert_int_equal(gst_harness_push(rig->harness, frame), GST_FLOW_OK);
    times[n] = g_get_monotonic_time() - times[n];
    out = gst_harness_try_pull(rig->harness);
    assert_int_equal(out != NULL, n >= lag);
    if (out)
      assert_true(GST_BUFFER_PTS(out) == (n - lag) * duration);
    own += out && is_own(out);
    gst_clear_buffer(&out);
    assert_true(backlog(rig) <= most_waiting);
  }
  print_times("first quarter", times, n_frames / 4);
  print_times("last quarter", times + n_frames - n_frames / 4, n_frames / 4);
  gst_buffer_unref(picture);
  g_free(times);
  return own;
}

static void finish(Rig *rig, guint least_skipped) {
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
  print_message("  %u frames: %u inferred, %u skipped\n", (guint)rig_stat(rig, "frames-in"),
                (guint)rig_stat(rig, "inferred"), (guint)rig_skipped(rig));
  assert_int_equal(gst_harness_buffers_received(rig->harness), n_frames);
  assert_int_equal(rig_stat(rig, "frames-in"), n_frames);
  assert_int_equal(rig_stat(rig, "inferred") + rig_skipped(rig), n_frames);
  assert_true(rig_stat(rig, "inferred") >= 1);
  assert_true(rig_stat(rig, "skipped-busy") >= least_skipped);
}

/* One frame is evaluated, the newest waits, all leave at once. */
static void latest_passes_at_once(void **state) {
  (void)state;
  Rig rig;
  const guint64 inference = time_of_inference();
  print_message("latest, %u us a frame, a frame every %u us\n", (guint)inference,
                (guint)(inference / TIMES));
  rig_open(&rig, model, CAPS, "mode", "latest", "inference-region", "full-frame", NULL);
  play(&rig, inference / TIMES, 0, 2);
  finish(&rig, n_frames / 2);
  rig_close(&rig);
}

/* So many frames wait, whatever happens. One more may be on its way, one be evaluated, and those
 * that were just dropped for the one that is evaluated may not be counted yet. */
static void play_delayed(guint times_too_fast, guint lag, guint least_skipped, guint *own) {
  Rig rig;
  GstBuffer *out;
  const guint64 inference = time_of_inference();
  const guint64 period = MAX(inference / times_too_fast, 1);
  char *caps = g_strdup_printf("video/x-raw,format=I420,width=320,height=240,framerate=%u/%u",
                               (guint)G_USEC_PER_SEC, (guint)period);
  char *delay = g_strdup_printf("%" G_GUINT64_FORMAT, lag * period * GST_USECOND);
  print_message("delay, %u us a frame, a frame every %u us\n", (guint)inference, (guint)period);
  rig_open(&rig, model, caps, "mode", "delay", "delay", delay, "inference-region", "full-frame",
           NULL);
  *own = play(&rig, period, lag, 2 * lag + 2);
  finish(&rig, least_skipped);
  while ((out = gst_harness_try_pull(rig.harness))) {
    *own += is_own(out);
    gst_buffer_unref(out);
  }
  print_message("  %u frames with results of their own\n", *own);
  assert_true(*own <= rig_stat(&rig, "inferred"));
  rig_close(&rig);
  g_free(delay);
  g_free(caps);
}

/* No frame's result can be finished in time. */
static void delay_stays_what_it_is(void **state) {
  (void)state;
  guint own;
  play_delayed(TIMES, LAG, n_frames / 2, &own);
}

/* Every third frame could be evaluated in time. Taking the oldest each time would be in time for
 * next to none: then one that has little time left is always there. */
static void delay_evaluates_what_can_be_in_time(void **state) {
  (void)state;
  guint own = 0;
  for (guint tries = 0; tries < 3 && own < n_frames / 12; tries++) /* the machine may be busy */
    play_delayed(3, 3 * LAG, 1, &own);
  assert_true(own >= n_frames / 12);
}

static GstPad *told_of_the_end; /* of a frame's memory */
static guint n_ends;

/* GDestroyNotify of an application that wants to start anew. */
static void flush_element(gpointer data) {
  g_free(data);
  n_ends++;
  gst_pad_send_event(told_of_the_end, gst_event_new_flush_start());
}

/* The memory of the application whose frame waits and makes way for a newer one: as it is given
 * back, the application sends the element an event, from within that very call. */
static void a_dropped_frame_sends_an_event(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, model, CAPS, "mode", "latest", "inference-region", "full-frame", NULL);
  const gsize size = GST_VIDEO_INFO_SIZE(&rig.info);
  told_of_the_end = GST_BASE_TRANSFORM_SINK_PAD(rig.element);
  held_begin();
  gst_buffer_unref(rig_frame(&rig, held_frame_new(&rig.info, 1, 0), NULL));
  held_await(1);
  gpointer data = g_malloc0(size);
  GstBuffer *own = gst_buffer_new_wrapped_full(0, data, size, 0, size, data, flush_element);
  gst_buffer_unref(rig_frame(&rig, own, NULL));
  assert_int_equal(n_ends, 0);
  alarm(60); /* a deadlock ends the test */
  gst_harness_push(rig.harness, frame_new(&rig.info, 1, 2));
  alarm(0);
  assert_int_equal(n_ends, 1);
  held_end();
  rig_close(&rig);
}

static void pass(Rig *rig, guint n, gboolean gap) {
  GstBuffer *frame = frame_new(&rig->info, 1, n);
  GST_BUFFER_PTS(frame) = n * FRAME;
  if (gap)
    GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_GAP);
  gst_buffer_unref(rig_frame(rig, frame, NULL));
  assert_true(backlog(rig) <= 2);
}

static void disturb(Rig *rig, guint n) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  if (n % 40 == 11)
    gst_harness_push_upstream_event(
        rig->harness, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5,
                                        100 * (GstClockTimeDiff)GST_MSECOND, n * FRAME));
  if (n % 50 == 19)
    g_object_set(rig->element, "inference-interval", n % 4 + 1, NULL);
  if (n % 60 == 37) {
    gst_harness_push_event(rig->harness, gst_event_new_flush_start());
    gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE));
    gst_harness_push_event(rig->harness, gst_event_new_segment(&segment));
    assert_int_equal(backlog(rig), 0);
  }
}

/* All reasons at once: no model, gaps, turns, rate, lateness, flushes. */
static void every_reason_is_counted_once(void **state) {
  (void)state;
  static const char *const reasons[] = {"skipped-no-model", "skipped-no-signal", "skipped-interval",
                                        "skipped-fps", "skipped-qos"};
  Rig rig;
  guint n = 0;
  rig_open(&rig, NULL, CAPS, "mode", "latest", "inference-region", "full-frame", "max-fps", "20",
           "inference-interval", "3", NULL);
  pass(&rig, n++, FALSE);
  g_object_set(rig.element, "model", model, NULL);
  for (; rig_stat(&rig, "inferred") == 0; g_usleep(500))
    pass(&rig, n++, FALSE);
  for (guint i = 0; i < n_frames * 4; i++, n++) {
    pass(&rig, n, n % 7 == 3);
    disturb(&rig, n);
  }
  gst_harness_push_event(rig.harness, gst_event_new_eos());
  assert_int_equal(rig_stat(&rig, "frames-in"), n);
  assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), n);
  for (guint i = 0; i < G_N_ELEMENTS(reasons); i++) {
    if (rig_stat(&rig, reasons[i]) == 0)
      fail_msg("nothing is %s", reasons[i]);
  }
  rig_close(&rig);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(latest_passes_at_once),
      cmocka_unit_test(delay_stays_what_it_is),
      cmocka_unit_test(delay_evaluates_what_can_be_in_time),
      cmocka_unit_test(a_dropped_frame_sends_an_event),
      cmocka_unit_test(every_reason_is_counted_once),
  };
  if (argc > 1)
    n_frames = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, save_model, forget_model);
}
