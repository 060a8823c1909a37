/* SPDX-License-Identifier: MIT
 * The locator's contract: where it finds what, in which formats and sizes, what it refuses, and
 * that the instruction sets agree bit for bit. Compared with OpenCV in tests/reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cascade-text.h"
#include "vision/faces/cascade-kernels.h"
#include "vision/faces/face-group.h"
#include "vision/image/luma.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CoredLocator *locator_of(const char *xml) {
  char path[] = "/tmp/cored-cascade-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, xml, strlen(xml)), strlen(xml));
  close(fd);
  CoredError error;
  CoredLocator *const locator = cored_locator_new_cascade(path, &error);
  unlink(path);
  if (!locator)
    fail_msg("%s", error.message);
  return locator;
}

enum { WIDTH = 200, HEIGHT = 150 };

/* What CASCADE_LBP looks for: a spot that fades in all directions; its middle third is as wide as
 * the spot's deviation. */
static void paint_spot(uint8_t *luma, int left, int top, int side) {
  const double middle = 0.5 * (side - 1), spread = side / 3.;
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      const double dx = x - left - middle, dy = y - top - middle;
      luma[y * WIDTH + x] = (uint8_t)(255 * exp(-(dx * dx + dy * dy) / (2 * spread * spread)));
    }
}

static CoredImage gray_image(const uint8_t *luma) {
  return (CoredImage){.format = CORED_PIXEL_GRAY8,
                      .width = WIDTH,
                      .height = HEIGHT,
                      .plane = {luma},
                      .stride = {WIDTH}};
}

static int find_ok(CoredLocator *locator, const CoredImage *image, const CoredLocatorParams *params,
                   CoredFace *faces, int max) {
  CoredError error;
  int n = -1;
  if (!cored_locator_find(locator, image, params, faces, max, &n, &error))
    fail_msg("%s", error.message);
  assert_in_range(n, 0, max);
  return n;
}

static void test_finds_spot(void **state) {
  (void)state;
  uint8_t luma[WIDTH * HEIGHT];
  CoredFace faces[32];
  CoredLocator *const locator = locator_of(CASCADE_LBP);
  paint_spot(luma, 90, 60, 48);
  const CoredImage image = gray_image(luma);
  const CoredLocatorParams params = {.min_neighbors = 1, .min_size = 40, .max_size = 60};
  const int n = find_ok(locator, &image, &params, faces, 32);
  assert_true(n >= 1);
  const CoredBox box = faces[0].box;
  /* The surest face lies on the spot. */
  assert_true(box.w >= 39 && box.w <= 61 && fabs(box.w - box.h) < 1e-9);
  assert_true(fabs(box.x + box.w / 2 - 114) < 6 && fabs(box.y + box.h / 2 - 84) < 6);
  for (int i = 1; i < n; i++)
    assert_true(faces[i].score > 0 && faces[i].score <= faces[i - 1].score);
  /* Fewer asked for: the surest ones. */
  CoredFace one;
  assert_int_equal(find_ok(locator, &image, &params, &one, 1), 1);
  assert_memory_equal(&one, &faces[0], sizeof one);
  assert_int_equal(find_ok(locator, &image, &params, NULL, 0), 0);
  cored_locator_free(locator);
}

static void test_sizes(void **state) {
  (void)state;
  uint8_t luma[WIDTH * HEIGHT];
  static CoredFace faces[CORED_MAX_HITS];
  CoredLocator *const locator = locator_of(CASCADE_LBP);
  paint_spot(luma, 40, 20, 100);
  const CoredImage image = gray_image(luma);
  CoredLocatorParams params = {.min_neighbors = 0, .min_size = 30, .max_size = 70};
  int n = find_ok(locator, &image, &params, faces, CORED_MAX_HITS);
  assert_true(n > 0);
  for (int i = 0; i < n; i++)
    assert_true(faces[i].box.w >= 30 && faces[i].box.w <= 70);
  /* One size between two steps: the step below it. */
  params.min_size = params.max_size = 50;
  n = find_ok(locator, &image, &params, faces, CORED_MAX_HITS);
  assert_true(n > 0);
  for (int i = 0; i < n; i++)
    assert_true(faces[i].box.w == 50 || faces[i].box.w == 46);
  params.min_size = 10000;
  params.max_size = 0;
  assert_int_equal(find_ok(locator, &image, &params, faces, CORED_MAX_HITS), 0);
  params.min_size = 60;
  params.max_size = 20;
  assert_int_equal(find_ok(locator, &image, &params, faces, CORED_MAX_HITS), 0);
  cored_locator_free(locator);
}

static void test_small_pictures(void **state) {
  (void)state;
  uint8_t luma[40 * 40];
  CoredFace faces[64];
  memset(luma, 200, sizeof luma);
  CoredLocator *const locators[] = {locator_of(CASCADE_HAAR), locator_of(CASCADE_LBP)};
  for (int i = 0; i < 2; i++) {
    for (int w = 1; w <= 40; w++)
      for (int h = 1; h <= 40; h += 3) {
        CoredImage image = {.format = CORED_PIXEL_GRAY8,
                            .width = w,
                            .height = h,
                            .plane = {luma + sizeof luma - (size_t)w * (size_t)h},
                            .stride = {w}};
        find_ok(locators[i], &image, NULL, faces, 64);
      }
    cored_locator_free(locators[i]);
  }
}

/* The same luma in every format gives the same faces; RGB may round differently. */
static void test_formats(void **state) {
  (void)state;
  uint8_t luma[WIDTH * HEIGHT], uyvy[WIDTH * HEIGHT * 2], rgbx[WIDTH * HEIGHT * 4];
  uint16_t p010[WIDTH * HEIGHT], i420_10[WIDTH * HEIGHT];
  static const uint8_t chroma[WIDTH * HEIGHT * 2];
  CoredFace want[8], got[8];
  CoredLocator *const locator = locator_of(CASCADE_LBP);
  paint_spot(luma, 90, 60, 48);
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    uyvy[2 * i] = 77;
    uyvy[2 * i + 1] = luma[i];
    memset(rgbx + 4 * i, luma[i], 4);
    p010[i] = (uint16_t)(luma[i] << 8 | 0xc0);
    i420_10[i] = (uint16_t)(luma[i] << 2 | 3);
  }
  const CoredLocatorParams params = {.min_neighbors = 2, .min_size = 40};
  CoredImage image = gray_image(luma);
  const int n = find_ok(locator, &image, &params, want, 8);
  assert_true(n > 0);
  const struct {
    CoredPixelFormat format;
    const void *plane;
    int stride;
  } cases[] = {
      {CORED_PIXEL_I420, luma, WIDTH},          {CORED_PIXEL_NV21, luma, WIDTH},
      {CORED_PIXEL_UYVY, uyvy, 2 * WIDTH},      {CORED_PIXEL_YUY2, uyvy + 1, 2 * WIDTH},
      {CORED_PIXEL_RGBX, rgbx, 4 * WIDTH},      {CORED_PIXEL_XBGR, rgbx, 4 * WIDTH},
      {CORED_PIXEL_P010_10LE, p010, 2 * WIDTH}, {CORED_PIXEL_I420_10LE, i420_10, 2 * WIDTH},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    image = (CoredImage){.format = cases[i].format,
                         .width = WIDTH,
                         .height = HEIGHT - 1, /* YUY2 begins a byte late here */
                         .plane = {cases[i].plane, chroma, chroma},
                         .stride = {cases[i].stride, 2 * WIDTH, 2 * WIDTH}};
    CoredImage gray = gray_image(luma);
    gray.height = HEIGHT - 1;
    const int n_want = find_ok(locator, &gray, &params, want, 8);
    assert_int_equal(find_ok(locator, &image, &params, got, 8), n_want);
    assert_memory_equal(got, want, (size_t)n_want * sizeof *got);
  }
  /* Bottom-up memory. */
  uint8_t flipped[WIDTH * HEIGHT];
  for (int y = 0; y < HEIGHT; y++)
    memcpy(flipped + y * WIDTH, luma + (HEIGHT - 1 - y) * WIDTH, WIDTH);
  image = gray_image(flipped + (HEIGHT - 1) * WIDTH);
  image.stride[0] = -WIDTH;
  const CoredImage upright = gray_image(luma);
  const int n_want = find_ok(locator, &upright, &params, want, 8);
  assert_int_equal(find_ok(locator, &image, &params, got, 8), n_want);
  assert_memory_equal(got, want, (size_t)n_want * sizeof *got);
  cored_locator_free(locator);
}

static void expect_refused(CoredLocator *locator, const CoredImage *image,
                           CoredLocatorParams params, int max, CoredErrorCode code) {
  CoredFace faces[4];
  CoredError error = {0};
  int n = 17;
  assert_false(cored_locator_find(locator, image, &params, faces, max, &n, &error));
  assert_int_equal(error.code, code);
  assert_int_equal(n, 0);
}

static void test_refuses(void **state) {
  (void)state;
  static const uint8_t luma[WIDTH * HEIGHT];
  CoredLocator *const locator = locator_of(CASCADE_LBP);
  CoredImage image = gray_image(luma);
  expect_refused(locator, &image, (CoredLocatorParams){.scale_factor = 1.}, 4,
                 CORED_ERROR_ARGUMENT);
  expect_refused(locator, &image, (CoredLocatorParams){.scale_factor = (double)NAN}, 4,
                 CORED_ERROR_ARGUMENT);
  expect_refused(locator, &image, (CoredLocatorParams){.scale_factor = -2}, 4,
                 CORED_ERROR_ARGUMENT);
  expect_refused(locator, &image, (CoredLocatorParams){.min_size = -1}, 4, CORED_ERROR_ARGUMENT);
  expect_refused(locator, &image, (CoredLocatorParams){.max_size = -1}, 4, CORED_ERROR_ARGUMENT);
  expect_refused(locator, &image, (CoredLocatorParams){0}, -1, CORED_ERROR_ARGUMENT);
  image.stride[0] = 1;
  expect_refused(locator, &image, (CoredLocatorParams){0}, 4, CORED_ERROR_IMAGE);
  cored_locator_free(locator);
  cored_locator_free(NULL);
}

/* A cascade that takes everything: the number of hits is bounded; one that in addition looks at
 * thousands of trees for each window is stopped. */
static void test_bounded_work(void **state) {
  (void)state;
  enum { TREES = 3000, SIZE = 1 << 20 };
  static uint8_t luma[640 * 480];
  static CoredFace faces[CORED_MAX_HITS];
  for (size_t i = 0; i < sizeof luma; i++)
    luma[i] = (uint8_t)((i * 2654435761u) >> 13);
  const CoredImage image = {
      .format = CORED_PIXEL_GRAY8, .width = 640, .height = 480, .plane = {luma}, .stride = {640}};
  char *const xml = malloc(SIZE);
  assert_non_null(xml);
  size_t n = (size_t)snprintf(
      xml, SIZE,
      "<opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType>"
      "<height>9</height><width>9</width><stageNum>1</stageNum><stages><_>"
      "<stageThreshold>-1e9</stageThreshold><weakClassifiers>");
  const char *const tree = "<_><internalNodes>0 -1 0 1 0 0 0 0 0 0 0</internalNodes>"
                           "<leafValues>1. -1.</leafValues></_>";
  const char *const end = "</weakClassifiers></_></stages><features><_><rect>0 0 3 3</rect></_>"
                          "</features></cascade></opencv_storage>";
  snprintf(xml + n, SIZE - n, "%s%s", tree, end);
  CoredLocator *locator = locator_of(xml);
  assert_int_equal(
      find_ok(locator, &image, &(CoredLocatorParams){.min_neighbors = 0}, faces, CORED_MAX_HITS),
      CORED_MAX_HITS);
  assert_true(find_ok(locator, &image, NULL, faces, CORED_MAX_HITS) >= 1);
  cored_locator_free(locator);
  for (int i = 0; i < TREES; i++)
    n += (size_t)snprintf(xml + n, SIZE - n, "%s", tree);
  snprintf(xml + n, SIZE - n, "%s", end);
  locator = locator_of(xml);
  expect_refused(locator, &image, (CoredLocatorParams){0}, 4, CORED_ERROR_CASCADE_FORMAT);
  cored_locator_free(locator);
  free(xml);
}

/* ---- Kernels -------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

enum { STRIDE = 64, SIDE = 20, N_FEATURES = 40, N_NODES = 90, N_TREES = 30 };

typedef struct Fixture {
  CoredCascade cascade;
  CoredCascadeStage stage;
  CoredCascadeTree trees[N_TREES];
  CoredCascadeNode nodes[N_NODES];
  float leaves[N_NODES + N_TREES];
  CoredFeatureOffsets offsets[N_FEATURES];
  uint32_t sum[STRIDE * 64];
} Fixture;

static void random_features(Fixture *f, CoredCascadeKind kind, uint32_t *seed) {
  for (int i = 0; i < N_FEATURES; i++) {
    CoredFeatureOffsets *const o = &f->offsets[i];
    for (int k = 0; k < 16; k++)
      o->at[k] = (int32_t)(next_random(seed) % SIDE * STRIDE + next_random(seed) % SIDE);
    if (kind == CORED_CASCADE_HAAR)
      for (int k = 0; k < (i & 1 ? 3 : 2); k++)
        o->weight[k] = (float)(int)(next_random(seed) % 7) - 3.f;
  }
}

/* Trees of 1 to 3 nodes: a root, its children right behind it. */
static void random_trees(Fixture *f, uint32_t *seed) {
  int node = 0, leaf = 0;
  for (int t = 0; t < N_TREES; t++) {
    const int n = 1 + t % 3;
    f->trees[t] = (CoredCascadeTree){.first_node = node, .n_nodes = n, .first_leaf = leaf};
    for (int i = 0; i < n; i++) {
      CoredCascadeNode *const nd = &f->nodes[node + i];
      nd->feature = (int)(next_random(seed) % N_FEATURES);
      nd->threshold = (float)(next_random(seed) % 2000) * 1e-3f - 1.f;
      nd->left = i == 0 && n > 1 ? 1 : -(i % (n + 1));
      nd->right = i == 0 && n > 2 ? 2 : -((i + 1) % (n + 1));
      for (int k = 0; k < 8; k++)
        nd->subset[k] = next_random(seed) << 16 ^ next_random(seed);
    }
    for (int i = 0; i <= n; i++)
      f->leaves[leaf + i] = (float)(next_random(seed) % 1000) * 1e-3f - 0.5f;
    node += n;
    leaf += n + 1;
  }
}

static Fixture *fixture_new(CoredCascadeKind kind, uint32_t *seed) {
  Fixture *const f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->stage = (CoredCascadeStage){.n_trees = N_TREES, .threshold = -0.2f};
  f->cascade = (CoredCascade){.kind = kind,
                              .width = SIDE,
                              .height = SIDE,
                              .stages = &f->stage,
                              .trees = f->trees,
                              .nodes = f->nodes,
                              .leaves = f->leaves,
                              .n_features = N_FEATURES,
                              .largest_tree = 3};
  random_features(f, kind, seed);
  random_trees(f, seed);
  for (int y = 1; y < 64; y++)
    for (int x = 1; x < STRIDE; x++)
      f->sum[y * STRIDE + x] = f->sum[y * STRIDE + x - 1] + f->sum[(y - 1) * STRIDE + x] -
                               f->sum[(y - 1) * STRIDE + x - 1] + next_random(seed) % 256;
  return f;
}

static void test_kernels_agree(void **state) {
  (void)state;
  const CoredCascadeKernels *const plain = cored_cascade_kernels(CORED_CPU_C);
  const CoredCascadeKernels *const wide = cored_cascade_kernels(cored_cpu_flags());
  uint32_t seed = 99;
  unsigned seen = 0;
  for (int round = 0; round < 40; round++)
    for (int kind = 0; kind < 2; kind++)
      for (int step = 1; step <= 2; step++) {
        Fixture *const f = fixture_new((CoredCascadeKind)kind, &seed);
        const CoredStageView view = {&f->cascade, f->offsets};
        const uint32_t *const window = f->sum + 3 * STRIDE + 1;
        float norm[CORED_CASCADE_BLOCK];
        for (int i = 0; i < CORED_CASCADE_BLOCK; i++)
          norm[i] = 1.f / (float)(1000 + next_random(&seed) % 100000);
        const unsigned alive = round & 1 ? 0xff : next_random(&seed) & 0xff;
        const unsigned want = plain->stage_block(&view, &f->stage, window, step, norm, alive);
        assert_int_equal(wide->stage_block(&view, &f->stage, window, step, norm, alive), want);
        assert_int_equal(want & ~alive, 0);
        for (int i = 0; i < CORED_CASCADE_BLOCK; i++) {
          const float a = plain->stage_sum(&view, &f->stage, window + i * step, norm[i]);
          const float b = wide->stage_sum(&view, &f->stage, window + i * step, norm[i]);
          assert_memory_equal(&a, &b, sizeof a);
        }
        seen |= want;
        free(f);
      }
  assert_int_equal(seen, 0xff);
}

/* ---- Integrals and grouping ----------------------------------------------------------------- */

static void test_integrals(void **state) {
  (void)state;
  enum { W = 13, H = 9, S = 16 };
  uint8_t src[W * H];
  uint32_t sum[S * (H + 1)], squares[S * (H + 1)], tilted[S * (H + 1)], seed = 5;
  for (int i = 0; i < W * H; i++)
    src[i] = (uint8_t)next_random(&seed);
  cored_luma_integrals(src, W, H, S, sum, squares, tilted);
  for (int y = 0; y <= H; y++)
    for (int x = 0; x <= W; x++) {
      uint32_t want = 0, want_squares = 0, want_tilted = 0;
      for (int v = 0; v < y; v++)
        for (int u = 0; u < W; u++) {
          if (u < x) {
            want += src[v * W + u];
            want_squares += (uint32_t)src[v * W + u] * src[v * W + u];
          }
          if (abs(u - x + 1) <= y - v - 1)
            want_tilted += src[v * W + u];
        }
      assert_int_equal(sum[y * S + x], want);
      assert_int_equal(squares[y * S + x], want_squares);
      assert_int_equal(tilted[y * S + x], want_tilted);
    }
}

static void test_grouping(void **state) {
  (void)state;
  CoredHit hits[12] = {
      {100, 100, 50, 50, 0.5f}, {102, 101, 50, 50, 0.5f}, {98, 99, 52, 52, 0.5f},
      {100, 104, 48, 48, 0.5f}, {300, 20, 40, 40, 2.f},   {301, 21, 40, 40, 2.f},
      {302, 20, 40, 40, 2.f},   {303, 20, 40, 40, 2.f},   {301, 19, 40, 40, 2.f},
      {110, 110, 20, 20, 1.f},  {500, 500, 30, 30, 3.f},  {0, 0, 30, 30, 3.f},
  };
  CoredFace faces[12];
  assert_int_equal(cored_group_hits(hits, 12, 3, faces, 12), 2);
  assert_true(fabs(faces[0].box.x - 301.4) < 1e-9 && fabs(faces[0].box.y - 20) < 1e-9);
  assert_true(fabs(faces[0].score - (5 + 2. / 3)) < 1e-6);
  assert_true(fabs(faces[1].box.x - 100) < 1e-9 && fabs(faces[1].box.w - 50) < 1e-9);
  assert_true(fabs(faces[1].score - (4 + 0.5 / 1.5)) < 1e-6);
  /* No minimum: the lone hit inside the first group stays out of it but is dropped as its part
   * when groups are made of one hit or more. */
  assert_int_equal(cored_group_hits(hits, 12, 0, faces, 12), 12);
  assert_true(fabs(faces[0].score - 1.75) < 1e-6);
  assert_int_equal(cored_group_hits(hits, 12, 4, faces, 12), 1);
  assert_int_equal(cored_group_hits(hits, 12, 5, faces, 12), 0);
  assert_int_equal(cored_group_hits(hits, 0, 3, faces, 12), 0);
  assert_int_equal(cored_group_hits(hits, 12, 3, faces, 1), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_finds_spot),     cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_small_pictures), cmocka_unit_test(test_formats),
      cmocka_unit_test(test_refuses),        cmocka_unit_test(test_bounded_work),
      cmocka_unit_test(test_kernels_agree),  cmocka_unit_test(test_integrals),
      cmocka_unit_test(test_grouping),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
