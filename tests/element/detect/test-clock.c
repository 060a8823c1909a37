/* SPDX-License-Identifier: MIT
 * E26, E41: time. The latency that is reported is the one there is, through a pause of ten seconds,
 * by a clock that moves when it is told to; and the time of day may jump as it likes. */
#include "plugins.h"
#include "twins.h"
#include "wall-clock.h"

#include <gst/check/gsttestclock.h>

#define FRAME (40 * GST_MSECOND)
#define FRAMES 60
#define PAUSE_AT 25
#define HOUR 3600LL

/* ---- Latency -------------------------------------------------------------------------------- */

typedef struct Play {
  GstElement *pipeline, *detector, *sink;
  GstTestClock *clock;
  GstBus *bus;
  guint frames;          /* that arrived */
  GstClockTimeDiff most; /* that one arrived after its time */
  GstClockTime told;     /* in the last LATENCY event */
} Play;

/* How long after its time a frame arrives, by the pipeline's clock. */
static GstPadProbeReturn on_frame(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Play *play = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const GstClockTime now =
      gst_clock_get_time(GST_CLOCK(play->clock)) - gst_element_get_base_time(play->pipeline);
  (void)pad;
  assert_true(GST_BUFFER_PTS(buffer) == play->frames * FRAME); /* none is lost or doubled */
  play->most = MAX(play->most, GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), now));
  play->frames++;
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_event(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Play *play = data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  (void)pad;
  if (GST_EVENT_TYPE(event) == GST_EVENT_LATENCY)
    gst_event_parse_latency(event, &play->told);
  return GST_PAD_PROBE_OK;
}

static void open_play(Play *play, const char *mode) {
  char *description = g_strdup_printf(
      "videotestsrc is-live=true num-buffers=%d ! video/x-raw,format=I420,width=64,height=48,"
      "framerate=25/1 ! coreddetect name=det mode=%s delay=100000000 threads=1 "
      "inference-region=full-frame ! fakesink name=sink sync=true processing-deadline=0",
      FRAMES, mode);
  *play = (Play){.pipeline = gst_parse_launch(description, NULL),
                 .clock = GST_TEST_CLOCK(gst_test_clock_new())};
  assert_non_null(play->pipeline);
  gst_pipeline_use_clock(GST_PIPELINE(play->pipeline), GST_CLOCK(play->clock));
  play->detector = gst_bin_get_by_name(GST_BIN(play->pipeline), "det");
  g_object_set(play->detector, "model", twin(1), NULL);
  play->sink = gst_bin_get_by_name(GST_BIN(play->pipeline), "sink");
  GstPad *pad = gst_element_get_static_pad(play->sink, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, play, NULL);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_event, play, NULL);
  gst_object_unref(pad);
  play->bus = gst_element_get_bus(play->pipeline);
  g_free(description);
}

static void close_play(Play *play) {
  gst_element_set_state(play->pipeline, GST_STATE_NULL);
  gst_object_unref(play->detector);
  gst_object_unref(play->sink);
  gst_object_unref(play->bus);
  gst_object_unref(play->pipeline);
  gst_object_unref(play->clock);
}

/* As an application does: latencies that change are distributed. FALSE at the end of the stream. */
static gboolean hear(Play *play) {
  GstMessage *message;
  gboolean goes_on = TRUE;
  while ((message = gst_bus_pop(play->bus))) {
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY)
      gst_bin_recalculate_latency(GST_BIN(play->pipeline));
    goes_on &= GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS;
    gst_message_unref(message);
  }
  return goes_on;
}

/* Time goes on to what is waited for, until so many frames arrived or the stream ends. */
static void run_until(Play *play, guint frames) {
  const gint64 start = g_get_monotonic_time();
  while (play->frames < frames && hear(play)) {
    if (gst_test_clock_peek_next_pending_id(play->clock, NULL))
      gst_test_clock_crank(play->clock);
    else
      g_usleep(100);
    if (g_get_monotonic_time() - start > 60 * G_USEC_PER_SEC)
      fail_msg("nothing comes after %u frames", play->frames);
  }
}

static GstClockTime reported(Play *play) {
  GstQuery *query = gst_query_new_latency();
  gboolean live;
  GstClockTime least, most;
  assert_true(gst_element_query(play->pipeline, query));
  gst_query_parse_latency(query, &live, &least, &most);
  assert_true(live);
  gst_query_unref(query);
  return least;
}

static guint64 stat_of(Play *play, const char *name) {
  Rig rig = {.element = play->detector};
  return rig_stat(&rig, name);
}

static void the_latency_is_the_one_reported(void **state) {
  (void)state;
  static const struct {
    const char *mode;
    GstClockTime own;
  } cases[] = {{"sync", 0}, {"latest", 0}, {"auto", 0}, {"delay", 3 * FRAME}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Play play;
    open_play(&play, cases[i].mode);
    gst_element_set_state(play.pipeline, GST_STATE_PLAYING);
    run_until(&play, 2); /* the sink answers once it has the first */
    const GstClockTime before = reported(&play);
    if (before < cases[i].own || before > cases[i].own + FRAME)
      fail_msg("%s: %" GST_TIME_FORMAT " reported", cases[i].mode, GST_TIME_ARGS(before));
    run_until(&play, PAUSE_AT);

    gst_element_set_state(play.pipeline, GST_STATE_PAUSED);
    gst_element_get_state(play.pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
    const guint paused_at = play.frames;
    gst_test_clock_advance_time(play.clock, 10 * GST_SECOND);
    g_usleep(20000);
    assert_int_equal(play.frames, paused_at);
    gst_element_set_state(play.pipeline, GST_STATE_PLAYING);
    run_until(&play, G_MAXUINT);

    assert_int_equal(play.frames, FRAMES);
    assert_int_equal(reported(&play), before);
    assert_int_equal(play.told, before);
    if (!(play.most <= (GstClockTimeDiff)before))
      fail_msg("%s: %" GST_TIME_FORMAT " late, %" GST_TIME_FORMAT " reported", cases[i].mode,
               GST_TIME_ARGS((GstClockTime)play.most), GST_TIME_ARGS(before));
    assert_true(play.most + (GstClockTimeDiff)FRAME >= (GstClockTimeDiff)before);
    assert_int_equal(stat_of(&play, "frames-in"), FRAMES);
    assert_int_equal(stat_of(&play, "resets"), 0); /* a pause is no cut */
    close_play(&play);
  }
}

/* ---- Time of day ---------------------------------------------------------------------------- */

static gpointer set_the_clock(gpointer stop) {
  static const long long places[] = {0, HOUR, -HOUR, -HOUR, 1000000000, HOUR};
  for (guint i = 0; !g_atomic_int_get((gint *)stop); i++) {
    wall_clock.ahead = places[i % G_N_ELEMENTS(places)];
    g_usleep(700);
  }
  wall_clock.ahead = 0;
  return NULL;
}

static void check_durations(Rig *rig) {
  static const char *const names[] = {"latency-us-max", "latency-us-p50", "last-swap-us",
                                      "max-swap-us"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (rig_stat(rig, names[i]) > 60 * G_USEC_PER_SEC)
      fail_msg("%s: %" G_GUINT64_FORMAT, names[i], rig_stat(rig, names[i]));
}

/* New versions come, bad ones are told once, while the clock jumps about. */
static void watching_does_not_look_at_it(void) {
  Twins twins;
  Told told = {0};
  char *path = support_path("jumping.safetensors");
  model_publish(twin(1), path);
  twins_open(&twins, path);
  twins.pause_us = 2000;
  twins_pass_until(&twins, 1);
  for (guint i = 1; i <= 4; i++) {
    model_publish(twin(i % 2 ? 2 : 1), path);
    twins_pass_until(&twins, i % 2 ? 2 : 1);
  }
  assert_true(g_file_set_contents(path, "no model", -1, NULL));
  twins_pass_until_warned(&twins, &told, 1);
  twins_stay(&twins, 1, 1500);
  twins_hear(&twins, &told);
  assert_int_equal(told.warnings, 1);
  model_publish(twin(2), path);
  twins_pass_until(&twins, 2);
  check_durations(&twins.rig);
  twins_close(&twins);
  g_free(path);
}

/* Frames leave when they should, by their own time stamps. */
static void frames_do_not_look_at_it(const char *mode, guint lag) {
  Rig rig;
  rig_open(&rig, twin(1), TWINS_CAPS, "mode", mode, "delay", "120000000", "inference-region",
           "full-frame", "max-fps", "12.5", NULL);
  for (guint n = 0; n < 100; n++) {
    assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, n)), GST_FLOW_OK);
    assert_int_equal(gst_harness_buffers_received(rig.harness), n < lag ? 0 : n + 1 - lag);
  }
  gst_harness_push_event(rig.harness, gst_event_new_eos());
  assert_int_equal(gst_harness_buffers_received(rig.harness), 100);
  assert_int_equal(rig_stat(&rig, "skipped-fps"), 50);
  assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), 100);
  check_durations(&rig);
  rig_close(&rig);
}

static void the_time_of_day_may_jump(void **state) {
  (void)state;
  gint stop = FALSE;
  const gint64 before = g_get_real_time();
  wall_clock.ahead = HOUR;
  assert_true(g_get_real_time() - before >= HOUR * G_USEC_PER_SEC); /* it does */
  const int reads = wall_clock.reads;
  GThread *thread = g_thread_new("clock", set_the_clock, &stop);
  frames_do_not_look_at_it("sync", 0);
  frames_do_not_look_at_it("latest", 0);
  frames_do_not_look_at_it("delay", 3);
  watching_does_not_look_at_it();
  g_atomic_int_set(&stop, TRUE);
  g_thread_join(thread);
  print_message("the time of day was asked for %d times, %d of them by the plugin\n",
                wall_clock.reads - reads, wall_clock.plugin_reads);
  assert_int_equal(wall_clock.plugin_reads, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_latency_is_the_one_reported),
      cmocka_unit_test(the_time_of_day_may_jump),
  };
  static const char *const plugins[] = {"coreelements", "videotestsrc"};
  plugins_only(plugins, G_N_ELEMENTS(plugins));
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
