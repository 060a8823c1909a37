/* SPDX-License-Identifier: MIT
 * Every raw format, at odd sizes and with padded strides, against the engine's own computation on
 * the same pixels. */
#include "support.h"

static const char *const formats[] = {"I420",  "YV12",      "NV12",     "NV21", "Y42B", "Y444",
                                      "YUY2",  "UYVY",      "RGB",      "BGR",  "RGBx", "BGRx",
                                      "xRGB",  "xBGR",      "RGBA",     "BGRA", "ARGB", "ABGR",
                                      "GRAY8", "I420_10LE", "P010_10LE"};
static const struct {
  gint width, height;
} sizes[] = {{1, 1}, {1, 9}, {7, 1}, {2, 2}, {3, 5}, {15, 17}, {64, 48}, {161, 119}};

#define MODEL 3
/* Two routes to one float32 computation, in one process on one CPU. */
#define TOLERANCE 1e-6

static char *caps_of(const char *format, gint width, gint height, const char *more) {
  return g_strdup_printf("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1%s", format, width,
                         height, more);
}

static void check_frame(Rig *rig, GstBuffer *frame, const CoredBox *box, const char *what) {
  const GstStructure *result;
  const double expected = reference_p_fake(support_model(MODEL), &rig->info, frame, box);
  GstBuffer *out = rig_frame(rig, frame, &result);
  const double got = result_double(result, "p-fake");
  if (!(ABS(got - expected) <= TOLERANCE))
    fail_msg("%s: p-fake %.9f, expected %.9f", what, got, expected);
  gst_buffer_unref(out);
}

static void full_frames_of_every_format_and_size(void **state) {
  (void)state;
  for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
      Rig rig;
      const CoredBox box = {0, 0, sizes[s].width, sizes[s].height};
      char *caps = caps_of(formats[f], sizes[s].width, sizes[s].height, "");
      rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
      check_frame(&rig, frame_new(&rig.info, f + 1, 0), &box, caps);
      check_frame(&rig, frame_new_padded(&rig.info, f + 2, 1, 13), &box, caps);
      rig_close(&rig);
      g_free(caps);
    }
  }
}

/* The region that upstream marks, padded to a square and kept inside the frame: the numbers are
 * worked out here by hand. */
static void a_region_is_padded_and_kept_inside(void **state) {
  (void)state;
  static const struct {
    guint x, y, w, h;
    CoredBox crop;
  } cases[] = {
      {60, 50, 40, 20, {55, 35, 50, 50}},     /* centre 80,60; side 40 * 1.25 */
      {0, 0, 40, 40, {0, 0, 50, 50}},         /* moved right and down */
      {140, 90, 20, 28, {125.5, 84, 35, 35}}, /* moved up: 120 - 35 = 85 does not bind below */
      {10, 0, 140, 119, {21, 0, 119, 119}},   /* larger than the frame is high */
  };
  for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
    Rig rig;
    char *caps = caps_of(formats[f], 161, 119, "");
    rig_open(&rig, support_model(MODEL), caps, "roi-padding", "0.25", "min-object-size", "16",
             NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
      GstBuffer *frame = frame_new(&rig.info, 40 + i, 1000 * i);
      CoredBox crop = cases[i].crop;
      frame_add_roi(frame, "face", cases[i].x, cases[i].y, cases[i].w, cases[i].h);
      crop.x = CLAMP(cases[i].x + 0.5 * cases[i].w - 0.5 * crop.w, 0.0, 161 - crop.w);
      crop.y = CLAMP(cases[i].y + 0.5 * cases[i].h - 0.5 * crop.h, 0.0, 119 - crop.h);
      check_frame(&rig, frame, &crop, caps);
    }
    rig_close(&rig);
    g_free(caps);
  }
}

static void colorimetry_is_taken_from_the_caps(void **state) {
  (void)state;
  static const char *const colors[] = {"bt601", "bt709", "bt2020", "1:4:0:0", "1:3:5:1"};
  const CoredBox box = {0, 0, 64, 48};
  double seen[G_N_ELEMENTS(colors)];
  for (guint i = 0; i < G_N_ELEMENTS(colors); i++) {
    Rig rig;
    const GstStructure *result;
    char *more = g_strdup_printf(",colorimetry=(string)%s", colors[i]);
    char *caps = caps_of("I420", 64, 48, more);
    rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
    check_frame(&rig, frame_new(&rig.info, 9, 0), &box, caps);
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 9, 1), &result);
    seen[i] = result_double(result, "p-fake");
    for (guint j = 0; j < i; j++)
      if (!(ABS(seen[i] - seen[j]) > 1e-7))
        fail_msg("%s and %s give the same: %.9f", colors[i], colors[j], seen[i]);
    gst_buffer_unref(out);
    rig_close(&rig);
    g_free(caps);
    g_free(more);
  }
}

static double p_with(const char *format, const char *more) {
  Rig rig;
  const GstStructure *result;
  char *caps = caps_of(format, 64, 48, more);
  rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
  GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 9, 0), &result);
  const double p = result_double(result, "p-fake");
  gst_buffer_unref(out);
  rig_close(&rig);
  g_free(caps);
  return p;
}

/* "1:0:0:0" is what parsers of GStreamer write for full range without a matrix; 64 x 48 then has
 * that of BT.601. */
static void the_range_counts_without_a_matrix(void **state) {
  (void)state;
  static const char *const of_yuv[] = {"I420", "NV12", "Y42B", "Y444", "YUY2", "I420_10LE"};
  for (guint i = 0; i < G_N_ELEMENTS(of_yuv); i++) {
    const double full = p_with(of_yuv[i], ",colorimetry=(string)1:4:0:0");
    const double limited = p_with(of_yuv[i], ",colorimetry=(string)2:4:0:0");
    assert_true(full != limited);
    assert_true(p_with(of_yuv[i], ",colorimetry=(string)1:0:0:0") == full);
    assert_true(p_with(of_yuv[i], ",colorimetry=(string)1:0:5:1") == full);
    assert_true(p_with(of_yuv[i], ",colorimetry=(string)2:0:0:0") == limited);
    assert_true(p_with(of_yuv[i], ",colorimetry=(string)0:0:0:0") == limited);
    assert_true(p_with(of_yuv[i], "") == limited);
  }
  assert_true(p_with("GRAY8", ",colorimetry=(string)1:0:0:0") ==
              p_with("GRAY8", ",colorimetry=(string)1:4:0:0"));
  assert_true(p_with("GRAY8", ",colorimetry=(string)2:0:0:0") !=
              p_with("GRAY8", ",colorimetry=(string)1:4:0:0"));
}

static void chroma_lies_where_the_caps_say(void **state) {
  (void)state;
  static const char *const sites[] = {"mpeg2", "jpeg", "cosited", "v-cosited"};
  static const CoredChromaSite meant[] = {CORED_CHROMA_LEFT, CORED_CHROMA_CENTER,
                                          CORED_CHROMA_TOPLEFT, CORED_CHROMA_TOP};
  const CoredBox box = {0, 0, 64, 48};
  double seen[G_N_ELEMENTS(sites)];
  for (guint i = 0; i < G_N_ELEMENTS(sites); i++) {
    Rig rig;
    char *more = g_strdup_printf(",chroma-site=(string)%s", sites[i]);
    char *caps = caps_of("I420", 64, 48, more);
    rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
    GstBuffer *frame = frame_new(&rig.info, 9, 0);
    const double expected =
        reference_p_fake_sited(support_model(MODEL), &rig.info, frame, &box, meant[i]);
    gst_buffer_unref(frame);
    rig_close(&rig);
    seen[i] = p_with("I420", more);
    assert_true(ABS(seen[i] - expected) <= TOLERANCE);
    for (guint j = 0; j < i; j++)
      assert_true(seen[i] != seen[j]);
    g_free(caps);
    g_free(more);
  }
  assert_true(p_with("I420", "") == seen[0]);
  /* Also beside a colorimetry that GStreamer replaces. */
  assert_true(p_with("I420", ",colorimetry=2:0:0:0,chroma-site=(string)mpeg2") == seen[0]);
  assert_true(p_with("I420", ",colorimetry=2:0:0:0,chroma-site=(string)jpeg") == seen[1]);
  /* No format of full chroma cares. */
  assert_true(p_with("Y444", ",chroma-site=(string)jpeg") == p_with("Y444", ""));
}

/* So that a model is trained, with nothing said, on what it will see, with nothing said. */
static void the_crop_rule_has_the_defaults_of_the_properties(void **state) {
  (void)state;
  const CoredCropParams rule = cored_crop_params_default();
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  double scale_factor, min_sharpness, padding;
  guint min_neighbors, min_size;
  gboolean upside_down;
  g_object_get(element, "face-scale-factor", &scale_factor, "face-min-neighbors", &min_neighbors,
               "min-object-size", &min_size, "min-sharpness", &min_sharpness, "roi-padding",
               &padding, "find-upside-down", &upside_down, NULL);
  assert_true(rule.scale_factor == scale_factor && rule.min_neighbors == (int)min_neighbors &&
              rule.min_size == (int)min_size && rule.min_sharpness == min_sharpness &&
              rule.margin == padding && rule.upside_down == upside_down);
  gst_object_unref(element);
}

/* Neither evaluated as if they were square, nor a crash: nothing is said, and why. */
static void absurd_pixels_are_not_evaluated(void **state) {
  (void)state;
  static const char *const aspects[] = {"1/9", "100/1", "1/2147483647"};
  for (guint i = 0; i < G_N_ELEMENTS(aspects); i++) {
    Rig rig;
    const GstStructure *result;
    char *more = g_strdup_printf(",pixel-aspect-ratio=(fraction)%s", aspects[i]);
    char *caps = caps_of("I420", 64, 48, more);
    rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
    GstBuffer *out = rig_frame(&rig, frame_new(&rig.info, 9, 0), &result);
    assert_string_equal(gst_structure_get_string(result, "verdict"), "unknown");
    assert_string_equal(gst_structure_get_string(result, "reason"), "no-output");
    gst_buffer_unref(out);
    rig_close(&rig);
    g_free(caps);
    g_free(more);
  }
}

/* Lines of the second field must have no influence. */
static void one_field_of_interlaced_frames_is_evaluated(void **state) {
  (void)state;
  const CoredBox box = {0, 0, 64, 24};
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL),
           "video/x-raw,format=GRAY8,width=64,height=48,framerate=25/1,interlace-mode=mixed",
           "inference-region", "full-frame", NULL);
  GstBuffer *frame = frame_new(&rig.info, 5, 0);
  GST_BUFFER_FLAG_SET(frame, GST_VIDEO_BUFFER_FLAG_INTERLACED);
  GstVideoInfo field_info;
  gst_video_info_set_format(&field_info, GST_VIDEO_FORMAT_GRAY8, 64, 24);
  field_info.colorimetry = rig.info.colorimetry;
  GstBuffer *field = gst_buffer_new_allocate(NULL, 64 * 24, NULL);
  GstMapInfo from, to;
  gst_buffer_map(frame, &from, GST_MAP_READ);
  gst_buffer_map(field, &to, GST_MAP_WRITE);
  for (guint y = 0; y < 24; y++)
    memcpy(to.data + 64 * y, from.data + 128 * y, 64);
  gst_buffer_unmap(field, &to);
  gst_buffer_unmap(frame, &from);
  const double expected = reference_p_fake(support_model(MODEL), &field_info, field, &box);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_true(ABS(result_double(result, "p-fake") - expected) <= TOLERANCE);
  gst_buffer_unref(out);
  gst_buffer_unref(field);

  /* A progressive frame of the same mixed stream is taken whole. */
  const CoredBox whole = {0, 0, 64, 48};
  check_frame(&rig, frame_new(&rig.info, 6, 1), &whole, "progressive");
  rig_close(&rig);
}

/* What upstream left of a larger picture by a GstVideoCropMeta, from a whole chroma sample on. */
static void a_cropped_picture_is_evaluated_as_what_is_left(void **state) {
  (void)state;
  static const char *const cropped[] = {"I420", "NV12", "Y42B",  "Y444",      "YUY2",
                                        "RGB",  "BGRx", "GRAY8", "P010_10LE", "I420_10LE"};
  static const guint places[][2] = {{0, 0}, {32, 16}, {64, 40}, {33, 17}};
  for (guint i = 0; i < G_N_ELEMENTS(cropped) * G_N_ELEMENTS(places); i++) {
    const char *format = cropped[i / G_N_ELEMENTS(places)];
    const guint *at = places[i % G_N_ELEMENTS(places)];
    char *caps = g_strdup_printf("video/x-raw,format=%s,width=96,height=80", format);
    const GstStructure *result;
    GstVideoInfo whole;
    GstVideoCropMeta *crop;
    Rig rig;
    rig_open(&rig, support_model(MODEL), caps, "inference-region", "full-frame", NULL);
    gst_video_info_set_format(&whole, GST_VIDEO_INFO_FORMAT(&rig.info), 160, 120);
    whole.colorimetry = rig.info.colorimetry;
    GstBuffer *frame = frame_new_padded(&whole, 3, 0, 10);
    crop = gst_buffer_add_video_crop_meta(frame);
    crop->x = at[0];
    crop->y = at[1];
    crop->width = 96;
    crop->height = 80;
    const GstVideoFormatInfo *finfo = whole.finfo;
    guint w_sub = 0, h_sub = 0;
    for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); c++) {
      w_sub = MAX(w_sub, GST_VIDEO_FORMAT_INFO_W_SUB(finfo, c));
      h_sub = MAX(h_sub, GST_VIDEO_FORMAT_INFO_H_SUB(finfo, c));
    }
    const CoredBox box = {at[0] >> w_sub << w_sub, at[1] >> h_sub << h_sub, 96, 80};
    const double expected = reference_p_fake(support_model(MODEL), &whole, frame, &box);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    if (ABS(result_double(result, "p-fake") - expected) >
        1e-2) /* at its border it sees what is left */
      fail_msg("%s at %u, %u: %f, not %f", format, at[0], at[1], result_double(result, "p-fake"),
               expected);
    gst_buffer_unref(out);
    rig_close(&rig);
    g_free(caps);
  }
}

static void other_formats_are_refused_in_the_caps(void **state) {
  (void)state;
  static const char *const refused[] = {
      "video/x-raw,format=GBR,width=64,height=48,framerate=25/1",
      "video/x-raw,format=I420,width=0,height=48,framerate=25/1",
      "video/x-raw,format=I420,width=32769,height=48,framerate=25/1",
      "video/x-raw,format=I420,width=64,height=32769,framerate=25/1",
      "video/x-raw(memory:DMABuf),format=I420,width=64,height=48,framerate=25/1",
      "video/x-raw(format:Interlaced),interlace-mode=alternate,format=I420,width=64,height=48",
      "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved"};
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  GstPad *pad = gst_element_get_static_pad(element, "sink");
  for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
    GstCaps *caps = gst_caps_from_string(refused[i]);
    assert_non_null(caps);
    assert_false(gst_pad_query_accept_caps(pad, caps));
    gst_caps_unref(caps);
  }
  gst_object_unref(pad);
  gst_object_unref(element);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(full_frames_of_every_format_and_size),
      cmocka_unit_test(a_region_is_padded_and_kept_inside),
      cmocka_unit_test(colorimetry_is_taken_from_the_caps),
      cmocka_unit_test(the_range_counts_without_a_matrix),
      cmocka_unit_test(chroma_lies_where_the_caps_say),
      cmocka_unit_test(the_crop_rule_has_the_defaults_of_the_properties),
      cmocka_unit_test(absurd_pixels_are_not_evaluated),
      cmocka_unit_test(one_field_of_interlaced_frames_is_evaluated),
      cmocka_unit_test(a_cropped_picture_is_evaluated_as_what_is_left),
      cmocka_unit_test(other_formats_are_refused_in_the_caps),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
