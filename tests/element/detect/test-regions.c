/* SPDX-License-Identifier: MIT
 * E28, E29: regions as elements before this one mark them, whatever they wrote: numbers that are
 * none in their parameters, a single pixel, a line, all of a frame and more, paddings to the border
 * and past it. What is read lies in the frame: frames end where their memory does. */
#include "support.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODEL 3
#define WIDTH 161
#define HEIGHT 119
#define CAPS "video/x-raw,format=GRAY8,width=161,height=119,framerate=25/1"

typedef struct Fence { /* memory with nothing readable before and behind it */
  guint8 *pages;
  gsize size, page;
} Fence;

static void unmap(gpointer data) {
  Fence *fence = data;
  munmap(fence->pages, fence->size);
  g_free(fence);
}

/* The frame's bytes right behind an unreadable page, or right before one. */
static GstBuffer *fenced_frame(const GstVideoInfo *info, guint number, gboolean at_end) {
  Fence *fence = g_new0(Fence, 1);
  fence->page = (gsize)sysconf(_SC_PAGESIZE);
  const gsize bytes = GST_VIDEO_INFO_SIZE(info);
  const gsize room = (bytes + fence->page - 1) / fence->page * fence->page;
  fence->size = room + 2 * fence->page;
  fence->pages = mmap(NULL, fence->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(fence->pages != MAP_FAILED);
  assert_int_equal(mprotect(fence->pages + fence->page, room, PROT_READ | PROT_WRITE), 0);
  guint8 *start = fence->pages + fence->page + (at_end ? room - bytes : 0);
  GstBuffer *plain = frame_new(info, number, 200 * number); /* eight seconds apart: a cut */
  gst_buffer_extract(plain, 0, start, bytes);
  GstBuffer *frame =
      gst_buffer_new_wrapped_full((GstMemoryFlags)0, start, bytes, 0, bytes, fence, unmap);
  gst_buffer_copy_into(frame, plain, GST_BUFFER_COPY_TIMESTAMPS, 0, (gsize)-1);
  gst_buffer_unref(plain);
  return frame;
}

/* The square around the box, moved into the frame, as docs/element.md has it. */
static CoredBox expected_crop(guint x, guint y, guint w, guint h, double padding) {
  const double side = fmin(fmax(w, h) * (1.0 + padding), fmin(WIDTH, HEIGHT));
  const double left = x + 0.5 * w - 0.5 * side, top = y + 0.5 * h - 0.5 * side;
  return (CoredBox){fmin(fmax(left, 0.0), WIDTH - side), fmin(fmax(top, 0.0), HEIGHT - side), side,
                    side};
}

static void check_box(Rig *rig, guint number, const guint box[4], double padding) {
  const GstStructure *result;
  GstBuffer *frame = fenced_frame(&rig->info, number, number % 2);
  const CoredBox crop = expected_crop(box[0], box[1], box[2], box[3], padding);
  const double expected = reference_p_fake(support_model(MODEL), &rig->info, frame, &crop);
  frame_add_roi(frame, "face", box[0], box[1], box[2], box[3]);
  GstBuffer *out = rig_frame(rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 1);
  const double p = result_double(result_face(result, 0), "p-fake");
  if (!(fabs(p - expected) < 1e-6))
    fail_msg("%u,%u %ux%u padded by %g: %.9f instead of %.9f", box[0], box[1], box[2], box[3],
             padding, p, expected);
  gst_buffer_unref(out);
}

/* Every size that is odd, at every border, with every padding. */
static void the_smallest_and_the_largest_at_every_border(void **state) {
  (void)state;
  static const guint sizes[][2] = {{1, 1},   {1, 119}, {161, 1},   {2, 3},
                                   {161, 2}, {3, 118}, {161, 119}, {120, 119}};
  static const char *const paddings[] = {"0", "0.3", "1", "4"};
  guint number = 0;
  for (guint p = 0; p < G_N_ELEMENTS(paddings); p++) {
    Rig rig;
    rig_open(&rig, support_model(MODEL), CAPS, "min-object-size", "0", "min-sharpness", "0",
             "smoothing", "0", "roi-padding", paddings[p], NULL);
    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
      const guint w = sizes[s][0], h = sizes[s][1];
      for (guint place = 0; place < 9; place++, number++) {
        const guint box[] = {(WIDTH - w) * (place % 3) / 2, (HEIGHT - h) * (place / 3) / 2, w, h};
        check_box(&rig, number, box, g_ascii_strtod(paddings[p], NULL));
      }
    }
    assert_int_equal(rig_stat(&rig, "bad-regions"), 0);
    rig_close(&rig);
  }
  print_message("%u boxes\n", number);
}

/* Numbers at random from the whole range: cut to the frame or counted as bad, one or the other. */
static void any_four_numbers(void **state) {
  (void)state;
  static const guint edges[] = {
      0, 1, 160, 161, 118, 119, G_MAXINT, (guint)G_MAXINT + 1, G_MAXUINT, G_MAXUINT - 118};
  Rig rig;
  guint64 bad = 0, good = 0;
  GRand *rand = g_rand_new_with_seed(28);
  rig_open(&rig, support_model(MODEL), CAPS, "min-object-size", "0", "min-sharpness", "0",
           "inference-region", "roi-list", NULL);
  for (guint n = 0; n < 400; n++) {
    const GstStructure *result;
    guint v[4];
    for (guint i = 0; i < 4; i++)
      v[i] = g_rand_boolean(rand) ? edges[g_rand_int_range(rand, 0, G_N_ELEMENTS(edges))]
                                  : g_rand_int(rand) >> g_rand_int_range(rand, 0, 32);
    const gint64 x = (gint)v[0], y = (gint)v[1]; /* wrapped: negative */
    const gint64 w = MIN(x + v[2], WIDTH) - MAX(x, 0), h = MIN(y + v[3], HEIGHT) - MAX(y, 0);
    GstBuffer *frame = fenced_frame(&rig.info, n, n % 2);
    frame_add_roi(frame, "face", v[0], v[1], v[2], v[3]);
    GstBuffer *out = rig_frame(&rig, frame, &result);
    const guint faces = result_uint(result, "n-faces");
    if (faces != (w > 0 && h > 0))
      fail_msg("%u,%u %ux%u: %u faces", v[0], v[1], v[2], v[3], faces);
    if (faces) {
      const GstStructure *face = result_face(result, 0);
      assert_int_equal(result_uint(face, "x"), MAX(x, 0));
      assert_int_equal(result_uint(face, "y"), MAX(y, 0));
      assert_int_equal(result_uint(face, "w"), w);
      assert_int_equal(result_uint(face, "h"), h);
      assert_true(result_double(face, "p-fake") > 0.0);
    }
    good += faces;
    bad += !faces;
    gst_buffer_unref(out);
  }
  assert_int_equal(rig_stat(&rig, "bad-regions"), bad);
  assert_true(good > 20 && bad > 20);
  g_rand_free(rand);
  rig_close(&rig);
}

/* What others put in a region's parameters is none of our business, and stays as it is. */
static void parameters_that_are_no_numbers(void **state) {
  (void)state;
  const GstStructure *result;
  double value;
  gint number;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "min-object-size", "0", "min-sharpness", "0", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  const CoredBox crop = expected_crop(20, 10, 80, 80, 0.3);
  const double expected = reference_p_fake(support_model(MODEL), &rig.info, frame, &crop);
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta(frame, "face", 20, 10, 80, 80);
  roi->id = roi->parent_id = -1;
  gst_video_region_of_interest_meta_add_param(
      roi,
      gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, (double)NAN, "x_min",
                        G_TYPE_DOUBLE, (double)-INFINITY, "label_id", G_TYPE_INT, G_MININT, NULL));
  gst_video_region_of_interest_meta_add_param(
      roi, gst_structure_new(CORED_ROI_PARAM, "p-fake", G_TYPE_DOUBLE, (double)NAN, "track-id",
                             G_TYPE_STRING, "no number", NULL));
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_true(fabs(result_double(result_face(result, 0), "p-fake") - expected) < 1e-6);
  roi = (GstVideoRegionOfInterestMeta *)gst_buffer_get_meta(
      out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  GstStructure *theirs = gst_video_region_of_interest_meta_get_param(roi, "detection");
  assert_true(gst_structure_get(theirs, "confidence", G_TYPE_DOUBLE, &value, "label_id", G_TYPE_INT,
                                &number, NULL));
  assert_true(isnan(value) && number == G_MININT);
  GstStructure *ours = gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM);
  assert_true(fabs(result_double(ours, "p-fake") - expected) < 1e-6);
  assert_int_equal(g_list_length(roi->params), 2);
  gst_buffer_unref(out);
  rig_close(&rig);
}

/* Ten thousand, all bad: counted, and none of them classified; the frame after it is as always. */
static void ten_thousand_bad_ones(void **state) {
  (void)state;
  const GstStructure *result;
  Rig rig;
  rig_open(&rig, support_model(MODEL), CAPS, "inference-region", "roi-list", NULL);
  GstBuffer *frame = frame_new(&rig.info, 1, 0);
  for (guint i = 0; i < 10000; i++)
    frame_add_roi(frame, "face", WIDTH + i, i % 3 ? 5 : (guint)-200, i % 2 ? 10 : 0, 10);
  GstBuffer *out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 0);
  assert_string_equal(gst_structure_get_string(result, "verdict"), "unknown");
  assert_int_equal(rig_stat(&rig, "bad-regions"), 10000);
  gst_buffer_unref(out);
  frame = frame_new(&rig.info, 1, 1);
  frame_add_roi(frame, "face", 5, 5, 90, 90);
  out = rig_frame(&rig, frame, &result);
  assert_int_equal(result_uint(result, "n-faces"), 1);
  gst_buffer_unref(out);
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_smallest_and_the_largest_at_every_border),
      cmocka_unit_test(any_four_numbers),
      cmocka_unit_test(parameters_that_are_no_numbers),
      cmocka_unit_test(ten_thousand_bad_ones),
  };
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
