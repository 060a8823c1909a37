/* SPDX-License-Identifier: MIT
 * The rule by which faces are cut out: which one, from which size on, and what of the picture the
 * network sees, also where pixels are not square and where two fields are woven into one picture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cascade-text.h"
#include "cored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 240, HEIGHT = 192 };

static CoredLocator *spot_locator(void) {
  char path[] = "/tmp/cored-cascade-XXXXXX";
  const int fd = mkstemp(path);
  CoredError error;
  assert_true(fd >= 0);
  assert_int_equal(write(fd, CASCADE_LBP, strlen(CASCADE_LBP)), strlen(CASCADE_LBP));
  close(fd);
  CoredLocator *locator = cored_locator_new_cascade(path, &error);
  unlink(path);
  assert_non_null(locator);
  return locator;
}

typedef struct Spot { /* on the screen: in pixels of WIDTH x HEIGHT */
  double x, y, side;
} Spot;

/* How bright the screen is at a place: fading in all directions from the middle of each spot. */
static double screen(const Spot *spots, int n, double x, double y) {
  double sum = 0.;
  for (int i = 0; i < n; i++) {
    const double dx = x - spots[i].x, dy = y - spots[i].y, spread = spots[i].side / 3.;
    sum += exp(-(dx * dx + dy * dy) / (2. * spread * spread));
  }
  return fmin(sum, 1.);
}

/* What a camera of width x height pixels stores of the screen. */
static CoredImage store(uint8_t *luma, int width, int height, const Spot *spots, int n) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const double value = screen(spots, n, (x + 0.5) * WIDTH / width, (y + 0.5) * HEIGHT / height);
      luma[y * width + x] = (uint8_t)lrint(255. * value);
    }
  return (CoredImage){.format = CORED_PIXEL_GRAY8,
                      .width = width,
                      .height = height,
                      .plane = {luma},
                      .stride = {width},
                      .range = CORED_RANGE_FULL,
                      .pixel_aspect = (double)WIDTH / width * height / HEIGHT};
}

static const CoredCropParams lax = {
    .scale_factor = 1.1, .min_neighbors = 3, .min_size = 40, .margin = 0.3};

static CoredCrop choose(CoredLocator *locator, const CoredImage *image,
                        const CoredCropParams *params) {
  CoredCrop crop;
  CoredError error;
  if (!cored_crop_choose(locator, image, params, &crop, &error))
    fail_msg("%s", error.message);
  return crop;
}

static void expect_near(const char *what, double got, double want, double allowed) {
  if (!(fabs(got - want) <= allowed))
    fail_msg("%s: %g, expected %g", what, got, want);
}

/* In units of the screen. */
static CoredBox on_screen(const CoredImage *image, const CoredBox *box) {
  const double fx = (double)WIDTH / image->width, fy = (double)HEIGHT / image->height;
  return (CoredBox){box->x * fx, box->y * fy, box->w * fx, box->h * fy};
}

/* 4:3, 2:1, 1:2 and a third each way: the same face and the same square of the screen. */
static void pixels_need_not_be_square(void **state) {
  (void)state;
  static uint8_t luma[WIDTH * HEIGHT];
  static const int sizes[][2] = {{WIDTH * 3 / 4, HEIGHT},
                                 {WIDTH / 2, HEIGHT},
                                 {WIDTH, HEIGHT / 2},
                                 {WIDTH / 3, HEIGHT},
                                 {WIDTH, HEIGHT / 3}};
  const Spot spot = {100, 90, 60};
  CoredLocator *locator = spot_locator();
  CoredImage image = store(luma, WIDTH, HEIGHT, &spot, 1);
  assert_true(image.pixel_aspect == 1.);
  const CoredCrop square = choose(locator, &image, &lax);
  assert_true(square.used);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    image = store(luma, sizes[i][0], sizes[i][1], &spot, 1);
    const CoredCrop crop = choose(locator, &image, &lax);
    assert_int_equal(crop.n_faces, square.n_faces);
    const CoredBox box = on_screen(&image, &crop.area.box);
    expect_near("x", box.x, square.area.box.x, 3.);
    expect_near("y", box.y, square.area.box.y, 3.);
    expect_near("w", box.w, square.area.box.w, 4.);
    expect_near("w by h", box.w, box.h, 1e-9);
  }
  cored_locator_free(locator);
}

/* The bottom field may hold anything. */
static void only_the_top_field_is_looked_at(void **state) {
  (void)state;
  static uint8_t luma[WIDTH * HEIGHT], woven[WIDTH * HEIGHT];
  const float mean[3] = {0}, std[3] = {1, 1, 1};
  float whole[16 * 16 * 3], field[16 * 16 * 3];
  const Spot spot = {100, 90, 60};
  CoredError error;
  CoredLocator *locator = spot_locator();
  CoredPreprocessor *preprocessor =
      cored_preprocessor_new(16, 16, mean, std, cored_cpu_flags(), &error);
  const CoredImage progressive = store(luma, WIDTH, HEIGHT, &spot, 1);
  const CoredCrop want = choose(locator, &progressive, &lax);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++)
      woven[y * WIDTH + x] = y % 2 ? (uint8_t)(x * 37 + y * 11) : luma[y * WIDTH + x];
  CoredImage image = progressive;
  image.plane[0] = woven;
  image.interlaced = true;
  const CoredCrop crop = choose(locator, &image, &lax);
  assert_int_equal(crop.n_faces, want.n_faces);
  expect_near("x", crop.area.box.x, want.area.box.x, 3.);
  expect_near("y", crop.area.box.y, want.area.box.y, 3.);
  expect_near("w", crop.area.box.w, want.area.box.w, 4.);
  expect_near("w by h", crop.area.box.w, crop.area.box.h, 1e-9);
  expect_near("sharpness", cored_sharpness(&image, &want.face), want.sharpness, 0.1);
  /* The same pixels as from the field alone, whose lines are twice as far apart. */
  CoredImage alone = image;
  alone.interlaced = false;
  alone.height /= 2;
  alone.stride[0] *= 2;
  const CoredBox half = {crop.area.box.x, crop.area.box.y / 2, crop.area.box.w,
                         crop.area.box.h / 2};
  assert_true(cored_preprocessor_run(preprocessor, &image, &crop.area.box, whole, &error));
  assert_true(cored_preprocessor_run(preprocessor, &alone, &half, field, &error));
  assert_memory_equal(whole, field, sizeof whole);
  cored_preprocessor_free(preprocessor);
  cored_locator_free(locator);
}

static void the_largest_face_that_passes_is_taken(void **state) {
  (void)state;
  static uint8_t luma[WIDTH * HEIGHT];
  const Spot spots[] = {{60, 60, 40}, {170, 110, 66}};
  CoredCropParams params = lax;
  CoredFace faces[CORED_MAX_FACES];
  CoredError error;
  int n;
  CoredLocator *locator = spot_locator();
  CoredImage image = store(luma, WIDTH, HEIGHT, spots, 2);
  assert_true(cored_crop_find(locator, &image, &params, faces, CORED_MAX_FACES, &n, &error));
  assert_true(n >= 2);
  for (int i = 1; i < n; i++)
    assert_true(faces[i].box.w * faces[i].box.h <= faces[i - 1].box.w * faces[i - 1].box.h);
  CoredCrop crop = choose(locator, &image, &params);
  assert_true(crop.used && crop.n_faces == n);
  assert_memory_equal(&crop.face, &faces[0].box, sizeof crop.face);
  /* Fewer asked for: the largest, not the surest. */
  assert_true(cored_crop_find(locator, &image, &params, faces + n, 1, &n, &error));
  assert_int_equal(n, 1);
  assert_memory_equal(&crop.face, &faces[0].box, sizeof crop.face);
  /* Neither is sharp: the largest, and that it is not to be used. */
  params.min_sharpness = 1.;
  const CoredCrop blurred = choose(locator, &image, &params);
  assert_true(blurred.n_faces > 0 && !blurred.used && blurred.sharpness < 1.);
  assert_memory_equal(&blurred.face, &crop.face, sizeof crop.face);
  /* Stripes on the small one: it is the only sharp one, and taken. */
  for (int y = 40; y < 80; y++)
    for (int x = 40; x < 80; x++)
      luma[y * WIDTH + x] = (uint8_t)(x % 2 ? luma[y * WIDTH + x] / 2 : luma[y * WIDTH + x]);
  params.min_sharpness = 0.5;
  crop = choose(locator, &image, &params);
  assert_true(crop.used && crop.face.x < 100);
  cored_locator_free(locator);
}

static void sizes_count_in_square_pixels(void **state) {
  (void)state;
  uint8_t pixel = 0;
  CoredImage image = {
      .format = CORED_PIXEL_GRAY8, .width = 200, .height = 100, .plane = {&pixel}, .stride = {200}};
  const CoredCropParams params = {.min_size = 64, .margin = 0.5};
  const CoredBox small = {50, 20, 63.9, 80}, enough = {50, 20, 64, 80}, narrow = {90, 20, 32, 64};
  assert_false(cored_crop_is_large_enough(&params, &image, &small));
  assert_true(cored_crop_is_large_enough(&params, &image, &enough));
  assert_false(cored_crop_is_large_enough(&params, &image, &narrow));
  image.pixel_aspect = 2.;
  assert_true(cored_crop_is_large_enough(&params, &image, &narrow));
  /* 64 x 64 on the screen, grown to 96, is 48 pixels wide and 96 high. */
  CoredBox crop = cored_crop_box(&params, &image, &narrow);
  assert_true(crop.x == 82 && crop.w == 48 && crop.y == 4 && crop.h == 96);
  /* Moved into the picture, and no larger than it. */
  const CoredBox corner = {190, 70, 10, 20}, large = {0, 0, 200, 100};
  crop = cored_crop_box(&params, &image, &corner);
  assert_true(crop.x == 185 && crop.w == 15 && crop.y == 65 && crop.h == 30);
  crop = cored_crop_box(&params, &image, &large);
  assert_true(crop.x == 75 && crop.w == 50 && crop.y == 0 && crop.h == 100);
  /* Fractions of a pixel stay. */
  image.pixel_aspect = 0.;
  const CoredBox face = {50.25, 30.125, 20.5, 10};
  crop = cored_crop_box(&params, &image, &face);
  assert_true(crop.w == 30.75 && crop.x == 50.25 - 5.125 && crop.y == 30.125 - 10.375);
}

/* The square turns about its centre by the angle of the line from the right eye to the left one. */
static void crops_turn_with_the_eyes(void **state) {
  (void)state;
  static const double degrees[] = {-170, -90, -45, -10, 0, 30, 90, 179};
  static const double aspects[] = {1., 2., 0.5};
  uint8_t pixel = 0;
  CoredImage image = {
      .format = CORED_PIXEL_GRAY8, .width = 400, .height = 300, .plane = {&pixel}, .stride = {400}};
  CoredCropParams params = {.margin = 0.3, .align = CORED_CROP_ALIGN_EYES};
  CoredFace face = {.box = {150, 100, 80, 100}, .score = 1., .has_landmarks = true};
  for (size_t k = 0; k < sizeof aspects / sizeof aspects[0]; k++)
    for (size_t i = 0; i < sizeof degrees / sizeof degrees[0]; i++) {
      const double angle = degrees[i] * acos(-1.) / 180.;
      image.pixel_aspect = aspects[k];
      face.landmark[0] = (CoredPoint){170, 140};
      face.landmark[1] = (CoredPoint){170 + 40 * cos(angle) / fmax(aspects[k], 1.),
                                      140 + 40 * sin(angle) / fmax(1. / aspects[k], 1.)};
      params.align = CORED_CROP_ALIGN_EYES;
      const CoredCropArea area = cored_crop_area(&params, &image, &face);
      const CoredBox square = cored_crop_box(&params, &image, &face.box);
      expect_near("angle", area.angle, angle, 1e-12);
      assert_memory_equal(&area.box, &square, sizeof square);
      params.align = CORED_CROP_ALIGN_NONE;
      assert_true(cored_crop_area(&params, &image, &face).angle == 0.);
    }
}

static void eyes_that_tell_no_direction_turn_nothing(void **state) {
  (void)state;
  const double nan_ = (double)NAN, inf_ = (double)INFINITY;
  const CoredPoint eyes[][2] = {
      {{170, 140}, {170, 140}},    {{nan_, 140}, {210, 160}}, {{170, 140}, {210, nan_}},
      {{170, inf_}, {210, inf_}},  {{-inf_, 140}, {210, 99}}, {{-1e308, 0}, {1e308, 1e308}},
      {{170, 140}, {174, 149.16}},
  };
  uint8_t pixel = 0;
  const CoredImage image = {
      .format = CORED_PIXEL_GRAY8, .width = 400, .height = 300, .plane = {&pixel}, .stride = {400}};
  const CoredCropParams params = {.align = CORED_CROP_ALIGN_EYES};
  CoredFace face = {.box = {150, 100, 80, 100}, .has_landmarks = true};
  for (size_t i = 0; i < sizeof eyes / sizeof eyes[0]; i++) {
    memcpy(face.landmark, eyes[i], sizeof eyes[i]);
    assert_true(cored_crop_area(&params, &image, &face).angle == 0.);
  }
  face.landmark[1] = (CoredPoint){174, 149.17}; /* a tenth of the longer side away */
  assert_true(cored_crop_area(&params, &image, &face).angle > 1.);
  face.has_landmarks = false;
  assert_true(cored_crop_area(&params, &image, &face).angle == 0.);
  /* A face of no size has no side to compare with. */
  face = (CoredFace){.box = {150, 100, 0, 0}, .has_landmarks = true};
  assert_true(cored_crop_area(&params, &image, &face).angle == 0.);
}

static void absurd_pixels_are_refused(void **state) {
  (void)state;
  static uint8_t luma[WIDTH * HEIGHT];
  static const double aspects[] = {-1., 0.12, 8.1, 1e300, (double)INFINITY, (double)NAN};
  const Spot spot = {100, 90, 60};
  CoredLocator *locator = spot_locator();
  CoredImage image = store(luma, WIDTH, HEIGHT, &spot, 1);
  CoredCrop crop;
  CoredError error;
  for (size_t i = 0; i < sizeof aspects / sizeof aspects[0]; i++) {
    image.pixel_aspect = aspects[i];
    assert_false(cored_crop_choose(locator, &image, &lax, &crop, &error));
    assert_int_equal(error.code, CORED_ERROR_IMAGE);
    assert_non_null(strstr(error.message, "1/8 to 8"));
  }
  image.pixel_aspect = 1.;
  image.chroma_site = (CoredChromaSite)17;
  assert_false(cored_crop_choose(locator, &image, &lax, &crop, &error));
  cored_locator_free(locator);
}

/* From one pixel to the largest side, of any shape and woven or not: found nothing, or refused with
 * the size that would do, and never a wild read. */
static void every_size_works_or_is_refused(void **state) {
  (void)state;
  static const int sides[] = {1, 2, 3, 9, 32767, 32768, 32769};
  static const double aspects[] = {0.125, 1., 8.};
  CoredLocator *locator = spot_locator();
  for (size_t w = 0; w < sizeof sides / sizeof sides[0]; w++)
    for (size_t h = 0; h < sizeof sides / sizeof sides[0]; h++)
      for (int k = 0; k < 6; k++) {
        if ((int64_t)sides[w] * sides[h] > 1000000)
          continue;
        uint8_t *pixels = calloc((size_t)sides[w], (size_t)sides[h]);
        const CoredImage image = {.format = CORED_PIXEL_GRAY8,
                                  .width = sides[w],
                                  .height = sides[h],
                                  .plane = {pixels},
                                  .stride = {sides[w]},
                                  .interlaced = k % 2,
                                  .pixel_aspect = aspects[k / 2]};
        CoredError error;
        CoredCrop crop;
        const bool ok = cored_crop_choose(locator, &image, &lax, &crop, &error);
        assert_int_equal(ok, sides[w] <= 32768 && sides[h] <= 32768);
        assert_true(ok ? crop.n_faces == 0 : strstr(error.message, "32768") != NULL);
        free(pixels);
      }
  cored_locator_free(locator);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pixels_need_not_be_square),
      cmocka_unit_test(only_the_top_field_is_looked_at),
      cmocka_unit_test(the_largest_face_that_passes_is_taken),
      cmocka_unit_test(sizes_count_in_square_pixels),
      cmocka_unit_test(crops_turn_with_the_eyes),
      cmocka_unit_test(eyes_that_tell_no_direction_turn_nothing),
      cmocka_unit_test(absurd_pixels_are_refused),
      cmocka_unit_test(every_size_works_or_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
