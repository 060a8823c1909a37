/* SPDX-License-Identifier: MIT
 * Every property: declared well, safe at every value, and of effect. */
#include "models.h"
#include "support.h"

#include <math.h>

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=25/1"
#define MODEL 3
#define MUTABLE (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING)

static void declared_defaults_are_the_initial_values(void **state) {
  (void)state;
  guint n, own = 0;
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n);
  for (guint i = 0; i < n; i++) {
    GValue value = G_VALUE_INIT;
    if (specs[i]->owner_type != G_OBJECT_TYPE(element))
      continue;
    own++;
    assert_true(strlen(g_param_spec_get_blurb(specs[i])) > 10);
    if (specs[i]->flags & G_PARAM_WRITABLE)
      assert_int_equal(__builtin_popcount(specs[i]->flags & MUTABLE), 1);
    if (g_str_equal(specs[i]->name, "stats"))
      continue; /* a structure of counters: its default is not declarable */
    g_value_init(&value, specs[i]->value_type);
    g_object_get_property(G_OBJECT(element), specs[i]->name, &value);
    if (!g_param_value_defaults(specs[i], &value))
      fail_msg("%s: declared and initial values differ", specs[i]->name);
    g_value_unset(&value);
  }
  assert_true(own >= 20);
  g_free(specs);
  gst_object_unref(element);
}

static void set_extremes(GObject *object, GParamSpec *spec) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
    const GParamSpecDouble *number = G_PARAM_SPEC_DOUBLE(spec);
    const double tried[] = {number->minimum, number->maximum, -HUGE_VAL, HUGE_VAL, (double)NAN};
    /* Newer GLib calls a value out of range critical before it leaves it out. */
    const GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
      double kept;
      g_value_set_double(&value, tried[i]);
      g_object_set_property(object, spec->name, &value);
      g_object_get(object, spec->name, &kept, NULL);
      if (!(kept >= number->minimum && kept <= number->maximum))
        fail_msg("%s = %f became %f", spec->name, tried[i], kept);
    }
    g_log_set_always_fatal(fatal);
  } else if (G_IS_PARAM_SPEC_UINT(spec)) {
    const guint tried[] = {G_PARAM_SPEC_UINT(spec)->minimum, G_PARAM_SPEC_UINT(spec)->maximum};
    for (guint i = 0; i < 2; i++) {
      guint kept;
      g_object_set(object, spec->name, tried[i], NULL);
      g_object_get(object, spec->name, &kept, NULL);
      assert_int_equal(kept, tried[i]);
    }
  } else if (G_IS_PARAM_SPEC_UINT64(spec)) {
    g_object_set(object, spec->name, (guint64)0, NULL);
    g_object_set(object, spec->name, G_MAXUINT64, NULL);
  } else if (G_IS_PARAM_SPEC_STRING(spec)) {
    g_object_set(object, spec->name, "", NULL);
    g_object_set(object, spec->name, "\xc3\xa4/\xe2\x82\xac", NULL);
    g_object_set(object, spec->name, NULL, NULL);
  }
  g_param_value_set_default(spec, &value);
  g_object_set_property(object, spec->name, &value);
  g_value_unset(&value);
}

static void extremes_are_survived_while_frames_flow(void **state) {
  (void)state;
  guint n;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "none", NULL);
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(rig.element), &n);
  for (guint i = 0; i < n; i++) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(rig.element) ||
        !(specs[i]->flags & GST_PARAM_MUTABLE_PLAYING))
      continue;
    set_extremes(G_OBJECT(rig.element), specs[i]);
    GstBuffer *frame = frame_new(&rig.info, i, i);
    frame_add_roi(frame, "face", 10, 10, 100, 100);
    gst_buffer_unref(rig_frame(&rig, frame, NULL));
  }
  g_free(specs);
  rig_close(&rig);
}

/* ---- Effects -------------------------------------------------------------------------------- */

/* p-fake of one frame with one face under one setting. */
static double p_with(const char *name, const char *value) {
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, name, value, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  frame_add_roi(frame, "face", 60, 40, 100, 100);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  const double p = result_double(result, "p-fake");
  gst_buffer_unref(out);
  rig_close(&rig);
  return p;
}

/* The number of faces with five of falling size and of two types, under one setting. */
static guint faces_with(const char *name, const char *value, guint *classified) {
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, name, value, NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  for (guint i = 0; i < 5; i++)
    frame_add_roi(frame, i % 2 ? "head" : "face", 10 * i, 10, 120 - 20 * i, 120 - 20 * i);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  const guint n = result_uint(result, "n-faces");
  *classified = 0;
  for (guint i = 0; i < n; i++)
    *classified += gst_structure_has_field(result_face(result, i), "p-fake");
  gst_buffer_unref(out);
  rig_close(&rig);
  return n;
}

static void region_properties_have_an_effect(void **state) {
  (void)state;
  guint classified;
  assert_int_equal(faces_with("object-class", "face", &classified), 3); /* 120, 80, 40 pixels */
  assert_int_equal(classified, 2);
  assert_int_equal(faces_with("object-class", "head", &classified), 2); /* 100, 60 */
  assert_int_equal(classified, 1);
  assert_int_equal(faces_with("object-class", "", &classified), 5);
  assert_int_equal(faces_with("max-objects", "1", &classified), 1);
  assert_int_equal(faces_with("min-object-size", "40", &classified), 3);
  assert_int_equal(classified, 3);
  assert_int_equal(faces_with("min-object-size", "81", &classified), 3);
  assert_int_equal(classified, 1);
  assert_int_equal(faces_with("inference-region", "full-frame", &classified), 1);
  assert_int_equal(faces_with("inference-region", "roi-list", &classified), 3);
  assert_true(p_with("roi-padding", "0") != p_with("roi-padding", "0.5"));
}

static void the_threshold_decides(void **state) {
  (void)state;
  const double p = p_with("roi-padding", "0.3");
  const struct {
    double threshold;
    const char *verdict;
  } cases[] = {{p - 0.01, "fake"}, {p + 0.01, "real"}, {0.0, "fake"}, {-1.0, NULL}};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const GstStructure *result;
    g_object_set(rig.element, "threshold", cases[i].threshold, NULL);
    GstBuffer *frame = frame_new(&rig.info, 1, i);
    frame_add_roi(frame, "face", 60, 40, 100, 100);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    if (cases[i].verdict) {
      assert_string_equal(gst_structure_get_string(result, "verdict"), cases[i].verdict);
      assert_true(result_double(result, "threshold") == cases[i].threshold);
    } else {
      assert_true(result_double(result, "threshold") == 0.5); /* the model file's */
    }
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void inference_interval_and_its_counters(void **state) {
  (void)state;
  guint64 age = 0;
  double p = 0.0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "inference-interval",
           "4", NULL);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *result;
    gboolean inferred;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_true(gst_structure_get_boolean(result, "inferred", &inferred));
    assert_int_equal(inferred, n % 4 == 0);
    age = inferred ? 0 : age + 40 * GST_MSECOND;
    assert_int_equal(result_uint64(result, "result-age-ns"), age);
    if (inferred)
      p = result_double(result, "p-fake");
    assert_true(result_double(result, "p-fake") == p); /* unchanged */
    gst_buffer_unref(out);
  }
  assert_int_equal(rig_stat(&rig, "frames-in"), 10);
  assert_int_equal(rig_stat(&rig, "inferred"), 3);
  assert_int_equal(rig_stat(&rig, "skipped-interval"), 7);
  assert_int_equal(rig_stat(&rig, "faces"), 3);
  assert_true(rig_stat(&rig, "latency-us-max") >= rig_stat(&rig, "latency-us-p99"));
  assert_true(rig_stat(&rig, "latency-us-p99") >= rig_stat(&rig, "latency-us-p50"));
  assert_true(rig_stat(&rig, "latency-us-p50") > 0);
  rig_close(&rig);
}

/* Upstream's regions of a frame that is not evaluated get the values of the faces they are. */
static void values_are_carried_to_the_regions_of_later_frames(void **state) {
  (void)state;
  double p[2] = {0, 0};
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-interval", "100", NULL);
  for (guint n = 0; n < 3; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, n, n);
    frame_add_roi(frame, "face", 10 + 4 * n, 10, 100, 100);
    frame_add_roi(frame, "face", 200 - 4 * n, 100, 90, 90);
    if (n == 2)
      frame_add_roi(frame, "face", 130, 0, 80, 80); /* nobody knows this one */
    GstBuffer *out = rig_frame(&rig, frame, &result);
    for (guint i = 0; i < 2; i++) {
      const GstStructure *face = result_face(result, i);
      p[i] = n == 0 ? result_double(face, "p-fake") : p[i];
      assert_true(result_double(face, "p-fake") == p[i]);
      assert_int_equal(result_uint(face, "x"), i == 0 ? 10 + 4 * n : 200 - 4 * n);
    }
    if (n == 2) {
      assert_string_equal(gst_structure_get_string(result_face(result, 2), "reason"),
                          "not-evaluated");
      assert_false(gst_structure_has_field(result_face(result, 2), "p-fake"));
    }
    GstVideoRegionOfInterestMeta *roi =
        (GstVideoRegionOfInterestMeta *)gst_buffer_get_video_region_of_interest_meta_id(out, 0);
    assert_non_null(gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM));
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static guint count_metas(GstBuffer *buffer, GType api) {
  gpointer state = NULL;
  guint n = 0;
  while (gst_buffer_iterate_meta_filtered(buffer, &state, api))
    n++;
  return n;
}

static void metadata_flags_choose_the_carriers(void **state) {
  (void)state;
  static const struct {
    const char *flags;
    gboolean custom, roi;
  } cases[] = {{"custom", TRUE, FALSE}, {"roi", FALSE, TRUE}, {"custom+roi", TRUE, TRUE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "metadata", cases[i].flags, NULL);
    GstBuffer *frame = frame_new(&rig.info, 1, 0);
    GstVideoRegionOfInterestMeta *roi =
        gst_buffer_add_video_region_of_interest_meta(frame, "face", 60, 40, 100, 100);
    roi->id = 7;
    GstBuffer *out = rig_frame(&rig, frame, NULL);
    roi = gst_buffer_get_video_region_of_interest_meta_id(out, 7);
    assert_int_equal(cored_meta_get(out) != NULL, cases[i].custom);
    assert_int_equal(gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM) != NULL,
                     cases[i].roi);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

/* metadata=0 leaves the very buffer alone, shared or not, and still posts messages. */
static void without_metadata_buffers_pass_untouched(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", "message-interval",
           "0", NULL);
  g_object_set(rig.element, "metadata", 0, NULL);
  for (guint n = 0; n < 3; n++) {
    GstBuffer *frame = frame_new(&rig.info, n, n);
    GstBuffer *out = rig_frame(&rig, gst_buffer_ref(frame), NULL);
    assert_ptr_equal(out, frame);
    assert_null(cored_meta_get(out));
    assert_int_equal(count_metas(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), 0);
    gst_buffer_unref(out);
    gst_buffer_unref(frame);
  }
  assert_int_equal(rig_stat(&rig, "messages"), 3);
  rig_close(&rig);
}

/* One frame; the generation of the model that evaluated it. */
static guint64 generation_of(Rig *rig, guint number) {
  const GstStructure *result;
  GstBuffer *out = rig_frame(rig, frame_new(&rig->info, 1, number), &result);
  const guint64 generation = result_uint64(result, "model-generation");
  gst_buffer_unref(out);
  return generation;
}

/* The second element finds another version in the file than the first did: where they share the
 * model, the first gets it as well. */
static void elements_share_a_model_unless_their_ids_differ(void **state) {
  (void)state;
  static const char *const ids[] = {"one", "two"};
  char *path = support_path("shared.safetensors");
  for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
    Rig first, second;
    guint number = 1;
    model_publish(support_model(3), path);
    rig_open(&first, path, CAPS, "inference-region", "full-frame", "model-watch", "false",
             "model-instance-id", "one", NULL);
    assert_int_equal(generation_of(&first, 0), 3);
    model_publish(support_model(4), path);
    rig_open(&second, path, CAPS, "inference-region", "full-frame", "model-watch", "false",
             "model-instance-id", ids[i], NULL);
    assert_int_equal(generation_of(&second, 0), 4);
    while (i == 0 && generation_of(&first, number) != 4 && number++ < 10000)
      g_usleep(1000);
    for (guint k = 0; k < 10; k++)
      assert_int_equal(generation_of(&first, ++number), i == 0 ? 4 : 3);
    rig_close(&first);
    rig_close(&second);
  }
  g_free(path);
}

/* ---- Values that change with the stream ------------------------------------------------------ */

/* `before` until 200 ms of the stream, `after` from then on. */
static void control(GstElement *element, const char *property, double before, double after) {
  GstControlSource *source = gst_interpolation_control_source_new();
  GstTimedValueControlSource *values = GST_TIMED_VALUE_CONTROL_SOURCE(source);
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_NONE, NULL);
  assert_true(gst_timed_value_control_source_set(values, 0, before));
  assert_true(gst_timed_value_control_source_set(values, 200 * GST_MSECOND, after));
  assert_true(gst_object_add_control_binding(
      GST_OBJECT(element),
      gst_direct_control_binding_new_absolute(GST_OBJECT(element), property, source)));
  gst_object_unref(source);
}

static void the_threshold_follows_a_controller(void **state) {
  (void)state;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  control(rig.element, "threshold", 0.0, 1.0);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    assert_true(result_double(result, "threshold") == (n < 5 ? 0.0 : 1.0));
    assert_string_equal(gst_structure_get_string(result, "verdict"), n < 5 ? "fake" : "real");
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void the_smoothing_follows_a_controller(void **state) {
  (void)state;
  double mean = 0.0;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "full-frame", NULL);
  control(rig.element, "smoothing", 0.0, 0.5);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *result;
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, n, n), &result);
    const double p = result_double(result, "p-fake"), logit = log(p / (1.0 - p));
    mean = n < 5 ? logit : 0.5 * mean + 0.5 * logit;
    const double smoothed = result_double(result, "p-fake-smoothed");
    if (fabs(smoothed - 1.0 / (1.0 + exp(-mean))) > 1e-9)
      fail_msg("frame %u: p-fake %f smoothed to %f", n, p, smoothed);
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void the_padding_follows_a_controller(void **state) {
  (void)state;
  const double none = p_with("roi-padding", "0"), half = p_with("roi-padding", "0.5");
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, NULL);
  control(rig.element, "roi-padding", 0.0, 0.5);
  for (guint n = 0; n < 10; n++) {
    const GstStructure *result;
    GstBuffer *frame = frame_new(&rig.info, 1, n);
    frame_add_roi(frame, "face", 60, 40, 100, 100);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    assert_true(fabs(result_double(result, "p-fake") - (n < 5 ? none : half)) < 1e-9);
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static void threads_change_nothing_but_speed(void **state) {
  (void)state;
  const double one = p_with("threads", "1"), two = p_with("threads", "2"),
               all = p_with("threads", "0");
  assert_true(one == two && two == all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(declared_defaults_are_the_initial_values),
      cmocka_unit_test(extremes_are_survived_while_frames_flow),
      cmocka_unit_test(region_properties_have_an_effect),
      cmocka_unit_test(the_threshold_decides),
      cmocka_unit_test(inference_interval_and_its_counters),
      cmocka_unit_test(values_are_carried_to_the_regions_of_later_frames),
      cmocka_unit_test(metadata_flags_choose_the_carriers),
      cmocka_unit_test(without_metadata_buffers_pass_untouched),
      cmocka_unit_test(elements_share_a_model_unless_their_ids_differ),
      cmocka_unit_test(the_threshold_follows_a_controller),
      cmocka_unit_test(the_smoothing_follows_a_controller),
      cmocka_unit_test(the_padding_follows_a_controller),
      cmocka_unit_test(threads_change_nothing_but_speed),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
