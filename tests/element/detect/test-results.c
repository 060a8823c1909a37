/* SPDX-License-Identifier: MIT
 * What the element says: fields, where results are attached, several faces, verdicts, smoothing,
 * messages. */
#include "support.h"

#include "analysis/result.h"
#include "gstcoredmeta.h"
#include "meta/meta-fields.h"
#include "meta/meta-writer.h"

#include <math.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
#define MODEL 3

static double p_of(Rig *rig, GstBuffer *frame, double x, double y, double side) {
  const CoredBox box = {x, y, side, side};
  return reference_p_fake(support_model(MODEL), &rig->info, frame, &box);
}

static void the_custom_meta_has_the_documented_fields(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "roi-padding", "0", "stream-id", "front-door", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  frame_add_roi(frame, "face", 40, 30, 80, 80);
  const double expected = p_of(&rig, frame, 40, 30, 80);
  GstBuffer *out = rig_frame(&rig, frame, &result);

  assert_string_equal(gst_structure_nth_field_name(result, 0), "p-fake");
  assert_true(fabs(result_double(result, "p-fake") - expected) < 1e-6);
  assert_true(result_double(result, "p-fake") == result_double(result, "p-fake-smoothed"));
  assert_int_equal(result_uint(result, "version"), CORED_META_VERSION);
  assert_string_equal(gst_structure_get_string(result, "verdict"),
                      expected >= result_double(result, "threshold") ? "fake" : "real");
  assert_false(gst_structure_has_field(result, "reason"));
  gboolean inferred;
  assert_true(gst_structure_get_boolean(result, "inferred", &inferred) && inferred);
  assert_int_equal(result_uint64(result, "result-age-ns"), 0);
  assert_int_equal(result_uint(result, "frame-width"), 320);
  assert_int_equal(result_uint(result, "frame-height"), 240);
  assert_int_equal(result_uint64(result, "model-generation"), MODEL);
  assert_string_equal(gst_structure_get_string(result, "stream-id"), "front-door");
  char *id;
  g_object_get(rig.element, "model-id", &id, NULL);
  assert_string_equal(gst_structure_get_string(result, "model-id"), id);
  assert_true(g_str_has_prefix(id, "cored-compact-") &&
              strlen(id) == strlen("cored-compact-") + 16);
  g_free(id);
  assert_true(result_uint(result, "latency-us") > 0);

  assert_int_equal(result_uint(result, "n-faces"), 1);
  const GstStructure *face = result_face(result, 0);
  assert_int_equal(result_uint(face, "x"), 40);
  assert_int_equal(result_uint(face, "y"), 30);
  assert_int_equal(result_uint(face, "w"), 80);
  assert_int_equal(result_uint(face, "h"), 80);
  assert_int_equal(result_uint64(face, "track-id"), 1);
  assert_true(result_double(face, "quality") == 1.0);
  assert_true(result_double(face, "p-fake") == result_double(result, "p-fake"));
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void the_region_gets_a_parameter_and_keeps_its_own(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  frame_add_roi(frame, "car", 0, 0, 100, 100);
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta(frame, "face", 40, 30, 80, 80);
  gst_video_region_of_interest_meta_add_param(
      roi, gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, 0.5, NULL));
  GstBuffer *out = rig_frame(&rig, frame, NULL);
  gpointer iterate = NULL;
  GstMeta *meta;
  guint n = 0;
  while ((meta = gst_buffer_iterate_meta_filtered(out, &iterate,
                                                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *seen = (GstVideoRegionOfInterestMeta *)meta;
    GstStructure *param = gst_video_region_of_interest_meta_get_param(seen, CORED_ROI_PARAM);
    const gboolean face = seen->roi_type == g_quark_from_string("face");
    n++;
    assert_true((param != NULL) == face);
    if (face) {
      assert_string_equal(gst_structure_nth_field_name(param, 0), "p-fake");
      assert_true(result_double(param, "p-fake") == result_double(cored_meta_get(out), "p-fake"));
      assert_non_null(gst_video_region_of_interest_meta_get_param(seen, "detection"));
    }
  }
  assert_int_equal(n, 2);
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void two_elements_in_a_row_leave_one_result(void **state) {
  (void)state;
  Rig first, second;
  rig_open(&first, support_model(MODEL), CAPS, NULL);
  rig_open(&second, support_model(4), CAPS, NULL);
  GstBuffer *frame = frame_new(&first.info, 1, 0);
  frame_add_roi(frame, "face", 40, 30, 80, 80);
  GstBuffer *out = rig_frame(&second, rig_frame(&first, frame, NULL), NULL);
  assert_int_equal(result_uint64(cored_meta_get(out), "model-generation"), 4);
  gpointer iterate = NULL;
  GstMeta *meta;
  guint customs = 0, params = 0;
  while ((meta = gst_buffer_iterate_meta(out, &iterate))) {
    customs += meta->info == gst_meta_get_info(CORED_META_NAME);
    if (meta->info->api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
      params += g_list_length(((GstVideoRegionOfInterestMeta *)meta)->params);
  }
  assert_int_equal(customs, 1);
  assert_int_equal(params, 1);
  gst_buffer_unref(out);
  rig_close(&first);
  rig_close(&second);
}

static void the_highest_of_several_faces_counts(void **state) {
  (void)state;
  static const guint at[3][3] = {{0, 0, 110}, {200, 20, 100}, {60, 130, 90}};
  const GstStructure *result;
  double expected[3], highest = 0.0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "roi-padding", "0", NULL);
  GstBuffer *frame = frame_new(&rig.info, 2, 0);
  for (guint i = 0; i < 3; i++) {
    frame_add_roi(frame, "face", at[2 - i][0], at[2 - i][1], at[2 - i][2], at[2 - i][2]);
    expected[i] = p_of(&rig, frame, at[i][0], at[i][1], at[i][2]);
    highest = MAX(highest, expected[i]);
  }
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 3);
  assert_true(fabs(result_double(result, "p-fake") - highest) < 1e-6);
  for (guint i = 0; i < 3; i++) { /* largest first */
    const GstStructure *face = result_face(result, i);
    assert_int_equal(result_uint(face, "w"), at[i][2]);
    assert_true(fabs(result_double(face, "p-fake") - expected[i]) < 1e-6);
  }
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Two faces that change their places in the list must keep their tracks and means apart. */
static void tracks_are_followed_and_smoothed_on_logits(void **state) {
  (void)state;
  const double smoothing = 0.75;
  double logit[2] = {0, 0};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "roi-padding", "0", "smoothing", "0.75", NULL);
  for (guint n = 0; n < 12; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, 10 + n, n);
    const guint side[2] = {n % 2 ? 92 : 90, n % 2 ? 90 : 92};
    const guint x[2] = {10 + 3 * n, 200 - 2 * n}, y[2] = {20, 100};
    double p[2];
    for (guint i = 0; i < 2; i++) {
      frame_add_roi(frame, "face", x[i], y[i], side[i], side[i]);
      p[i] = p_of(&rig, frame, x[i], y[i], side[i]);
      const double l = log(p[i] / (1.0 - p[i]));
      logit[i] = n == 0 ? l : smoothing * logit[i] + (1.0 - smoothing) * l;
    }
    GstBuffer *out = rig_frame(&rig, frame, &result);
    for (guint i = 0; i < 2; i++) {
      const GstStructure *face = result_face(result, i);
      const guint which = result_uint(face, "y") == y[0] ? 0 : 1;
      const double wanted = 1.0 / (1.0 + exp(-logit[which]));
      assert_true(fabs(result_double(face, "p-fake") - p[which]) < 1e-6);
      assert_true(fabs(result_double(face, "p-fake-smoothed") - wanted) < 1e-5);
      /* In the first frame the second face is the larger one. */
      assert_int_equal(result_uint64(face, "track-id"), which == 1 ? 1 : 2);
    }
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

/* Half a face further, as between two searches: still the same track, also beside another face;
 * somewhere else it is another. */
static void quick_faces_keep_their_tracks(void **state) {
  (void)state;
  static const guint x[] = {10, 60, 110, 60, 240};
  static const guint64 tracks[] = {1, 1, 1, 1, 3};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "roi-padding", "0", NULL);
  for (guint n = 0; n < G_N_ELEMENTS(x); n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, n, n);
    frame_add_roi(frame, "face", x[n], 10, 80, 100);
    frame_add_roi(frame, "face", 10, 130, 90, 80);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    assert_int_equal(result_uint64(result_face(result, 0), "track-id"), tracks[n]);
    assert_int_equal(result_uint64(result_face(result, 1), "track-id"), 2);
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void without_smoothing_the_raw_value_is_given(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "smoothing", "0", "inference-region", "full-frame",
           NULL);
  for (guint n = 0; n < 5; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_true(result_double(result, "p-fake") == result_double(result, "p-fake-smoothed"));
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void check_unknown(const GstStructure *result, const char *reason) {
  assert_string_equal(gst_structure_get_string(result, "verdict"), "unknown");
  assert_string_equal(gst_structure_get_string(result, "reason"), reason);
  assert_false(gst_structure_has_field(result, "p-fake"));
  assert_false(gst_structure_has_field(result, "p-fake-smoothed"));
}

static void what_cannot_be_classified_is_unknown(void **state) {
  (void)state;
  const GstStructure *result;
  GstBuffer *out;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "roi-list", NULL);
  out = rig_frame(&rig, frame_new(&rig.info, 1, 0), &result);
  check_unknown(result, "no-face");
  gst_buffer_unref(out);

  GstBuffer *frame = frame_new(&rig.info, 1, 1);
  frame_add_roi(frame, "face", 10, 10, 63, 80);
  out = rig_frame(&rig, frame, &result);
  check_unknown(result, "too-small");
  assert_string_equal(gst_structure_get_string(result_face(result, 0), "verdict"), "unknown");
  gst_buffer_unref(out);

  frame = frame_new(&rig.info, 1, 2);
  GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_GAP);
  out = rig_frame(&rig, frame, &result);
  check_unknown(result, "no-signal");
  gst_buffer_unref(out);

  frame = frame_new(&rig.info, 1, 3);
  GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_CORRUPTED);
  out = rig_frame(&rig, frame, &result);
  check_unknown(result, "no-signal");
  gst_buffer_unref(out);
  assert_int_equal(rig_stat(&rig, "skipped-no-signal"), 2);
  assert_int_equal(rig_stat(&rig, "skipped-small"), 1);
  rig_close(&rig);
}

static void without_a_model_frames_pass_with_one_warning(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, NULL, CAPS, "face-detector", "none", NULL);
  GstMessage *message = rig_message(&rig, GST_MESSAGE_WARNING);
  GError *error;
  assert_non_null(message);
  gst_message_parse_warning(message, &error, NULL);
  assert_true(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  g_error_free(error);
  gst_message_unref(message);
  for (guint n = 0; n < 3; n++) {
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 1, n), &result);
    check_unknown(result, "no-model");
    gst_buffer_unref(out);
  }
  assert_null(rig_message(&rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  assert_int_equal(rig_stat(&rig, "skipped-no-model"), 3);
  rig_close(&rig);
}

static guint count_messages(Rig *rig, guint64 *last_timestamp) {
  GstMessage *message;
  guint n = 0;
  while ((message = rig_message(rig, GST_MESSAGE_ELEMENT))) {
    const GstStructure *structure = gst_message_get_structure(message);
    if (!gst_structure_has_name(structure, CORED_MESSAGE_RESULT)) {
      gst_message_unref(message);
      continue;
    }
    assert_string_equal(gst_structure_nth_field_name(structure, 0), "p-fake");
    assert_int_equal(result_uint64(structure, "duration"), 40 * GST_MSECOND);
    *last_timestamp = result_uint64(structure, "timestamp");
    assert_int_equal(result_uint64(structure, "running-time"), *last_timestamp);
    assert_int_equal(result_uint64(structure, "stream-time"), *last_timestamp);
    gst_message_unref(message);
    n++;
  }
  return n;
}

static void messages_come_at_their_interval(void **state) {
  (void)state;
  static const struct {
    const char *interval, *post;
    guint expected;
  } cases[] = {
      {"0", "true", 51}, {"1000000000", "true", 3}, {"400000000", "true", 6}, {"0", "false", 0}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    guint64 last = 0;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "message-interval",
             cases[i].interval, "post-messages", cases[i].post, NULL);
    for (guint n = 0; n <= 50; n++)
      gst_buffer_unref(rig_frame(&rig, frame_new(&rig.info, 1, n), NULL));
    assert_int_equal(rig_stat(&rig, "messages"), cases[i].expected);
    assert_int_equal(count_messages(&rig, &last), cases[i].expected);
    if (cases[i].expected)
      assert_true(last == 2 * GST_SECOND);
    rig_close(&rig);
  }
}

/* What lies outside or has no size is left out, what lies partly outside is cut. */
static void absurd_regions_are_cut_or_left_out(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "min-object-size", "0", "min-sharpness", "0", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  frame_add_roi(frame, "face", 10, 10, 0, 50);
  frame_add_roi(frame, "face", 10, 10, 50, 0);
  frame_add_roi(frame, "face", 320, 0, 50, 50);
  frame_add_roi(frame, "face", G_MAXUINT, G_MAXUINT, 1, 1);
  frame_add_roi(frame, "face", G_MAXINT, 5, G_MAXINT, 5);
  frame_add_roi(frame, "face", (guint)-20, (guint)-30, 60, 70); /* wrapped: -20, -30 */
  frame_add_roi(frame, "face", 300, 200, G_MAXUINT, G_MAXUINT);
  frame_add_roi(frame, "face", 7, 7, 1, 1);
  frame_add_roi(frame, "face", 319, 0, 1, 240);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  static const guint expected[4][4] = {
      {0, 0, 40, 40}, {300, 200, 20, 40}, {319, 0, 1, 240}, {7, 7, 1, 1}};
  assert_int_equal(result_uint(result, "n-faces"), 4);
  for (guint i = 0; i < 4; i++) {
    const GstStructure *face = result_face(result, i);
    assert_int_equal(result_uint(face, "x"), expected[i][0]);
    assert_int_equal(result_uint(face, "y"), expected[i][1]);
    assert_int_equal(result_uint(face, "w"), expected[i][2]);
    assert_int_equal(result_uint(face, "h"), expected[i][3]);
    assert_true(result_double(face, "p-fake") > 0.0);
  }
  assert_int_equal(rig_stat(&rig, "bad-regions"), 5);
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void ten_thousand_regions_give_the_largest(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "max-objects", "2", "roi-padding", "0", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  for (guint i = 0; i < 10000; i++)
    frame_add_roi(frame, "face", i % 200, i % 100, 64 + i % 50, 64 + i % 50);
  frame_add_roi(frame, "face", 20, 20, 130, 130);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 2);
  assert_int_equal(result_uint(result_face(result, 0), "w"), 130);
  assert_int_equal(result_uint(result_face(result, 1), "w"), 113);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Nothing is known of a region that no result is about, the shadow model's score included. */
static void regions_without_a_result_have_no_values(void **state) {
  (void)state;
  static CoredResult result;
  static CoredRegions upstream;
  const CoredRegion region = {.box = {10, 10, 90, 90}, .roi_index = 0, .mtd_id = -1};
  cored_regions_add(&upstream, &region, 320, 240, 8);
  cored_result_reuse(&result, NULL, &upstream, 320, 240, 0);
  assert_int_equal(result.n_faces, 1);
  const CoredFaceResult *face = &result.faces[0];
  assert_true(face->p_fake < 0 && face->p_fake_smoothed < 0 && face->p_shadow < 0);
  assert_true(face->sharpness < 0 && face->quality < 0);
  assert_int_equal(face->heat.rows, 0);
}

/* ---- The table of fields --------------------------------------------------------------------- */

static GType type_of(CoredFieldType type) {
  switch (type) {
  case CORED_FIELD_BOOLEAN:
    return G_TYPE_BOOLEAN;
  case CORED_FIELD_UINT:
    return G_TYPE_UINT;
  case CORED_FIELD_UINT64:
    return G_TYPE_UINT64;
  case CORED_FIELD_DOUBLE:
    return G_TYPE_DOUBLE;
  case CORED_FIELD_STRING:
    return G_TYPE_STRING;
  case CORED_FIELD_DOUBLES:
  case CORED_FIELD_ARRAY:
    return GST_TYPE_ARRAY;
  }
  return G_TYPE_INVALID;
}

/* The structure has the fields that the table has for these places, each of its type, and no other.
 * all_known: also those that are absent without a value. */
static void check_fields(const GstStructure *s, guint places, gboolean all_known) {
  gint expected = 0;
  for (guint i = 0; i < CORED_N_FIELDS; i++) {
    const CoredMetaFieldInfo *field = &cored_meta_fields[i];
    const gboolean there =
        (field->places & places) != 0 && (field->presence == CORED_ALWAYS || all_known ||
                                          (field->places & places & CORED_IN_MESSAGE) != 0);
    if (gst_structure_has_field(s, field->name) != there)
      fail_msg("%s of %s: expected %d", field->name, gst_structure_get_name(s), there);
    if (there)
      assert_true(gst_structure_has_field_typed(s, field->name, type_of(field->type)));
    expected += there;
  }
  assert_int_equal(gst_structure_n_fields(s), expected);
}

static void make_result(CoredResult *result, gboolean all_known) {
  const double known = all_known ? 0.5 : CORED_NOT_COMPUTED;
  CoredFaceResult *face = &result->faces[0];
  cored_result_clear(result, 320, 240, all_known ? CORED_REASON_BLURRED : CORED_REASON_NONE);
  result->p_fake = result->p_fake_smoothed = result->threshold = known;
  result->n_faces = 1;
  *face = (CoredFaceResult){.box = {8, 8, 64, 64},
                            .p_fake = known,
                            .p_fake_smoothed = known,
                            .reason = result->reason,
                            .sharpness = known,
                            .quality = known,
                            .present = TRUE,
                            .has_landmarks = all_known,
                            .roi_index = -1,
                            .mtd_id = -1};
  if (all_known)
    cored_heat_map_set(&face->heat, (const float[]){1, 2}, 1, 2, &(CoredCropArea){face->box, 0.5});
}

static void check_written_fields(gboolean all_known) {
  static CoredResult result;
  const GstClockTime stream_time = all_known ? 5 : GST_CLOCK_TIME_NONE;
  const CoredFrameTimes times = {.stream_time = stream_time};
  GstBuffer *buffer = gst_buffer_new();
  make_result(&result, all_known);
  cored_meta_write(buffer, &result, &times, CORED_METADATA_CUSTOM | CORED_METADATA_ROI, 0, "s");
  const GstStructure *written = cored_meta_get(buffer);
  check_fields(written, CORED_IN_RESULT, all_known);
  const GValue *faces = gst_structure_get_value(written, "faces");
  check_fields(gst_value_get_structure(gst_value_array_get_value(faces, 0)), CORED_IN_FACE,
               all_known);
  GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id(buffer, 0);
  assert_non_null(roi);
  check_fields(gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM),
               CORED_IN_FACE | CORED_IN_PARAM, all_known);
  gst_buffer_unref(buffer);
  GstMessage *message = cored_meta_message(NULL, &result, &times, "s");
  check_fields(gst_message_get_structure(message), CORED_IN_RESULT | CORED_IN_MESSAGE, all_known);
  gst_message_unref(message);
}

static void what_is_written_is_what_the_table_says(void **state) {
  (void)state;
  cored_meta_register();
  check_written_fields(TRUE);
  check_written_fields(FALSE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_custom_meta_has_the_documented_fields),
      cmocka_unit_test(the_region_gets_a_parameter_and_keeps_its_own),
      cmocka_unit_test(two_elements_in_a_row_leave_one_result),
      cmocka_unit_test(the_highest_of_several_faces_counts),
      cmocka_unit_test(tracks_are_followed_and_smoothed_on_logits),
      cmocka_unit_test(quick_faces_keep_their_tracks),
      cmocka_unit_test(without_smoothing_the_raw_value_is_given),
      cmocka_unit_test(what_cannot_be_classified_is_unknown),
      cmocka_unit_test(without_a_model_frames_pass_with_one_warning),
      cmocka_unit_test(messages_come_at_their_interval),
      cmocka_unit_test(absurd_regions_are_cut_or_left_out),
      cmocka_unit_test(ten_thousand_regions_give_the_largest),
      cmocka_unit_test(regions_without_a_result_have_no_values),
      cmocka_unit_test(what_is_written_is_what_the_table_says),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
