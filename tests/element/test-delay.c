/* SPDX-License-Identifier: MIT
 * mode=delay: each frame with its own result, a constant time later; never later than that. */
#include "models.h"

#include <math.h>

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define MODEL 3
#define FRAME (40 * GST_MSECOND)

static void delay_gives_each_frame_its_own_result_and_reports_itself(void **state) {
  (void)state;
  Rig rig;
  GstBuffer *out;
  double p[20];
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "delay", "delay", "100000000",
           "inference-region", "full-frame", NULL);
  for (guint n = 0; n < 20; n++) {
    const CoredBox box = {0, 0, 160, 120};
    GstBuffer *frame = frame_new(&rig.info, n, n);
    p[n] = reference_p_fake(support_model(MODEL), &rig.info, frame, &box);
    assert_int_equal(gst_harness_push(rig.harness, frame), GST_FLOW_OK);
    rig_wait_for(&rig, "inferred", n + 1);
  }
  /* 100 ms are three frames: what came in before the last three is out. */
  assert_int_equal(gst_harness_buffers_received(rig.harness), 17);
  assert_int_equal(gst_harness_query_latency(rig.harness), 3 * FRAME);
  rig_finish(&rig);
  assert_int_equal(gst_harness_buffers_received(rig.harness), 20);
  for (guint n = 0; (out = gst_harness_try_pull(rig.harness)); n++) {
    const GstStructure *result = cored_meta_get(out);
    assert_true(GST_BUFFER_PTS(out) == n * FRAME);
    assert_true(result_inferred(result) && fabs(result_double(result, "p-fake") - p[n]) < 1e-6);
    gst_buffer_unref(out);
  }
  assert_int_equal(rig_stat(&rig, "inferred"), 20);
  rig_close(&rig);
}

/* Pushed faster than they can be judged, by a source that can wait: each frame waits for its own
 * result, as there is time. */
static void a_source_that_can_wait_gets_exact_results(void **state) {
  (void)state;
  Rig rig;
  GstBuffer *out;
  guint n = 0;
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "delay", "delay", "10000000000",
           "inference-region", "full-frame", NULL);
  for (guint i = 0; i < 300; i++)
    gst_harness_push(rig.harness, frame_new(&rig.info, i, i));
  rig_finish(&rig);
  for (; (out = gst_harness_try_pull(rig.harness)); n++) {
    assert_true(GST_BUFFER_PTS(out) == n * FRAME);
    assert_true(result_inferred(cored_meta_get(out)));
    gst_buffer_unref(out);
  }
  assert_int_equal(n, 300);
  assert_int_equal(rig_stat(&rig, "inferred"), 300);
  rig_close(&rig);
}

/* ---- Evaluations that do not end ------------------------------------------------------------ */

typedef struct Hold { /* keeps whoever posts a result, and so evaluates, from going on */
  GMutex mutex;
  GCond changed;
  gboolean closed;
  guint free_ones; /* so many pass first */
  guint held;
} Hold;

static GstBusSyncReply hold_results(GstBus *bus, GstMessage *message, gpointer user) {
  Hold *hold = user;
  (void)bus;
  if (gst_message_has_name(message, CORED_MESSAGE_RESULT)) {
    g_mutex_lock(&hold->mutex);
    if (hold->free_ones > 0)
      hold->free_ones--;
    else
      hold->held++;
    g_cond_broadcast(&hold->changed);
    while (hold->closed && hold->held > 0)
      g_cond_wait(&hold->changed, &hold->mutex);
    g_mutex_unlock(&hold->mutex);
  }
  return GST_BUS_PASS;
}

static void let_go(Hold *hold) {
  g_mutex_lock(&hold->mutex);
  hold->closed = FALSE;
  g_cond_broadcast(&hold->changed);
  g_mutex_unlock(&hold->mutex);
}

static void wait_until_held(Hold *hold) {
  g_mutex_lock(&hold->mutex);
  while (hold->held == 0)
    g_cond_wait(&hold->changed, &hold->mutex);
  g_mutex_unlock(&hold->mutex);
}

static void open_held(Rig *rig, Hold *hold, const char *delay) {
  rig_open(rig, support_model(MODEL), CAPS, "mode", "delay", "delay", delay, "inference-region",
           "full-frame", "message-interval", "0", NULL);
  gst_bus_set_sync_handler(rig->bus, hold_results, hold, NULL);
}

static void close_held(Rig *rig, Hold *hold) {
  let_go(hold);
  gst_bus_set_sync_handler(rig->bus, NULL, NULL, NULL);
  rig_close(rig);
}

/* Frames leave after the delay all the same, with what is known. */
static void no_frame_waits_longer_than_the_delay(void **state) {
  (void)state;
  enum { LAG = 2, FRAMES = 30 };
  Hold hold = {.closed = TRUE, .free_ones = 1};
  Rig rig;
  open_held(&rig, &hold, "80000000");
  gst_harness_push(rig.harness, frame_new(&rig.info, 0, 0));
  rig_wait_for(&rig, "inferred", 1);
  gst_harness_push(rig.harness, frame_new(&rig.info, 1, 1));
  wait_until_held(&hold);
  for (guint n = 2; n < FRAMES; n++) {
    assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, n, n)), GST_FLOW_OK);
    assert_int_equal(gst_harness_buffers_received(rig.harness), n + 1 - LAG);
  }
  for (guint n = 0; n < FRAMES - LAG; n++) {
    GstBuffer *out = gst_harness_pull(rig.harness);
    const GstStructure *result = cored_meta_get(out);
    assert_true(GST_BUFFER_PTS(out) == n * FRAME);
    assert_int_equal(result_inferred(result), n == 0);
    assert_int_equal(result_uint64(result, "result-age-ns"), n * FRAME);
    gst_buffer_unref(out);
  }
  let_go(&hold);
  rig_finish(&rig);
  assert_int_equal(gst_harness_buffers_received(rig.harness), FRAMES);
  assert_int_equal(rig_stat(&rig, "frames-in"), FRAMES);
  assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), FRAMES);
  close_held(&rig, &hold);
}

static gpointer push_due(gpointer user) {
  Rig *rig = user;
  return GINT_TO_POINTER(gst_harness_push(rig->harness, frame_new(&rig->info, 1, 1000)));
}

static gpointer stop_element(gpointer element) {
  gst_element_set_state(element, GST_STATE_NULL);
  return NULL;
}

/* Ten seconds to wait for a result: neither a flush nor a stop waits with the frame. */
static void flushes_and_stops_end_the_wait(void **state) {
  (void)state;
  for (guint stop = 0; stop < 2; stop++) {
    Hold hold = {.closed = TRUE};
    GThread *stopping = NULL;
    Rig rig;
    open_held(&rig, &hold, "10000000000");
    gst_harness_push(rig.harness, frame_new(&rig.info, 0, 0));
    wait_until_held(&hold);
    const gint64 begin = g_get_monotonic_time();
    /* At 40 s: the first frame is due, and its result is still to come. */
    GThread *pushing = g_thread_new("push", push_due, &rig);
    rig_wait_for(&rig, "frames-in", 2);
    g_usleep(20000);
    if (stop)
      stopping = g_thread_new("stop", stop_element, rig.element);
    else
      gst_harness_push_event(rig.harness, gst_event_new_flush_start());
    g_thread_join(pushing);
    /* It was not the end of the ten seconds that ended it. */
    assert_true(g_get_monotonic_time() - begin < 9 * G_USEC_PER_SEC);
    let_go(&hold);
    if (stopping)
      g_thread_join(stopping);
    else
      gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
    close_held(&rig, &hold);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(delay_gives_each_frame_its_own_result_and_reports_itself),
      cmocka_unit_test(a_source_that_can_wait_gets_exact_results),
      cmocka_unit_test(no_frame_waits_longer_than_the_delay),
      cmocka_unit_test(flushes_and_stops_end_the_wait),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
