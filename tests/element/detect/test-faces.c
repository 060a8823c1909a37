/* SPDX-License-Identifier: MIT
 * The element's own search for faces: what each property of it changes, on photographs of faces.
 * Usage: test-element-faces FOLDER, whose first JPEG files are the faces; 77 without them. */
#include "held.h"
#include "plugins.h"
#include "support.h"

#include <math.h>
#include <stdio.h>

#define MODEL 3
#define CASCADES "/usr/share/opencv4/"
#define LBP CASCADES "lbpcascades/lbpcascade_frontalface_improved.xml"
#define HAAR CASCADES "haarcascades/haarcascade_frontalface_alt2.xml"
#define N_PHOTOS 2

enum { WIDTH = 800, HEIGHT = 448, SIDE = 256 };
static guint8 photo[N_PHOTOS][SIDE * SIDE]; /* luma */

/* ---- Photographs ---------------------------------------------------------------------------- */

static gboolean decode(const char *path, guint8 luma[SIDE * SIDE]) {
  char *description =
      g_strdup_printf("filesrc location=\"%s\" ! jpegdec ! fakesink name=sink", path);
  GstElement *pipeline = gst_parse_launch(description, NULL);
  GstSample *sample = NULL;
  GstVideoInfo info;
  GstVideoFrame frame;
  gboolean done = FALSE;
  g_free(description);
  if (!pipeline)
    return FALSE;
  GstElement *sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  if (gst_element_get_state(pipeline, NULL, NULL, 20 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS)
    g_object_get(sink, "last-sample", &sample, NULL);
  if (sample && gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) &&
      GST_VIDEO_INFO_IS_YUV(&info) && info.width == SIDE && info.height == SIDE &&
      gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) {
    for (gint y = 0; y < SIDE; y++)
      memcpy(luma + y * SIDE,
             (guint8 *)GST_VIDEO_FRAME_COMP_DATA(&frame, 0) +
                 y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, 0),
             SIDE);
    gst_video_frame_unmap(&frame);
    done = TRUE;
  }
  if (sample)
    gst_sample_unref(sample);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return done;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* False, after saying why, when the photographs or what reads them are not there. */
static gboolean read_photos(const char *folder) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  guint n = 0;
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    if (g_str_has_suffix(name, ".jpg"))
      g_ptr_array_add(names, g_build_filename(folder, name, NULL));
  if (dir)
    g_dir_close(dir);
  g_ptr_array_sort(names, by_name);
  while (n < N_PHOTOS && n < names->len && decode(names->pdata[n], photo[n]))
    n++;
  g_ptr_array_unref(names);
  if (n < N_PHOTOS)
    printf("skipped: no photographs in %s, or no jpegdec to read them\n", folder);
  else if (!g_file_test(LBP, G_FILE_TEST_EXISTS) || !g_file_test(HAAR, G_FILE_TEST_EXISTS))
    printf("skipped: no cascades in %s (Debian: opencv-data)\n", CASCADES);
  else
    return TRUE;
  return FALSE;
}

/* A gray frame with one photograph, every `step`th pixel of it, at x, y. */
static void put_photo(GstBuffer *frame, guint which, gsize x, gsize y, gsize step) {
  GstMapInfo map;
  assert_true(gst_buffer_map(frame, &map, GST_MAP_WRITE));
  for (gsize v = 0; v < SIDE / step; v++)
    for (gsize u = 0; u < SIDE / step; u++)
      map.data[(y + v) * WIDTH + x + u] = photo[which][v * step * SIDE + u * step];
  gst_buffer_unmap(frame, &map);
}

static GstBuffer *gray_frame(guint number) {
  GstBuffer *frame = gst_buffer_new_allocate(NULL, WIDTH * HEIGHT * 3 / 2, NULL);
  gst_buffer_memset(frame, 0, 128, WIDTH * HEIGHT * 3 / 2);
  GST_BUFFER_PTS(frame) = number * 40 * GST_MSECOND;
  GST_BUFFER_DURATION(frame) = 40 * GST_MSECOND;
  return frame;
}

/* Both photographs side by side and a small copy of the first between them. */
static GstBuffer *crowd(guint number) {
  GstBuffer *frame = gray_frame(number);
  put_photo(frame, 0, 20, 80, 1);
  put_photo(frame, 1, 500, 80, 1);
  put_photo(frame, 0, 320, 140, 2);
  return frame;
}

/* By 180 degrees; the chroma is the same everywhere. */
static GstBuffer *turned(GstBuffer *frame) {
  GstMapInfo map;
  assert_true(gst_buffer_map(frame, &map, GST_MAP_WRITE));
  for (gsize i = 0, n = WIDTH * HEIGHT; i < n / 2; i++) {
    const guint8 pixel = map.data[i];
    map.data[i] = map.data[n - 1 - i];
    map.data[n - 1 - i] = pixel;
  }
  gst_buffer_unmap(frame, &map);
  return frame;
}

/* ---- Reference ------------------------------------------------------------------------------ */

typedef struct Found {
  CoredFace face[16];
  int n;
} Found;

static void take_all_of(CoredLocator *locator, const CoredLocatorParams *params, GstBuffer *frame,
                        Found *found) {
  CoredError error = {CORED_ERROR_NONE, ""};
  GstMapInfo map;
  assert_true(gst_buffer_map(frame, &map, GST_MAP_READ));
  const guint8 *u = map.data + WIDTH * HEIGHT, *v = u + WIDTH * HEIGHT / 4;
  const CoredImage image = {.format = CORED_PIXEL_I420,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .plane = {map.data, u, v},
                            .stride = {WIDTH, WIDTH / 2, WIDTH / 2}};
  assert_true(cored_locator_find(locator, &image, params, found->face, 16, &found->n, &error));
  gst_buffer_unmap(frame, &map);
  gst_buffer_unref(frame);
  cored_locator_free(locator);
}

static void take_all(CoredLocator *locator, const CoredLocatorParams *params, Found *found) {
  take_all_of(locator, params, crowd(0), found);
}

/* What the engine's locator, which tests/reference compares with OpenCV, finds in the crowd. */
static Found expected(const char *cascade, double scale, int neighbors, int min_size) {
  const CoredLocatorParams params = {
      .scale_factor = scale, .min_neighbors = neighbors, .min_size = min_size};
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredLocator *locator = cored_locator_new_cascade(cascade, &error);
  Found found = {.n = 0};
  if (!locator)
    fail_msg("%s", error.message);
  take_all(locator, &params, &found);
  return found;
}

static CoredLocator *locator_of_model(const char *path) {
  const CoredModelLoadParams load = {.kind = CORED_MODEL_LOCATOR};
  CoredError error = {CORED_ERROR_NONE, ""};
  CoredModel *model = cored_model_load(path, &load, &error);
  CoredLocator *locator = model ? cored_locator_new_network(model, 1, &error) : NULL;
  if (!locator)
    fail_msg("%s", error.message);
  cored_model_unref(model);
  return locator;
}

/* The same of a model file. */
static Found expected_of_model(const char *path, int min_size) {
  const CoredLocatorParams params = {.min_neighbors = -1, .min_size = min_size};
  Found found = {.n = 0};
  take_all(locator_of_model(path), &params, &found);
  return found;
}

/* The same of the crowd on its head. */
static Found expected_of_turned(gboolean upside_down) {
  const CoredLocatorParams params = {
      .min_neighbors = -1, .min_size = 64, .upside_down = upside_down};
  Found found = {.n = 0};
  take_all_of(locator_of_model(BUILT_IN), &params, turned(crowd(0)), &found);
  return found;
}

/* Results give whole pixels, outwards. */
static gboolean has_box(const GstStructure *result, const CoredBox *box) {
  const double x = floor(box->x), y = floor(box->y);
  for (guint i = 0; i < result_uint(result, "n-faces"); i++) {
    const GstStructure *face = result_face(result, i);
    if (result_uint(face, "x") == x && result_uint(face, "y") == y &&
        result_uint(face, "w") == ceil(box->x + box->w) - x &&
        result_uint(face, "h") == ceil(box->y + box->h) - y)
      return TRUE;
  }
  return FALSE;
}

static gboolean is_full_frame(const GstStructure *result) {
  gboolean full = FALSE;
  if (result_uint(result, "n-faces") == 1)
    gst_structure_get_boolean(result_face(result, 0), "full-frame", &full);
  return full;
}

/* The one face that is there now; remembered ones (max-absence) are beside it. */
static const GstStructure *only_present(const GstStructure *result) {
  const GstStructure *only = NULL;
  for (guint i = 0; i < result_uint(result, "n-faces"); i++) {
    gboolean present = FALSE;
    gst_structure_get_boolean(result_face(result, i), "present", &present);
    assert_true(!present || !only);
    only = present ? result_face(result, i) : only;
  }
  assert_non_null(only);
  return only;
}

#define CAPS "video/x-raw,format=I420,width=800,height=448,framerate=25/1"

/* One frame of the crowd under one setting beside the usual ones; what is found, must be `want`. */
static guint check_setting(const char *name, const char *value, const Found *want) {
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-cascade", LBP, name, value, NULL);
  GstBuffer *out = rig_frame(&rig, crowd(0), &result);
  const guint n = result_uint(result, "n-faces");
  if ((int)n != want->n)
    fail_msg("%s=%s: %u faces, expected %d", name, value, n, want->n);
  for (int i = 0; i < want->n; i++)
    if (!has_box(result, &want->face[i].box))
      fail_msg("%s=%s: face %d is missing", name, value, i);
  gst_buffer_unref(out);
  rig_close(&rig);
  return n;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void faces_are_found_where_they_are(void **state) {
  (void)state;
  static const struct {
    double x, y;
  } middle[] = {{20 + 128, 80 + 128}, {500 + 128, 80 + 128}, {320 + 64, 140 + 64}};
  const Found usual = expected(LBP, 1.1, 3, 64);
  assert_int_equal(usual.n, 3);
  for (guint i = 0; i < G_N_ELEMENTS(middle); i++) {
    guint n = 0;
    for (int k = 0; k < usual.n; k++) {
      const CoredBox *box = &usual.face[k].box;
      n += middle[i].x > box->x && middle[i].x < box->x + box->w && middle[i].y > box->y &&
           middle[i].y < box->y + box->h;
    }
    assert_int_equal(n, 1);
  }
  check_setting("face-detector", "cascade", &usual);
}

static void without_a_detector_the_whole_frame_is_classified(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-cascade", LBP, "face-detector", "none", NULL);
  GstBuffer *out = rig_frame(&rig, crowd(0), &result);
  assert_true(is_full_frame(result));
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void the_scale_factor_is_the_step_between_sizes(void **state) {
  (void)state;
  const Found fine = expected(LBP, 1.1, 3, 64), coarse = expected(LBP, 1.9, 3, 64);
  assert_true(coarse.n < fine.n); /* fewer hits to a face, and none that is just its size */
  check_setting("face-scale-factor", "1.1", &fine);
  check_setting("face-scale-factor", "1.9", &coarse);
}

static void the_neighbours_are_the_hits_that_make_a_face(void **state) {
  (void)state;
  const Found lax = expected(LBP, 1.1, 1, 64), strict = expected(LBP, 1.1, 30, 64);
  assert_true(strict.n < lax.n);
  check_setting("face-min-neighbors", "1", &lax);
  check_setting("face-min-neighbors", "30", &strict);
}

static void small_faces_are_not_looked_for(void **state) {
  (void)state;
  const Found all = expected(LBP, 1.1, 3, 48), large = expected(LBP, 1.1, 3, 130);
  assert_int_equal(all.n, 3);
  assert_int_equal(large.n, 1);
  check_setting("min-object-size", "48", &all);
  check_setting("min-object-size", "130", &large);
}

static void the_cascade_is_the_file_named(void **state) {
  (void)state;
  const Found lbp = expected(LBP, 1.1, 3, 64), haar = expected(HAAR, 1.1, 3, 64);
  assert_true(haar.n > 0);
  assert_memory_not_equal(&haar.face[0].box, &lbp.face[0].box, sizeof(CoredBox));
  check_setting("face-cascade", LBP, &lbp);
  check_setting("face-cascade", HAAR, &haar);
}

static void check_boxes(const GstStructure *result, const Found *want) {
  assert_int_equal(result_uint(result, "n-faces"), want->n);
  for (int i = 0; i < want->n; i++)
    assert_true(has_box(result, &want->face[i].box));
}

/* The network that is built in finds all three; another file is another network; and the detector
 * may be changed while frames flow. */
static void the_network_is_built_in(void **state) {
  (void)state;
  const Found network = expected_of_model(BUILT_IN, 64), cascade = expected(LBP, 1.1, 3, 64);
  assert_int_equal(network.n, 3);
  check_setting("face-detector", "network", &network);
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-cascade", LBP, "face-model", BUILT_IN,
           "max-absence", "0", NULL);
  for (guint n = 0; n < 4; n++) {
    const gboolean by_network = n % 2;
    gst_util_set_object_arg(G_OBJECT(rig.element), "face-detector",
                            by_network ? "network" : "cascade");
    GstBuffer *out = rig_frame(&rig, crowd(n), &result);
    check_boxes(result, by_network ? &network : &cascade);
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

/* Not asked for, the network misses some of the faces. */
static void faces_on_their_heads_are_found_on_request(void **state) {
  (void)state;
  const Found want[] = {expected_of_turned(FALSE), expected_of_turned(TRUE)};
  assert_int_equal(want[TRUE].n, 3);
  assert_true(want[FALSE].n < 3);
  for (guint asked = 0; asked < 2; asked++) {
    const GstStructure *result;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", "find-upside-down",
             asked ? "true" : "false", NULL);
    GstBuffer *out = rig_frame(&rig, turned(crowd(0)), &result);
    check_boxes(result, &want[asked]);
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

/* What the classifier says of each face, upright in the picture or on its head, in the order of
 * the locator's; with align=eyes of the crop that is turned until the eyes are level. */
static void check_aligned(gboolean on_head, gboolean eyes, const Found *found, double p[16]) {
  const CoredCropParams rule = {.margin = 0.3,
                                .align = eyes ? CORED_CROP_ALIGN_EYES : CORED_CROP_ALIGN_NONE};
  const CoredImage image = {.format = CORED_PIXEL_I420, .width = WIDTH, .height = HEIGHT};
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", "find-upside-down", "true",
           "align", eyes ? "eyes" : "none", "smoothing", "0", "min-sharpness", "0", NULL);
  GstBuffer *frame = on_head ? turned(crowd(0)) : crowd(0);
  for (int i = 0; i < found->n; i++) {
    const CoredCropArea area = cored_crop_area(&rule, &image, &found->face[i]);
    p[i] = reference_p_fake_area(support_model(MODEL), &rig.info, frame, &area, CORED_CHROMA_LEFT);
    assert_true(eyes ? on_head == (cos(area.angle) < -0.9) : area.angle == 0.0);
  }
  GstBuffer *out = rig_frame(&rig, frame, &result);
  check_boxes(result, found);
  for (int i = 0; i < found->n; i++) {
    guint n = 0;
    for (guint k = 0; k < result_uint(result, "n-faces"); k++)
      n += fabs(result_double(result_face(result, k), "p-fake") - p[i]) < 1e-6;
    assert_int_equal(n, 1);
  }
  assert_null(rig_message(&rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Turned until their eyes are level, faces on their heads are other crops than as they stand. */
static void crops_are_turned_until_the_eyes_are_level(void **state) {
  (void)state;
  const Found upright = expected_of_model(BUILT_IN, 64), on_head = expected_of_turned(TRUE);
  double p_none[16], p_eyes[16];
  for (guint turn = 0; turn < 2; turn++) {
    const Found *found = turn ? &on_head : &upright;
    assert_int_equal(found->n, 3);
    check_aligned(turn, FALSE, found, p_none);
    check_aligned(turn, TRUE, found, p_eyes);
    for (int i = 0; i < found->n; i++)
      assert_true(fabs(p_none[i] - p_eyes[i]) > 1e-6);
  }
}

/* Without a word the network searches; a cascade that is named is taken, as it was when there was
 * nothing else, whether it is named before face-detector=auto or after it. */
static void unless_told_otherwise_a_named_cascade_else_the_network(void **state) {
  (void)state;
  const Found network = expected_of_model(BUILT_IN, 64), cascade = expected(LBP, 1.1, 3, 64);
  static const struct {
    const char *name[2], *value[2];
    gboolean by_network;
  } cases[] = {
      {{NULL}, {NULL}, TRUE},
      {{"face-detector"}, {"auto"}, TRUE},
      {{"face-model"}, {BUILT_IN}, TRUE},
      {{"face-cascade"}, {""}, TRUE},
      {{"face-cascade"}, {LBP}, FALSE},
      {{"face-cascade", "face-detector"}, {LBP, "auto"}, FALSE},
      {{"face-detector", "face-cascade"}, {"auto", LBP}, FALSE},
      {{"face-cascade", "face-detector"}, {LBP, "network"}, TRUE},
      {{"face-detector"}, {"cascade"}, FALSE},
  };
  assert_memory_not_equal(&network.face[0].box, &cascade.face[0].box, sizeof(CoredBox));
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    const GstStructure *result;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, cases[i].name[0], cases[i].value[0],
             cases[i].name[1], cases[i].value[1], NULL);
    GstBuffer *out = rig_frame(&rig, crowd(0), &result);
    check_boxes(result, cases[i].by_network ? &network : &cascade);
    gst_buffer_unref(out);
    assert_null(rig_message(&rig, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR));
    rig_close(&rig);
  }
}

/* The landmarks of the result's face, in pixels; FALSE without the field. */
static gboolean read_landmarks(const GstStructure *face, CoredPoint points[CORED_LANDMARKS]) {
  const GValue *all = gst_structure_get_value(face, "landmarks");
  if (!all)
    return FALSE;
  assert_int_equal(gst_value_array_get_size(all), 2 * CORED_LANDMARKS);
  for (guint i = 0; i < CORED_LANDMARKS; i++)
    points[i] = (CoredPoint){g_value_get_double(gst_value_array_get_value(all, 2 * i)),
                             g_value_get_double(gst_value_array_get_value(all, 2 * i + 1))};
  return TRUE;
}

/* The network's landmarks are in the custom meta and in the parameters of the regions. */
static void landmarks_are_those_of_the_network(void **state) {
  (void)state;
  const Found network = expected_of_model(BUILT_IN, 64);
  const GstStructure *result;
  CoredPoint points[CORED_LANDMARKS];
  gpointer iterate = NULL;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", NULL);
  GstBuffer *out = rig_frame(&rig, crowd(0), &result);
  assert_int_equal(result_uint(result, "n-faces"), network.n);
  for (int i = 0; i < network.n; i++) {
    guint n = 0;
    assert_true(read_landmarks(result_face(result, (guint)i), points));
    for (int k = 0; k < network.n; k++)
      n += memcmp(points, network.face[k].landmark, sizeof points) == 0;
    assert_int_equal(n, 1);
    assert_true(points[0].x < points[1].x && points[0].y < points[3].y); /* upright */
    GstVideoRegionOfInterestMeta *roi =
        (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
            out, &iterate, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    assert_true(read_landmarks(gst_video_region_of_interest_meta_get_param(roi, "cored"), points));
  }
  gst_buffer_unref(out);
  rig_close(&rig);
}

static void a_face_of_a_cascade_or_of_upstream_has_no_landmarks(void **state) {
  (void)state;
  static const char *const detectors[] = {"cascade", "network"};
  for (guint i = 0; i < G_N_ELEMENTS(detectors); i++) {
    const GstStructure *result;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "face-cascade", LBP, "face-detector", detectors[i],
             NULL);
    GstBuffer *frame = crowd(0);
    if (i == 1)
      frame_add_roi(frame, "face", 70, 130, 150, 150);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    assert_int_equal(result_uint(result, "n-faces"), i == 0 ? 3 : 1);
    assert_false(gst_structure_has_field(result_face(result, 0), "landmarks"));
    gst_buffer_unref(out);
    rig_close(&rig);
  }
}

/* ---- Motion --------------------------------------------------------------------------------- */

typedef struct Seen { /* the one face of a frame */
  CoredBox box;
  CoredPoint landmark[CORED_LANDMARKS];
} Seen;

/* A photograph that stands at position(n) in frame n, by the network every `interval` frames. */
static void watch(guint (*position)(guint), const char *interval, Seen *seen, guint n_frames) {
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", "detect-interval",
           interval, NULL);
  for (guint n = 0; n < n_frames; n++) {
    const GstStructure *result;
    GstBuffer *frame = gray_frame(n);
    put_photo(frame, 0, position(n), 80, 1);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    assert_int_equal(result_uint(result, "n-faces"), 1);
    const GstStructure *face = result_face(result, 0);
    seen[n].box = (CoredBox){result_uint(face, "x"), result_uint(face, "y"), result_uint(face, "w"),
                             result_uint(face, "h")};
    assert_true(seen[n].box.w > 0 && seen[n].box.x + seen[n].box.w <= WIDTH);
    assert_int_equal(result_uint64(face, "track-id"), 1);
    assert_true(read_landmarks(face, seen[n].landmark));
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

static double middle_of(const CoredBox *box) {
  return box->x + 0.5 * box->w;
}

static guint at_constant_speed(guint n) {
  return 20 + 10 * n;
}

/* Between searches box and landmarks are where the face is, much nearer than where it was found
 * last. `truth` is what a search of every frame finds. */
static void between_searches_the_boxes_move_on(void **state) {
  (void)state;
  static Seen truth[50], moved[50];
  double off = 0, off_if_held = 0, landmark_off = 0, box_off = 0;
  watch(at_constant_speed, "1", truth, 50);
  watch(at_constant_speed, "5", moved, 50);
  for (guint n = 10; n < 50; n++) { /* the second search tells how fast it is */
    off += fabs(middle_of(&moved[n].box) - middle_of(&truth[n].box));
    off_if_held += fabs(middle_of(&truth[n - n % 5].box) - middle_of(&truth[n].box));
    landmark_off += fabs(moved[n].landmark[2].x - truth[n].landmark[2].x);
    box_off += fabs(moved[n].landmark[2].x - middle_of(&moved[n].box) -
                    (truth[n].landmark[2].x - middle_of(&truth[n].box)));
    if (n % 5 == 0)
      assert_memory_equal(&moved[n], &truth[n], sizeof truth[n]);
  }
  assert_true(off_if_held / 40 > 15); /* 20 on average */
  assert_true(off < 0.25 * off_if_held);
  assert_true(landmark_off < 0.25 * off_if_held);
  assert_true(box_off / 40 < 2.5); /* they move as one; results give whole pixels of the box */
}

static guint until_it_stops(guint n) {
  return 20 + 10 * MIN(n, 27);
}

/* A face that stops goes on by less than half a second of its speed, and settles. */
static void a_face_that_stops_is_not_lost(void **state) {
  (void)state;
  static Seen truth[60], moved[60];
  watch(until_it_stops, "1", truth, 60);
  watch(until_it_stops, "5", moved, 60);
  const double end = middle_of(&truth[59].box);
  for (guint n = 27; n < 60; n++) {
    const double over = middle_of(&moved[n].box) - end;
    assert_true(over < 10 * 5);            /* a search sees it every fifth frame */
    assert_true(n < 35 || fabs(over) < 2); /* the search of frame 35 sees it stand */
  }
}

static guint to_the_border(guint n) {
  return 100 + MIN(24 * n, WIDTH - SIDE - 100);
}

/* Where a face leaves the picture its box ends at the border: watch() looks at that. */
static void predicted_boxes_stay_in_the_picture(void **state) {
  (void)state;
  static Seen seen[40];
  watch(to_the_border, "3", seen, 40);
  watch(to_the_border, "5", seen, 40);
}

/* A face jumps from left to right at frame 2; a search every fourth frame sees that at frame 4. */
static void a_jump_is_seen_by_the_next_search(void **state) {
  (void)state;
  static const struct {
    const char *interval;
    guint seen_at;
  } cases[] = {{"1", 2}, {"4", 4}};
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "face-cascade", LBP, "detect-interval",
             cases[i].interval, NULL);
    for (guint n = 0; n < 6; n++) {
      const GstStructure *result;
      GstBuffer *frame = gray_frame(n);
      put_photo(frame, 0, n < 2 ? 20 : 500, 80, 1);
      GstBuffer *out = rig_frame(&rig, frame, &result);
      const gboolean right = result_uint(only_present(result), "x") > 400;
      if (right != (n >= cases[i].seen_at))
        fail_msg("detect-interval=%s, frame %u: on the %s", cases[i].interval, n,
                 right ? "right" : "left");
      gst_buffer_unref(out);
    }
    rig_close(&rig);
  }
}

/* No face in the first `from` frames, then one that jumps in frame `jump`. In how many frames is it
 * seen too late, when it comes and when it jumps? */
static void play_jump(const char *interval, guint from, guint jump, guint *late, guint *late_jump) {
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", NULL);
  if (interval)
    gst_util_set_object_arg(G_OBJECT(rig.element), "detect-interval", interval);
  *late = *late_jump = 0;
  for (guint n = 0; n < jump + 12; n++) {
    const GstStructure *result;
    GstBuffer *frame = gray_frame(n);
    if (n >= from)
      put_photo(frame, 0, n < jump ? 20 : 500, 80, 1);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    const gboolean seen = result_uint(result, "n-faces") > 0;
    assert_true(n >= from || !seen);
    *late += n >= from && !seen;
    *late_jump += n >= jump && result_uint(only_present(result), "x") < 400;
    gst_buffer_unref(out);
  }
  rig_close(&rig);
}

/* At 25 frames a second: every second frame while there is no face; every ninth, the first one that
 * is 1/3 s later, after it rested for a while. That is the default. */
static void by_default_the_interval_is_as_the_faces_are(void **state) {
  (void)state;
  static const char *const intervals[] = {NULL, "0", "2"};
  for (guint i = 0; i < G_N_ELEMENTS(intervals); i++) {
    guint most = 0, most_jump = 0;
    for (guint k = 0; k < 3; k++) {
      guint late, late_jump;
      play_jump(intervals[i], 11, 60 + 3 * k, &late, &late_jump);
      most = MAX(most, late);
      most_jump = MAX(most_jump, late_jump);
    }
    assert_int_equal(most, 1);
    if (i == 2)
      assert_int_equal(most_jump, 1);
    else
      assert_in_range(most_jump, 6, 8);
  }
}

/* While the search for one frame's faces does not end, the frames after it leave as in any case:
 * at once, or after the delay, without a result. */
static void a_search_delays_no_frame(void **state) {
  (void)state;
  static const char *const modes[] = {"latest", "delay"};
  for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
    const guint lag = i == 0 ? 0 : 2;
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "face-detector", "network", "mode", modes[i],
             "delay", "80000000", NULL);
    held_begin();
    for (guint n = 0; n < 8; n++) {
      GstBuffer *frame = crowd(n);
      assert_int_equal(gst_harness_push(rig.harness, held_frame_copy(frame)), GST_FLOW_OK);
      gst_buffer_unref(frame);
      if (n == 0)
        held_await(1);
      GstBuffer *out = gst_harness_try_pull(rig.harness);
      assert_int_equal(out != NULL, n >= lag);
      if (!out)
        continue;
      assert_true(GST_BUFFER_PTS(out) == (n - lag) * 40 * GST_MSECOND);
      assert_false(result_inferred(cored_meta_get(out)));
      assert_int_equal(result_uint(cored_meta_get(out), "n-faces"), 0);
      gst_buffer_unref(out);
    }
    assert_int_equal(rig_stat(&rig, "inferred"), 0);
    held_end();
    rig_wait_for(&rig, "inferred", 1); /* it is found in the end */
    assert_true(rig_stat(&rig, "faces") >= 3);
    rig_close(&rig);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(faces_are_found_where_they_are),
      cmocka_unit_test(without_a_detector_the_whole_frame_is_classified),
      cmocka_unit_test(the_scale_factor_is_the_step_between_sizes),
      cmocka_unit_test(the_neighbours_are_the_hits_that_make_a_face),
      cmocka_unit_test(small_faces_are_not_looked_for),
      cmocka_unit_test(the_cascade_is_the_file_named),
      cmocka_unit_test(the_network_is_built_in),
      cmocka_unit_test(faces_on_their_heads_are_found_on_request),
      cmocka_unit_test(crops_are_turned_until_the_eyes_are_level),
      cmocka_unit_test(unless_told_otherwise_a_named_cascade_else_the_network),
      cmocka_unit_test(landmarks_are_those_of_the_network),
      cmocka_unit_test(a_face_of_a_cascade_or_of_upstream_has_no_landmarks),
      cmocka_unit_test(between_searches_the_boxes_move_on),
      cmocka_unit_test(a_face_that_stops_is_not_lost),
      cmocka_unit_test(predicted_boxes_stay_in_the_picture),
      cmocka_unit_test(a_jump_is_seen_by_the_next_search),
      cmocka_unit_test(by_default_the_interval_is_as_the_faces_are),
      cmocka_unit_test(a_search_delays_no_frame),
  };
  static const char *const plugins[] = {"coreelements", "jpeg"};
  plugins_only(plugins, G_N_ELEMENTS(plugins));
  gst_init(NULL, NULL);
  if (!read_photos(argc > 1 ? argv[1] : "."))
    return 77;
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
