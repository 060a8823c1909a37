/* SPDX-License-Identifier: MIT
 * The preprocessor's contract: what it refuses, that it reads nothing outside the planes, that
 * formats, strides and CPU paths agree. Numbers are compared with Pillow and NumPy in
 * tests/reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vision/image/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const float zeros[3] = {0.f, 0.f, 0.f}, ones[3] = {1.f, 1.f, 1.f};

/* Memory that ends at an unreadable page and begins behind one. */
typedef struct Guarded {
  uint8_t *map, *data;
  size_t map_size, size;
} Guarded;

static Guarded guarded_new(size_t size, bool at_end) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (size + page - 1) / page * page;
  Guarded g = {.size = size, .map_size = body + 2 * page};
  g.map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(g.map != MAP_FAILED);
  assert_int_equal(mprotect(g.map, page, PROT_NONE), 0);
  assert_int_equal(mprotect(g.map + page + body, page, PROT_NONE), 0);
  g.data = at_end ? g.map + page + body - size : g.map + page;
  for (size_t i = 0; i < size; i++)
    g.data[i] = (uint8_t)((i * 2654435761u) >> 11);
  return g;
}

/* A picture whose planes have exactly the needed bytes, each between guard pages. */
typedef struct Picture {
  CoredImage image;
  Guarded plane[3];
  int n_planes;
} Picture;

static Picture picture_new(CoredPixelFormat format, int width, int height, bool at_end,
                           bool bottom_up) {
  const CoredPixelLayout *const layout = cored_pixel_layout(format);
  Picture p = {.image = {.format = format, .width = width, .height = height},
               .n_planes = layout->n_planes};
  for (int i = 0; i < layout->n_planes; i++) {
    const size_t row = cored_plane_row_bytes(layout, i, width);
    const size_t rows = (size_t)cored_component_side(height, layout->plane_v_sub[i]);
    p.plane[i] = guarded_new(row * rows, at_end);
    if (format == CORED_PIXEL_I420_10LE)
      for (size_t k = 1; k < row * rows; k += 2)
        p.plane[i].data[k] &= 3; /* ten bits */
    p.image.plane[i] = p.plane[i].data + (bottom_up ? row * (rows - 1) : 0);
    p.image.stride[i] = bottom_up ? -(ptrdiff_t)row : (ptrdiff_t)row;
  }
  return p;
}

static void picture_free(Picture *p) {
  for (int i = 0; i < p->n_planes; i++)
    munmap(p->plane[i].map, p->plane[i].map_size);
}

static CoredPreprocessor *preprocessor_new(int width, int height, unsigned cpu) {
  CoredError error;
  CoredPreprocessor *const p = cored_preprocessor_new(width, height, zeros, ones, cpu, &error);
  if (!p)
    fail_msg("%s", error.message);
  return p;
}

static void run_ok(CoredPreprocessor *p, const CoredImage *image, CoredBox box, float *out) {
  CoredError error;
  if (!cored_preprocessor_run(p, image, &box, out, &error))
    fail_msg("%s", error.message);
}

static void assert_unit_range(const float *out, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!(out[i] >= 0.f && out[i] <= 1.f))
      fail_msg("value %zu is %g", i, (double)out[i]);
}

static void test_reads_only_planes(void **state) {
  (void)state;
  static const int sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}, {3, 5}, {15, 17}, {33, 9}};
  float out[19 * 13 * 3];
  for (int mask = 0; mask < 2; mask++) {
    CoredPreprocessor *const p = preprocessor_new(19, 13, mask ? cored_cpu_flags() : 0);
    for (int f = 0; f < CORED_N_PIXEL_FORMATS; f++)
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int at = 0; at < 4; at++) {
          const int w = sizes[s][0], h = sizes[s][1];
          Picture picture = picture_new((CoredPixelFormat)f, w, h, at & 1, at & 2);
          run_ok(p, &picture.image, (CoredBox){0, 0, w, h}, out);
          assert_unit_range(out, 19 * 13 * 3);
          run_ok(p, &picture.image, (CoredBox){-3.5, -2.25, w + 9, h + 7.5}, out);
          run_ok(p, &picture.image, (CoredBox){w - 0.75, h - 0.5, 0.5, 0.25}, out);
          assert_unit_range(out, 19 * 13 * 3);
          picture_free(&picture);
        }
    cored_preprocessor_free(p);
  }
}

/* Only the region may be read: the rest of the picture is unmapped memory. */
static void test_reads_only_region(void **state) {
  (void)state;
  const ptrdiff_t stride = 1 << 16;
  const int width = 32768, height = 4096;
  uint8_t *const map = mmap(NULL, (size_t)stride * (size_t)height, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  assert_true(map != MAP_FAILED);
  const int x = 4096 * 2, y = 1000, rows = 64; /* the region: one page wide */
  for (int r = y - 1; r < y + rows + 1; r++) {
    uint8_t *const page = map + r * stride + x;
    assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
    memset(page, 77, 4096);
  }
  const CoredImage image = {.format = CORED_PIXEL_GRAY8,
                            .width = width,
                            .height = height,
                            .plane = {map},
                            .stride = {stride},
                            .range = CORED_RANGE_FULL};
  float out[64 * 64 * 3];
  CoredPreprocessor *const p = preprocessor_new(64, 64, cored_cpu_flags());
  run_ok(p, &image, (CoredBox){x + 64, y, 3968, rows}, out);
  for (size_t i = 0; i < sizeof out / sizeof *out; i++)
    assert_true(fabsf(out[i] - 77 / 255.f) < 1e-6f);
  cored_preprocessor_free(p);
  munmap(map, (size_t)stride * (size_t)height);
}

static void test_extreme_sizes(void **state) {
  (void)state;
  static const int sizes[][2] = {{32767, 1}, {1, 32767}, {32768, 2}, {2, 32768}, {641, 479}};
  static const CoredPixelFormat formats[] = {CORED_PIXEL_I420, CORED_PIXEL_YUY2, CORED_PIXEL_RGB,
                                             CORED_PIXEL_P010_10LE};
  float *const out = malloc(64 * 64 * 3 * sizeof *out);
  CoredPreprocessor *const p = preprocessor_new(64, 64, cored_cpu_flags());
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
      Picture picture = picture_new(formats[f], sizes[s][0], sizes[s][1], true, false);
      run_ok(p, &picture.image, (CoredBox){0, 0, sizes[s][0], sizes[s][1]}, out);
      assert_unit_range(out, 64 * 64 * 3);
      picture_free(&picture);
    }
  /* A box far larger than its picture: the border fills it. */
  Picture dot = picture_new(CORED_PIXEL_GRAY8, 1, 1, true, false);
  dot.image.range = CORED_RANGE_FULL;
  dot.plane[0].data[0] = 51;
  run_ok(p, &dot.image, (CoredBox){-60000, -60000, 131072, 131072}, out);
  for (size_t i = 0; i < 64 * 64 * 3; i++)
    assert_true(fabsf(out[i] - 0.2f) < 1e-6f);
  picture_free(&dot);
  cored_preprocessor_free(p);
  free(out);
}

/* ---- Turned areas --------------------------------------------------------------------------- */

static void run_area_ok(CoredPreprocessor *p, const CoredImage *image, CoredBox box, double angle,
                        float *out) {
  const CoredCropArea area = {box, angle};
  CoredError error;
  if (!cored_preprocessor_run_area(p, image, &area, out, &error))
    fail_msg("%s", error.message);
}

static void test_turned_reads_only_planes(void **state) {
  (void)state;
  static const int sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}, {15, 17}};
  static const double angles[] = {-6.2831853, -2., -1e-300, 1e-9, 0.7853981633974483, 3.14};
  float out[19 * 13 * 3];
  for (int mask = 0; mask < 2; mask++) {
    CoredPreprocessor *const p = preprocessor_new(19, 13, mask ? cored_cpu_flags() : 0);
    for (int f = 0; f < CORED_N_PIXEL_FORMATS; f++)
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t a = 0; a < sizeof angles / sizeof *angles; a++) {
          const int w = sizes[s][0], h = sizes[s][1];
          Picture picture = picture_new((CoredPixelFormat)f, w, h, a & 1, a & 2);
          picture.image.interlaced = a % 3 == 0;
          run_area_ok(p, &picture.image, (CoredBox){0, 0, w, h}, angles[a], out);
          run_area_ok(p, &picture.image, (CoredBox){-3.5, -2.25, w + 9, h + 7.5}, angles[a], out);
          run_area_ok(p, &picture.image, (CoredBox){w - 0.75, h - 0.5, 0.5, 0.25}, angles[a], out);
          assert_unit_range(out, 19 * 13 * 3);
          picture_free(&picture);
        }
    cored_preprocessor_free(p);
  }
}

/* The sides of the picture in between are bounded by the network's, whatever the area's. */
static void test_turned_extremes(void **state) {
  (void)state;
  static const double aspects[] = {0.125, 1., 8.};
  static const int outs[][2] = {{1, 1}, {4096, 1}, {1, 4096}, {64, 64}};
  float *const out = malloc(64 * 64 * 3 * sizeof *out);
  Picture dot = picture_new(CORED_PIXEL_GRAY8, 2, 1, true, false);
  dot.image.range = CORED_RANGE_FULL;
  memset(dot.plane[0].data, 51, 2);
  for (size_t o = 0; o < sizeof outs / sizeof *outs; o++) {
    CoredPreprocessor *const p = preprocessor_new(outs[o][0], outs[o][1], cored_cpu_flags());
    for (size_t k = 0; k < sizeof aspects / sizeof *aspects; k++) {
      dot.image.pixel_aspect = aspects[k];
      run_area_ok(p, &dot.image, (CoredBox){-60000, -60000, 131072, 131072}, 0.3, out);
      run_area_ok(p, &dot.image, (CoredBox){0, 0, 2, 0.001}, 0.3, out);
      run_area_ok(p, &dot.image, (CoredBox){0, 0, 0.001, 1}, 1.5707963267948966, out);
      for (int i = 0; i < outs[o][0] * outs[o][1] * 3; i++)
        assert_true(fabsf(out[i] - 0.2f) < 2e-6f);
    }
    cored_preprocessor_free(p);
  }
  picture_free(&dot);
  free(out);
}

/* Large, small and large again: the memory that is kept does not show. A quarter of a turn is the
 * upright crop turned, and none is the upright crop itself. */
static void test_turned_crops_are_upright_ones(void **state) {
  (void)state;
  enum { OUT = 24 };
  float upright[OUT][OUT][3], got[OUT][OUT][3], again[OUT][OUT][3];
  Picture picture = picture_new(CORED_PIXEL_NV12, 120, 90, true, false);
  CoredPreprocessor *const p = preprocessor_new(OUT, OUT, cored_cpu_flags());
  const CoredBox box = {30.5, 20.25, 51, 51};
  run_ok(p, &picture.image, box, &upright[0][0][0]);
  run_area_ok(p, &picture.image, box, 0., &got[0][0][0]);
  assert_memory_equal(got, upright, sizeof got);
  run_area_ok(p, &picture.image, box, 1.5707963267948966, &got[0][0][0]);
  run_area_ok(p, &picture.image, (CoredBox){3, 4, 5, 90}, 0.9, &again[0][0][0]);
  run_area_ok(p, &picture.image, box, 1.5707963267948966, &again[0][0][0]);
  assert_memory_equal(again, got, sizeof got);
  for (int y = 0; y < OUT; y++)
    for (int x = 0; x < OUT; x++) /* the crop's right is the picture's bottom */
      for (int c = 0; c < 3; c++)
        assert_true(fabsf(got[y][x][c] - upright[x][OUT - 1 - y][c]) < 4e-6f);
  cored_preprocessor_free(p);
  picture_free(&picture);
}

static void test_refuses_turned_areas(void **state) {
  (void)state;
  static const double angles[] = {(double)NAN, (double)INFINITY, -6.3, 1e300};
  Picture picture = picture_new(CORED_PIXEL_I420, 8, 8, true, false);
  CoredPreprocessor *const p = preprocessor_new(4, 4, cored_cpu_flags());
  float out[4 * 4 * 3] = {7.f};
  CoredError error = {0};
  for (size_t i = 0; i < sizeof angles / sizeof *angles; i++) {
    const CoredCropArea area = {{0, 0, 8, 8}, angles[i]};
    assert_false(cored_preprocessor_run_area(p, &picture.image, &area, out, &error));
    assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "one turn (2 pi)"));
  }
  const CoredBox boxes[] = {{(double)NAN, 0, 4, 4},
                            {0, 0, 0, 4},
                            {0, 0, 4, (double)INFINITY},
                            {30, 0, 8, 8},
                            {0, -40, 8, 8}};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    const CoredCropArea area = {boxes[i], 0.5};
    assert_false(cored_preprocessor_run_area(p, &picture.image, &area, out, &error));
    assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "box"));
  }
  const CoredCropArea area = {{0, 0, 8, 8}, 0.5};
  picture.image.width = 0;
  assert_false(cored_preprocessor_run_area(p, &picture.image, &area, out, &error));
  assert_int_equal(error.code, CORED_ERROR_IMAGE);
  assert_true(out[0] == 7.f);
  cored_preprocessor_free(p);
  picture_free(&picture);
}

/* ---- Refusals ------------------------------------------------------------------------------- */

static void expect_refused(const CoredImage *image, CoredBox box, CoredErrorCode code) {
  float out[4 * 4 * 3];
  CoredError error = {0};
  memset(out, 0x5a, sizeof out);
  CoredPreprocessor *const p = preprocessor_new(4, 4, cored_cpu_flags());
  assert_false(cored_preprocessor_run(p, image, &box, out, &error));
  assert_int_equal(error.code, code);
  assert_true(error.message[0] != '\0');
  assert_false(cored_preprocessor_run(p, image, &box, out, NULL));
  for (size_t i = 0; i < sizeof out; i++)
    assert_int_equal(((const uint8_t *)out)[i], 0x5a);
  cored_preprocessor_free(p);
}

static void test_refuses_boxes(void **state) {
  (void)state;
  const double nan_ = (double)NAN, inf_ = (double)INFINITY;
  const CoredBox boxes[] = {{nan_, 0, 4, 4}, {0, nan_, 4, 4},        {0, 0, nan_, 4},
                            {0, 0, 4, nan_}, {0, 0, 0, 4},           {0, 0, 4, 0},
                            {0, 0, -4, 4},   {inf_, 0, 4, 4},        {0, 0, 4, 1e9},
                            {0, 0, inf_, 4}, {4294967295., 0, 4, 4}, {-1e300, 0, 1e300, 4},
                            {8, 0, 2, 2},    {0, 8, 2, 2},           {-4, 0, 4, 4},
                            {0, -4, 4, 4},   {0, 0, 1e-9, 1e-9}};
  Picture picture = picture_new(CORED_PIXEL_I420, 8, 8, true, false);
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
    expect_refused(&picture.image, boxes[i], CORED_ERROR_ARGUMENT);
  picture_free(&picture);
}

static void test_refuses_pictures(void **state) {
  (void)state;
  Picture good = picture_new(CORED_PIXEL_NV12, 9, 7, true, false);
  const CoredBox box = {0, 0, 9, 7};
  CoredImage image = good.image;
  image.width = 0;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.height = 32769;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.format = CORED_N_PIXEL_FORMATS;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.plane[1] = NULL;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.stride[0] = 8;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.stride[1] = 9; /* odd width: five pairs are ten bytes */
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.stride[0] = PTRDIFF_MAX / 2;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.stride[0] = PTRDIFF_MIN;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  image = good.image;
  image.matrix = (CoredColorMatrix)17;
  expect_refused(&image, box, CORED_ERROR_IMAGE);
  picture_free(&good);
}

static void test_refuses_arguments(void **state) {
  (void)state;
  static const float bad[3] = {0.5f, NAN, 0.5f}, zero_std[3] = {1.f, 0.f, 1.f};
  CoredError error = {0};
  assert_null(cored_preprocessor_new(0, 4, zeros, ones, 0, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  assert_null(cored_preprocessor_new(4, 1 << 20, zeros, ones, 0, &error));
  assert_null(cored_preprocessor_new(4, 4, bad, ones, 0, &error));
  assert_null(cored_preprocessor_new(4, 4, zeros, zero_std, 0, &error));
  assert_null(cored_preprocessor_new(4, 4, zeros, bad, 0, NULL));
  cored_preprocessor_free(NULL);
}

/* One-colour pictures against values worked out by hand from the definitions. */
static void test_known_colors(void **state) {
  (void)state;
  static const struct {
    CoredColorMatrix matrix;
    CoredColorRange range;
    uint8_t y, u, v;
    float r, g, b;
  } colors[] = {
      {CORED_MATRIX_BT601, CORED_RANGE_LIMITED, 16, 128, 128, 0.f, 0.f, 0.f},
      {CORED_MATRIX_BT709, CORED_RANGE_LIMITED, 235, 128, 128, 1.f, 1.f, 1.f},
      {CORED_MATRIX_BT601, CORED_RANGE_FULL, 255, 128, 128, 1.f, 1.f, 1.f},
      /* red: Y = 16 + 219 Kr, Cr = 240 */
      {CORED_MATRIX_BT601, CORED_RANGE_LIMITED, 81, 90, 240, 0.9967f, 0.f, 0.f},
      {CORED_MATRIX_BT709, CORED_RANGE_LIMITED, 63, 102, 240, 1.f, 0.f, 0.f},
      {CORED_MATRIX_BT2020, CORED_RANGE_LIMITED, 74, 97, 240, 1.f, 0.f, 0.f},
      /* the same bytes read with the other matrix are another colour */
      {CORED_MATRIX_BT709, CORED_RANGE_LIMITED, 81, 90, 240, 1.f, 0.0943f, 0.f},
      {CORED_MATRIX_BT601, CORED_RANGE_FULL, 128, 128, 255, 1.f, 0.1463f, 0.502f},
  };
  CoredPreprocessor *const p = preprocessor_new(8, 8, cored_cpu_flags());
  float out[8 * 8 * 3];
  for (size_t i = 0; i < sizeof colors / sizeof *colors; i++) {
    Picture picture = picture_new(CORED_PIXEL_Y444, 21, 13, true, false);
    const uint8_t value[3] = {colors[i].y, colors[i].u, colors[i].v};
    for (int c = 0; c < 3; c++)
      memset(picture.plane[c].data, value[c], picture.plane[c].size);
    picture.image.matrix = colors[i].matrix;
    picture.image.range = colors[i].range;
    run_ok(p, &picture.image, (CoredBox){1.5, 2, 9, 9}, out);
    const float want[3] = {colors[i].r, colors[i].g, colors[i].b};
    for (size_t k = 0; k < sizeof out / sizeof *out; k++)
      if (fabsf(out[k] - want[k % 3]) > 0.01f)
        fail_msg("colour %zu channel %zu: want %g got %g", i, k % 3, (double)want[k % 3],
                 (double)out[k]);
    picture_free(&picture);
  }
  cored_preprocessor_free(p);
}

static void test_normalization(void **state) {
  (void)state;
  static const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.25f, 2.f};
  uint8_t pixel[3] = {255, 0, 51};
  const CoredImage image = {
      .format = CORED_PIXEL_RGB, .width = 1, .height = 1, .plane = {pixel}, .stride = {3}};
  CoredPreprocessor *const p = cored_preprocessor_new(1, 1, mean, std, 0, NULL);
  float out[3];
  run_ok(p, &image, (CoredBox){0, 0, 1, 1}, out);
  assert_true(fabsf(out[0] - 1.8f) < 1e-6f);
  assert_true(fabsf(out[1] + 0.8f) < 1e-6f);
  assert_true(fabsf(out[2] + 0.05f) < 1e-6f);
  cored_preprocessor_free(p);
}

/* The wider instruction sets may differ from plain C by float rounding alone. */
static void test_cpu_paths_agree(void **state) {
  (void)state;
  static const unsigned masks[] = {CORED_CPU_AVX2, CORED_CPU_AVX2 | CORED_CPU_AVX512};
  enum { OUT = 61 };
  float want[OUT * OUT * 3], got[OUT * OUT * 3];
  for (size_t m = 0; m < 2; m++) {
    if ((masks[m] & cored_cpu_flags()) != masks[m])
      continue;
    CoredPreprocessor *const plain = preprocessor_new(OUT, OUT, CORED_CPU_C);
    CoredPreprocessor *const wide = preprocessor_new(OUT, OUT, masks[m]);
    for (int f = 0; f < CORED_N_PIXEL_FORMATS; f++)
      for (int side = 5; side < 400; side += 97) {
        Picture picture = picture_new((CoredPixelFormat)f, side, side + 3, true, false);
        const CoredBox box = {-1.5, 0.3, side * 0.9, side + 2.};
        for (int turned = 0; turned < 2; turned++) {
          run_area_ok(plain, &picture.image, box, turned * 0.4, want);
          run_area_ok(wide, &picture.image, box, turned * 0.4, got);
          for (size_t i = 0; i < sizeof got / sizeof *got; i++)
            if (fabsf(want[i] - got[i]) > (turned ? 4e-6f : 2e-6f))
              fail_msg("format %d side %d turned %d value %zu: C %.8g, flags %u %.8g", f, side,
                       turned, i, (double)want[i], masks[m], (double)got[i]);
        }
        picture_free(&picture);
      }
    cored_preprocessor_free(plain);
    cored_preprocessor_free(wide);
  }
}

/* More boxes than the table store holds, then the first one again: the same result. */
static void test_tables_are_replaced(void **state) {
  (void)state;
  Picture picture = picture_new(CORED_PIXEL_I420, 200, 160, true, false);
  CoredPreprocessor *const p = preprocessor_new(16, 16, cored_cpu_flags());
  float first[16 * 16 * 3], out[16 * 16 * 3];
  const CoredBox box = {10, 20, 90, 80};
  run_ok(p, &picture.image, box, first);
  for (int i = 0; i < 100; i++)
    run_ok(p, &picture.image, (CoredBox){i * 0.5, i * 0.25, 50 + i, 60 + i}, out);
  run_ok(p, &picture.image, box, out);
  assert_memory_equal(out, first, sizeof out);
  cored_preprocessor_free(p);
  picture_free(&picture);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_only_planes),
      cmocka_unit_test(test_reads_only_region),
      cmocka_unit_test(test_extreme_sizes),
      cmocka_unit_test(test_refuses_boxes),
      cmocka_unit_test(test_refuses_pictures),
      cmocka_unit_test(test_refuses_arguments),
      cmocka_unit_test(test_known_colors),
      cmocka_unit_test(test_normalization),
      cmocka_unit_test(test_cpu_paths_agree),
      cmocka_unit_test(test_tables_are_replaced),
      cmocka_unit_test(test_turned_reads_only_planes),
      cmocka_unit_test(test_turned_extremes),
      cmocka_unit_test(test_turned_crops_are_upright_ones),
      cmocka_unit_test(test_refuses_turned_areas),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
