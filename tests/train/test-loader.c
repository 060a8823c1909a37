/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tiny-set.h"
#include "train/data/loader.h"

enum { N_FAKE = 23, N_REAL = 14, N = N_FAKE + N_REAL, FLOATS = TINY_SIDE * TINY_SIDE * 3 };

static char root[] = "/tmp/cored-loader-XXXXXX";
static char set_root[64];

static CoredDataParams tiny_params(uint64_t cache_bytes) {
  CoredDataParams params = cored_data_params_default();
  params.width = params.height = TINY_SIDE;
  params.cache_bytes = cache_bytes;
  return params;
}

static CoredDataset *load(uint64_t cache_bytes) {
  const CoredDataParams params = tiny_params(cache_bytes);
  CoredError error = {0};
  CoredDataset *set = tiny_load(set_root, &params, &error);
  if (!set)
    fail_msg("%s", error.message);
  return set;
}

static CoredLoaderParams loader_params(int threads) {
  return (CoredLoaderParams){.batch = 8,
                             .seed = 2020,
                             .augment = true,
                             .augmentation = cored_augment_params_default(false),
                             .threads = threads,
                             .depth = 3};
}

/* An epoch's inputs and samples one after another; the number of samples. */
static size_t run_epoch(const CoredDataset *set, const CoredLoaderParams *params, uint64_t epoch,
                        uint64_t first, float *inputs, uint32_t *samples) {
  CoredError error = {0};
  CoredLoader *loader = cored_loader_new(set, params, &error);
  CoredLoaderBatch batch;
  size_t n = 0;
  if (!loader)
    fail_msg("%s", error.message);
  assert_true(cored_loader_start(loader, epoch, first, &error));
  while (cored_loader_next(loader, &batch)) {
    memcpy(inputs + n * FLOATS, batch.input, (size_t)batch.n * FLOATS * sizeof(float));
    for (int i = 0; i < batch.n; i++) {
      samples[n + (size_t)i] = batch.samples[i];
      assert_int_equal(batch.labels[i], batch.samples[i] >= N_FAKE);
    }
    n += (size_t)batch.n;
  }
  cored_loader_free(loader);
  return n;
}

static void epochs_are_permutations(void **state) {
  (void)state;
  static float inputs[N * FLOATS];
  uint32_t one[N], two[N], seen[N] = {0};
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(2);
  assert_int_equal(run_epoch(set, &params, 0, 0, inputs, one), N);
  assert_int_equal(run_epoch(set, &params, 1, 0, inputs, two), N);
  for (int i = 0; i < N; i++)
    seen[one[i]]++;
  for (int i = 0; i < N; i++)
    assert_int_equal(seen[i], 1);
  assert_memory_not_equal(one, two, sizeof one);
  params.sequential = true;
  run_epoch(set, &params, 5, 0, inputs, one);
  for (uint32_t i = 0; i < N; i++)
    assert_int_equal(one[i], i);
  cored_dataset_free(set);
}

static void threads_cache_and_resuming_change_nothing(void **state) {
  (void)state;
  static float want[N * FLOATS], got[N * FLOATS];
  uint32_t want_samples[N], samples[N];
  CoredDataset *cached = load(UINT64_C(1) << 30), *uncached = load(0);
  CoredLoaderParams params = loader_params(1);
  params.augmentation.cutmix_rate = 0.7;
  params.augmentation.blur = params.augmentation.jpeg = 0.5;
  run_epoch(cached, &params, 3, 0, want, want_samples);
  for (int threads = 1; threads <= 4; threads += 3)
    for (int depth = 1; depth <= 5; depth += 4) {
      params.threads = threads;
      params.depth = depth;
      assert_int_equal(run_epoch(uncached, &params, 3, 0, got, samples), N);
      assert_memory_equal(got, want, sizeof want);
      assert_memory_equal(samples, want_samples, sizeof samples);
      assert_int_equal(run_epoch(cached, &params, 3, 2, got, samples), N - 16);
      assert_memory_equal(got, want + 16 * FLOATS, (N - 16) * FLOATS * sizeof(float));
    }
  cored_dataset_free(cached);
  cored_dataset_free(uncached);
}

/* Ranks 0, 1, 2 of three give together, batch by batch, what one process gives. */
static void ranks_split_every_batch(void **state) {
  (void)state;
  static float whole[N * FLOATS];
  uint32_t samples[N];
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(2);
  params.augmentation.cutmix_rate = 0.7;
  run_epoch(set, &params, 1, 0, whole, samples);
  CoredLoader *loaders[3];
  for (int r = 0; r < 3; r++) {
    params.rank = r;
    params.ranks = 3;
    loaders[r] = cored_loader_new(set, &params, NULL);
    assert_non_null(loaders[r]);
    assert_true(cored_loader_start(loaders[r], 1, 0, NULL));
  }
  size_t at = 0;
  CoredLoaderBatch batch;
  for (int r = 0; cored_loader_next(loaders[r], &batch); r = (r + 1) % 3) {
    assert_int_equal(batch.n_whole, at < 32 ? 8 : N - 32);
    assert_memory_equal(batch.input, whole + at * FLOATS, (size_t)batch.n * FLOATS * sizeof(float));
    at += (size_t)batch.n;
  }
  assert_int_equal(at, N);
  for (int r = 0; r < 3; r++)
    cored_loader_free(loaders[r]);
  cored_dataset_free(set);
}

/* With the red level as a name tag and no flip, every pasted box can be read off the inputs: it
 * is a rectangle, comes from a sample of the same batch, and only over the wanted pairs of
 * classes. */
static void check_cutmix(CoredCutMix kind) {
  static float inputs[N * FLOATS];
  uint32_t samples[N];
  int pasted = 0;
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(2);
  params.augmentation =
      (CoredAugmentParams){.cutmix = kind, .cutmix_rate = 1.0, .cutmix_beta = 1.0};
  for (uint64_t epoch = 0; epoch < 10; epoch++) {
    run_epoch(set, &params, epoch, 0, inputs, samples);
    for (int i = 0; i < N; i++) {
      const int own = samples[i] < N_FAKE ? (int)samples[i] : 128 + (int)samples[i] - N_FAKE;
      int other = -1, x0 = TINY_SIDE, x1 = -1, y0 = TINY_SIDE, y1 = -1, area = 0;
      for (int p = 0; p < TINY_SIDE * TINY_SIDE; p++) {
        const float *pixel = inputs + ((size_t)i * TINY_SIDE * TINY_SIDE + (size_t)p) * 3;
        const int red = (int)lrintf((pixel[0] + 1.0F) * 127.5F);
        const int x = p % TINY_SIDE, y = p / TINY_SIDE;
        assert_int_equal(lrintf((pixel[1] + 1.0F) * 127.5F), x * 15); /* boxes keep their place */
        if (red == own)
          continue;
        assert_true(other < 0 || other == red);
        other = red;
        area++;
        x0 = x < x0 ? x : x0;
        x1 = x > x1 ? x : x1;
        y0 = y < y0 ? y : y0;
        y1 = y > y1 ? y : y1;
      }
      if (other < 0)
        continue;
      pasted++;
      assert_int_equal(area, (x1 - x0 + 1) * (y1 - y0 + 1));
      assert_int_equal((own < 128) == (other < 128), kind == CORED_CUTMIX_SAME_CLASS);
      bool in_batch = false;
      for (int k = i / 8 * 8; k < i / 8 * 8 + 8 && k < N; k++)
        in_batch |= other == (samples[k] < N_FAKE ? (int)samples[k] : 105 + (int)samples[k]);
      assert_true(in_batch);
    }
  }
  assert_true(pasted > N * 10 / 5);
  cored_dataset_free(set);
}

static void cutmix_pastes_other_classes_only(void **state) {
  (void)state;
  check_cutmix(CORED_CUTMIX_OTHER_CLASS);
}

static void cutmix_pastes_the_same_class_only(void **state) {
  (void)state;
  check_cutmix(CORED_CUTMIX_SAME_CLASS);
}

static void balanced_order_repeats_the_rare_class(void **state) {
  (void)state;
  uint32_t order[N];
  int seen[N] = {0}, n_real = 0;
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(1);
  params.balanced = true;
  assert_true(cored_loader_order(set, &params, 0, order, NULL));
  for (int i = 0; i < N; i++) {
    seen[order[i]]++;
    n_real += order[i] >= N_FAKE;
  }
  assert_int_equal(n_real, N / 2);
  for (int i = 0; i < N; i++) /* 18 of 14: once or twice; 19 of 23: once or not */
    assert_in_range(seen[i], i < N_FAKE ? 0 : 1, i < N_FAKE ? 1 : 2);
  cored_dataset_free(set);
}

static void files_that_go_or_change_are_left_out(void **state) {
  (void)state;
  static float inputs[N * FLOATS];
  char path[128];
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(2);
  snprintf(path, sizeof path, "%s/fake/003.bmp", set_root);
  assert_int_equal(unlink(path), 0);
  snprintf(path, sizeof path, "%s/real/002.bmp", set_root);
  assert_true(tiny_write_bmp(path, 77));
  params.augment = false;
  CoredError error = {0};
  CoredLoader *loader = cored_loader_new(set, &params, NULL);
  CoredLoaderBatch batch;
  int n = 0;
  assert_true(cored_loader_start(loader, 0, 0, NULL));
  while (cored_loader_next(loader, &batch))
    for (int i = 0; i < batch.n; i++, n++) {
      assert_int_not_equal(batch.samples[i], 3);
      assert_int_not_equal(batch.samples[i], N_FAKE + 2);
      const int red = (int)lrintf((batch.input[(size_t)i * FLOATS] + 1.0F) * 127.5F);
      assert_int_equal(red, batch.samples[i] < N_FAKE ? batch.samples[i] : 105 + batch.samples[i]);
    }
  assert_int_equal(n, N - 2);
  assert_int_equal(cored_loader_failures(loader, &error), 2);
  assert_true(error.code == CORED_ERROR_NOT_FOUND || error.code == CORED_ERROR_FILE_CHANGED);
  cored_loader_free(loader);
  assert_true(tiny_write_bmp(path, 130));
  snprintf(path, sizeof path, "%s/fake/003.bmp", set_root);
  assert_true(tiny_write_bmp(path, 3));
  assert_int_equal(run_epoch(set, &params, 0, 0, inputs, (uint32_t[N]){0}), N);
  cored_dataset_free(set);
}

static void restarting_drops_the_rest(void **state) {
  (void)state;
  CoredDataset *set = load(0);
  CoredLoaderParams params = loader_params(3);
  CoredLoader *loader = cored_loader_new(set, &params, NULL);
  CoredLoaderBatch batch;
  for (uint64_t epoch = 0; epoch < 30; epoch++) {
    assert_true(cored_loader_start(loader, epoch, epoch % 5, NULL));
    for (uint64_t k = 0; k < epoch % 4 && cored_loader_next(loader, &batch); k++)
      assert_int_equal(batch.index, epoch % 5 + k);
  }
  cored_loader_free(loader);
  params.batch = 0;
  CoredError error = {0};
  assert_null(cored_loader_new(set, &params, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  cored_dataset_free(set);
}

static int set_up(void **state) {
  (void)state;
  if (!mkdtemp(root))
    return -1;
  snprintf(set_root, sizeof set_root, "%s/train", root);
  return tiny_write_set(set_root, N_FAKE, N_REAL) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  tiny_remove(root);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(epochs_are_permutations),
      cmocka_unit_test(threads_cache_and_resuming_change_nothing),
      cmocka_unit_test(ranks_split_every_batch),
      cmocka_unit_test(cutmix_pastes_other_classes_only),
      cmocka_unit_test(cutmix_pastes_the_same_class_only),
      cmocka_unit_test(balanced_order_repeats_the_rare_class),
      cmocka_unit_test(files_that_go_or_change_are_left_out),
      cmocka_unit_test(restarting_drops_the_rest),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
