/* SPDX-License-Identifier: MIT
 * Faces over time: who is who through gaps and without time stamps, what is smoothed, what is kept
 * between evaluations, and when a face that is gone or blurred is unknown. */
#include "support.h"

#include <math.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
#define MODEL 3

static double logit(double p) {
  return log(p / (1.0 - p));
}

/* A frame with a face at (x, 20), none with x < 0; what came out is freed with the next. */
static const GstStructure *step(Rig *rig, guint number, gint x, GstBuffer **last) {
  const GstStructure *result;
  GstBuffer *frame = frame_new(&rig->info, 10 + number, number);
  if (x >= 0)
    frame_add_roi(frame, "face", (guint)x, 20, 90, 90);
  GstBuffer *out = rig_frame(rig, frame, &result);
  gst_clear_buffer(last);
  *last = out;
  return result;
}

static gboolean is_present(const GstStructure *face) {
  gboolean present = FALSE;
  assert_true(gst_structure_get_boolean(face, "present", &present));
  return present;
}

/* Ten frames without it: its values stand, with their age, and it is the same face afterwards; ten
 * more than a second: unknown, and another one. */
static void gaps_keep_identity_and_end(void **state) {
  (void)state;
  GstBuffer *out = NULL;
  guint n = 0;
  double p = 0, mean = 0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "roi-list", NULL);
  for (; n < 5; n++) {
    const GstStructure *face = result_face(step(&rig, n, 40, &out), 0);
    assert_true(is_present(face));
    assert_int_equal(result_uint64(face, "result-age-ns"), 0);
    p = result_double(face, "p-fake");
    mean = result_double(face, "p-fake-smoothed");
  }
  for (guint gap = 1; gap <= 10; gap++, n++) {
    const GstStructure *result = step(&rig, n, -1, &out), *face = result_face(result, 0);
    assert_int_equal(result_uint(result, "n-faces"), 1);
    assert_false(is_present(face));
    assert_int_equal(result_uint64(face, "track-id"), 1);
    assert_int_equal(result_uint64(face, "result-age-ns"), gap * 40 * GST_MSECOND);
    assert_true(result_double(face, "p-fake") == p);
    assert_true(result_double(result, "p-fake-smoothed") == mean);
    assert_string_not_equal(gst_structure_get_string(result, "verdict"), "unknown");
    assert_null(gst_buffer_get_video_region_of_interest_meta_id(out, 0)); /* no region is made up */
  }
  const GstStructure *face = result_face(step(&rig, n++, 44, &out), 0);
  assert_int_equal(result_uint64(face, "track-id"), 1);
  const double wanted = 0.8 * logit(mean) + 0.2 * logit(result_double(face, "p-fake"));
  assert_true(fabs(logit(result_double(face, "p-fake-smoothed")) - wanted) < 1e-4);

  for (guint gap = 0; gap <= 25; gap++) /* the 26th of them comes a second after the first */
    assert_int_equal(result_uint(step(&rig, n++, -1, &out), "n-faces"), 1);
  const GstStructure *result = step(&rig, n++, -1, &out);
  assert_int_equal(result_uint(result, "n-faces"), 0);
  assert_string_equal(gst_structure_get_string(result, "verdict"), "unknown");
  assert_string_equal(gst_structure_get_string(result, "reason"), "no-face");
  assert_false(gst_structure_has_field(result, "p-fake"));
  assert_int_equal(result_uint64(result_face(step(&rig, n++, 40, &out), 0), "track-id"), 2);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* max-absence is how many frames of 40 ms the face is remembered; 0 not at all, but one missed scan
 * does not end a track. */
static void max_absence_has_an_effect(void **state) {
  (void)state;
  static const struct {
    const char *max_absence;
    guint frames;
  } cases[] = {{"0", 1}, {"200000000", 6}, {"1000000000", 26}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    GstBuffer *out = NULL;
    guint n = 0;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "roi-list", "max-absence",
             cases[i].max_absence, NULL);
    step(&rig, n++, 40, &out);
    while (result_uint(step(&rig, n, -1, &out), "n-faces") == 1)
      n++;
    assert_int_equal(n - 1, cases[i].frames);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

/* Without time stamps frames are counted: at 10 a second a face is remembered for ten of them. */
static void without_time_stamps_frames_are_counted(void **state) {
  (void)state;
  guint remembered = 0;
  Rig rig;
  rig_open(&rig, support_model(MODEL),
           "video/x-raw,format=I420,width=320,height=240,framerate=10/1", "inference-region",
           "roi-list", NULL);
  for (guint n = 0; n < 20; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, n, n);
    GST_BUFFER_PTS(frame) = GST_CLOCK_TIME_NONE;
    if (n < 3)
      frame_add_roi(frame, "face", 40, 20, 90, 90);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    remembered += n >= 3 && result_uint(result, "n-faces") == 1;
    gst_buffer_unref(out);
  }
  assert_int_equal(remembered, 11);
  rig_close(&rig);
}

static char *model_with_temperature(double temperature) {
  CoredError error;
  CoredModelInfo info;
  assert_true(cored_model_info_init(&info, "cored-compact", 2, &error));
  info.generation = 9;
  info.input_width = info.input_height = 32;
  info.temperature = temperature;
  CoredModel *model = cored_model_new_random(&info, 9, &error);
  char *path = support_path("temperature.safetensors");
  assert_true(model && cored_model_save(model, path, &error));
  cored_model_unref(model);
  return path;
}

/* The mean of the last N logits, each calibrated by the temperature of the model that gave it, also
 * over a change of the model and of the property. */
static void the_window_is_a_mean_of_calibrated_logits(void **state) {
  (void)state;
  const CoredBox box = {40, 20, 90, 90};
  GstBuffer *out = NULL;
  double logits[400];
  guint64 generation = 0;
  char *other = model_with_temperature(4.0);
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "roi-padding", "0", NULL);
  for (guint n = 0; n < G_N_ELEMENTS(logits); n++) {
    const guint window = n < 300 ? 4 : n < 320 ? 1 : 256;
    g_object_set(rig.element, "window", window, NULL);
    if (n == 10)
      g_object_set(rig.element, "model", other, NULL);
    if (n >= 10 && generation != 9)
      g_usleep(20000);
    const GstStructure *result = step(&rig, n, 40, &out);
    generation = result_uint64(result, "model-generation");
    logits[n] = logit(
        reference_p_fake(generation == 9 ? other : support_model(MODEL), &rig.info, out, &box));
    double sum = 0;
    const guint over = MIN(window, n + 1);
    for (guint i = 0; i < over; i++)
      sum += logits[n - i];
    assert_true(fabs(logit(result_double(result, "p-fake")) - logits[n]) < 1e-5);
    assert_true(fabs(logit(result_double(result, "p-fake-smoothed")) - sum / over) < 1e-5);
  }
  assert_int_equal(generation, 9);
  g_free(other);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Evaluated every third frame; in between the last values and their age. Another face that comes
 * later has its own turn. */
static void reinfer_interval_is_per_track(void **state) {
  (void)state;
  double p[2] = {0, 0};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "reinfer-interval", "3", NULL);
  for (guint n = 0; n < 14; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, n, n);
    frame_add_roi(frame, "face", 20, 20, 100, 100);
    if (n >= 1)
      frame_add_roi(frame, "face", 200, 100, 90, 90);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    for (guint i = 0; i < (n >= 1 ? 2 : 1); i++) {
      const GstStructure *face = result_face(result, i);
      const guint since = (n + 3 - i) % 3;
      assert_int_equal(result_uint64(face, "result-age-ns"), since * 40 * GST_MSECOND);
      if (since == 0) {
        assert_true(result_double(face, "p-fake") != p[i]);
        p[i] = result_double(face, "p-fake");
      }
      assert_true(result_double(face, "p-fake") == p[i]);
      assert_true(is_present(face));
    }
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

/* Frames that are not evaluated add to the age of each face. */
static void ages_go_on_while_nothing_is_evaluated(void **state) {
  (void)state;
  GstBuffer *out = NULL;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "reinfer-interval", "5", "inference-interval", "2",
           "face-detector", "none", "inference-region", "roi-list", NULL);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *face = result_face(step(&rig, n, n % 2 ? -1 : 40, &out), 0);
    assert_int_equal(result_uint64(face, "result-age-ns"), n % 6 * 40 * GST_MSECOND);
  }
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Waves so long that a face has no detail. */
static void paint_blurred(const GstVideoInfo *info, GstBuffer *buffer) {
  GstVideoFrame frame;
  assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_WRITE));
  for (gint y = 0; y < GST_VIDEO_INFO_HEIGHT(info); y++) {
    guint8 *row = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
                  y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
    for (gint x = 0; x < GST_VIDEO_INFO_WIDTH(info); x++)
      row[x] = (guint8)(128 + 80 * sin(x / 12.0) * sin(y / 12.0));
  }
  gst_video_frame_unmap(&frame);
}

/* The reason of a blurred face's verdict, NULL when it was classified. */
static char *reason_with(const char *name, const char *value) {
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, name, value, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  paint_blurred(&rig.info, frame);
  frame_add_roi(frame, "face", 40, 20, 90, 90);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  const GstStructure *face = result_face(result, 0);
  char *reason = g_strdup(gst_structure_get_string(result, "reason"));
  assert_true((reason == NULL) == gst_structure_has_field(result, "p-fake"));
  assert_true(result_double(face, "sharpness") > 0.01 && result_double(face, "sharpness") < 0.2);
  assert_true(result_double(face, "quality") == result_double(face, "sharpness"));
  assert_int_equal(rig_stat(&rig, "skipped-blurred"), reason != NULL);
  gst_buffer_unref(out);
  rig_close(&rig);
  return reason;
}

static void blurred_faces_are_unknown(void **state) {
  (void)state;
  char *by_default = reason_with("window", "0");
  assert_string_equal(by_default, "blurred");
  assert_null(reason_with("min-sharpness", "0"));
  g_free(by_default);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gaps_keep_identity_and_end),
      cmocka_unit_test(max_absence_has_an_effect),
      cmocka_unit_test(without_time_stamps_frames_are_counted),
      cmocka_unit_test(the_window_is_a_mean_of_calibrated_logits),
      cmocka_unit_test(reinfer_interval_is_per_track),
      cmocka_unit_test(ages_go_on_while_nothing_is_evaluated),
      cmocka_unit_test(blurred_faces_are_unknown),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
