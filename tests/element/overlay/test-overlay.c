/* SPDX-License-Identifier: MIT
 * coredoverlay on results made up here: what is drawn where, in which colour, by which property. */
#include "overlay-rig.h"

#include "meta/meta-reader.h"
#include "meta/meta-writer.h"

#include <math.h>

/* ---- What is drawn -------------------------------------------------------------------------- */

static void test_box_and_panel(void **state) {
  (void)state;
  Overlay o;
  guint8 rgb[3];
  overlay_open(&o, "RGB", 640, 360, FALSE, "color-fake=4294901760");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  overlay_add_result(frame, 640, 360, 0.93, "fake", 200, 120, 160, 180);
  GstBuffer *out = overlay_through(&o, frame);
  overlay_pixel(&o, out, 280, 122, rgb); /* upper line */
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 202, 200, rgb); /* left line */
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 357, 200, rgb); /* right line */
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 280, 297, rgb); /* lower line */
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 280, 200, rgb); /* inside: the face stays as it is */
  assert_true(overlay_is(rgb, 0x808080));
  overlay_pixel(&o, out, 500, 200, rgb); /* elsewhere too */
  assert_true(overlay_is(rgb, 0x808080));
  overlay_pixel(&o, out, 205, 110, rgb); /* the panel above is dark */
  assert_true(rgb[1] < 100);
  overlay_pixel(&o, out, 4, 355, rgb); /* the frame's status at the lower left */
  assert_true(rgb[1] < 100);
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* A picture scaled after it was evaluated: the box follows. */
static void test_other_size(void **state) {
  (void)state;
  Overlay o;
  guint8 rgb[3];
  overlay_open(&o, "RGB", 320, 180, FALSE, "show=boxes color-real=4294901760");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  overlay_add_result(frame, 1280, 720, 0.1, "real", 400, 240, 400, 240);
  GstBuffer *out = overlay_through(&o, frame);
  overlay_pixel(&o, out, 150, 61, rgb);
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 101, 90, rgb);
  assert_true(overlay_is(rgb, RED));
  overlay_pixel(&o, out, 150, 90, rgb);
  assert_true(overlay_is(rgb, 0x808080));
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* Each verdict has a colour of its own. */
static void test_colors(void **state) {
  (void)state;
  static const char *const verdicts[] = {"fake", "real", "unknown"};
  static const char *const colors[] = {"color-fake", "color-real", "color-unknown"};
  for (guint i = 0; i < G_N_ELEMENTS(verdicts); i++)
    for (guint k = 0; k < G_N_ELEMENTS(verdicts); k++) {
      Overlay o;
      guint8 rgb[3];
      char *settings = g_strdup_printf("show=boxes %s=4294901760", colors[k]);
      overlay_open(&o, "RGB", 640, 360, FALSE, settings);
      GstBuffer *frame = overlay_gray(&o.info, 0);
      overlay_add_result(frame, 640, 360, 0.5, verdicts[i], 200, 120, 160, 180);
      GstBuffer *out = overlay_through(&o, frame);
      overlay_pixel(&o, out, 280, 122, rgb);
      assert_int_equal(overlay_is(rgb, RED), i == k);
      gst_buffer_unref(out);
      overlay_close(&o);
      g_free(settings);
    }
}

static void test_without_result(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 64, 48, FALSE, "");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  GstBuffer *out = overlay_through(&o, gst_buffer_ref(frame));
  assert_ptr_equal(gst_buffer_peek_memory(out, 0), gst_buffer_peek_memory(frame, 0));
  assert_int_equal(overlay_n_changed(&o, out), 0);
  gst_buffer_unref(out);
  gst_buffer_unref(frame);
  overlay_close(&o);
}

/* Frames have no times then, but are drawn on. */
static void test_segment_of_bytes(void **state) {
  Overlay o;
  GstSegment segment;
  (void)state;
  overlay_open(&o, "RGB", 320, 240, FALSE, "");
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  assert_true(gst_harness_push_event(o.harness, gst_event_new_segment(&segment)));
  GstBuffer *frame = overlay_gray(&o.info, 0);
  overlay_add_result(frame, 320, 240, 0.9, "fake", 100, 60, 80, 80);
  GstBuffer *out = overlay_through(&o, frame);
  assert_true(overlay_n_changed(&o, out) > 0);
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* Somebody else's picture is not painted on. */
static void test_shared_frame(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, FALSE, "");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  overlay_add_result(frame, 320, 240, 0.9, "fake", 50, 90, 90, 90);
  GstBuffer *out = overlay_through(&o, gst_buffer_ref(frame));
  assert_true(overlay_n_changed(&o, out) > 500);
  assert_int_equal(overlay_n_changed(&o, frame), 0);
  gst_buffer_unref(out);
  gst_buffer_unref(frame);
  overlay_close(&o);
}

/* Each pair of settings draws something else; what each must be more or less than is fixed. */
static void test_properties(void **state) {
  (void)state;
  static const struct {
    const char *settings;
    guint more_than; /* index of a case with fewer changed pixels */
  } cases[] = {
      {"show=0", 0},
      {"show=boxes", 0},
      {"show=labels", 0},
      {"show=bar", 0},
      {"show=history", 3},
      {"show=status", 0},
      {"show=boxes+status", 5},
      {"show=labels+bar", 2},
      {"show=labels+bar+history", 7},
      {"show=labels text-scale=2", 2},
      {"show=status text-scale=2", 5},
  };
  guint changed[G_N_ELEMENTS(cases)];
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Overlay o;
    overlay_open(&o, "RGB", 640, 360, FALSE, cases[i].settings);
    GstBuffer *frame = overlay_gray(&o.info, 0);
    overlay_add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
    GstBuffer *out = overlay_through(&o, frame);
    changed[i] = overlay_n_changed(&o, out);
    if (i == 0)
      assert_int_equal(changed[0], 0);
    else if (changed[i] <= changed[cases[i].more_than])
      fail_msg("'%s' changed %u pixels, '%s' %u", cases[i].settings, changed[i],
               cases[cases[i].more_than].settings, changed[cases[i].more_than]);
    gst_buffer_unref(out);
    overlay_close(&o);
  }
}

static void test_opacity(void **state) {
  (void)state;
  static const char *const settings[] = {"show=status opacity=0.2", "show=status opacity=0.9"};
  guint8 rgb[2][3];
  for (guint i = 0; i < 2; i++) {
    Overlay o;
    overlay_open(&o, "RGB", 640, 360, FALSE, settings[i]);
    GstBuffer *frame = overlay_gray(&o.info, 0);
    overlay_add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
    GstBuffer *out = overlay_through(&o, frame);
    overlay_pixel(&o, out, 6, 357, rgb[i]);
    gst_buffer_unref(out);
    overlay_close(&o);
  }
  assert_true(rgb[0][0] > 90 && rgb[0][0] < 110);
  assert_true(rgb[1][0] < 30);
}

/* An alert fills the status line. */
static void test_alert(void **state) {
  (void)state;
  Overlay o;
  guint8 rgb[3];
  overlay_open(&o, "RGB", 640, 360, FALSE, "show=status color-fake=4294901760");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  overlay_add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
  gst_structure_set(
      gst_custom_meta_get_structure(gst_buffer_get_custom_meta(frame, CORED_META_NAME)), "alert",
      G_TYPE_BOOLEAN, TRUE, NULL);
  GstBuffer *out = overlay_through(&o, frame);
  overlay_pixel(&o, out, 6, 357, rgb);
  assert_true(overlay_is(rgb, RED));
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* From coreddetect itself: with threshold 0 the alert begins at once, with 1 never. */
static void test_alert_of_detector(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    char *launch = g_strdup_printf(
        "coreddetect model=%s inference-region=full-frame threshold=%d min-duration=0 mode=sync ! "
        "coredoverlay show=status composition=blend color-fake=4294901760",
        support_model(3), i);
    GstHarness *harness = gst_harness_new_parse(launch);
    Overlay o = {.harness = harness};
    GstCaps *caps = gst_caps_from_string("video/x-raw,format=RGB,width=640,height=360");
    gboolean alert = 7;
    guint8 rgb[3];
    assert_true(gst_video_info_from_caps(&o.info, caps));
    gst_harness_set_src_caps(harness, caps);
    GstBuffer *out = overlay_through(&o, frame_new(&o.info, 1, 0));
    const GstStructure *result = cored_meta_get(out);
    assert_true(gst_structure_get_boolean(result, "alert", &alert));
    assert_int_equal(alert, i == 0);
    assert_true(gst_structure_get_boolean(result_face(result, 0), "alert", &alert));
    assert_int_equal(alert, i == 0);
    overlay_pixel(&o, out, 6, 357, rgb);
    assert_int_equal(overlay_is(rgb, RED), i == 0);
    gst_buffer_unref(out);
    gst_harness_teardown(harness);
    g_free(launch);
  }
}

/* ---- Heat maps ------------------------------------------------------------------------------ */

static void test_heat_fields(void **state) {
  (void)state;
  static const float map[6] = {0.f, 1.f, -2.f, 4.f, -4.f, 0.5f};
  float large[64 * 32];
  CoredHeatMap heat, read;
  GstStructure *face = gst_structure_new_empty("face");
  cored_heat_map_set(&heat, map, 2, 3, &(CoredCropArea){.box = {10, 20, 60, 40}});
  assert_int_equal(heat.rows, 2);
  assert_int_equal(heat.columns, 3);
  assert_true(heat.scale == 4);
  assert_int_equal(heat.value[0], 128);
  assert_int_equal(heat.value[3], 255);
  assert_int_equal(heat.value[4], 1);
  cored_meta_write_heat_map(face, &heat);
  assert_true(cored_meta_read_heat_map(&read, face));
  assert_memory_equal(&read, &heat, sizeof heat);
  assert_false(gst_structure_has_field(face, "heat-angle"));
  heat.area.angle = -0.75;
  cored_meta_write_heat_map(face, &heat);
  assert_true(cored_meta_read_heat_map(&read, face));
  assert_memory_equal(&read, &heat, sizeof heat);
  gst_structure_set(face, "heat-angle", G_TYPE_DOUBLE, (double)NAN, NULL);
  assert_false(cored_meta_read_heat_map(&read, face));
  assert_int_equal(read.rows, 0);
  gst_structure_remove_field(face, "heat-angle");
  gst_structure_set(face, "heat-rows", G_TYPE_UINT, 3, NULL);
  assert_false(cored_meta_read_heat_map(&read, face));
  gst_structure_set(face, "heat-rows", G_TYPE_UINT, 2, "heat-map", G_TYPE_STRING, "!", NULL);
  assert_false(cored_meta_read_heat_map(&read, face));
  assert_int_equal(read.rows, 0);
  gst_structure_free(face);
  /* Averaged to 16 x 16: every block of 4 x 2 is one value. */
  for (int i = 0; i < 64 * 32; i++)
    large[i] = (float)(i / 32 / 4 * 16 + i % 32 / 2) + (i % 2 ? 0.5f : -0.5f);
  cored_heat_map_set(&heat, large, 64, 32, &(CoredCropArea){.box = {0, 0, 64, 64}});
  assert_int_equal(heat.rows, 16);
  assert_true(heat.scale == 255);
  for (int i = 0; i < 256; i++)
    assert_int_equal(heat.value[i], lrint(128 + 127 * i / 255.));
  memset(large, 0, sizeof large);
  cored_heat_map_set(&heat, large, 4, 4, &(CoredCropArea){.box = {0, 0, 1, 1}});
  assert_int_equal(heat.rows, 0);
  for (int i = 0; i < 6; i++) {
    float broken[6];
    memcpy(broken, map, sizeof broken);
    broken[i] = i % 2 ? NAN : INFINITY;
    cored_heat_map_set(&heat, broken, 2, 3, &(CoredCropArea){.box = {0, 0, 1, 1}});
    assert_int_equal(heat.rows, 0);
  }
}

/* From coreddetect to the picture: places of the face change colour, places outside do not. */
static void test_heat_drawn(void **state) {
  (void)state;
  guint changed[2];
  for (int i = 0; i < 2; i++) {
    char *launch = g_strdup_printf("coreddetect model=%s inference-region=roi-list mode=sync "
                                   "heat-map=%s ! coredoverlay show=heat composition=blend",
                                   support_model(3), i ? "true" : "false");
    Overlay o = {.harness = gst_harness_new_parse(launch)};
    GstCaps *caps = gst_caps_from_string("video/x-raw,format=RGB,width=640,height=360");
    assert_true(gst_video_info_from_caps(&o.info, caps));
    gst_harness_set_src_caps(o.harness, caps);
    GstBuffer *frame = overlay_gray(&o.info, 0);
    gst_buffer_memset(frame, 640 * 3 * 100, 90, 640 * 3 * 40); /* something to see */
    GstBuffer *plain = gst_buffer_copy_deep(frame);
    frame_add_roi(frame, "face", 200, 80, 100, 100);
    GstBuffer *out = overlay_through(&o, frame);
    changed[i] = 0;
    for (int y = 0; y < 360; y += 3)
      for (int x = 0; x < 640; x += 3) {
        guint8 a[3], b[3];
        overlay_pixel(&o, plain, x, y, a);
        overlay_pixel(&o, out, x, y, b);
        const gboolean differs = memcmp(a, b, 3) != 0;
        changed[i] += differs;
        /* the square that the network saw: 1.3 times the face */
        assert_true(!differs || (x >= 184 && x <= 316 && y >= 64 && y <= 196));
      }
    gst_buffer_unref(plain);
    gst_buffer_unref(out);
    gst_harness_teardown(o.harness);
    g_free(launch);
  }
  assert_int_equal(changed[0], 0);
  assert_true(changed[1] > 300);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_box_and_panel),
      cmocka_unit_test(test_other_size),
      cmocka_unit_test(test_colors),
      cmocka_unit_test(test_without_result),
      cmocka_unit_test(test_segment_of_bytes),
      cmocka_unit_test(test_shared_frame),
      cmocka_unit_test(test_properties),
      cmocka_unit_test(test_opacity),
      cmocka_unit_test(test_alert),
      cmocka_unit_test(test_alert_of_detector),
      cmocka_unit_test(test_heat_fields),
      cmocka_unit_test(test_heat_drawn),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
