/* SPDX-License-Identifier: MIT
 * E43: called back in the middle of things, by a message or a signal, in whatever thread, an
 * application may set and read properties, load models, end the stream and change states as
 * GStreamer allows it. Nothing may lock up: an alarm ends the program. */
#include "counts.h"
#include "twins.h"

#include <unistd.h>

#define PATIENCE_SECONDS 600

static const char *const modes[] = {"sync", "latest", "delay"};

typedef struct Meddler {
  Rig rig;
  GstPad *sink;
  gboolean restarts; /* the element is stopped and started, too, by a thread of GStreamer's */
  gint calls, messages, ends, async; /* atomic */
} Meddler;

/* ---- What a callback does ------------------------------------------------------------------- */

static void set_properties(Meddler *meddler, guint n) {
  g_object_set(meddler->rig.element, "threshold", n % 2 ? 0.4 : 0.6, "smoothing", 0.1,
               "inference-interval", 1 + n % 2, NULL);
}

static void read_properties(Meddler *meddler) {
  GstStructure *stats;
  char *id;
  g_object_get(meddler->rig.element, "stats", &stats, "model-id", &id, NULL);
  gst_structure_free(stats);
  g_free(id);
}

static void ask(Meddler *meddler) {
  GstQuery *query = gst_query_new_latency();
  gst_element_query(meddler->rig.element, query);
  gst_query_unref(query);
}

static void end_stream(Meddler *meddler) {
  g_atomic_int_inc(&meddler->ends);
  gst_pad_send_event(meddler->sink, gst_event_new_eos());
}

static void send_new_model(Meddler *meddler, guint n) {
  gst_pad_send_event(meddler->sink,
                     gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
                                          gst_structure_new(CORED_EVENT_UPDATE_MODEL, "path",
                                                            G_TYPE_STRING, twin(1 + n % 2), NULL)));
}

static void pause_and_play(Meddler *meddler) {
  gst_element_set_state(meddler->rig.element, GST_STATE_PAUSED);
  gst_element_set_state(meddler->rig.element, GST_STATE_PLAYING);
}

static void restart(GstElement *element, gpointer user) {
  Meddler *meddler = user;
  gst_element_set_state(element, GST_STATE_READY);
  gst_element_set_state(element, GST_STATE_PLAYING);
  g_atomic_int_add(&meddler->async, -1);
}

/* One restart at a time: a state is not changed by two threads. */
static void change_state(Meddler *meddler) {
  if (!meddler->restarts)
    pause_and_play(meddler);
  else if (g_atomic_int_compare_and_exchange(&meddler->async, 0, 1))
    gst_element_call_async(meddler->rig.element, restart, meddler, NULL);
}

static void meddle(Meddler *meddler) {
  const guint n = (guint)g_atomic_int_add(&meddler->calls, 1);
  switch (n % 11) {
  case 0:
    set_properties(meddler, n / 11);
    break;
  case 1:
    g_signal_emit_by_name(meddler->rig.element, "reload-model");
    break;
  case 2:
    read_properties(meddler);
    break;
  case 3:
    g_object_set(meddler->rig.element, "model", twin(1 + n % 2), NULL);
    break;
  case 4:
    g_signal_emit_by_name(meddler->rig.element, "previous-model");
    break;
  case 5:
    if (n / 11 % 3 == 0)
      end_stream(meddler);
    break;
  case 6:
    ask(meddler);
    break;
  case 7:
    change_state(meddler);
    break;
  case 8:
    g_signal_emit_by_name(meddler->rig.element, "reset");
    break;
  case 9:
    send_new_model(meddler, n);
    break;
  default:
    break;
  }
}

static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer user) {
  Meddler *meddler = user;
  (void)bus;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR ||
      GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
    return GST_BUS_PASS;
  g_atomic_int_inc(&meddler->messages);
  gst_message_unref(message);
  meddle(meddler);
  return GST_BUS_DROP;
}

static void on_model(GstElement *element, gint status, const char *path, gpointer user) {
  (void)element;
  (void)status;
  (void)path;
  meddle(user);
}

static void on_alert(GstElement *element, const GstStructure *alert, gpointer user) {
  (void)element;
  (void)alert;
  meddle(user);
}

/* ---- The stream ----------------------------------------------------------------------------- */

static void meddler_open(Meddler *meddler, const char *mode, gboolean restarts) {
  Rig *rig = &meddler->rig;
  *meddler = (Meddler){.restarts = restarts};
  rig_open(rig, twin(1), TWINS_CAPS, "mode", mode, "delay", "80000000", "inference-region",
           "full-frame", "message-interval", "0", "min-duration", "0", NULL);
  meddler->sink = gst_element_get_static_pad(rig->element, "sink");
  g_signal_connect(rig->element, "model-updated", G_CALLBACK(on_model), meddler);
  g_signal_connect(rig->element, "alert", G_CALLBACK(on_alert), meddler);
  gst_bus_set_sync_handler(rig->bus, on_message, meddler, NULL);
}

static void begin_again(Meddler *meddler) {
  GstHarness *harness = meddler->rig.harness;
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness, gst_event_new_flush_start());
  gst_harness_push_event(harness, gst_event_new_flush_stop(TRUE));
  if (meddler->restarts) {
    gst_harness_push_event(harness, gst_event_new_stream_start("again"));
    rig_set_caps(&meddler->rig, TWINS_CAPS);
  }
  gst_harness_push_event(harness, gst_event_new_segment(&segment));
}

/* The application itself ends and flushes the stream now and then, too. Returns the frames that
 * were taken. */
static guint push_until(Meddler *meddler, guint n) {
  GstHarness *harness = meddler->rig.harness;
  GstBuffer *picture = frame_new(&meddler->rig.info, 1, 0), *out;
  GstEvent *event;
  guint taken = 0;
  for (guint i = 0; (guint)g_atomic_int_get(&meddler->messages) < n; i++) {
    GstBuffer *frame = gst_buffer_copy(picture);
    GST_BUFFER_PTS(frame) = i * 40 * GST_MSECOND;
    const GstFlowReturn flow = gst_harness_push(harness, frame);
    taken += flow == GST_FLOW_OK;
    if (i % 50 == 49)
      gst_harness_push_event(harness, gst_event_new_eos());
    if (flow != GST_FLOW_OK || i % 50 == 49)
      begin_again(meddler);
    while ((out = gst_harness_try_pull(harness)))
      gst_buffer_unref(out);
    while ((event = gst_harness_try_pull_event(harness)))
      gst_event_unref(event);
  }
  gst_buffer_unref(picture);
  return taken;
}

static void meddler_close(Meddler *meddler) {
  Rig *rig = &meddler->rig;
  gst_bus_set_sync_handler(rig->bus, NULL, NULL, NULL);
  g_signal_handlers_disconnect_by_data(rig->element, meddler);
  while (g_atomic_int_get(&meddler->async))
    g_usleep(1000);
  GstMessage *message = rig_message(rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  assert_null(message);
  gst_object_unref(meddler->sink);
  rig_close(rig);
}

static gboolean is_busy(Rig *rig) {
  return rig_stat(rig, "inferred") + rig_skipped(rig) < rig_stat(rig, "frames-in");
}

static void meddle_often(const char *mode, gboolean restarts) {
  const guint n = counts_of(10000);
  const gint64 start = g_get_monotonic_time();
  Meddler meddler;
  alarm(PATIENCE_SECONDS);
  meddler_open(&meddler, mode, restarts);
  const guint taken = push_until(&meddler, n);
  assert_true(g_atomic_int_get(&meddler.ends) > 0);
  if (!restarts) {
    gst_harness_push_event(meddler.rig.harness, gst_event_new_eos());
    while (is_busy(&meddler.rig)) /* a callback may have ended the stream before */
      g_usleep(100);
    if (!g_str_equal(mode, "delay")) /* which loses some to flushes */
      assert_int_equal(gst_harness_buffers_received(meddler.rig.harness), taken);
  }
  meddler_close(&meddler);
  alarm(0);
  counts_tell(mode, n, start);
}

static void callbacks_may_do_anything(void **state) {
  (void)state;
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++)
    meddle_often(modes[m], FALSE);
}

static void callbacks_may_have_the_element_restarted(void **state) {
  (void)state;
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++)
    meddle_often(modes[m], TRUE);
}

/* ---- Alerts --------------------------------------------------------------------------------- */

#define FACES 3

typedef struct Alerts {
  GstPad *sink;
  gint begun, ended; /* atomic */
} Alerts;

static void end_on_alert(GstElement *element, const GstStructure *alert, gpointer user) {
  Alerts *alerts = user;
  const char *state = gst_structure_get_string(alert, "state");
  (void)element;
  if (g_str_equal(state, "begin")) {
    g_atomic_int_inc(&alerts->begun);
  } else if (g_str_equal(state, "end")) {
    if (g_atomic_int_get(&alerts->ended) % FACES == 0)
      gst_pad_send_event(alerts->sink, gst_event_new_eos());
    g_atomic_int_inc(&alerts->ended);
  }
}

static void push_faces(Rig *rig, guint number, guint n) {
  GstBuffer *frame = frame_new(&rig->info, 1, number);
  for (guint i = 0; i < n; i++)
    frame_add_roi(frame, "face", 4 + 52 * i, 20, 48, 48);
  gst_harness_push(rig->harness, frame);
}

static void await(gint *counter, guint value) {
  alarm(PATIENCE_SECONDS);
  while ((guint)g_atomic_int_get(counter) < value)
    g_usleep(20);
  alarm(0);
}

/* Several faces are gone at once, and the first alert that ends has the stream end: the others'
 * alerts end all the same, each once. */
static void an_alert_may_end_the_stream(void **state) {
  (void)state;
  const guint n = counts_of(1000);
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    Alerts alerts = {0};
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[m], "inference-region", "roi-list",
             "threshold", "0.1", "min-duration", "0", "min-object-size", "16", "min-sharpness", "0",
             "max-absence", "0", NULL);
    alerts.sink = gst_element_get_static_pad(rig.element, "sink");
    g_signal_connect(rig.element, "alert", G_CALLBACK(end_on_alert), &alerts);
    for (guint i = 0; i < n; i++) {
      GstSegment segment;
      gst_segment_init(&segment, GST_FORMAT_TIME);
      push_faces(&rig, 0, FACES);
      await(&alerts.begun, FACES * (i + 1));
      push_faces(&rig, 1, 0);
      await(&alerts.ended, FACES * (i + 1));
      gst_harness_push_event(rig.harness, gst_event_new_flush_start());
      gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
      gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
      assert_int_equal(g_atomic_int_get(&alerts.begun), FACES * (i + 1));
      assert_int_equal(g_atomic_int_get(&alerts.ended), FACES * (i + 1));
    }
    gst_object_unref(alerts.sink);
    rig_close(&rig);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(callbacks_may_do_anything),
      cmocka_unit_test(callbacks_may_have_the_element_restarted),
      cmocka_unit_test(an_alert_may_end_the_stream),
  };
  counts_divide(argc, argv);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
