/* SPDX-License-Identifier: MIT
 * coredoverlay's output: in every format, beside the picture or into it, over time, and that no
 * metadata, however odd, breaks it. */
#include "overlay-rig.h"

#include "overlay/history.h"

#include <math.h>

/* ---- Formats and sizes ---------------------------------------------------------------------- */

static void test_formats(void **state) {
  (void)state;
  static const char *const formats[] = {"I420",  "YV12",      "NV12",     "NV21", "Y42B", "Y444",
                                        "YUY2",  "UYVY",      "RGB",      "BGR",  "RGBx", "BGRx",
                                        "xRGB",  "xBGR",      "RGBA",     "BGRA", "ARGB", "ABGR",
                                        "GRAY8", "I420_10LE", "P010_10LE"};
  for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
    Overlay o;
    GstMapInfo before, after;
    overlay_open(&o, formats[i], 321, 181, FALSE, "show=boxes");
    GstBuffer *frame = overlay_gray(&o.info, 0), *copy = overlay_gray(&o.info, 0);
    overlay_add_result(frame, 321, 181, 0.8, "fake", 20, 40, 90, 90);
    GstBuffer *out = overlay_through(&o, frame);
    assert_true(gst_buffer_map(out, &after, GST_MAP_READ));
    assert_true(gst_buffer_map(copy, &before, GST_MAP_READ));
    assert_int_equal(before.size, after.size);
    /* Rows of the first plane: some changed on the left, none on the right or below. */
    const gsize stride = (gsize)GST_VIDEO_INFO_PLANE_STRIDE(&o.info, 0);
    gboolean changed = FALSE;
    for (gsize y = 0; y < 181; y++) {
      const gsize half = stride / 2, row = y * stride;
      changed |= memcmp(before.data + row, after.data + row, half) != 0;
      assert_memory_equal(before.data + row + half, after.data + row + half, stride - half);
      if (y > 131 || y < 39)
        assert_memory_equal(before.data + row, after.data + row, half);
    }
    if (!changed)
      fail_msg("%s: nothing was drawn", formats[i]);
    gst_buffer_unmap(copy, &before);
    gst_buffer_unmap(out, &after);
    gst_buffer_unref(copy);
    gst_buffer_unref(out);
    overlay_close(&o);
  }
}

static void test_sizes(void **state) {
  (void)state;
  static const int sizes[][2] = {{1, 1},   {1, 50},    {50, 1},      {3, 5},      {17, 15},
                                 {64, 64}, {360, 640}, {1920, 1080}, {3840, 2160}};
  static const char *const formats[] = {"I420", "YUY2", "BGRx"};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (guint k = 0; k < G_N_ELEMENTS(formats); k++) {
      Overlay o;
      const guint w = (guint)sizes[i][0], h = (guint)sizes[i][1];
      overlay_open(&o, formats[k], sizes[i][0], sizes[i][1], FALSE, "");
      GstBuffer *frame = overlay_gray(&o.info, 0);
      overlay_add_result(frame, w, h, 0.8, "fake", w / 3, h / 3, MAX(1, w / 2), MAX(1, h / 2));
      gst_buffer_unref(overlay_through(&o, frame));
      overlay_close(&o);
    }
}

/* The element's blending is GStreamer's, to the bit, in every format and at odd places. */
static void test_blends_alike(void **state) {
  (void)state;
  static const char *const formats[] = {"I420",  "YV12",      "NV12",     "NV21", "Y42B", "Y444",
                                        "YUY2",  "UYVY",      "RGB",      "BGR",  "RGBx", "BGRx",
                                        "xRGB",  "xBGR",      "RGBA",     "BGRA", "ARGB", "ABGR",
                                        "GRAY8", "I420_10LE", "P010_10LE"};
  for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
    for (guint k = 0; k < 8; k++) {
      GstBuffer *out[2];
      for (guint attached = 0; attached < 2; attached++) {
        Overlay o;
        overlay_open(&o, formats[i], 321, 183, FALSE,
                     attached ? "composition=attach" : "composition=blend");
        GstBuffer *frame = overlay_gray(&o.info, 0);
        overlay_add_result(frame, 321, 183, 0.8, "fake", 17 + k, 43 + k * 3, 91, 95 + k % 3 * 20);
        out[attached] = overlay_through(&o, frame);
        if (attached) {
          GstVideoFrame picture;
          GstVideoOverlayCompositionMeta *meta =
              gst_buffer_get_video_overlay_composition_meta(out[1]);
          GstVideoOverlayComposition *drawing = gst_video_overlay_composition_ref(meta->overlay);
          out[1] = gst_buffer_make_writable(out[1]);
          assert_true(gst_video_frame_map(&picture, &o.info, out[1], GST_MAP_READWRITE));
          assert_true(gst_video_overlay_composition_blend(drawing, &picture));
          gst_video_frame_unmap(&picture);
          gst_video_overlay_composition_unref(drawing);
        }
        overlay_close(&o);
      }
      GstMapInfo ours, theirs;
      assert_true(gst_buffer_map(out[0], &ours, GST_MAP_READ));
      assert_true(gst_buffer_map(out[1], &theirs, GST_MAP_READ));
      assert_int_equal(ours.size, theirs.size);
      if (memcmp(ours.data, theirs.data, ours.size) != 0)
        fail_msg("%s, place %u: the pictures differ", formats[i], k);
      gst_buffer_unmap(out[0], &ours);
      gst_buffer_unmap(out[1], &theirs);
      gst_buffer_unref(out[0]);
      gst_buffer_unref(out[1]);
    }
}

/* ---- Composition ---------------------------------------------------------------------------- */

static guint n_rectangles(GstBuffer *buffer) {
  const GstVideoOverlayCompositionMeta *meta =
      gst_buffer_get_video_overlay_composition_meta(buffer);
  return meta ? gst_video_overlay_composition_n_rectangles(meta->overlay) : 0;
}

static void test_attaches(void **state) {
  (void)state;
  static const struct {
    gboolean composes;
    const char *settings;
    gboolean attached;
  } cases[] = {{TRUE, "", TRUE},
               {FALSE, "", FALSE},
               {TRUE, "composition=blend", FALSE},
               {FALSE, "composition=attach", TRUE}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Overlay o;
    overlay_open(&o, "RGB", 320, 240, cases[i].composes, cases[i].settings);
    GstBuffer *frame = overlay_gray(&o.info, 0);
    overlay_add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
    GstBuffer *out = overlay_through(&o, frame);
    assert_int_equal(overlay_n_changed(&o, out) > 0, !cases[i].attached);
    assert_int_equal(n_rectangles(out), cases[i].attached ? 6 : 0);
    GstCaps *caps = gst_pad_get_current_caps(o.harness->sinkpad);
    const GstCapsFeatures *features = gst_caps_get_features(caps, 0);
    const gboolean marked =
        gst_caps_features_contains(features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
    if (cases[i].attached)
      assert_true(marked);
    if (strstr(cases[i].settings, "blend"))
      assert_false(marked);
    gst_caps_unref(caps);
    gst_buffer_unref(out);
    overlay_close(&o);
  }
}

/* Another element behind, under the same caps: it says so by RECONFIGURE, and is asked again. */
static void test_asks_again(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, FALSE, "");
  for (guint n = 0; n < 4; n++) {
    GstBuffer *frame = overlay_gray(&o.info, n);
    overlay_add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
    GstBuffer *out = overlay_through(&o, frame);
    assert_int_equal(n_rectangles(out) > 0, n >= 2);
    assert_int_equal(overlay_n_changed(&o, out) > 0, n < 2);
    gst_buffer_unref(out);
    if (n == 1) {
      gst_harness_add_propose_allocation_meta(o.harness,
                                              GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
      assert_true(gst_harness_push_upstream_event(o.harness, gst_event_new_reconfigure()));
    }
  }
  overlay_close(&o);
}

/* ---- Pictures in other places than the caps say --------------------------------------------- */

static void test_metas_passed_on(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, TRUE, "");
  gst_harness_add_propose_allocation_meta(o.harness, GST_VIDEO_META_API_TYPE, NULL);
  gst_harness_add_propose_allocation_meta(o.harness, GST_VIDEO_CROP_META_API_TYPE, NULL);
  GstCaps *caps = gst_pad_get_current_caps(o.harness->srcpad);
  GstQuery *query = gst_query_new_allocation(caps, FALSE);
  assert_true(gst_pad_peer_query(o.harness->srcpad, query));
  assert_true(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL));
  assert_true(
      gst_query_find_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL));
  assert_false(gst_query_find_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, NULL));
  gst_query_unref(query);
  gst_caps_unref(caps);
  overlay_close(&o);
}

/* 100 x 80 pixels from 20, 10 on of a picture of 160 x 120. */
static GstBuffer *cropped_gray(GstVideoInfo *whole) {
  gst_video_info_set_format(whole, GST_VIDEO_FORMAT_RGB, 160, 120);
  GstBuffer *frame = overlay_gray(whole, 0);
  gst_buffer_add_video_meta(frame, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 160, 120);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(frame);
  crop->x = 20;
  crop->y = 10;
  crop->width = 100;
  crop->height = 80;
  return frame;
}

/* The drawing is where the face is seen, and nothing beside what is seen. */
static void test_cropped(void **state) {
  (void)state;
  Overlay o, whole;
  overlay_open(&o, "RGB", 100, 80, FALSE, "show=boxes color-fake=4294901760");
  GstBuffer *frame = cropped_gray(&whole.info);
  overlay_add_result(frame, 100, 80, 0.8, "fake", 0, 0, 100, 80);
  GstBuffer *out = overlay_through(&o, frame);
  for (int y = 0; y < 120; y++)
    for (int x = 0; x < 160; x++) {
      guint8 rgb[3];
      overlay_pixel(&whole, out, x, y, rgb);
      if (x < 20 || x >= 120 || y < 10 || y >= 90)
        assert_true(overlay_is(rgb, 0x808080));
      if (x == 21 && y == 50)
        assert_true(overlay_is(rgb, RED));
    }
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* Strides and offsets out of the memory are refused before a byte is written. */
static void test_unsound(void **state) {
  (void)state;
  static const gint strides[] = {-960, 100000, 3};
  for (guint i = 0; i < G_N_ELEMENTS(strides) + 1; i++) {
    Overlay o;
    gsize offset[GST_VIDEO_MAX_PLANES] = {i == 3 ? 320 * 240 * 3 - 10 : 0};
    gint stride[GST_VIDEO_MAX_PLANES] = {i == 3 ? 960 : strides[i]};
    overlay_open(&o, "RGB", 320, 240, FALSE, "");
    GstBuffer *frame = overlay_gray(&o.info, 0);
    gst_buffer_add_video_meta_full(frame, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 320, 240,
                                   1, offset, stride);
    overlay_add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
    assert_int_equal(gst_harness_push(o.harness, frame), GST_FLOW_ERROR);
    overlay_close(&o);
  }
}

/* A composition that upstream attached stays. */
static void test_keeps_composition(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, TRUE, "show=boxes");
  GstBuffer *frame = overlay_gray(&o.info, 0);
  GstBuffer *pixels = gst_buffer_new_allocate(NULL, 4 * 4 * 4, NULL);
  gst_buffer_memset(pixels, 0, 255, 64);
  gst_buffer_add_video_meta(pixels, GST_VIDEO_FRAME_FLAG_NONE,
                            GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 4, 4);
  GstVideoOverlayRectangle *rectangle =
      gst_video_overlay_rectangle_new_raw(pixels, 0, 0, 4, 4, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *upstream = gst_video_overlay_composition_new(rectangle);
  gst_buffer_add_video_overlay_composition_meta(frame, upstream);
  overlay_add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
  GstBuffer *out = overlay_through(&o, frame);
  assert_int_equal(n_rectangles(out), 5);
  assert_int_equal(gst_video_overlay_composition_n_rectangles(upstream), 1);
  gst_video_overlay_composition_unref(upstream);
  gst_video_overlay_rectangle_unref(rectangle);
  gst_buffer_unref(pixels);
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* ---- History -------------------------------------------------------------------------------- */

static void test_history(void **state) {
  (void)state;
  static CoredHistory history;
  float c[CORED_HISTORY_COLUMNS];
  const guint last = CORED_HISTORY_COLUMNS - 1;
  cored_history_init(&history, CORED_HISTORY_COLUMNS * GST_SECOND); /* a second a column */
  cored_history_read(&history, 5, 0, c);
  assert_true(c[0] < 0 && c[last] < 0);
  cored_history_add(&history, 5, 10 * GST_SECOND, 0.25);
  cored_history_add(&history, 5, 10 * GST_SECOND + 1, 0.5);
  cored_history_add(&history, 5, 10 * GST_SECOND + 2, -1);
  cored_history_add(&history, 5, 13 * GST_SECOND, 0.75);
  cored_history_read(&history, 5, 14 * GST_SECOND, c);
  assert_true(c[last] < 0 && c[last - 1] == 0.75f && c[last - 2] < 0 && c[last - 3] < 0);
  assert_true(c[last - 4] == 0.5f && c[last - 5] < 0);
  /* A jump beyond the strip empties it; time that goes back changes the newest. */
  cored_history_add(&history, 5, 1000 * GST_SECOND, 0.1);
  cored_history_read(&history, 5, 1000 * GST_SECOND, c);
  assert_true(c[last] == 0.1f);
  for (guint i = 0; i < last; i++)
    assert_true(c[i] < 0);
  cored_history_add(&history, 5, 3 * GST_SECOND, 0.3);
  cored_history_add(&history, 5, GST_CLOCK_TIME_NONE, 0.2);
  cored_history_read(&history, 5, GST_CLOCK_TIME_NONE, c);
  assert_true(c[last] == 0.3f);
  /* Tracks beyond the limit: the oldest is gone. */
  for (guint i = 0; i < CORED_HISTORY_TRACKS; i++)
    cored_history_add(&history, 100 + i, (2000 + i) * GST_SECOND, 0.9);
  cored_history_read(&history, 5, 3000 * GST_SECOND, c);
  assert_true(c[last] < 0);
  cored_history_read(&history, 100, 2000 * GST_SECOND, c);
  assert_true(c[last] == 0.9f);
}

/* The strip fills with time, and a flush empties it. */
static void test_history_drawn(void **state) {
  (void)state;
  Overlay o;
  guint red[3];
  overlay_open(&o, "RGB", 640, 360, FALSE, "show=history color-fake=4294901760 history-seconds=4");
  for (guint n = 0; n < 101; n++) {
    if (n == 100) {
      gst_harness_push_event(o.harness, gst_event_new_flush_start());
      gst_harness_push_event(o.harness, gst_event_new_flush_stop(TRUE));
      GstSegment segment;
      gst_segment_init(&segment, GST_FORMAT_TIME);
      gst_harness_push_event(o.harness, gst_event_new_segment(&segment));
    }
    GstBuffer *frame = overlay_gray(&o.info, n);
    overlay_add_result(frame, 640, 360, 0.9, "fake", 250, 150, 140, 120);
    GstBuffer *out = overlay_through(&o, frame);
    if (n == 0 || n == 99 || n == 100) {
      guint count = 0;
      for (int x = 250; x < 450; x++) {
        guint8 rgb[3];
        overlay_pixel(&o, out, x, 136, rgb);
        count += rgb[0] > 240 && rgb[1] < 40;
      }
      red[n == 0 ? 0 : n - 98] = count;
    }
    gst_buffer_unref(out);
  }
  assert_true(red[1] > 80);
  assert_true(red[0] < 20 && red[2] < 20);
  overlay_close(&o);
}

/* ---- Odd metadata --------------------------------------------------------------------------- */

static void test_odd_results(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "I420", 320, 240, FALSE, "");
  for (guint i = 0; i < 8; i++) {
    GstBuffer *frame = overlay_gray(&o.info, i);
    GstStructure *result = overlay_result(frame);
    GValue faces = G_VALUE_INIT;
    g_value_init(&faces, GST_TYPE_ARRAY);
    switch (i) {
    case 1:
      gst_structure_set(result, "p-fake", G_TYPE_STRING, "a lot", "verdict", G_TYPE_INT, 3, "faces",
                        G_TYPE_INT, 5, "frame-width", G_TYPE_UINT, 0, NULL);
      break;
    case 2:
      for (guint k = 0; k < 10000; k++)
        overlay_add_face(&faces, 0.5, "fake", k % 300, k % 200, 30, 30, k);
      break;
    case 3:
      overlay_add_face(&faces, (double)NAN, "fake", G_MAXUINT, 0, 10, 10, 1);
      overlay_add_face(&faces, (double)INFINITY, "real", 0, 0, G_MAXUINT, G_MAXUINT, G_MAXUINT64);
      overlay_add_face(&faces, -7, "real", 10, 10, 0, 5, 1);
      break;
    case 4:
      gst_structure_set(result, "frame-width", G_TYPE_UINT, 1, "frame-height", G_TYPE_UINT, 1,
                        "threshold", G_TYPE_DOUBLE, (double)NAN, NULL);
      overlay_add_face(&faces, 0.5, "fake", 0, 0, 100000, 100000, 1);
      break;
    case 5:
      gst_structure_set(
          result, "reason", G_TYPE_STRING,
          "a reason longer than there is room for in a label \xe2\x82\xac\xe2\x82\xac", "model-id",
          G_TYPE_STRING, "<b>&\xe2\x82\xac\xe2\x82\xac", NULL);
      break;
    case 6:
      for (guint k = 0; k < 5; k++) {
        GValue text = G_VALUE_INIT;
        g_value_init(&text, G_TYPE_STRING);
        g_value_set_string(&text, "not a face");
        gst_value_array_append_and_take_value(&faces, &text);
      }
      break;
    default:
      break;
    }
    if (i != 1)
      gst_structure_take_value(result, "faces", &faces);
    else
      g_value_unset(&faces);
    gst_buffer_unref(overlay_through(&o, frame));
  }
  overlay_close(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_formats),           cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_blends_alike),      cmocka_unit_test(test_attaches),
      cmocka_unit_test(test_asks_again),        cmocka_unit_test(test_metas_passed_on),
      cmocka_unit_test(test_cropped),           cmocka_unit_test(test_unsound),
      cmocka_unit_test(test_keeps_composition), cmocka_unit_test(test_history),
      cmocka_unit_test(test_history_drawn),     cmocka_unit_test(test_odd_results),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
