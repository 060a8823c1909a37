/* SPDX-License-Identifier: MIT
 * GstAnalytics metadata (GStreamer 1.24 and newer): what coreddetect takes from upstream and adds,
 * alone and behind another detector. Nothing is taken out of a buffer's relation metas. */
#include "support.h"

#include <gst/analytics/analytics.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
#define MODEL 3
#define OTHER 4

static void add_object_to(GstAnalyticsRelationMeta *relations, const char *type, gint x, gint y,
                          gint w, gint h) {
  GstAnalyticsODMtd od;
  assert_true(gst_analytics_relation_meta_add_od_mtd(relations, g_quark_from_static_string(type), x,
                                                     y, w, h, 0.9f, &od));
}

static void add_object(GstBuffer *frame, gint x, gint y, gint w, gint h) {
  add_object_to(gst_buffer_add_analytics_relation_meta(frame), "face", x, y, w, h);
}

/* A relation meta of its own, as elements that do not look for one attach it. */
static GstAnalyticsRelationMeta *add_relations(GstBuffer *frame) {
  GstAnalyticsRelationMetaInitParams params = {2, 256};
  return (GstAnalyticsRelationMeta *)gst_buffer_add_meta(
      frame, gst_analytics_relation_meta_get_info(), &params);
}

static guint n_metas(GstBuffer *buffer, GType api) {
  gpointer state = NULL;
  guint n = 0;
  while (gst_buffer_iterate_meta_filtered(buffer, &state, api))
    n++;
  return n;
}

/* The objects of a buffer, and the verdicts that each is related to. */
typedef struct Seen {
  guint n_objects, n_verdicts;
  double p_fake; /* of the last */
} Seen;

static Seen look_into(GstAnalyticsRelationMeta *relations) {
  Seen seen = {0};
  gpointer objects = NULL;
  GstAnalyticsMtd object;
  assert_non_null(relations);
  while (gst_analytics_relation_meta_iterate(relations, &objects,
                                             gst_analytics_od_mtd_get_mtd_type(), &object)) {
    gpointer verdicts = NULL;
    GstAnalyticsClsMtd cls;
    seen.n_objects++;
    while (gst_analytics_relation_meta_get_direct_related(
        relations, object.id, GST_ANALYTICS_REL_TYPE_CONTAIN, gst_analytics_cls_mtd_get_mtd_type(),
        &verdicts, &cls)) {
      const gint fake =
          gst_analytics_cls_mtd_get_index_by_quark(&cls, g_quark_from_static_string("fake"));
      assert_int_equal(fake, 0);
      assert_int_equal(gst_analytics_cls_mtd_get_length(&cls), 2);
      seen.n_verdicts++;
      seen.p_fake = (double)gst_analytics_cls_mtd_get_level(&cls, 0);
    }
  }
  return seen;
}

static Seen look(GstBuffer *buffer) {
  return look_into(gst_buffer_get_analytics_relation_meta(buffer));
}

static void an_object_of_upstream_is_classified_and_not_doubled(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  add_object(frame, 40, 30, 80, 80);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  const Seen seen = look(out);
  assert_int_equal(seen.n_objects, 1);
  assert_int_equal(seen.n_verdicts, 1);
  assert_true(ABS(seen.p_fake - result_double(result, "p-fake")) < 1e-6);
  assert_int_equal(result_uint(result_face(result, 0), "x"), 40);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* The second finds both the first's own region and its object: they are one face, and its verdict
 * is the only one left on every region and object. */
static void of_two_detectors_the_last_has_the_word(void **state) {
  (void)state;
  const GstStructure *result;
  Rig first, second, alone;
  rig_open(&first, support_model(MODEL), CAPS, NULL);
  rig_open(&second, support_model(OTHER), CAPS, NULL);
  rig_open(&alone, support_model(OTHER), CAPS, NULL);
  GstBuffer *frame = frame_new(&first.info, 1, 0);
  frame_add_roi(frame, "face", 40, 30, 80, 80);
  GstBuffer *copy = gst_buffer_copy_deep(frame);
  GstBuffer *expected = rig_frame(&alone, copy, &result);
  const double p = result_double(result, "p-fake");

  GstBuffer *middle = rig_frame(&first, frame, &result);
  const double p_first = result_double(result, "p-fake");
  assert_true(ABS(p_first - p) > 1e-4); /* else the test could not tell them apart */
  assert_true(ABS(look(middle).p_fake - p_first) < 1e-6);
  GstBuffer *out = rig_frame(&second, middle, &result);
  const Seen seen = look(out);
  assert_int_equal(seen.n_objects, 1);
  assert_int_equal(seen.n_verdicts, 1);
  assert_true(ABS(seen.p_fake - p) < 1e-6);
  assert_true(ABS(result_double(result, "p-fake") - p) < 1e-9);
  assert_int_equal(result_uint(result, "n-faces"), 1);
  assert_int_equal(n_metas(out, GST_ANALYTICS_RELATION_META_API_TYPE), 1);
  assert_int_equal(n_metas(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), 1);
  gpointer iterate = NULL;
  GstMeta *meta =
      gst_buffer_iterate_meta_filtered(out, &iterate, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;
  assert_int_equal(g_list_length(roi->params), 1);
  assert_true(ABS(result_double(roi->params->data, "p-fake") - p) < 1e-9);
  gst_buffer_unref(out);
  gst_buffer_unref(expected);
  rig_close(&first);
  rig_close(&second);
  rig_close(&alone);
}

/* Each of the relation metas has an object of its own, and gets its verdict. */
static void all_relation_metas_are_looked_at(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  add_relations(frame); /* an empty one */
  for (gint i = 0; i < 3; i++)
    add_object_to(add_relations(frame), i == 1 ? "car" : "face", 20 + 90 * i, 30, 80 - i, 80);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 2);
  assert_int_equal(n_metas(out, GST_ANALYTICS_RELATION_META_API_TYPE), 4);
  gpointer state_of = NULL;
  for (guint i = 0; i < 4; i++) {
    const Seen seen = look_into((GstAnalyticsRelationMeta *)gst_buffer_iterate_meta_filtered(
        out, &state_of, GST_ANALYTICS_RELATION_META_API_TYPE));
    const gboolean face = i == 1 || i == 3;
    assert_int_equal(seen.n_objects, i > 0);
    assert_int_equal(seen.n_verdicts, face);
    if (face) {
      const double p = result_double(result_face(result, i == 1 ? 0 : 1), "p-fake-smoothed");
      assert_true(ABS(seen.p_fake - p) < 1e-6);
    }
  }
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* The box that a region of interest and an object both mark is one face; a region elsewhere, or
 * that overlaps less, is another. Of the class that is wanted, as objects are. */
static void both_kinds_of_regions_count(void **state) {
  (void)state;
  static const struct {
    const char *object_class, *roi_type;
    guint x, n_faces; /* of the region; the object is at 40 */
  } cases[] = {{"face", "face", 40, 1},  {"face", "face", 42, 1}, {"face", "face", 60, 2},
               {"face", "face", 190, 2}, {"face", "car", 40, 1},  {"face", "car", 190, 1},
               {"car", "car", 190, 1},   {"", "car", 190, 2},     {"", "car", 41, 1}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const GstStructure *result;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "object-class", cases[i].object_class, NULL);
    GstBuffer *frame = frame_new(&rig.info, 1, 0);
    frame_add_roi(frame, cases[i].roi_type, cases[i].x, 30, 80, 80);
    add_object(frame, 40, 30, 80, 80);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    if (result_uint(result, "n-faces") != cases[i].n_faces)
      fail_msg("case %u: %u faces", i, result_uint(result, "n-faces"));
    GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id(out, 0);
    const gboolean wanted =
        !*cases[i].object_class || !strcmp(cases[i].object_class, cases[i].roi_type);
    assert_int_equal(roi->params != NULL, wanted);
    assert_int_equal(look(out).n_verdicts,
                     strcmp(cases[i].object_class, "car") ? cases[i].n_faces : 1);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

/* Where an object reaches outside the frame its region does, too: they are one. */
static void boxes_are_compared_inside_the_frame(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "min-object-size", "0", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  frame_add_roi(frame, "face", (guint)-50, 30, 110, 80);
  add_object(frame, -50, 30, 110, 80);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 1);
  assert_int_equal(result_uint(result_face(result, 0), "w"), 60);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* One walk over the regions however many objects there are: the largest of all are classified, and
 * that which the object marks is one with it. */
static void objects_find_their_region_among_ten_thousand(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "max-objects", "64", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  for (guint i = 0; i < 10000; i++)
    frame_add_roi(frame, "face", i % 300, i % 220, 1 + i % 3, 1 + i % 5);
  frame_add_roi(frame, "face", 42, 31, 80, 80);
  add_object(frame, 40, 30, 80, 80);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 64);
  assert_int_equal(result_uint(result_face(result, 0), "w"), 80);
  assert_int_equal(result_uint(result_face(result, 1), "w"), 3);
  gpointer iterate = NULL;
  GstMeta *meta;
  guint n = 0, n_params = 0;
  while ((meta = gst_buffer_iterate_meta_filtered(out, &iterate,
                                                  GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    const GstVideoRegionOfInterestMeta *roi = (const GstVideoRegionOfInterestMeta *)meta;
    n++;
    n_params += roi->params != NULL;
    assert_true(roi->params || roi->w < 80);
  }
  assert_int_equal(n, 10001);
  assert_int_equal(n_params, 64);
  assert_int_equal(look(out).n_objects, 64);
  gst_buffer_unref(out);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_object_of_upstream_is_classified_and_not_doubled),
      cmocka_unit_test(of_two_detectors_the_last_has_the_word),
      cmocka_unit_test(all_relation_metas_are_looked_at),
      cmocka_unit_test(both_kinds_of_regions_count),
      cmocka_unit_test(boxes_are_compared_inside_the_frame),
      cmocka_unit_test(objects_find_their_region_among_ten_thousand),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
