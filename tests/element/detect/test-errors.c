/* SPDX-License-Identifier: MIT
 * Bad models and bad buffers: the right message, nothing worse, and the element usable again. */
#include "support.h"

#include "detect/detect-private.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define CAPS "video/x-raw,format=I420,width=64,height=48,framerate=25/1"
#define MODEL 3

/* READY to PAUSED with this model must fail with this error; its details name the loader's code. */
static void check_refused(const char *path, GQuark domain, gint code, const char *cored_code) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  GstBus *bus = gst_bus_new();
  const GstStructure *details;
  GError *error;
  char *debug, *model;
  gst_element_set_bus(element, bus);
  g_object_set(element, "model", path, "face-detector", 0, NULL);
  assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  assert_non_null(message);
  gst_message_parse_error(message, &error, &debug);
  if (!g_error_matches(error, domain, code))
    fail_msg("%s: wrong error: %s %d %s", path, g_quark_to_string(error->domain), error->code,
             error->message);
  gst_message_parse_error_details(message, &details);
  assert_string_equal(gst_structure_get_string(details, "cored-code"), cored_code);
  assert_non_null(strstr(debug, cored_code));
  assert_non_null(strstr(error->message, path));
  g_error_free(error);
  g_free(debug);
  gst_message_unref(message);
  assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR)); /* exactly one */

  /* Mended: the same element starts. */
  g_object_get(element, "model", &model, NULL);
  assert_string_equal(model, path);
  g_free(model);
  g_object_set(element, "model", support_model(MODEL), NULL);
  assert_int_equal(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  assert_null(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
  gst_object_unref(bus);
}

static void a_missing_model(void **state) {
  (void)state;
  char *path = support_path("missing.safetensors");
  check_refused(path, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "NOT_FOUND");
  g_free(path);
}

static void an_unreadable_model(void **state) {
  (void)state;
  char *path = support_path("a-folder.safetensors");
  assert_int_equal(g_mkdir(path, 0700), 0);
  check_refused(path, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, "NOT_REGULAR");
  g_free(path);
  if (geteuid() == 0)
    return; /* root may read anything */
  path = support_path("secret.safetensors");
  assert_true(g_file_set_contents(path, "x", 1, NULL));
  assert_int_equal(g_chmod(path, 0), 0);
  check_refused(path, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, "OPEN");
  g_free(path);
}

static void corrupt_models(void **state) {
  (void)state;
  char *path = support_path("corrupt.safetensors"), *bytes;
  gsize size;
  assert_true(g_file_get_contents(support_model(MODEL), &bytes, &size, NULL));
  assert_true(g_file_set_contents(path, bytes, 5, NULL));
  check_refused(path, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "FILE_TOO_SMALL");
  assert_true(g_file_set_contents(path, bytes, (gssize)size - 100, NULL));
  check_refused(path, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "TRUNCATED");
  bytes[size - 1000] ^= 1;
  assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
  check_refused(path, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "HASH");
  g_free(bytes);
  g_free(path);
}

static void check_missing_detector(const char *detector, const char *property) {
  const GstStructure *result;
  gboolean full_frame;
  GError *error;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", detector, property, "/nowhere/faces",
           NULL);
  GstMessage *message = rig_message(&rig, GST_MESSAGE_WARNING);
  assert_non_null(message);
  gst_message_parse_warning(message, &error, NULL);
  assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  assert_non_null(strstr(error->message, "/nowhere/faces"));
  assert_non_null(strstr(error->message, property));
  assert_null(strstr(error->message, "'model'"));
  g_error_free(error);
  gst_message_unref(message);
  for (guint n = 0; n < 3; n++) {
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_true(gst_structure_get_boolean(result_face(result, 0), "full-frame", &full_frame));
    assert_true(full_frame);
    gst_buffer_unref(out);
  }
  assert_null(rig_message(&rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  rig_close(&rig);
}

static void a_missing_face_detector_is_a_warning(void **state) {
  (void)state;
  check_missing_detector("cascade", "face-cascade");
  check_missing_detector("network", "face-model");
}

/* A model that says fake or real finds no faces. */
static void a_classifier_is_no_face_model(void **state) {
  (void)state;
  GError *error;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", "face-model",
           support_model(MODEL), NULL);
  GstMessage *message = rig_message(&rig, GST_MESSAGE_WARNING);
  assert_non_null(message);
  gst_message_parse_warning(message, &error, NULL);
  assert_non_null(strstr(error->message, "expected a model of kind 'locator', found 'classifier'"));
  g_error_free(error);
  gst_message_unref(message);
  rig_close(&rig);
}

/* ---- Crops ---------------------------------------------------------------------------------- */

/* A model that says that it was trained on such crops; the caller frees the path. */
static char *model_of_crops(const char *name, guint64 seed, const char *locator, double margin) {
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredModel *plain = cored_model_load(support_model(seed), NULL, &error);
  assert_non_null(plain);
  CoredModelInfo info = *cored_model_info(plain);
  info.crop = (CoredModelCrop){.known = TRUE, .margin = margin};
  g_strlcpy(info.crop.locator, locator, sizeof info.crop.locator);
  CoredModel *model = cored_model_with_info(plain, &info, &error);
  char *path = support_path(name);
  if (!model || !cored_model_save(model, path, &error))
    fail_msg("%s", error.message);
  cored_model_unref(model);
  cored_model_unref(plain);
  return path;
}

/* The next warning must say this; NULL: there is none. */
static void expect_warning(Rig *rig, const char *text) {
  GError *error;
  GstMessage *message = rig_message(rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  if (!message && !text)
    return;
  assert_non_null(message);
  gst_message_parse_warning(message, &error, NULL);
  if (!text || !strstr(error->message, text))
    fail_msg("'%s' instead of '%s'", error->message, text ? text : "nothing");
  assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  g_error_free(error);
  gst_message_unref(message);
}

static void a_model_of_other_crops_is_a_warning(void **state) {
  (void)state;
  char *path = model_of_crops("cascade.safetensors", MODEL, "cascade", 0.3);
  static const struct {
    const char *name, *value, *text;
  } cases[] = {
      {NULL, NULL,
       "The model was trained on other crops: faces found by yunet-n instead of cascade. "},
      {"face-detector", "cascade", NULL},
      {"face-detector", "none", NULL}, /* upstream's faces: who knows */
      {"inference-region", "roi-list", NULL},
      {"inference-region", "full-frame", NULL},
      {"roi-padding", "0.5",
       "faces found by yunet-n instead of cascade, margin 0.5 instead of 0.3. "},
      {"align", "eyes", "faces found by yunet-n instead of cascade, align eyes instead of none. "},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Rig rig;
    rig_open(&rig, path, CAPS, cases[i].name, cases[i].value, NULL);
    for (guint n = 0; n < 3; n++) {
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, n, n), NULL));
      expect_warning(&rig, n == 0 ? cases[i].text : NULL); /* once, and the stream goes on */
    }
    rig_close(&rig);
  }
  g_free(path);
}

static void a_model_of_the_same_crops_is_none(void **state) {
  (void)state;
  char *path = model_of_crops("network.safetensors", MODEL, "yunet-n", 0.3);
  Rig rig;
  rig_open(&rig, path, CAPS, NULL);
  gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 0, 0), NULL));
  expect_warning(&rig, NULL);
  rig_close(&rig);
  g_free(path);
}

/* Where nothing can find eyes, align=eyes turns nothing, and that is said once a stream. */
static void eyes_that_nothing_finds_are_a_warning(void **state) {
  (void)state;
  static const struct {
    const char *name, *value, *text;
  } cases[] = {
      {NULL, NULL, NULL},
      {"face-detector", "cascade", "although align=eyes: a cascade finds no eyes. "},
      {"face-detector", "none", "although align=eyes: face-detector=none looks for no faces. "},
      {"inference-region", "roi-list", "although align=eyes: regions of upstream "},
      {"inference-region", "full-frame", "although align=eyes: inference-region=full-frame "},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "align", "eyes", cases[i].name, cases[i].value,
             NULL);
    for (guint n = 0; n < 3; n++) {
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, n, n), NULL));
      expect_warning(&rig, n == 0 ? cases[i].text : NULL);
    }
    rig_close(&rig);
  }
}

/* Each model that takes over is compared anew, and the candidate beside it as well. */
static void models_that_come_later_are_compared(void **state) {
  (void)state;
  char *next = model_of_crops("next.safetensors", MODEL + 1, "yunet-n", 1.5);
  char *shadow = model_of_crops("shadow.safetensors", MODEL + 2, "yunet-n", 0.75);
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "shadow-model", shadow, NULL);
  gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 0, 0), NULL));
  expect_warning(&rig, "The shadow model was trained on other crops: margin 0.3 instead of 0.75. ");
  g_object_set(rig.element, "model", next, NULL);
  for (guint n = 1; rig_stat(&rig, "model-swaps") == 0; n++) {
    gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, n, n), NULL));
    g_usleep(1000);
  }
  expect_warning(&rig, "The model was trained on other crops: margin 0.3 instead of 1.5. ");
  expect_warning(&rig, NULL);
  rig_close(&rig);
  g_free(next);
  g_free(shadow);
}

static void check_flow_error(Rig *rig, GstBuffer *buffer) {
  assert_int_equal(gst_harness_push(rig->harness, buffer), GST_FLOW_ERROR);
  GstMessage *message = rig_message(rig, GST_MESSAGE_ERROR);
  GError *error;
  assert_non_null(message);
  gst_message_parse_error(message, &error, NULL);
  assert_true(g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED));
  g_error_free(error);
  gst_message_unref(message);
}

static void short_buffers_are_errors_long_ones_are_not(void **state) {
  (void)state;
  static const gssize wrong[] = {-(64 * 48 * 3 / 2), 1 - 64 * 48 * 3 / 2, -1};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    GstBuffer *buffer = frame_new(&rig.info, 1, i);
    gst_buffer_resize(buffer, 0, (gssize)gst_buffer_get_size(buffer) + wrong[i]);
    check_flow_error(&rig, buffer);
  }
  rig_close(&rig);
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  GstBuffer *buffer =
      gst_buffer_append(frame_new(&rig.info, 1, 0), gst_buffer_new_allocate(NULL, 1, NULL));
  gst_buffer_unref(rig_frame(&rig, buffer, NULL));
  rig_close(&rig);
}

/* Strides and offsets of a GstVideoMeta that reach outside the memory or make rows overlap. */
static void lying_video_metas_are_errors(void **state) {
  (void)state;
  static const struct {
    gsize offset;
    gint stride;
    guint width, height;
  } cases[] = {{0, 63, 64, 48},    {0, 6400, 64, 48}, {0, G_MAXINT, 64, 48},
               {3000, 64, 64, 48}, {0, -64, 64, 48},  {0, G_MININT + 1, 64, 48},
               {0, 64, 64, 4800},  {0, 64, 640, 48},  {64, -64, 64, 3}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL),
             "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1", "inference-region",
             "full-frame", NULL);
    GstBuffer *buffer = frame_new(&rig.info, 1, 0);
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8,
                                   cases[i].width, cases[i].height, 1,
                                   (gsize[GST_VIDEO_MAX_PLANES]){cases[i].offset},
                                   (gint[GST_VIDEO_MAX_PLANES]){cases[i].stride});
    check_flow_error(&rig, buffer);
    rig_close(&rig);
  }
}

/* Bottom-up pictures are legal: the last row first, a negative stride. */
static void a_negative_stride_inside_the_memory_is_read(void **state) {
  (void)state;
  const GstStructure *result;
  const CoredBox box = {0, 0, 64, 48};
  Rig rig;
  rig_open(&rig, support_model(MODEL), "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1",
           "inference-region", "full-frame", NULL);
  GstBuffer *buffer = frame_new(&rig.info, 1, 0);
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 64, 48,
                                 1, (gsize[GST_VIDEO_MAX_PLANES]){64 * 47},
                                 (gint[GST_VIDEO_MAX_PLANES]){-64});
  const double expected = reference_p_fake(support_model(MODEL), &rig.info, buffer, &box);
  GstBuffer *out = rig_frame(&rig, buffer, &result);
  assert_true(ABS(result_double(result, "p-fake") - expected) < 1e-6);
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void read_only_memory_is_enough(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  const gsize size = GST_VIDEO_INFO_SIZE(&rig.info);
  gpointer data = g_malloc0(size);
  GstBuffer *buffer =
      gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, data, size, 0, size, data, g_free);
  GstMemory *memory = gst_buffer_peek_memory(buffer, 0);
  GstBuffer *out = rig_frame(&rig, buffer, NULL);
  assert_ptr_equal(gst_buffer_peek_memory(out, 0), memory);
  assert_non_null(cored_meta_get(out));
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Also where buffers only pass, and after a stop: caps of a former life do not count. */
static void frames_without_caps(void **state) {
  (void)state;
  static const char *const caps[] = {NULL, CAPS};
  for (guint i = 0; i < G_N_ELEMENTS(caps); i++) {
    GstSegment segment;
    Rig rig;
    rig_open(&rig, support_model(MODEL), caps[i], "metadata", "", NULL);
    if (caps[i]) {
      gst_element_set_state(rig.element, GST_STATE_READY);
      gst_element_set_state(rig.element, GST_STATE_PLAYING);
    }
    GstPad *pad = gst_element_get_static_pad(rig.element, "sink");
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_send_event(pad, gst_event_new_stream_start("without"));
    gst_pad_send_event(pad, gst_event_new_segment(&segment));
    assert_int_equal(gst_pad_chain(pad, gst_buffer_new_allocate(NULL, 64 * 48 * 3 / 2, NULL)),
                     GST_FLOW_NOT_NEGOTIATED);
    assert_null(rig_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
    gst_object_unref(pad);
    rig_close(&rig);
  }
}

/* A part that the picture in memory does not have, or another than the caps name. */
static void a_crop_that_cannot_be_stops_the_stream(void **state) {
  (void)state;
  static const guint crops[][4] = {{33, 0, 32, 32}, {0, 17, 32, 32},        {0, 0, 64, 32},
                                   {0, 0, 32, 16},  {G_MAXUINT, 0, 32, 32}, {0, G_MAXUINT, 32, 32},
                                   {0, 0, 0, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(crops); i++) {
    GstVideoInfo whole;
    Rig rig;
    rig_open(&rig, support_model(1), "video/x-raw,format=I420,width=32,height=32,framerate=25/1",
             "inference-region", "full-frame", NULL);
    gst_video_info_set_format(&whole, GST_VIDEO_FORMAT_I420, 64, 48);
    GstBuffer *frame = frame_new_padded(&whole, 1, 0, 2);
    GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(frame);
    crop->x = crops[i][0];
    crop->y = crops[i][1];
    crop->width = crops[i][2];
    crop->height = crops[i][3];
    assert_int_equal(gst_harness_push(rig.harness, frame), GST_FLOW_ERROR);
    GstMessage *message = rig_message(&rig, GST_MESSAGE_ERROR);
    assert_non_null(message);
    gst_message_unref(message);
    rig_close(&rig);
  }
}

/* What is said to be done has to do with what is wrong: only models are for cored-convert. */
static void hints_fit(void **state) {
  static const CoredErrorCode frames[] = {CORED_ERROR_IMAGE, CORED_ERROR_ARGUMENT,
                                          CORED_ERROR_CASCADE_FORMAT, CORED_ERROR_NO_MEMORY};
  (void)state;
  for (gsize i = 0; i < G_N_ELEMENTS(frames); i++)
    assert_null(strstr(cored_error_hint(frames[i]), "cored-convert"));
  assert_non_null(strstr(cored_error_hint(CORED_ERROR_IMAGE), "'min-object-size'"));
  assert_non_null(strstr(cored_error_hint(CORED_ERROR_HASH), "cored-convert inspect"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_without_caps),
      cmocka_unit_test(hints_fit),
      cmocka_unit_test(a_missing_model),
      cmocka_unit_test(an_unreadable_model),
      cmocka_unit_test(corrupt_models),
      cmocka_unit_test(a_missing_face_detector_is_a_warning),
      cmocka_unit_test(a_model_of_other_crops_is_a_warning),
      cmocka_unit_test(a_model_of_the_same_crops_is_none),
      cmocka_unit_test(eyes_that_nothing_finds_are_a_warning),
      cmocka_unit_test(models_that_come_later_are_compared),
      cmocka_unit_test(a_classifier_is_no_face_model),
      cmocka_unit_test(short_buffers_are_errors_long_ones_are_not),
      cmocka_unit_test(lying_video_metas_are_errors),
      cmocka_unit_test(a_negative_stride_inside_the_memory_is_read),
      cmocka_unit_test(read_only_memory_is_enough),
      cmocka_unit_test(a_crop_that_cannot_be_stops_the_stream),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
