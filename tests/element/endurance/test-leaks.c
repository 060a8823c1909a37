/* SPDX-License-Identifier: MIT
 * The leaks tracer's verdict on whole runs: faces marked and looked for, messages, alerts, heat
 * maps, a shadow model, models set and replaced in the middle, overlay. Nothing of ours outlives
 * its pipeline, and a second and third run leave no more behind than the first. */
#include "models.h"
#include "plugins.h"
#include "support.h"

#include <stdio.h>

#include <gst/gsttracer.h>

#define FRAMES 36

static GstObject *tracer;

/* ---- What is alive -------------------------------------------------------------------------- */

/* Number of live objects by type name. */
static GHashTable *live_objects(void) {
  GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GstStructure *info = NULL;
  g_signal_emit_by_name(tracer, "get-live-objects", &info);
  assert_non_null(info);
  const GValue *list = gst_structure_get_value(info, "live-objects-list");
  assert_non_null(list);
  for (guint i = 0; i < gst_value_list_get_size(list); i++) {
    const GstStructure *entry = gst_value_get_structure(gst_value_list_get_value(list, i));
    const GValue *object = gst_structure_get_value(entry, "object");
    assert_non_null(object);
    const char *type = G_VALUE_HOLDS_OBJECT(object) ? G_OBJECT_TYPE_NAME(g_value_get_object(object))
                                                    : G_VALUE_TYPE_NAME(object);
    /* The list owns references that nobody gave it. */
    if (G_VALUE_HOLDS_OBJECT(object))
      g_object_ref(g_value_get_object(object));
    else if (G_VALUE_HOLDS_BOXED(object))
      gst_mini_object_ref(g_value_get_boxed(object));
    const guint n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, type));
    g_hash_table_replace(counts, g_strdup(type), GUINT_TO_POINTER(n + 1));
  }
  gst_structure_free(info);
  return counts;
}

static guint n_alive(GHashTable *counts, const char *type) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(counts, type));
}

/* ---- A run ---------------------------------------------------------------------------------- */

typedef struct Run {
  GstElement *pipeline, *detector;
  guint n;
  char *path; /* of the watched model file */
} Run;

/* Faces in two frames of three, none in the rest; new models on the way. */
static GstPadProbeReturn on_frame(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Run *run = data;
  (void)pad;
  GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  if (run->n % 3)
    frame_add_roi(buffer, "face", 32 + run->n, 16, 128, 128);
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  if (run->n == FRAMES / 4)
    model_publish(support_model(4), run->path);
  if (run->n == FRAMES / 3)
    g_signal_emit_by_name(run->detector, "reload-model");
  if (run->n == FRAMES / 2)
    g_object_set(run->detector, "model", support_model(5), NULL);
  if (run->n == FRAMES / 2 + FRAMES / 4)
    g_signal_emit_by_name(run->detector, "previous-model");
  run->n++;
  return GST_PAD_PROBE_OK;
}

static guint drain(GstBus *bus) {
  guint n = 0;
  for (gboolean over = FALSE; !over;) {
    GstMessage *message = gst_bus_timed_pop(bus, 60 * GST_SECOND);
    assert_non_null(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
      fail_msg("an error was posted");
    over = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    const GstStructure *structure = gst_message_get_structure(message);
    n += structure && gst_structure_has_name(structure, CORED_MESSAGE_RESULT);
    gst_message_unref(message);
  }
  return n;
}

static void run_once(const char *mode, gboolean overlay) {
  char *description = g_strdup_printf(
      "videotestsrc num-buffers=%d ! video/x-raw,format=RGB,width=320,height=240 ! coreddetect "
      "name=det mode=%s threads=1 message-interval=0 heat-map=true shadow-interval=1 threshold=0 "
      "min-duration=0 detect-interval=1 %s ! fakesink sync=false",
      FRAMES, mode, overlay ? "! coredoverlay" : "");
  Run run = {.pipeline = gst_parse_launch(description, NULL),
             .path = support_path("leaks.safetensors")};
  assert_non_null(run.pipeline);
  run.detector = gst_bin_get_by_name(GST_BIN(run.pipeline), "det");
  model_publish(support_model(3), run.path);
  g_object_set(run.detector, "model", run.path, "shadow-model", support_model(4), NULL);
  GstPad *pad = gst_element_get_static_pad(run.detector, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, &run, NULL);
  gst_object_unref(pad);
  GstBus *bus = gst_element_get_bus(run.pipeline);
  gst_element_set_state(run.pipeline, GST_STATE_PLAYING);
  assert_true(drain(bus) > 0);
  gst_element_set_state(run.pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(run.detector);
  gst_object_unref(run.pipeline);
  g_free(run.path);
  g_free(description);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void check_none_of_ours(GHashTable *counts) {
  static const char *const types[] = {"GstBuffer", "GstMessage", "GstEvent",   "GstSample",
                                      "GstBus",    "GstPad",     "GstPipeline"};
  GHashTableIter iterate;
  gpointer type, n;
  g_hash_table_iter_init(&iterate, counts);
  while (g_hash_table_iter_next(&iterate, &type, &n))
    if (strstr(type, "Cored"))
      fail_msg("%u %s alive", GPOINTER_TO_UINT(n), (char *)type);
  for (guint i = 0; i < G_N_ELEMENTS(types); i++)
    if (n_alive(counts, types[i]))
      fail_msg("%u %s alive", n_alive(counts, types[i]), types[i]);
}

/* A type of which there are more than before, or NULL. */
static char *grown(GHashTable *before) {
  GHashTable *now = live_objects();
  GHashTableIter iterate;
  gpointer type, n;
  char *found = NULL;
  g_hash_table_iter_init(&iterate, now);
  while (!found && g_hash_table_iter_next(&iterate, &type, &n))
    if (GPOINTER_TO_UINT(n) > n_alive(before, type))
      found = g_strdup_printf("%u %s alive, before %u", GPOINTER_TO_UINT(n), (char *)type,
                              n_alive(before, type));
  g_hash_table_unref(now);
  return found;
}

/* Threads of GStreamer's pool let go of their task a moment after the state change. */
static void check_no_more(GHashTable *before) {
  char *what;
  for (guint i = 0; (what = grown(before)); i++) {
    if (i == 500)
      fail_msg("%s", what);
    g_free(what);
    g_usleep(10000);
  }
}

static void runs_leave_nothing(void **state) {
  (void)state;
  static const char *const modes[] = {"sync", "latest", "delay"};
  GstElementFactory *factory = gst_element_factory_find("coredoverlay");
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
    run_once(modes[i], factory != NULL);
    GHashTable *first = live_objects();
    check_none_of_ours(first);
    for (guint k = 0; k < 2; k++) {
      run_once(modes[i], factory != NULL);
      check_no_more(first);
    }
    g_hash_table_unref(first);
  }
  if (factory)
    gst_object_unref(factory);
}

/* The tracer sees what is kept: else the test above says nothing. */
static void what_is_kept_is_seen(void **state) {
  (void)state;
  GstElement *element = gst_object_ref_sink(gst_element_factory_make("coreddetect", NULL));
  GstBuffer *buffer = gst_buffer_new();
  GHashTable *counts = live_objects();
  assert_int_equal(n_alive(counts, G_OBJECT_TYPE_NAME(element)), 1);
  assert_non_null(strstr(G_OBJECT_TYPE_NAME(element), "Cored"));
  assert_int_equal(n_alive(counts, "GstBuffer"), 1);
  g_hash_table_unref(counts);
  gst_buffer_unref(buffer);
  gst_object_unref(element);
  counts = live_objects();
  check_none_of_ours(counts);
  g_hash_table_unref(counts);
}

static GstObject *find_tracer(void) {
  GstObject *found = NULL;
  GList *tracers = gst_tracing_get_active_tracers();
  for (GList *item = tracers; item; item = item->next)
    if (g_str_equal(G_OBJECT_TYPE_NAME(item->data), "GstLeaksTracer"))
      found = gst_object_ref(item->data);
  g_list_free_full(tracers, gst_object_unref);
  return found;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_kept_is_seen),
      cmocka_unit_test(runs_leave_nothing),
  };
  static const char *const plugins[] = {"coreelements", "coretracers", "videotestsrc"};
  plugins_only(plugins, G_N_ELEMENTS(plugins));
  g_setenv("GST_TRACERS", "leaks", TRUE);
  gst_init(NULL, NULL);
  tracer = find_tracer();
  if (!tracer) {
    printf("skipped: no leaks tracer\n");
    return 77;
  }
  const int failed = cmocka_run_group_tests(tests, support_setup, support_teardown);
  gst_object_unref(tracer);
  return failed;
}
