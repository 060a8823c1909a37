/* SPDX-License-Identifier: MIT
 * Modes for live streams: frames never wait where they must not, every frame is accounted for, and
 * what a result belongs to is always said. */
#include "support.h"

#include <math.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define MODEL 3
#define FRAME (40 * GST_MSECOND)

/* Pushed as fast as possible, every frame comes out of its own push; what was evaluated is told by
 * messages; the sum is exact. */
static void latest_lets_every_frame_pass_at_once(void **state) {
  (void)state;
  guint n_messages = 0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "latest", "inference-region", "full-frame",
           "message-interval", "0", NULL);
  for (guint n = 0; n < 300; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n % 5, n), &result);
    assert_false(result_inferred(result));
    assert_true(result_uint64(result, "result-age-ns") <= n * FRAME);
    if (gst_structure_has_field(result, "p-fake"))
      assert_true(result_uint64(result, "result-age-ns") > 0);
    else
      assert_string_equal(gst_structure_get_string(result, "reason"), "not-evaluated");
    gst_buffer_unref(out);
  }
  rig_finish(&rig);
  assert_int_equal(rig_stat(&rig, "frames-in"), 300);
  assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), 300);
  assert_true(rig_stat(&rig, "inferred") >= 1);
  GstMessage *message;
  while ((message = rig_message(&rig, GST_MESSAGE_ELEMENT))) {
    const GstStructure *result = gst_message_get_structure(message);
    if (gst_structure_has_name(result, CORED_MESSAGE_RESULT)) {
      /* The message is about the frame of its time stamp. */
      const guint number = (guint)(result_uint64(result, "timestamp") / FRAME);
      GstBuffer *frame = frame_new(&rig.info, number % 5, number);
      const CoredBox box = {0, 0, 160, 120};
      const double p = reference_p_fake(support_model(MODEL), &rig.info, frame, &box);
      assert_true(result_inferred(result) && fabs(result_double(result, "p-fake") - p) < 1e-6);
      gst_buffer_unref(frame);
      n_messages++;
    }
    gst_message_unref(message);
  }
  assert_int_equal(n_messages, rig_stat(&rig, "inferred"));
  rig_close(&rig);
}

/* With time enough between the frames, each gets the result of the frame before. */
static void latest_gives_the_newest_finished_result(void **state) {
  (void)state;
  double before = -1.0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "latest", "inference-region", "full-frame",
           NULL);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *result;
    const CoredBox box = {0, 0, 160, 120};
    GstBuffer *frame = frame_new(&rig.info, n, n);
    const double p = reference_p_fake(support_model(MODEL), &rig.info, frame, &box);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    if (n > 0) {
      assert_true(fabs(result_double(result, "p-fake") - before) < 1e-6);
      assert_int_equal(result_uint64(result, "result-age-ns"), FRAME);
    }
    before = p;
    gst_buffer_unref(out);
    rig_wait_for(&rig, "inferred", n + 1);
  }
  rig_close(&rig);
}

static void auto_is_latest_on_live_sources_and_sync_on_others(void **state) {
  (void)state;
  for (guint live = 0; live < 2; live++) {
    const GstStructure *result;
    Rig rig;
    rig_open(&rig, support_model(MODEL), NULL, "mode", "auto", "inference-region", "full-frame",
             NULL);
    gst_harness_set_live(rig.harness, live);
    rig_set_caps(&rig, CAPS);
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 1, 0), &result);
    assert_int_equal(result_inferred(result), !live);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

static void flushes_drop_what_waits(void **state) {
  (void)state;
  static const char *const modes[] = {"latest", "delay"};
  for (guint m = 0; m < 2; m++) {
    GstSegment segment;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "mode", modes[m], "inference-region", "full-frame",
             NULL);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    guint64 pushed = 0;
    for (guint i = 0; i < 50; i++) {
      for (guint n = 0; n < 4; n++, pushed++)
        gst_harness_push(rig.harness, frame_new(&rig.info, n, n));
      gst_harness_push_event(rig.harness, gst_event_new_flush_start());
      gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
      gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
    }
    rig_finish(&rig);
    assert_int_equal(rig_stat(&rig, "frames-in"), pushed);
    assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), pushed);
    rig_close(&rig);
  }
}

static void max_fps_limits_the_rate(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "max-fps", "5",
           NULL);
  for (guint n = 0; n < 50; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_int_equal(result_inferred(result), n % 5 == 0);
    gst_buffer_unref(out);
  }
  assert_int_equal(rig_stat(&rig, "skipped-fps"), 40);
  rig_close(&rig);
}

/* Downstream says at 1 s that it is 0.2 s late: nothing is evaluated before 1.4 s, and in exact
 * modes everything is. No frame is dropped either way. */
static void qos_skips_inference_only_where_it_may(void **state) {
  (void)state;
  for (guint exact = 0; exact < 2; exact++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "mode",
             exact ? "sync" : "latest", NULL);
    gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, 0), NULL));
    gst_harness_push_upstream_event(
        rig.harness, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 200 * GST_MSECOND, GST_SECOND));
    for (guint n = 26; n <= 45; n++) /* 1.04 s to 1.8 s */
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, n, n), NULL));
    rig_finish(&rig);
    assert_int_equal(rig_stat(&rig, "skipped-qos"), exact ? 0 : 10); /* up to 1.4 s */
    assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), 21);
    rig_close(&rig);
  }
}

/* Streams that share a model and the workers give what each gives alone. */
static void streams_do_not_mix(void **state) {
  (void)state;
  enum { STREAMS = 8, FRAMES = 12 };
  Rig rig[STREAMS];
  double p[STREAMS][FRAMES];
  for (guint s = 0; s < STREAMS; s++)
    rig_open(&rig[s], support_model(MODEL), CAPS, "mode", "delay", "delay", "1000000000",
             "inference-region", "full-frame", "smoothing", "0.5", NULL);
  for (guint n = 0; n < FRAMES; n++) {
    for (guint s = 0; s < STREAMS; s++) {
      const CoredBox box = {0, 0, 160, 120};
      GstBuffer *frame = frame_new(&rig[s].info, 100 * s + n, n);
      p[s][n] = reference_p_fake(support_model(MODEL), &rig[s].info, frame, &box);
      gst_harness_push(rig[s].harness, frame);
    }
  }
  for (guint s = 0; s < STREAMS; s++) {
    double logit = 0.0;
    rig_wait_for(&rig[s], "inferred", FRAMES);
    rig_finish(&rig[s]);
    for (guint n = 0; n < FRAMES; n++) {
      GstBuffer *out = gst_harness_pull(rig[s].harness);
      const GstStructure *result = cored_meta_get(out);
      const double l = log(p[s][n] / (1.0 - p[s][n]));
      logit = n == 0 ? l : 0.5 * logit + 0.5 * l;
      assert_true(fabs(result_double(result, "p-fake") - p[s][n]) < 1e-6);
      assert_true(fabs(result_double(result, "p-fake-smoothed") - 1.0 / (1.0 + exp(-logit))) <
                  1e-5);
      assert_int_equal(result_uint64(result_face(result, 0), "track-id"), 1);
      gst_buffer_unref(out);
    }
    rig_close(&rig[s]);
  }
}

/* ---- Alerts --------------------------------------------------------------------------------- */

typedef struct Heard {
  guint begins, updates, ends;
  guint64 id, begin, duration;
  double peak, mean;
} Heard;

static void hear_alerts(Rig *rig, Heard *heard) {
  GstMessage *message;
  *heard = (Heard){0};
  while ((message = rig_message(rig, GST_MESSAGE_ELEMENT))) {
    const GstStructure *alert = gst_message_get_structure(message);
    if (gst_structure_has_name(alert, CORED_MESSAGE_ALERT)) {
      const char *kind = gst_structure_get_string(alert, "state");
      heard->begins += g_str_equal(kind, "begin");
      heard->updates += g_str_equal(kind, "update");
      heard->ends += g_str_equal(kind, "end");
      assert_true(heard->id == 0 || heard->id == result_uint64(alert, "alert-id"));
      heard->id = result_uint64(alert, "alert-id");
      heard->begin = result_uint64(alert, "begin-running-time");
      heard->duration = result_uint64(alert, "duration");
      heard->peak = result_double(alert, "peak");
      heard->mean = result_double(alert, "mean");
    }
    gst_message_unref(message);
  }
}

static void push_frames(Rig *rig, guint from, guint to) {
  for (guint n = from; n < to; n++)
    gst_buffer_unref(rig_frame(rig, frame_new(&rig->info, 1, n), NULL));
}

static void alerts_begin_and_end_with_hysteresis(void **state) {
  (void)state;
  const CoredBox box = {0, 0, 160, 120};
  Heard heard;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "smoothing", "0",
           "min-duration", "400000000", "message-interval", "1000000000", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  const double p = reference_p_fake(support_model(MODEL), &rig.info, frame, &box);
  gst_buffer_unref(frame);

  g_object_set(rig.element, "threshold", p + 0.01, NULL);
  push_frames(&rig, 0, 25);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins + heard.updates + heard.ends, 0);

  g_object_set(rig.element, "threshold", p - 0.01, "threshold-off", p - 0.02, NULL);
  push_frames(&rig, 25, 35); /* 0.36 s: not yet */
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins, 0);
  push_frames(&rig, 35, 36); /* 0.4 s */
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins, 1);
  assert_true(heard.begin == 25 * FRAME && fabs(heard.peak - p) < 1e-6);

  /* Below the threshold but not below the lower one: it goes on, with updates. */
  g_object_set(rig.element, "threshold", p + 0.01, NULL);
  push_frames(&rig, 36, 61);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins + heard.ends, 0);
  assert_int_equal(heard.updates, 1);

  g_object_set(rig.element, "threshold-off", p + 0.005, NULL);
  push_frames(&rig, 61, 80);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins, 0);
  assert_int_equal(heard.ends, 1);
  assert_true(heard.duration == 35 * FRAME && fabs(heard.mean - p) < 1e-6);
  assert_int_equal(rig_stat(&rig, "alerts"), 1);
  rig_close(&rig);
}

static void eos_and_cuts_end_alerts(void **state) {
  (void)state;
  Heard heard;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "threshold", "0",
           "min-duration", "0", NULL);
  push_frames(&rig, 0, 3);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins, 1);
  push_frames(&rig, 500, 501); /* ends the first and begins the second */
  rig_drop_messages(&rig);
  push_frames(&rig, 501, 503);
  rig_finish(&rig);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.ends, 1);
  assert_int_equal(rig_stat(&rig, "alerts"), 2);
  rig_close(&rig);
}

typedef struct Told { /* by the signal */
  guint begins, ends;
  guint64 track;
} Told;

static void on_alert(GstElement *element, const GstStructure *alert, gpointer user) {
  Told *told = user;
  (void)element;
  assert_true(gst_structure_has_name(alert, CORED_MESSAGE_ALERT));
  told->begins += g_str_equal(gst_structure_get_string(alert, "state"), "begin");
  told->ends += g_str_equal(gst_structure_get_string(alert, "state"), "end");
  told->track = result_uint64(alert, "track-id");
}

/* The signal comes without messages, too; the action ends the alert and forgets the track. */
static void alerts_are_signalled_and_reset_ends_them(void **state) {
  (void)state;
  Heard heard;
  Told told = {0};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "threshold", "0",
           "min-duration", "0", "post-messages", "false", NULL);
  g_signal_connect(rig.element, "alert", G_CALLBACK(on_alert), &told);
  push_frames(&rig, 0, 10);
  assert_int_equal(told.begins, 1);
  assert_int_equal(told.ends, 0);
  assert_int_equal(told.track, 1);
  g_signal_emit_by_name(rig.element, "reset");
  assert_int_equal(rig_stat(&rig, "resets"), 0); /* with the next frame */
  push_frames(&rig, 10, 12);
  assert_int_equal(told.begins, 2);
  assert_int_equal(told.ends, 1);
  assert_int_equal(told.track, 2);
  assert_int_equal(rig_stat(&rig, "resets"), 1);
  hear_alerts(&rig, &heard);
  assert_int_equal(heard.begins + heard.ends, 0);
  rig_close(&rig);
}

/* Which of eight frames carry metadata. */
static guint attached_with(const char *when, const char *mode, const char *threshold) {
  guint attached = 0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "threshold",
           threshold, "min-duration", "80000000", "inference-interval", "2", "attach-when", when,
           "mode", mode, NULL);
  for (guint n = 0; n < 8; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    attached |= result ? 1u << n : 0;
    gst_buffer_unref(out);
    for (guint wait = 0; g_str_equal(mode, "latest") && wait < 1000; wait++) {
      if (rig_stat(&rig, "inferred") == n / 2 + 1)
        break;
      g_usleep(1000);
    }
    if (g_str_equal(mode, "latest")) /* it is counted and told a moment before frames get it */
      g_usleep(100000);
  }
  rig_close(&rig);
  return attached;
}

static void attach_when_chooses_the_frames(void **state) {
  (void)state;
  assert_int_equal(attached_with("always", "sync", "0"), 0xff);
  assert_int_equal(attached_with("inferred", "sync", "0"), 0x55);
  assert_int_equal(attached_with("inferred", "latest", "0"), 0xaa); /* one later */
  assert_int_equal(attached_with("alert", "sync", "0"), 0xfc);      /* after 80 ms */
  assert_int_equal(attached_with("alert", "sync", "1"), 0);
}

static void send_update(Rig *rig, gboolean serialized, const char *path) {
  GstStructure *structure = gst_structure_new_empty(CORED_EVENT_UPDATE_MODEL);
  if (path)
    gst_structure_set(structure, "path", G_TYPE_STRING, path, NULL);
  assert_true(gst_harness_push_event(
      rig->harness,
      gst_event_new_custom(
          serialized ? GST_EVENT_CUSTOM_DOWNSTREAM : GST_EVENT_CUSTOM_DOWNSTREAM_OOB, structure)));
}

static guint64 generation_when_swapped(Rig *rig, guint64 swaps) {
  guint64 generation = 0;
  for (guint n = 0; n < 1000 && rig_stat(rig, "model-swaps") < swaps; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(rig, frame_new(&rig->info, 1, n), &result);
    generation = result_uint64(result, "model-generation");
    gst_buffer_unref(out);
    g_usleep(2000);
  }
  return generation;
}

/* Both kinds of event change the model, and go on; one that names no file is told and changes
 * nothing; without the field the same file is read again. */
static void an_event_updates_the_model(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  send_update(&rig, TRUE, support_model(4));
  assert_int_equal(generation_when_swapped(&rig, 1), 4);
  send_update(&rig, FALSE, support_model(5));
  assert_int_equal(generation_when_swapped(&rig, 2), 5);
  char *model;
  g_object_get(rig.element, "model", &model, NULL);
  assert_string_equal(model, support_model(5));
  g_free(model);
  rig_drop_messages(&rig);
  send_update(&rig, TRUE, "");
  GstMessage *warning = rig_message(&rig, GST_MESSAGE_WARNING);
  assert_non_null(warning);
  gst_message_unref(warning);
  send_update(&rig, TRUE, NULL);
  guint passed = 0;
  for (GstEvent *event; (event = gst_harness_try_pull_event(rig.harness)); gst_event_unref(event))
    passed += gst_event_has_name(event, CORED_EVENT_UPDATE_MODEL);
  assert_int_equal(passed, 4);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(latest_lets_every_frame_pass_at_once),
      cmocka_unit_test(latest_gives_the_newest_finished_result),
      cmocka_unit_test(auto_is_latest_on_live_sources_and_sync_on_others),
      cmocka_unit_test(flushes_drop_what_waits),
      cmocka_unit_test(max_fps_limits_the_rate),
      cmocka_unit_test(qos_skips_inference_only_where_it_may),
      cmocka_unit_test(streams_do_not_mix),
      cmocka_unit_test(alerts_begin_and_end_with_hysteresis),
      cmocka_unit_test(eos_and_cuts_end_alerts),
      cmocka_unit_test(alerts_are_signalled_and_reset_ends_them),
      cmocka_unit_test(attach_when_chooses_the_frames),
      cmocka_unit_test(an_event_updates_the_model),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
