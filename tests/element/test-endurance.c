/* SPDX-License-Identifier: MIT
 * E01, E03, E17-E19, E21-E23, E36, E38, E43: what an application does now and then, many times. The
 * argument is how often; threads and descriptors must be where they were. */
#include "process.h"
#include "twins.h"

#include <stdlib.h>

#define MODEL_MIB 1.2

static guint n_times = 4;

typedef struct Baseline {
  guint threads, descriptors;
} Baseline;

static void settle(Baseline *baseline) {
  Twins twins; /* libraries make threads and descriptors of their own when first used */
  twins_open(&twins, twin(1));
  twins_pass(&twins);
  twins_close(&twins);
  *baseline = (Baseline){process_settled_threads(), process_descriptors()};
}

static void check_settled(const Baseline *baseline) {
  assert_true(process_settled_threads() <= baseline->threads);
  assert_int_equal(process_descriptors(), baseline->descriptors);
}

static GstElement *element_new(const char *mode) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  assert_non_null(element);
  g_object_set(element, "model", twin(1), "threads", 1, NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", mode);
  return element;
}

/* E01: the three walks that GStreamer tries with its own elements, and modes in turn. */
static void states_up_and_down(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay", "auto"};
  static const GstState up_and_down[] = {
      GST_STATE_READY,  GST_STATE_PAUSED,  GST_STATE_PLAYING, GST_STATE_PAUSED,
      GST_STATE_READY,  GST_STATE_NULL,    GST_STATE_PAUSED,  GST_STATE_READY,
      GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,  GST_STATE_PLAYING,
      GST_STATE_NULL,   GST_STATE_PLAYING, GST_STATE_READY,   GST_STATE_NULL};
  Baseline baseline;
  settle(&baseline);
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    GstElement *element = element_new(modes[m]);
    for (guint i = 0; i < (n_times + 3) / 4; i++) {
      for (guint s = 0; s < G_N_ELEMENTS(up_and_down); s++)
        assert_int_equal(gst_element_set_state(element, up_and_down[s]), GST_STATE_CHANGE_SUCCESS);
    }
    gst_object_unref(element);
  }
  check_settled(&baseline);
}

/* E03, E38: made and thrown away, in any state on the way, many at once. */
static void elements_come_and_go(void **state) {
  (void)state;
  enum { AT_ONCE = 100 };
  GstElement *elements[AT_ONCE];
  Baseline baseline;
  settle(&baseline);
  for (guint i = 0; i < n_times * 10; i++)
    gst_object_unref(element_new("sync"));
  for (guint i = 0; i < n_times; i++) {
    GstElement *bin = gst_bin_new(NULL);
    gst_bin_add(GST_BIN(bin), element_new(i % 2 ? "latest" : "sync"));
    gst_element_set_state(bin, GST_STATE_PLAYING);
    gst_element_set_state(bin, GST_STATE_NULL);
    gst_object_unref(bin);
  }
  for (guint i = 0; i < AT_ONCE; i++) {
    elements[i] = element_new("latest");
    assert_int_equal(gst_element_set_state(elements[i], GST_STATE_PLAYING),
                     GST_STATE_CHANGE_SUCCESS);
  }
  /* The threads are shared: no more for a hundred than for one. */
  assert_true(process_threads() <= baseline.threads + 2 * g_get_num_processors() + 2);
  for (guint i = 0; i < AT_ONCE; i++) {
    gst_element_set_state(elements[i], GST_STATE_NULL);
    gst_object_unref(elements[i]);
  }
  check_settled(&baseline);
}

/* E36: many elements, one copy of the weights, and a new version for all of them. */
static void many_share_one_model(void **state) {
  (void)state;
  enum { STREAMS = 16 };
  Twins twins[STREAMS];
  char *path = support_path("shared.safetensors");
  Baseline baseline;
  settle(&baseline);
  model_publish(twin(1), path);
  twins_open(&twins[0], path);
  twins_pass(&twins[0]);
  const double resident = process_resident_mib();
  for (guint i = 1; i < STREAMS; i++) {
    twins_open(&twins[i], path);
    twins_pass(&twins[i]);
  }
  const double grown = process_resident_mib() - resident;
  print_message("%d more streams: %.2f MiB more\n", STREAMS - 1, grown);
#ifndef __SANITIZE_ADDRESS__
  assert_true(grown < 0.5 * (STREAMS - 1) * MODEL_MIB);
#endif
  assert_true(process_threads() <= baseline.threads + 1 + 2); /* one watch, one crew */
  for (guint k = 0; k < MIN(n_times, 20); k++) {
    model_publish(twin(k % 2 ? 1 : 2), path);
    for (guint i = 0; i < STREAMS; i++)
      twins_pass_until(&twins[i], k % 2 ? 1 : 2);
  }
  for (guint i = 0; i < STREAMS; i++)
    twins_close(&twins[i]);
  g_free(path);
  check_settled(&baseline);
}

static void send_segment(GstHarness *harness) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness, gst_event_new_segment(&segment));
}

/* E17-E19: other caps before every frame, while the frame before is being judged. */
static void caps_change_before_every_frame(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  static const char *const formats[] = {"I420", "RGB", "NV12", "YUY2", "GRAY8", "BGRx", "Y444"};
  static const char *const sizes[] = {"width=64,height=64", "width=1,height=1",
                                      "width=641,height=479", "width=3,height=200"};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    rig_open(&rig, twin(1), NULL, "mode", modes[m], "inference-region", "full-frame", NULL);
    for (guint i = 0; i < n_times * 10; i++) {
      char *caps =
          g_strdup_printf("video/x-raw,framerate=25/1,format=%s,%s",
                          formats[i % G_N_ELEMENTS(formats)], sizes[(i / 3) % G_N_ELEMENTS(sizes)]);
      rig_set_caps(&rig, caps);
      assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, i, i)), GST_FLOW_OK);
      rig_drop_messages(&rig);
      g_free(caps);
    }
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    assert_int_equal(gst_harness_buffers_received(rig.harness), n_times * 10);
    assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), n_times * 10);
    rig_close(&rig);
  }
}

static gpointer flush_now(gpointer harness) {
  gst_harness_push_event(harness, gst_event_new_flush_start());
  return NULL;
}

/* E21: flushed from another thread in the middle of frames; none comes out until the flush ends. */
static void flushes_in_the_middle(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[m], "inference-region", "full-frame", NULL);
    for (guint i = 0, frames = 0; i < n_times * 3; i++) {
      GThread *thread = g_thread_new("flush", flush_now, rig.harness);
      while (gst_harness_push(rig.harness, frame_new(&rig.info, 1, frames)) == GST_FLOW_OK)
        frames++;
      g_thread_join(thread);
      const guint came = gst_harness_buffers_received(rig.harness);
      g_usleep(200);
      assert_int_equal(gst_harness_buffers_received(rig.harness), came);
      gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
      send_segment(rig.harness);
      rig_drop_messages(&rig);
    }
    assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), rig_stat(&rig, "frames-in"));
    rig_close(&rig);
  }
}

/* E23: EOS lets nothing behind that came before, and the next stream begins afresh. */
static void ends_of_streams(void **state) {
  (void)state;
  static const char *const modes[] = {"latest", "delay"};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    guint frames = 0;
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[m], "inference-region", "full-frame", NULL);
    for (guint i = 0; i < n_times * 3; i++) {
      for (guint k = 0; k < i % 4; k++, frames++)
        assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, k)), GST_FLOW_OK);
      assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
      assert_int_equal(gst_harness_buffers_received(rig.harness), frames);
      assert_int_equal(rig_stat(&rig, "inferred") + rig_skipped(&rig), frames);
      gst_harness_push_event(rig.harness, gst_event_new_flush_start());
      gst_harness_push_event(rig.harness, gst_event_new_flush_stop(TRUE));
      send_segment(rig.harness);
      rig_drop_messages(&rig);
    }
    rig_close(&rig);
  }
}

/* E43: called back from wherever it is, an application may do what it likes. */
static GstBusSyncReply interfere(GstBus *bus, GstMessage *message, gpointer user) {
  GstElement *element = user;
  static gint calls;
  GstStructure *stats;
  (void)bus;
  switch (g_atomic_int_add(&calls, 1) % 5) {
  case 0:
    g_object_set(element, "threshold", 0.4, "smoothing", 0.1, NULL);
    break;
  case 1:
    g_signal_emit_by_name(element, "reload-model");
    break;
  case 2:
    g_object_get(element, "stats", &stats, NULL);
    gst_structure_free(stats);
    break;
  case 3:
    g_object_set(element, "model", twin(1 + (guint)calls % 2), NULL);
    break;
  default:
    g_signal_emit_by_name(element, "previous-model");
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

static void on_model(GstElement *element, gint status, const char *path, gpointer user) {
  (void)status;
  (void)path;
  (void)user;
  g_object_set(element, "inference-interval", 1, NULL);
  g_signal_emit_by_name(element, "previous-model");
}

static void callbacks_may_do_anything(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    Rig rig;
    rig_open(&rig, twin(1), TWINS_CAPS, "mode", modes[m], "inference-region", "full-frame",
             "message-interval", "0", NULL);
    g_signal_connect(rig.element, "model-updated", G_CALLBACK(on_model), NULL);
    gst_bus_set_sync_handler(rig.bus, interfere, rig.element, NULL);
    for (guint i = 0; i < n_times * 30; i++)
      assert_int_equal(gst_harness_push(rig.harness, frame_new(&rig.info, 1, i)), GST_FLOW_OK);
    gst_harness_push_event(rig.harness, gst_event_new_eos());
    assert_int_equal(gst_harness_buffers_received(rig.harness), n_times * 30);
    gst_bus_set_sync_handler(rig.bus, NULL, NULL, NULL);
    rig_close(&rig);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_up_and_down),        cmocka_unit_test(elements_come_and_go),
      cmocka_unit_test(many_share_one_model),      cmocka_unit_test(caps_change_before_every_frame),
      cmocka_unit_test(flushes_in_the_middle),     cmocka_unit_test(ends_of_streams),
      cmocka_unit_test(callbacks_may_do_anything),
  };
  if (argc > 1)
    n_times = (guint)strtoul(argv[1], NULL, 10);
  return cmocka_run_group_tests(tests, twins_setup, twins_teardown);
}
