/* SPDX-License-Identifier: MIT
 * mode=delay: each frame with its own result, a constant time later; never later than that. */
#include "models.h"

#include <gst/base/gstbasetransform.h>
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

/* Pushed faster than they can be evaluated, by a source that can wait: each frame waits for its own
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

/* ---- Whatever upstream does ----------------------------------------------------------------- */

typedef GstClockTime (*StampFunc)(guint number);

static GstClockTime stand_still(guint number) {
  return MIN(number, 20) * FRAME;
}

static GstClockTime crawl(guint number) {
  return number;
}

static GstClockTime say_nothing(guint number) {
  (void)number;
  return GST_CLOCK_TIME_NONE;
}

static GstClockTime jump_back(guint number) {
  return (number % 7) * FRAME;
}

static GstClockTime run_back(guint number) {
  return (1000 - number) * FRAME;
}

static GstClockTime leap(guint number) {
  return number % 3 ? number * FRAME : (G_MAXUINT64 - 1) / (number + 1);
}

/* Nothing is kept but what the delay needs; all frames come out, in order, none twice. */
static void the_queue_is_bounded(void **state) {
  (void)state;
  static const StampFunc stamps[] = {stand_still, crawl, say_nothing, jump_back, run_back, leap};
  static const struct {
    const char *rate;
    guint most; /* twice the frames of 200 ms, and 8 */
  } rates[] = {{"25/1", 18}, {"0/1", 32}};
  for (guint i = 0; i < G_N_ELEMENTS(stamps) * G_N_ELEMENTS(rates); i++) {
    const guint r = i % G_N_ELEMENTS(rates);
    char *caps =
        g_strdup_printf("video/x-raw,format=GRAY8,width=64,height=48,framerate=%s", rates[r].rate);
    GstBuffer *out;
    guint64 n = 0;
    Rig rig;
    rig_open(&rig, support_model(MODEL), caps, "mode", "delay", "delay", "200000000",
             "inference-interval", "1000", NULL);
    for (guint k = 0; k < 200; k++) {
      GstBuffer *frame = frame_new(&rig.info, 1, 0);
      GST_BUFFER_PTS(frame) = stamps[i / G_N_ELEMENTS(rates)](k);
      GST_BUFFER_OFFSET(frame) = k;
      assert_int_equal(gst_harness_push(rig.harness, frame), GST_FLOW_OK);
      assert_true(k + 1 - gst_harness_buffers_received(rig.harness) <= rates[r].most);
    }
    rig_finish(&rig);
    for (; (out = gst_harness_try_pull(rig.harness)); n++) {
      assert_int_equal(GST_BUFFER_OFFSET(out), n);
      gst_buffer_unref(out);
    }
    assert_int_equal(n, 200);
    rig_close(&rig);
    g_free(caps);
  }
}

/* Without time stamps, or with one that stands still, each frame has its own result as well. */
static void counted_frames_are_delayed_too(void **state) {
  (void)state;
  for (guint standing = 0; standing < 2; standing++) {
    GstBuffer *out;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "mode", "delay", "delay", "100000000",
             "inference-region", "full-frame", NULL);
    for (guint n = 0; n < 20; n++) {
      GstBuffer *frame = frame_new(&rig.info, n, n);
      GST_BUFFER_PTS(frame) = standing ? 0 : GST_CLOCK_TIME_NONE;
      gst_harness_push(rig.harness, frame);
      rig_wait_for(&rig, "inferred", n + 1);
    }
    assert_int_equal(gst_harness_buffers_received(rig.harness), 17);
    rig_finish(&rig);
    for (guint n = 0; (out = gst_harness_try_pull(rig.harness)); n++) {
      assert_true(result_inferred(cored_meta_get(out)));
      assert_int_equal(result_uint64(cored_meta_get(out), "stream-time"), n * FRAME);
      gst_buffer_unref(out);
    }
    rig_close(&rig);
  }
}

/* Buffers that hold far more than a picture count by what they hold. */
static void the_queue_is_bounded_in_bytes(void **state) {
  (void)state;
  const gsize size = 40 * 160 * 120 * 3 / 2;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "delay", "delay", "200000000",
           "inference-interval", "1000", NULL);
  for (guint n = 0; n < 50; n++) {
    GstBuffer *frame = gst_buffer_new_allocate(NULL, size, NULL);
    gst_buffer_memset(frame, 0, 128, size);
    GST_BUFFER_PTS(frame) = n; /* crawls */
    assert_int_equal(gst_harness_push(rig.harness, frame), GST_FLOW_OK);
    assert_true(n + 1 - gst_harness_buffers_received(rig.harness) <= 1);
  }
  rig_close(&rig);
}

/* ---- Frames that wait when the element stops ------------------------------------------------- */

typedef struct Last {
  GstElement *element;
  guint freed;
} Last;

/* Of a frame that is thrown away by a stop: what another thread may do just then, with an event
 * that is under way. */
static void on_freed(gpointer data) {
  Last *last = data;
  if (last->freed++)
    return;
  GstBaseTransform *base = GST_BASE_TRANSFORM(last->element);
  GstEvent *event =
      gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("test/any"));
  gst_pad_set_active(base->srcpad, TRUE);
  GST_BASE_TRANSFORM_GET_CLASS(base)->sink_event(base, event);
  gst_pad_set_active(base->srcpad, FALSE);
}

/* What is stopped gives nothing out. */
static void nothing_leaves_a_stopped_element(void **state) {
  (void)state;
  static guint8 picture[160 * 120 * 3 / 2];
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "mode", "delay", "delay", "1000000000",
           "inference-interval", "1000", NULL);
  Last last = {rig.element, 0};
  for (guint n = 0; n < 10; n++) {
    GstBuffer *frame = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, picture, sizeof picture, 0, sizeof picture, &last, on_freed);
    GST_BUFFER_PTS(frame) = n * FRAME;
    assert_int_equal(gst_harness_push(rig.harness, frame), GST_FLOW_OK);
  }
  rig_wait_for(&rig, "inferred", 1);
  assert_int_equal(gst_element_set_state(rig.element, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  assert_int_equal(last.freed, 10);
  assert_int_equal(gst_harness_buffers_received(rig.harness), 0);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(delay_gives_each_frame_its_own_result_and_reports_itself),
      cmocka_unit_test(a_source_that_can_wait_gets_exact_results),
      cmocka_unit_test(no_frame_waits_longer_than_the_delay),
      cmocka_unit_test(flushes_and_stops_end_the_wait),
      cmocka_unit_test(the_queue_is_bounded),
      cmocka_unit_test(the_queue_is_bounded_in_bytes),
      cmocka_unit_test(counted_frames_are_delayed_too),
      cmocka_unit_test(nothing_leaves_a_stopped_element),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
