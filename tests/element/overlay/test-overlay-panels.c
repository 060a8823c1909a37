/* SPDX-License-Identifier: MIT
 * What makes the overlay readable: panels off each other and at rest, faces that are gone look like
 * it, an alert is seen whatever the verdict, lines join and hide little. */
#include "overlay-rig.h"

#include "meta/meta-writer.h"
#include "overlay/history.h"
#include "overlay/panel.h"

#include <math.h>

/* One frame of `count` faces in boxes[count][4], through an overlay of its own. */
typedef struct Shot {
  Overlay overlay;
  GstBuffer *out;
} Shot;

static GstBuffer *frame_of(const Overlay *o, guint number, const int (*boxes)[4], guint count,
                           const char *verdict, const char *extra) {
  GValue faces = G_VALUE_INIT;
  GstBuffer *frame = overlay_gray(&o->info, number);
  g_value_init(&faces, GST_TYPE_ARRAY);
  for (guint i = 0; i < count; i++)
    overlay_add_face_that(&faces, 0.9, verdict, boxes[i], i + 1, extra);
  overlay_add_faces(frame, (guint)GST_VIDEO_INFO_WIDTH(&o->info),
                    (guint)GST_VIDEO_INFO_HEIGHT(&o->info), 0.9, verdict, &faces);
  return frame;
}

static Shot shoot(int width, int height, const char *settings, const int (*boxes)[4], guint count,
                  const char *verdict, const char *extra) {
  Shot shot;
  overlay_open(&shot.overlay, "RGB", width, height, FALSE, settings);
  shot.out =
      overlay_through(&shot.overlay, frame_of(&shot.overlay, 0, boxes, count, verdict, extra));
  return shot;
}

static void done(Shot *shot) {
  gst_buffer_unref(shot->out);
  overlay_close(&shot->overlay);
}

static gboolean red_at(const Shot *shot, int x, int y) {
  guint8 rgb[3];
  overlay_pixel(&shot->overlay, shot->out, x, y, rgb);
  return overlay_is(rgb, RED);
}

static gboolean gray_at(const Shot *shot, int x, int y) {
  guint8 rgb[3];
  overlay_pixel(&shot->overlay, shot->out, x, y, rgb);
  return overlay_is(rgb, 0x808080);
}

/* ---- Faces that are gone -------------------------------------------------------------------- */

#define GONE "present=(boolean)false"
static const int one[1][4] = {{200, 150, 160, 160}};

/* Around one that is gone the lines are dashed and faded. */
static void test_gone_box(void **state) {
  (void)state;
  for (guint gone = 0; gone < 2; gone++) {
    Shot shot = shoot(640, 360, "show=boxes color-fake=4294901760", one, 1, "fake",
                      gone ? GONE : "present=(boolean)true");
    guint clear = 0, full = 0;
    for (int x = 210; x < 350; x++) {
      clear += gray_at(&shot, x, 152);
      full += red_at(&shot, x, 152);
    }
    if (gone)
      assert_true(clear > 30 && clear < 110 && full == 0);
    else
      assert_true(clear == 0 && full == 140);
    done(&shot);
  }
}

/* Its label says so; what it was classified as is not shown as what it is: no bar, no heat. */
static void test_gone_panel(void **state) {
  (void)state;
  CoredHeatMap heat;
  const float map[4] = {4.f, 1.f, 2.f, 4.f};
  GstStructure *fields = gst_structure_new_empty("face");
  cored_heat_map_set(&heat, map, 2, 2, &(CoredCropArea){.box = {200, 150, 160, 160}});
  cored_meta_write_heat_map(fields, &heat);
  char *written = gst_structure_to_string(fields), *comma = strchr(written, ',');
  assert_non_null(comma);
  *strchr(comma, ';') = '\0';
  static const char *const shows[] = {"show=bar", "show=heat", "show=labels"};
  for (guint i = 0; i < G_N_ELEMENTS(shows); i++) {
    guint changed[2];
    for (guint gone = 0; gone < 2; gone++) {
      char *extra = g_strdup_printf("present=(boolean)%s%s", gone ? "false" : "true", comma);
      Shot shot = shoot(640, 360, shows[i], one, 1, "fake", extra);
      changed[gone] = overlay_n_changed(&shot.overlay, shot.out);
      done(&shot);
      g_free(extra);
    }
    assert_true(changed[0] > 0);
    if (i < 2)
      assert_int_equal(changed[1], 0);
    else
      assert_true(changed[1] > changed[0] * 6 / 5);
  }
  g_free(written);
  gst_structure_free(fields);
}

/* ---- Heat maps of turned crops -------------------------------------------------------------- */

/* A picture of `width` pixels of that aspect with the map of one face, its left half for fake and
 * its right half for real. */
static Shot shoot_heat(int width, const char *aspect, const CoredCropArea *area) {
  CoredHeatMap heat;
  const float map[4] = {4.f, -4.f, 4.f, -4.f};
  GstStructure *fields = gst_structure_new_empty("face");
  cored_heat_map_set(&heat, map, 2, 2, area);
  cored_meta_write_heat_map(fields, &heat);
  char *written = gst_structure_to_string(fields), *comma = strchr(written, ',');
  assert_non_null(comma);
  *strchr(comma, ';') = '\0';
  char *text = g_strdup_printf("video/x-raw,format=RGB,width=%d,height=360,framerate=25/1,"
                               "pixel-aspect-ratio=%s",
                               width, aspect);
  char *extra = g_strdup_printf("present=(boolean)true%s", comma);
  Shot shot;
  overlay_open(&shot.overlay, "RGB", width, 360, FALSE, "show=heat color-fake=4294901760");
  GstCaps *caps = gst_caps_from_string(text);
  assert_true(gst_video_info_from_caps(&shot.overlay.info, caps));
  gst_harness_set_src_caps(shot.overlay.harness, caps);
  shot.out = overlay_through(&shot.overlay, frame_of(&shot.overlay, 0, one, 1, "fake", extra));
  g_free(extra);
  g_free(text);
  g_free(written);
  gst_structure_free(fields);
  return shot;
}

typedef struct Place {
  int x, y;
  int heat; /* 1 that of fake, -1 that of real, 0 none */
} Place;

static void check_places(const Shot *shot, const Place *places, guint n) {
  for (guint i = 0; i < n; i++) {
    guint8 rgb[3];
    overlay_pixel(&shot->overlay, shot->out, places[i].x, places[i].y, rgb);
    const int heat = gray_at(shot, places[i].x, places[i].y) ? 0 : rgb[0] > rgb[1] ? 1 : -1;
    if (heat != places[i].heat)
      fail_msg("%d, %d is %d %d %d, expected %d", places[i].x, places[i].y, rgb[0], rgb[1], rgb[2],
               places[i].heat);
  }
}

/* What the network saw on the left lies where its crop's left was: above after a quarter of a turn,
 * and outside the upright square where the crop was aslant. */
static void test_heat_turned(void **state) {
  (void)state;
  const double quarter = acos(0.0);
  const CoredBox box = {240, 100, 160, 160};
  static const Place upright[] = {{260, 180, 1}, {380, 180, -1}, {242, 102, 1}, {320, 75, 0}};
  static const Place by_90[] = {{320, 120, 1}, {320, 240, -1}, {242, 102, 1}, {320, 75, 0}};
  static const Place by_45[] = {{320, 75, 1},   {215, 180, 1}, {425, 180, -1},
                                {320, 285, -1}, {242, 102, 0}, {398, 258, 0}};
  static const Place by_minus_45[] = {{320, 75, -1}, {215, 180, 1}, {425, 180, -1}, {320, 285, 1}};
  static const struct {
    double turns;
    const Place *places;
    guint n;
  } cases[] = {{0.0, upright, G_N_ELEMENTS(upright)},
               {1.0, by_90, G_N_ELEMENTS(by_90)},
               {0.5, by_45, G_N_ELEMENTS(by_45)},
               {-0.5, by_minus_45, G_N_ELEMENTS(by_minus_45)}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Shot shot = shoot_heat(640, "1/1", &(CoredCropArea){box, cases[i].turns * quarter});
    check_places(&shot, cases[i].places, cases[i].n);
    done(&shot);
  }
  /* Pixels twice as wide as high: the square on the screen is half as wide. */
  static const Place wide[] = {
      {320, 75, 1}, {268, 180, 1}, {250, 180, 0}, {372, 180, -1}, {390, 180, 0}};
  Shot shot = shoot_heat(640, "2/1", &(CoredCropArea){{280, 100, 80, 160}, 0.5 * quarter});
  check_places(&shot, wide, G_N_ELEMENTS(wide));
  done(&shot);
}

/* Whatever the numbers, nothing is drawn outside the picture. */
static void test_heat_anywhere(void **state) {
  (void)state;
  static const CoredBox boxes[] = {{0, 0, 640, 360},
                                   {600, 340, 400, 400},
                                   {4294967295., 4294967295., 4294967295., 4294967295.},
                                   {639, 359, 1, 1},
                                   {0, 0, 4294967295., 1}};
  static const double angles[] = {1e-9, 0.7, -3.0, 1e300};
  for (guint i = 0; i < G_N_ELEMENTS(boxes); i++)
    for (guint k = 0; k < G_N_ELEMENTS(angles); k++) {
      Shot shot = shoot_heat(640, "1/1", &(CoredCropArea){boxes[i], angles[k]});
      assert_int_equal(gst_buffer_get_size(shot.out), 640 * 360 * 3);
      done(&shot);
    }
}

/* Its strip goes on, with nothing in it since. */
static void test_gone_strip(void **state) {
  (void)state;
  Overlay o;
  guint count[2] = {0};
  overlay_open(&o, "RGB", 640, 360, FALSE, "show=history color-fake=4294901760 history-seconds=4");
  for (guint n = 0; n < 100; n++) {
    Shot shot = {.overlay = o};
    shot.out = overlay_through(&o, frame_of(&o, n, one, 1, "fake", n < 50 ? "" : GONE));
    if (n == 99)
      for (int x = 200; x < 360; x++)
        count[x >= 280] += red_at(&shot, x, 140);
    gst_buffer_unref(shot.out);
  }
  assert_true(count[0] > 60);
  assert_true(count[1] < 10);
  overlay_close(&o);
}

/* ---- Places --------------------------------------------------------------------------------- */

static guint rectangles(GstBuffer *out, CoredBox *box, guint most) {
  const GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta(out);
  assert_non_null(meta);
  const guint n = gst_video_overlay_composition_n_rectangles(meta->overlay);
  assert_true(n <= most);
  for (guint i = 0; i < n; i++) {
    gint x, y;
    guint w, h;
    gst_video_overlay_rectangle_get_render_rectangle(
        gst_video_overlay_composition_get_rectangle(meta->overlay, i), &x, &y, &w, &h);
    box[i] = (CoredBox){x, y, w, h};
  }
  return n;
}

static gboolean meet(const CoredBox *a, const CoredBox *b) {
  return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

#define PANELS "show=labels+bar+history+status composition=attach"

static const int pairs[2][4] = {{700, 100, 110, 110},
                                {690, 380, 110, 110}}; /* one above the other */
static const int row[4][4] = {
    {100, 300, 90, 90}, {250, 300, 90, 90}, {400, 300, 90, 90}, {550, 300, 90, 90}};
static const int low[2][4] = {{5, 560, 120, 120}, {150, 560, 120, 120}}; /* where the status is */
static const int many[6][4] = {{500, 300, 90, 90}, {610, 300, 90, 90}, {500, 410, 90, 90},
                               {610, 410, 90, 90}, {500, 520, 90, 90}, {610, 520, 90, 90}};
static const int corners[4][4] = {
    {0, 0, 90, 90}, {1190, 0, 90, 90}, {0, 630, 90, 90}, {1190, 630, 90, 90}};

/* No panel lies on another or on the status line, none on a face, and all are inside. */
static void test_panels_apart(void **state) {
  (void)state;
  static const struct {
    const int (*boxes)[4];
    guint count;
  } cases[] = {{pairs, 2}, {row, 4}, {low, 2}, {many, 6}, {corners, 4}};
  for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
    CoredBox box[8];
    Shot shot = shoot(1280, 720, PANELS, cases[c].boxes, cases[c].count, "fake", "");
    const guint n = rectangles(shot.out, box, G_N_ELEMENTS(box));
    assert_int_equal(n, cases[c].count + 1);
    for (guint i = 0; i < n; i++) {
      assert_true(box[i].x >= 0 && box[i].y >= 0);
      assert_true(box[i].x + box[i].w <= 1280 && box[i].y + box[i].h <= 720);
      for (guint k = 0; k < i; k++)
        if (meet(&box[i], &box[k]))
          fail_msg("case %u: patches %u and %u meet", c, k, i);
      for (guint k = 0; k < cases[c].count && i < n - 1; k++) {
        const int *b = cases[c].boxes[k];
        if (meet(&box[i], &(CoredBox){b[0], b[1], b[2], b[3]}))
          fail_msg("case %u: patch %u lies on face %u", c, i, k);
      }
    }
    done(&shot);
  }
}

/* A crowd has no room for all: still one panel each, labels alone, and not a pixel outside. */
static void test_crowd(void **state) {
  (void)state;
  int boxes[32][4];
  CoredBox box[33];
  for (int i = 0; i < 32; i++)
    memcpy(boxes[i], (const int[]){i % 8 * 40, i / 8 * 45, 40, 45}, sizeof boxes[i]);
  Shot shot = shoot(320, 180, PANELS, (const int(*)[4])boxes, 32, "fake", "");
  assert_int_equal(rectangles(shot.out, box, G_N_ELEMENTS(box)), 33);
  for (guint i = 0; i < 33; i++)
    assert_true(box[i].x >= 0 && box[i].y >= 0 && box[i].x + box[i].w <= 320 &&
                box[i].y + box[i].h <= 180 && box[i].h < 30);
  done(&shot);
}

/* As many as coreddetect classifies: all have their box, and their strip goes on. */
static void test_all_faces(void **state) {
  (void)state;
  int boxes[64][4];
  for (int i = 0; i < 64; i++)
    memcpy(boxes[i], (const int[]){i % 8 * 80 + 10, i / 8 * 80 + 10, 60, 60}, sizeof boxes[i]);
  Shot shot =
      shoot(640, 640, "show=boxes color-fake=4294901760", (const int(*)[4])boxes, 64, "fake", "");
  for (guint i = 0; i < 64; i++)
    assert_true(red_at(&shot, boxes[i][0] + 30, boxes[i][1] + 1));
  done(&shot);

  static CoredHistory history;
  float columns[CORED_HISTORY_COLUMNS];
  cored_history_init(&history, 10 * GST_SECOND);
  for (guint n = 0; n < 2 * 64; n++)
    cored_history_add(&history, 1 + n % 64, n / 64 * GST_SECOND, 0.9);
  for (guint i = 0; i < 64; i++) {
    cored_history_read(&history, 1 + i, GST_SECOND, columns);
    assert_true(columns[CORED_HISTORY_COLUMNS - 1] > 0.5f &&
                columns[CORED_HISTORY_COLUMNS - 7] > 0.5f);
  }
}

/* Text that is too large for the picture is made smaller, and still larger than at a smaller scale;
 * it does not vanish. */
static void test_large_text(void **state) {
  (void)state;
  static const int sizes[][2] = {{320, 240}, {640, 360}, {360, 640}, {1280, 720}};
  static const char *const shows[] = {"labels", "status", "labels+bar+history"};
  for (guint i = 0; i < G_N_ELEMENTS(sizes) * G_N_ELEMENTS(shows); i++) {
    const int *size = sizes[i / G_N_ELEMENTS(shows)];
    int last = 0;
    for (guint scale = 1; scale <= 8; scale++) {
      char *settings = g_strdup_printf("show=%s composition=attach text-scale=%u",
                                       shows[i % G_N_ELEMENTS(shows)], scale);
      const int face[1][4] = {{size[0] / 3, size[1] / 3, size[0] / 4, size[1] / 4}};
      CoredBox box[2];
      Shot shot = shoot(size[0], size[1], settings, face, 1, "fake", "");
      assert_int_equal(rectangles(shot.out, box, G_N_ELEMENTS(box)), 1);
      assert_true(box[0].w <= size[0] && box[0].h <= size[1]);
      assert_true((int)box[0].h >= last * 8 / 10 && box[0].w >= MIN(scale, 2) * 60);
      last = (int)box[0].h;
      done(&shot);
      g_free(settings);
    }
  }
}

/* Panels that have room each, but leave little of the picture, are labels alone. */
static void test_room(void **state) {
  (void)state;
  int boxes[15][4];
  CoredBox box[15];
  for (int i = 0; i < 15; i++)
    memcpy(boxes[i], (const int[]){i % 5 * 128, i / 5 * 120 + 80, 30, 30}, sizeof boxes[i]);
  for (guint count = 2; count <= 15; count += 13) {
    Shot shot = shoot(640, 360, "show=labels+bar+history composition=attach",
                      (const int(*)[4])boxes, count, "fake", "");
    assert_int_equal(rectangles(shot.out, box, G_N_ELEMENTS(box)), count);
    for (guint i = 0; i < count; i++)
      assert_int_equal(box[i].h<32, count> 2);
    done(&shot);
  }
}

/* A face that trembles where its panel just has room above it: the panel moves once, not to and
 * fro. */
static void test_panel_rests(void **state) {
  (void)state;
  Overlay o;
  guint moves = 0, below = 0;
  overlay_open(&o, "RGB", 640, 360, FALSE, "show=labels composition=attach");
  for (guint n = 0; n < 20; n++) {
    const int box[1][4] = {{200, n % 2 ? 10 : 60, 100, 100}};
    CoredBox panel;
    GstBuffer *out = overlay_through(&o, frame_of(&o, n, box, 1, "fake", ""));
    assert_int_equal(rectangles(out, &panel, 1), 1);
    const guint now = panel.y > box[0][1];
    moves += now != below;
    below = now;
    gst_buffer_unref(out);
  }
  assert_int_equal(below, 1);
  assert_int_equal(moves, 1);
  overlay_close(&o);
}

/* ---- What has to be seen -------------------------------------------------------------------- */

/* Too long for one line, the model and its generation get lines of their own. */
static void test_status_lines(void **state) {
  (void)state;
  static const int widths[] = {640, 170, 120}; /* one, two, three lines */
  CoredBox box[3];
  for (int i = 0; i < 3; i++) {
    Shot shot = shoot(widths[i], 284, "show=status composition=attach", NULL, 0, "fake", "");
    assert_int_equal(rectangles(shot.out, &box[i], 1), 1);
    assert_true(box[i].w <= widths[i] && box[i].y + box[i].h == 284);
    done(&shot);
  }
  const int line = box[1].h - box[0].h;
  assert_true(line > 9 && line < 16);
  assert_int_equal(box[2].h - box[1].h, line);
}

/* An alert that still goes on keeps its colour while the verdict is "real". */
static void test_alert_label(void **state) {
  (void)state;
  for (guint alert = 0; alert < 2; alert++) {
    Shot shot = shoot(640, 360, "show=labels color-fake=4294901760", one, 1, "real",
                      alert ? "alert=(boolean)true" : "alert=(boolean)false");
    guint red = 0;
    for (int y = 115; y < 147; y++)
      red += red_at(&shot, 203, y);
    assert_int_equal(red > 8, alert);
    done(&shot);
  }
}

/* Lines meet without a seam, and the lines of a small face do not fill it, alert or not. */
static void test_box_lines(void **state) {
  (void)state;
  static const int tiny[1][4] = {{400, 400, 26, 26}};
  Shot shot = shoot(640, 360, "show=boxes color-fake=4294901760", one, 1, "fake", "");
  for (int i = 1; i < 3; i++)
    for (int k = 1; k < 8; k++) {
      assert_true(red_at(&shot, 200 + i, 150 + k) && red_at(&shot, 200 + k, 150 + i));
      assert_true(red_at(&shot, 359 - i, 309 - k) && red_at(&shot, 359 - k, 309 - i));
    }
  assert_false(red_at(&shot, 200, 150));
  done(&shot);
  shot =
      shoot(1920, 1080, "show=boxes color-fake=4294901760", tiny, 1, "fake", "alert=(boolean)true");
  assert_true(red_at(&shot, 412, 402));
  assert_true(gray_at(&shot, 412, 412) && gray_at(&shot, 406, 406));
  done(&shot);
}

/* What a label says agrees with its numbers, and they with the threshold. */
static void test_label_words(void **state) {
  static const struct {
    CoredVerdict verdict;
    double p, threshold;
    const char *reason, *text;
  } cases[] = {
      {CORED_VERDICT_FAKE, 0.43, 0.39, "", "FAKE 0.43 ≥ 0.39"},
      {CORED_VERDICT_REAL, 0.47, 0.5, "", "real 0.47 < 0.50"},
      {CORED_VERDICT_REAL, 0.496, 0.5, "", "real 0.496 < 0.500"},
      {CORED_VERDICT_FAKE, 0.5, 0.5, "", "FAKE 0.50 ≥ 0.50"},
      {CORED_VERDICT_FAKE, 1.5, 0.5, "", "FAKE 1.00 ≥ 0.50"},
      {CORED_VERDICT_FAKE, -1, 0.5, "", "FAKE"},
      {CORED_VERDICT_REAL, 0.2, -1, "", "real"},
      {CORED_VERDICT_UNKNOWN, 0.2, 0.5, "too-small", "unknown: too small"},
      {CORED_VERDICT_UNKNOWN, 0.2, 0.5, "a\nb\xe2\x80\xae", "unknown: a\\x0ab\\xe2\\x80\\xae"},
  };
  (void)state;
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    char *text =
        cored_verdict_text(cases[i].verdict, cases[i].p, cases[i].threshold, cases[i].reason);
    assert_string_equal(text, cases[i].text);
    g_free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gone_box),    cmocka_unit_test(test_gone_panel),
      cmocka_unit_test(test_heat_turned), cmocka_unit_test(test_heat_anywhere),
      cmocka_unit_test(test_gone_strip),  cmocka_unit_test(test_panels_apart),
      cmocka_unit_test(test_crowd),       cmocka_unit_test(test_room),
      cmocka_unit_test(test_all_faces),   cmocka_unit_test(test_large_text),
      cmocka_unit_test(test_panel_rests), cmocka_unit_test(test_status_lines),
      cmocka_unit_test(test_alert_label), cmocka_unit_test(test_box_lines),
      cmocka_unit_test(test_label_words),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
