/* SPDX-License-Identifier: MIT
 * coredoverlay on results made up here: what is drawn where, in every format, beside the picture
 * or into it, and that no metadata, however odd, breaks it. */
#include "support.h"

#include "coredheat.h"
#include "coredhistory.h"
#include "coredpainter.h"

#include <math.h>

#define CAPS "video/x-raw,format=%s,width=%d,height=%d,framerate=25/1"
#define RED 0xffff0000u

typedef struct Overlay {
  GstHarness *harness;
  GstVideoInfo info;
} Overlay;

static void overlay_open(Overlay *o, const char *format, int width, int height, gboolean composes,
                         const char *settings) {
  char *launch = g_strdup_printf("coredoverlay name=overlay %s", settings);
  char *text = g_strdup_printf(CAPS, format, width, height);
  GstCaps *caps = gst_caps_from_string(text);
  o->harness = gst_harness_new_parse(launch);
  assert_non_null(o->harness);
  assert_true(gst_video_info_from_caps(&o->info, caps));
  if (composes)
    gst_harness_add_propose_allocation_meta(o->harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE,
                                            NULL);
  gst_harness_set_src_caps(o->harness, caps);
  g_free(launch);
  g_free(text);
}

static void overlay_close(Overlay *o) {
  gst_harness_teardown(o->harness);
}

/* A middle gray everywhere in 8 bits; in 10 bits some colour, with the unused bits 0. */
static GstBuffer *gray_frame(const GstVideoInfo *info, guint number) {
  GstBuffer *frame = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(info), NULL);
  const GstVideoFormat format = GST_VIDEO_INFO_FORMAT(info);
  const guint8 value = format == GST_VIDEO_FORMAT_I420_10LE   ? 1
                       : format == GST_VIDEO_FORMAT_P010_10LE ? 0x40
                                                              : 128;
  gst_buffer_memset(frame, 0, value, GST_VIDEO_INFO_SIZE(info));
  GST_BUFFER_PTS(frame) = number * 40 * GST_MSECOND;
  return frame;
}

static void add_face(GValue *faces, double p, const char *verdict, guint x, guint y, guint w,
                     guint h, guint64 track) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed(
      &value, gst_structure_new("face", "p-fake", G_TYPE_DOUBLE, p, "verdict", G_TYPE_STRING,
                                verdict, "x", G_TYPE_UINT, x, "y", G_TYPE_UINT, y, "w", G_TYPE_UINT,
                                w, "h", G_TYPE_UINT, h, "track-id", G_TYPE_UINT64, track, NULL));
  gst_value_array_append_and_take_value(faces, &value);
}

static GstStructure *result_of(GstBuffer *frame) {
  GstCustomMeta *meta = gst_buffer_add_custom_meta(frame, CORED_META_NAME);
  assert_non_null(meta);
  return gst_custom_meta_get_structure(meta);
}

/* One face, judged. */
static void add_result(GstBuffer *frame, guint width, guint height, double p, const char *verdict,
                       guint x, guint y, guint w, guint h) {
  GstStructure *result = result_of(frame);
  GValue faces = G_VALUE_INIT;
  g_value_init(&faces, GST_TYPE_ARRAY);
  add_face(&faces, p, verdict, x, y, w, h, 1);
  gst_structure_set(result, "p-fake", G_TYPE_DOUBLE, p, "verdict", G_TYPE_STRING, verdict,
                    "frame-width", G_TYPE_UINT, width, "frame-height", G_TYPE_UINT, height,
                    "threshold", G_TYPE_DOUBLE, 0.5, "model-id", G_TYPE_STRING, "test-model",
                    "model-generation", G_TYPE_UINT64, (guint64)7, NULL);
  gst_structure_take_value(result, "faces", &faces);
}

static GstBuffer *through(Overlay *o, GstBuffer *frame) {
  GstBuffer *out = gst_harness_push_and_pull(o->harness, frame);
  assert_non_null(out);
  return out;
}

/* Red, green, blue of a pixel of an RGB frame. */
static void pixel_at(const Overlay *o, GstBuffer *buffer, int x, int y, guint8 rgb[3]) {
  const gsize at = (gsize)y * (gsize)GST_VIDEO_INFO_PLANE_STRIDE(&o->info, 0) + 3 * (gsize)x;
  assert_int_equal(gst_buffer_extract(buffer, at, rgb, 3), 3);
}

static gboolean is_color(const guint8 rgb[3], guint argb) {
  return abs(rgb[0] - (int)(argb >> 16 & 0xff)) < 3 && abs(rgb[1] - (int)(argb >> 8 & 0xff)) < 3 &&
         abs(rgb[2] - (int)(argb & 0xff)) < 3;
}

/* The pixels that differ from the gray they were. */
static guint n_changed(const Overlay *o, GstBuffer *buffer) {
  GstMapInfo map;
  guint n = 0;
  assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
  for (int y = 0; y < GST_VIDEO_INFO_HEIGHT(&o->info); y++)
    for (int x = 0; x < 3 * GST_VIDEO_INFO_WIDTH(&o->info); x += 3) {
      const guint8 *p = map.data + y * GST_VIDEO_INFO_PLANE_STRIDE(&o->info, 0) + x;
      n += p[0] != 128 || p[1] != 128 || p[2] != 128;
    }
  gst_buffer_unmap(buffer, &map);
  return n;
}

/* ---- What is drawn -------------------------------------------------------------------------- */

static void test_box_and_panel(void **state) {
  (void)state;
  Overlay o;
  guint8 rgb[3];
  overlay_open(&o, "RGB", 640, 360, FALSE, "color-fake=4294901760");
  GstBuffer *frame = gray_frame(&o.info, 0);
  add_result(frame, 640, 360, 0.93, "fake", 200, 120, 160, 180);
  GstBuffer *out = through(&o, frame);
  pixel_at(&o, out, 280, 122, rgb); /* upper line */
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 202, 200, rgb); /* left line */
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 357, 200, rgb); /* right line */
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 280, 297, rgb); /* lower line */
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 280, 200, rgb); /* inside: the face stays as it is */
  assert_true(is_color(rgb, 0x808080));
  pixel_at(&o, out, 500, 200, rgb); /* elsewhere too */
  assert_true(is_color(rgb, 0x808080));
  pixel_at(&o, out, 205, 110, rgb); /* the panel above is dark */
  assert_true(rgb[1] < 100);
  pixel_at(&o, out, 4, 355, rgb); /* the frame's status at the lower left */
  assert_true(rgb[1] < 100);
  gst_buffer_unref(out);
  overlay_close(&o);
}

/* A picture scaled after it was judged: the box follows. */
static void test_other_size(void **state) {
  (void)state;
  Overlay o;
  guint8 rgb[3];
  overlay_open(&o, "RGB", 320, 180, FALSE, "show=boxes color-real=4294901760");
  GstBuffer *frame = gray_frame(&o.info, 0);
  add_result(frame, 1280, 720, 0.1, "real", 400, 240, 400, 240);
  GstBuffer *out = through(&o, frame);
  pixel_at(&o, out, 150, 61, rgb);
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 101, 90, rgb);
  assert_true(is_color(rgb, RED));
  pixel_at(&o, out, 150, 90, rgb);
  assert_true(is_color(rgb, 0x808080));
  gst_buffer_unref(out);
  overlay_close(&o);
}

static void test_without_result(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 64, 48, FALSE, "");
  GstBuffer *frame = gray_frame(&o.info, 0);
  GstBuffer *out = through(&o, gst_buffer_ref(frame));
  assert_ptr_equal(gst_buffer_peek_memory(out, 0), gst_buffer_peek_memory(frame, 0));
  assert_int_equal(n_changed(&o, out), 0);
  gst_buffer_unref(out);
  gst_buffer_unref(frame);
  overlay_close(&o);
}

/* Somebody else's picture is not painted on. */
static void test_shared_frame(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, FALSE, "");
  GstBuffer *frame = gray_frame(&o.info, 0);
  add_result(frame, 320, 240, 0.9, "fake", 50, 90, 90, 90);
  GstBuffer *out = through(&o, gst_buffer_ref(frame));
  assert_true(n_changed(&o, out) > 500);
  assert_int_equal(n_changed(&o, frame), 0);
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
    GstBuffer *frame = gray_frame(&o.info, 0);
    add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
    GstBuffer *out = through(&o, frame);
    changed[i] = n_changed(&o, out);
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
    GstBuffer *frame = gray_frame(&o.info, 0);
    add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
    GstBuffer *out = through(&o, frame);
    pixel_at(&o, out, 6, 357, rgb[i]);
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
  GstBuffer *frame = gray_frame(&o.info, 0);
  add_result(frame, 640, 360, 0.8, "fake", 250, 150, 120, 120);
  gst_structure_set(
      gst_custom_meta_get_structure(gst_buffer_get_custom_meta(frame, CORED_META_NAME)), "alert",
      G_TYPE_BOOLEAN, TRUE, NULL);
  GstBuffer *out = through(&o, frame);
  pixel_at(&o, out, 6, 357, rgb);
  assert_true(is_color(rgb, RED));
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
    GstBuffer *out = through(&o, frame_new(&o.info, 1, 0));
    const GstStructure *result = cored_meta_get(out);
    assert_true(gst_structure_get_boolean(result, "alert", &alert));
    assert_int_equal(alert, i == 0);
    assert_true(gst_structure_get_boolean(result_face(result, 0), "alert", &alert));
    assert_int_equal(alert, i == 0);
    pixel_at(&o, out, 6, 357, rgb);
    assert_int_equal(is_color(rgb, RED), i == 0);
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
  CoredHeat heat, read;
  GstStructure *face = gst_structure_new_empty("face");
  cored_heat_set(&heat, map, 2, 3, &(CoredBox){10, 20, 60, 40});
  assert_int_equal(heat.rows, 2);
  assert_int_equal(heat.columns, 3);
  assert_true(heat.scale == 4);
  assert_int_equal(heat.value[0], 128);
  assert_int_equal(heat.value[3], 255);
  assert_int_equal(heat.value[4], 1);
  cored_heat_write(&heat, face);
  assert_true(cored_heat_read(&read, face));
  assert_memory_equal(&read, &heat, sizeof heat);
  gst_structure_set(face, "heat-rows", G_TYPE_UINT, 3, NULL);
  assert_false(cored_heat_read(&read, face));
  gst_structure_set(face, "heat-rows", G_TYPE_UINT, 2, "heat-map", G_TYPE_STRING, "!", NULL);
  assert_false(cored_heat_read(&read, face));
  assert_int_equal(read.rows, 0);
  gst_structure_free(face);
  /* Averaged to 16 x 16: every block of 4 x 2 is one value. */
  for (int i = 0; i < 64 * 32; i++)
    large[i] = (float)(i / 32 / 4 * 16 + i % 32 / 2) + (i % 2 ? 0.5f : -0.5f);
  cored_heat_set(&heat, large, 64, 32, &(CoredBox){0, 0, 64, 64});
  assert_int_equal(heat.rows, 16);
  assert_true(heat.scale == 255);
  for (int i = 0; i < 256; i++)
    assert_int_equal(heat.value[i], lrint(128 + 127 * i / 255.));
  memset(large, 0, sizeof large);
  cored_heat_set(&heat, large, 4, 4, &(CoredBox){0, 0, 1, 1});
  assert_int_equal(heat.rows, 0);
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
    GstBuffer *frame = gray_frame(&o.info, 0);
    gst_buffer_memset(frame, 640 * 3 * 100, 90, 640 * 3 * 40); /* something to see */
    GstBuffer *plain = gst_buffer_copy_deep(frame);
    frame_add_roi(frame, "face", 200, 80, 100, 100);
    GstBuffer *out = through(&o, frame);
    changed[i] = 0;
    for (int y = 0; y < 360; y += 3)
      for (int x = 0; x < 640; x += 3) {
        guint8 a[3], b[3];
        pixel_at(&o, plain, x, y, a);
        pixel_at(&o, out, x, y, b);
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
    GstBuffer *frame = gray_frame(&o.info, 0), *copy = gray_frame(&o.info, 0);
    add_result(frame, 321, 181, 0.8, "fake", 20, 40, 90, 90);
    GstBuffer *out = through(&o, frame);
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
      GstBuffer *frame = gray_frame(&o.info, 0);
      add_result(frame, w, h, 0.8, "fake", w / 3, h / 3, MAX(1, w / 2), MAX(1, h / 2));
      gst_buffer_unref(through(&o, frame));
      overlay_close(&o);
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
    GstBuffer *frame = gray_frame(&o.info, 0);
    add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
    GstBuffer *out = through(&o, frame);
    assert_int_equal(n_changed(&o, out) > 0, !cases[i].attached);
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

/* A composition that upstream attached stays. */
static void test_keeps_composition(void **state) {
  (void)state;
  Overlay o;
  overlay_open(&o, "RGB", 320, 240, TRUE, "show=boxes");
  GstBuffer *frame = gray_frame(&o.info, 0);
  GstBuffer *pixels = gst_buffer_new_allocate(NULL, 4 * 4 * 4, NULL);
  gst_buffer_memset(pixels, 0, 255, 64);
  gst_buffer_add_video_meta(pixels, GST_VIDEO_FRAME_FLAG_NONE,
                            GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 4, 4);
  GstVideoOverlayRectangle *rectangle =
      gst_video_overlay_rectangle_new_raw(pixels, 0, 0, 4, 4, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *upstream = gst_video_overlay_composition_new(rectangle);
  gst_buffer_add_video_overlay_composition_meta(frame, upstream);
  add_result(frame, 320, 240, 0.8, "fake", 100, 100, 90, 90);
  GstBuffer *out = through(&o, frame);
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
    GstBuffer *frame = gray_frame(&o.info, n);
    add_result(frame, 640, 360, 0.9, "fake", 250, 150, 140, 120);
    GstBuffer *out = through(&o, frame);
    if (n == 0 || n == 99 || n == 100) {
      guint count = 0;
      for (int x = 250; x < 450; x++) {
        guint8 rgb[3];
        pixel_at(&o, out, x, 136, rgb);
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
    GstBuffer *frame = gray_frame(&o.info, i);
    GstStructure *result = result_of(frame);
    GValue faces = G_VALUE_INIT;
    g_value_init(&faces, GST_TYPE_ARRAY);
    switch (i) {
    case 1:
      gst_structure_set(result, "p-fake", G_TYPE_STRING, "a lot", "verdict", G_TYPE_INT, 3, "faces",
                        G_TYPE_INT, 5, "frame-width", G_TYPE_UINT, 0, NULL);
      break;
    case 2:
      for (guint k = 0; k < 10000; k++)
        add_face(&faces, 0.5, "fake", k % 300, k % 200, 30, 30, k);
      break;
    case 3:
      add_face(&faces, (double)NAN, "fake", G_MAXUINT, 0, 10, 10, 1);
      add_face(&faces, (double)INFINITY, "real", 0, 0, G_MAXUINT, G_MAXUINT, G_MAXUINT64);
      add_face(&faces, -7, "real", 10, 10, 0, 5, 1);
      break;
    case 4:
      gst_structure_set(result, "frame-width", G_TYPE_UINT, 1, "frame-height", G_TYPE_UINT, 1,
                        "threshold", G_TYPE_DOUBLE, (double)NAN, NULL);
      add_face(&faces, 0.5, "fake", 0, 0, 100000, 100000, 1);
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
    gst_buffer_unref(through(&o, frame));
  }
  overlay_close(&o);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_box_and_panel),  cmocka_unit_test(test_other_size),
      cmocka_unit_test(test_without_result), cmocka_unit_test(test_shared_frame),
      cmocka_unit_test(test_properties),     cmocka_unit_test(test_opacity),
      cmocka_unit_test(test_alert),          cmocka_unit_test(test_alert_of_detector),
      cmocka_unit_test(test_heat_fields),    cmocka_unit_test(test_heat_drawn),
      cmocka_unit_test(test_formats),        cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_attaches),       cmocka_unit_test(test_keeps_composition),
      cmocka_unit_test(test_history),        cmocka_unit_test(test_history_drawn),
      cmocka_unit_test(test_odd_results),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
