/* SPDX-License-Identifier: MIT
 * Models that find faces, as files and as locators. What they find in real pictures is compared
 * with other programs in tests/reference. */
#include "model-file.h"

#include <math.h>

#include "networks/registry.h"
#include "networks/yunet.h"

static CoredModel *new_model(const char *network, int n_classes, uint64_t seed) {
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error = {0};
  assert_non_null(info);
  assert_true(cored_model_info_init(info, network, n_classes, &error));
  CoredModel *const model = cored_model_new_random(info, seed, &error);
  free(info);
  if (!model)
    fail_msg("%s", error.message);
  return model;
}

static CoredLocator *new_locator(CoredModel *model, int threads) {
  CoredError error = {0};
  CoredLocator *const locator = cored_locator_new_network(model, threads, &error);
  if (!locator)
    fail_msg("%s", error.message);
  return locator;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static CoredModel *load_kind(const char *path, CoredModelKind kind, CoredError *error) {
  const CoredModelLoadParams params = {.kind = kind};
  return cored_model_load(path, &params, error);
}

static void refuse_kind(const char *path, CoredModelKind kind, const char *expected) {
  CoredError error = {0};
  assert_null(load_kind(path, kind, &error));
  assert_int_equal(error.code, CORED_ERROR_MODEL_KIND);
  if (!strstr(error.message, expected))
    fail_msg("'%s' does not say '%s'", error.message, expected);
}

static void files_have_a_kind(void **state) {
  (void)state;
  char folder[] = "/tmp/cored-test-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/m.safetensors", folder);
  const CoredNetwork *network;
  for (size_t i = 0; (network = cored_locator_network_at(i)); i++) {
    CoredModel *const model = new_model(network->id, 0, i);
    CoredError error = {0};
    assert_true(cored_model_save(model, path, &error));
    refuse_kind(path, CORED_MODEL_CLASSIFIER,
                "expected a model of kind 'classifier', found 'locator'");
    for (int kind = CORED_MODEL_LOCATOR; kind <= CORED_MODEL_ANY; kind++) {
      CoredModel *const loaded = load_kind(path, (CoredModelKind)kind, &error);
      if (!loaded)
        fail_msg("%s", error.message);
      const CoredModelInfo *const info = cored_model_info(loaded);
      assert_int_equal(info->kind, CORED_MODEL_LOCATOR);
      assert_string_equal(info->network, network->id);
      assert_int_equal(info->n_classes, 0);
      assert_true(info->threshold == network->threshold);
      assert_null(cored_model_metadata(loaded, "cored.labels"));
      assert_string_equal(cored_model_metadata(loaded, "cored.kind"), "locator");
      cored_model_unref(loaded);
    }
    cored_model_unref(model);
  }
  CoredModel *const classifier = new_model("meso4", 2, 1);
  CoredError error = {0};
  assert_true(cored_model_save(classifier, path, &error));
  refuse_kind(path, CORED_MODEL_LOCATOR, "expected a model of kind 'locator', found 'classifier'");
  cored_model_unref(classifier);
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
}

/* Whoever takes any kind takes those that there are. */
static void unknown_kinds(void **state) {
  (void)state;
  const CoredModelLoadParams any = {.kind = CORED_MODEL_ANY};
  Blob base = blob_meso4();
  Blob blob = blob_edit(&base, "\"cored.labels\"", "\"cored.kind\":\"tracker\",\"cored.labels\"");
  CoredError error = {0};
  assert_null(cored_model_load_memory(blob.data, blob.size, "m", &any, &error));
  assert_int_equal(error.code, CORED_ERROR_METADATA_VALUE);
  assert_non_null(strstr(error.message, "'classifier' or 'locator', found 'tracker'"));
  blob_free(&blob);
  blob_free(&base);
}

static void numbers_of_classes(void **state) {
  (void)state;
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error = {0};
  assert_false(cored_model_info_init(info, "yunet-n", 2, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_PARAMS);
  assert_false(cored_model_info_init(info, "meso4", 0, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_PARAMS);
  free(info);
}

static void one_is_built_in(void **state) {
  (void)state;
  CoredError error = {0};
  CoredModel *const model = cored_model_built_in_locator(&error);
  if (!model)
    fail_msg("%s", error.message);
  assert_int_equal(cored_model_info(model)->kind, CORED_MODEL_LOCATOR);
  assert_string_equal(cored_model_info(model)->network, "yunet-n");
  assert_non_null(cored_model_metadata(model, "source_sha256"));
  cored_model_unref(model);
}

/* ---- Searching ------------------------------------------------------------------------------ */

enum { SIDE = 512, MOST = 5000 };

/* Dark, so that a network of random weights stays in the range of numbers that one sees. */
static uint8_t *noise(void) {
  uint8_t *const pixels = malloc(SIDE * SIDE * 3);
  unsigned seed = 1;
  assert_non_null(pixels);
  for (int i = 0; i < SIDE * SIDE * 3; i++) {
    seed = seed * 1664525u + 1013904223u;
    pixels[i] = (uint8_t)(seed >> 24) & 3;
  }
  return pixels;
}

static CoredImage rgb(const uint8_t *pixels, int width, int height) {
  return (CoredImage){.format = CORED_PIXEL_RGB,
                      .width = width,
                      .height = height,
                      .plane = {pixels},
                      .stride = {SIDE * 3}};
}

static int search(CoredLocator *locator, const CoredImage *image, const CoredLocatorParams *params,
                  CoredFace *faces, int max) {
  CoredError error = {0};
  int n = -1;
  if (!cored_locator_find(locator, image, params, faces, max, &n, &error))
    fail_msg("%s", error.message);
  assert_in_range(n, 0, max);
  return n;
}

/* Field by field, for there is padding between them. */
static void assert_same_faces(const CoredFace *a, const CoredFace *b, int n) {
  for (int i = 0; i < n; i++) {
    assert_memory_equal(&a[i].box, &b[i].box, sizeof a->box);
    assert_memory_equal(a[i].landmark, b[i].landmark, sizeof a->landmark);
    assert_true(a[i].score == b[i].score && a[i].has_landmarks == b[i].has_landmarks);
  }
}

static double shared_part(const CoredBox *a, const CoredBox *b) {
  const double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
  const double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
  const double both = w > 0 && h > 0 ? w * h : 0;
  return both / (a->w * a->h + b->w * b->h - both);
}

/* With random weights nearly every cell is a face: more of them than are looked at. */
static void the_surest_are_kept(void **state) {
  (void)state;
  static CoredFace faces[MOST], fewer[MOST];
  uint8_t *const pixels = noise();
  CoredModel *const model = new_model("yunet-s", 0, 3);
  CoredLocator *const locator = new_locator(model, 1);
  cored_model_unref(model); /* the locator has its own reference */
  const CoredImage image = rgb(pixels, SIDE, SIDE);
  const CoredLocatorParams any = {.min_neighbors = -1, .min_score = 1e-9};
  const int n = search(locator, &image, &any, faces, MOST);
  assert_true(n > 20);
  for (int i = 0; i < n; i++) {
    assert_true(faces[i].has_landmarks && faces[i].box.w > 0 && faces[i].box.h > 0);
    assert_true(faces[i].score > 0 && faces[i].score <= 1);
    assert_true(i == 0 || faces[i].score <= faces[i - 1].score);
    for (int k = 0; k < i; k++)
      assert_true(shared_part(&faces[i].box, &faces[k].box) <= 0.3);
  }
  assert_int_equal(search(locator, &image, &any, fewer, 7), 7);
  assert_same_faces(fewer, faces, 7);
  assert_int_equal(search(locator, &image, &any, fewer, 0), 0);
  int sure = 10;
  while (sure < n && faces[sure].score == faces[9].score)
    sure++;
  const CoredLocatorParams as_sure = {.min_neighbors = -1, .min_score = faces[9].score};
  assert_int_equal(search(locator, &image, &as_sure, fewer, MOST), sure);
  assert_same_faces(fewer, faces, sure);
  cored_locator_free(locator);
  free(pixels);
}

/* Sides are those of square pixels, and limits hold. */
static void sizes_are_kept(void **state) {
  (void)state;
  static CoredFace faces[MOST];
  uint8_t *const pixels = noise();
  CoredModel *const model = new_model("yunet-s", 0, 3);
  CoredLocator *const locator = new_locator(model, 1);
  CoredImage image = rgb(pixels, SIDE, 300);
  for (int aspect = 1; aspect <= 2; aspect++) {
    image.pixel_aspect = aspect;
    const CoredLocatorParams params = {
        .min_neighbors = -1, .min_score = 1e-9, .min_size = 20, .max_size = 60};
    const int n = search(locator, &image, &params, faces, MOST);
    assert_true(n > 0);
    for (int i = 0; i < n; i++)
      assert_in_range(ceil(fmax(faces[i].box.w * aspect, faces[i].box.h)), 20, 60);
  }
  cored_locator_free(locator);
  cored_model_unref(model);
  free(pixels);
}

/* The session is made anew for every size; the results are those of a fresh locator. */
static void any_picture(void **state) {
  (void)state;
  static const int sizes[][2] = {{1, 1},     {33, 31}, {SIDE, 1},  {1, SIDE},
                                 {SIDE, 40}, {97, 97}, {300, 200}, {33, 31}};
  static CoredFace faces[MOST], fresh[MOST];
  uint8_t *const pixels = noise();
  CoredModel *const model = new_model("yunet-n", 0, 5);
  CoredLocator *const locator = new_locator(model, 3);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int min_size = 0; min_size <= 64; min_size += 32) {
      const CoredImage image = rgb(pixels, sizes[i][0], sizes[i][1]);
      const CoredLocatorParams params = {
          .min_neighbors = -1, .min_score = 0.01, .min_size = min_size};
      const int n = search(locator, &image, &params, faces, MOST);
      CoredLocator *const other = new_locator(model, 1);
      assert_int_equal(search(other, &image, &params, fresh, MOST), n);
      assert_same_faces(faces, fresh, n);
      cored_locator_free(other);
    }
  cored_locator_free(locator);
  cored_model_unref(model);
  free(pixels);
}

/* By 180 degrees. */
static uint8_t *turned(const uint8_t *pixels) {
  uint8_t *const out = malloc(SIDE * SIDE * 3);
  assert_non_null(out);
  for (size_t i = 0, n = SIDE * SIDE; i < n; i++)
    memcpy(out + 3 * i, pixels + 3 * (n - 1 - i), 3);
  return out;
}

static void assert_near(double value, double expected) {
  if (!(fabs(value - expected) <= 1e-6 * SIDE))
    fail_msg("%.9g, expected %.9g", value, expected);
}

/* Faces of the turned picture: the same, turned, landmarks and all. */
static void assert_turned_faces(const CoredFace *a, const CoredFace *b, int n) {
  for (int i = 0; i < n; i++) {
    assert_true(a[i].score == b[i].score);
    assert_near(a[i].box.x, SIDE - b[i].box.x - b[i].box.w);
    assert_near(a[i].box.y, SIDE - b[i].box.y - b[i].box.h);
    assert_near(a[i].box.w, b[i].box.w);
    assert_near(a[i].box.h, b[i].box.h);
    for (int k = 0; k < CORED_LANDMARKS; k++) {
      assert_near(a[i].landmark[k].x, SIDE - b[i].landmark[k].x);
      assert_near(a[i].landmark[k].y, SIDE - b[i].landmark[k].y);
    }
  }
}

/* Both ways of looking see the same in either picture, so the surest of both are the same. With the
 * option there is more than without it, and no two overlap. Random weights have scores of 1, of
 * which any may come first; those of the built-in model have not. */
static void upside_down(void **state) {
  (void)state;
  static CoredFace faces[MOST], once[MOST], of_turned[MOST];
  uint8_t *const pixels = noise(), *const other = turned(pixels);
  CoredError error = {0};
  CoredModel *const model = cored_model_built_in_locator(&error);
  if (!model)
    fail_msg("%s", error.message);
  CoredLocator *const locator = new_locator(model, 1);
  const CoredImage image = rgb(pixels, SIDE, SIDE), again = rgb(other, SIDE, SIDE);
  CoredLocatorParams params = {.min_neighbors = -1, .min_score = 1e-9};
  const int n_once = search(locator, &image, &params, once, MOST);
  params.upside_down = true;
  const int n = search(locator, &image, &params, faces, MOST);
  assert_true(n > 20);
  assert_int_equal(search(locator, &again, &params, of_turned, MOST), n);
  assert_turned_faces(of_turned, faces, n);
  int both = 0;
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < n_once; k++)
      both += !memcmp(&faces[i].box, &once[k].box, sizeof once->box);
    for (int k = 0; k < i; k++)
      assert_true(shared_part(&faces[i].box, &faces[k].box) <= 0.3);
  }
  assert_true(both > 0 && both < n);
  params.upside_down = false;
  assert_int_equal(search(locator, &image, &params, faces, MOST), n_once);
  assert_same_faces(faces, once, n_once);
  cored_locator_free(locator);
  cored_model_unref(model);
  free(pixels);
  free(other);
}

/* A huge picture is reduced to what memory is worth. */
static void huge_pictures(void **state) {
  (void)state;
  static CoredFace faces[16];
  const int width = 32768, height = 1000;
  uint8_t *const pixels = calloc((size_t)width, (size_t)height);
  assert_non_null(pixels);
  CoredModel *const model = new_model("yunet-s", 0, 5);
  CoredLocator *const locator = new_locator(model, 1);
  const CoredImage image = {.format = CORED_PIXEL_GRAY8,
                            .width = width,
                            .height = height,
                            .plane = {pixels},
                            .stride = {width}};
  search(locator, &image, NULL, faces, 16);
  cored_locator_free(locator);
  cored_model_unref(model);
  free(pixels);
}

static void refuses(void **state) {
  (void)state;
  CoredError error = {0};
  uint8_t *const pixels = noise();
  CoredModel *const classifier = new_model("meso4", 2, 1), *const model =
                                                               new_model("yunet-s", 0, 1);
  assert_null(cored_locator_new_network(classifier, 1, &error));
  assert_int_equal(error.code, CORED_ERROR_MODEL_KIND);
  CoredLocator *const locator = new_locator(model, 1);
  CoredFace face;
  int n;
  for (int i = 0; i < 3; i++) {
    const double scores[] = {-0.1, 1.1, (double)NAN};
    const CoredLocatorParams params = {.min_neighbors = -1, .min_score = scores[i]};
    const CoredImage image = rgb(pixels, 64, 64);
    assert_false(cored_locator_find(locator, &image, &params, &face, 1, &n, &error));
    assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
    assert_int_equal(n, 0);
  }
  CoredImage image = rgb(NULL, 64, 64);
  assert_false(cored_locator_find(locator, &image, NULL, &face, 1, &n, &error));
  assert_int_equal(error.code, CORED_ERROR_IMAGE);
  CoredLocator *const crowd = cored_locator_new_network(model, 1000, &error);
  image = rgb(pixels, 64, 64);
  assert_true(crowd && !cored_locator_find(crowd, &image, NULL, &face, 1, &n, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT); /* as a session has it */
  cored_locator_free(crowd);
  cored_locator_free(locator);
  cored_model_unref(model);
  cored_model_unref(classifier);
  free(pixels);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_have_a_kind),   cmocka_unit_test(unknown_kinds),
      cmocka_unit_test(one_is_built_in),     cmocka_unit_test(numbers_of_classes),
      cmocka_unit_test(the_surest_are_kept), cmocka_unit_test(sizes_are_kept),
      cmocka_unit_test(any_picture),         cmocka_unit_test(upside_down),
      cmocka_unit_test(huge_pictures),       cmocka_unit_test(refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
