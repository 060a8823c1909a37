/* SPDX-License-Identifier: MIT
 * The element among those of the system: which metadata survive which element, and that a frame
 * shared by a tee is never copied. Elements that are not installed are left out, said so. */
#include "support.h"

#include <stdio.h>

/* Reading all plugins grows GLib's table of strings, which leaves the old one behind. Only a whole
 * stack shows that an allocation of it is a known leak (tests/lsan.supp). */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "fast_unwind_on_malloc=0";
}

#define MODEL 3
#define SOURCE "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=320,height=240"

static GstPadProbeReturn mark_face(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  (void)pad;
  (void)data;
  GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  frame_add_roi(buffer, "face", 32, 16, 128, 128);
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  return GST_PAD_PROBE_OK;
}

/* A pipeline with coreddetect named "det", whose frames come with one face. */
static GstElement *launch(const char *description) {
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(description, &error);
  if (!pipeline || error)
    fail_msg("%s: %s", description, error ? error->message : "?");
  GstElement *detector = gst_bin_get_by_name(GST_BIN(pipeline), "det");
  g_object_set(detector, "model", support_model(MODEL), "threads", 1, NULL);
  GstPad *pad = gst_element_get_static_pad(detector, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, mark_face, NULL, NULL);
  gst_object_unref(pad);
  gst_object_unref(detector);
  return pipeline;
}

static void run_to_the_end(GstElement *pipeline, const char *what) {
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (!message || GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS)
    fail_msg("%s: no end of stream", what);
  gst_message_unref(message);
  gst_object_unref(bus);
}

/* ---- Survival ------------------------------------------------------------------------------- */

typedef struct Case {
  const char *chain;
  gboolean custom, rectangle, parameter;
} Case;

static const Case cases[] = {
    {"queue", TRUE, TRUE, TRUE},
    {"identity", TRUE, TRUE, TRUE},
    {"videorate", TRUE, TRUE, TRUE},
    {"deinterlace", TRUE, TRUE, TRUE},
    {"videobalance hue=0.1", TRUE, TRUE, TRUE},
    {"videoconvert ! video/x-raw,format=RGB", TRUE, TRUE, FALSE},
    {"videoscale ! video/x-raw,width=160,height=120", TRUE, TRUE, FALSE},
    {"videocrop left=4", TRUE, FALSE, FALSE},
    {"videobox left=4", TRUE, FALSE, FALSE},
    {"videoflip video-direction=horiz", TRUE, FALSE, FALSE},
    {"x264enc", TRUE, TRUE, TRUE},
    {"vp8enc deadline=1", TRUE, TRUE, TRUE},
    {"jpegenc", TRUE, TRUE, TRUE},
    {"avenc_mpeg4", TRUE, TRUE, TRUE},
    {"jpegenc ! jpegdec", TRUE, TRUE, TRUE},
    {"x264enc ! h264parse", TRUE, TRUE, TRUE},
    {"x264enc ! avdec_h264", TRUE, TRUE, TRUE},
    {"x264enc ! rtph264pay", TRUE, FALSE, FALSE},
    {"x264enc ! h264parse ! mp4mux", FALSE, FALSE, FALSE},
    {"compositor", FALSE, FALSE, FALSE},
    {"videoconvert ! facedetect display=false", TRUE, TRUE, FALSE}, /* the conversion's loss */
};

/* Is every element of the chain there? */
static gboolean installed(const char *chain) {
  char **links = g_strsplit(chain, " ! ", -1);
  gboolean all = TRUE;
  for (guint i = 0; links[i]; i++) {
    char *name = g_strdup(links[i]);
    name[strcspn(name, " ")] = '\0';
    GstElementFactory *factory =
        g_str_has_prefix(name, "video/") ? NULL : gst_element_factory_find(name);
    all = all && (factory || g_str_has_prefix(name, "video/"));
    if (factory)
      gst_object_unref(factory);
    g_free(name);
  }
  g_strfreev(links);
  return all;
}

static void check_case(const Case *item) {
  char *description =
      g_strdup_printf(SOURCE " ! coreddetect name=det roi-padding=0 ! %s ! fakesink "
                             "name=sink sync=false",
                      item->chain);
  GstElement *pipeline = launch(description);
  run_to_the_end(pipeline, description);
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  GstSample *sample;
  g_object_get(sink, "last-sample", &sample, NULL);
  assert_non_null(sample);
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  const GstStructure *result = cored_meta_get(buffer);
  GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)gst_buffer_get_meta(
      buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  const gboolean parameter =
      roi && gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM);
  if ((result != NULL) != item->custom)
    fail_msg("%s: custom meta %s", item->chain, result ? "survives" : "is lost");
  if (result)
    assert_true(result_double(result, "p-fake") > 0.0 &&
                result_uint(result_face(result, 0), "w") == 128);
  /* Newer versions transform what 1.22 drops: more than the table says is fine. */
  if (item->rectangle && !roi)
    fail_msg("%s: the region is lost", item->chain);
  if (item->parameter && !parameter)
    fail_msg("%s: the region's parameter is lost", item->chain);
  gst_sample_unref(sample);
  gst_object_unref(sink);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  g_free(description);
}

static void metadata_survive_what_they_should(void **state) {
  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    if (installed(cases[i].chain))
      check_case(&cases[i]);
    else
      print_message("left out, not installed: %s\n", cases[i].chain);
  }
}

/* ---- Copies --------------------------------------------------------------------------------- */

#define N_FRAMES 20

typedef struct Branch {
  guint n, n_results;
  GstMemory *memory[N_FRAMES]; /* referenced, so that no address comes twice */
} Branch;

static void note_memory(GstElement *sink, GstBuffer *buffer, GstPad *pad, Branch *branch) {
  (void)sink;
  (void)pad;
  if (branch->n < N_FRAMES)
    branch->memory[branch->n++] = gst_memory_ref(gst_buffer_peek_memory(buffer, 0));
  branch->n_results += cored_meta_get(buffer) != NULL;
}

static void connect_branch(GstElement *pipeline, const char *name, Branch *branch) {
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
  g_signal_connect(sink, "handoff", G_CALLBACK(note_memory), branch);
  gst_object_unref(sink);
}

static void nothing_is_copied_behind_a_tee(void **state) {
  (void)state;
  Branch with = {0}, without = {0};
  GstElement *pipeline =
      launch("videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=1920,height=1080 ! tee "
             "name=t ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! "
             "coreddetect name=det inference-interval=3 ! fakesink name=with signal-handoffs=true "
             "t. ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! "
             "fakesink name=without signal-handoffs=true");
  connect_branch(pipeline, "with", &with);
  connect_branch(pipeline, "without", &without);
  run_to_the_end(pipeline, "tee");
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  assert_int_equal(with.n, N_FRAMES);
  assert_int_equal(without.n, N_FRAMES);
  assert_int_equal(with.n_results, N_FRAMES);
  assert_int_equal(without.n_results, 0);
  for (guint i = 0; i < N_FRAMES; i++) {
    assert_ptr_equal(with.memory[i], without.memory[i]);
    gst_memory_unref(with.memory[i]);
    gst_memory_unref(without.memory[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(metadata_survive_what_they_should),
      cmocka_unit_test(nothing_is_copied_behind_a_tee),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
