/* SPDX-License-Identifier: MIT
 * A trainer of the compact network on three batches of noise, for tests of the trainer. */
#ifndef CORED_TESTS_TINY_TRAINER_H
#define CORED_TESTS_TINY_TRAINER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "train/core/trainer.h"

enum { size = 32, batch_size = 6, n_batches = 3, pixels = size * size * 3 };

static float images[n_batches * batch_size * pixels];
static int labels[n_batches * batch_size];
static CoredModel *first, *second; /* two models of the compact network */

static inline int tiny_trainer_make(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof images / sizeof *images; i++)
    images[i] = cored_philox_normal(1, i);
  for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
    labels[i] = (int)(i % 3 == 0);
  CoredModelInfo info;
  CoredError error = {0};
  assert_true(cored_model_info_init(&info, "cored-compact", 2, &error));
  first = cored_model_new_random(&info, 1, &error);
  second = cored_model_new_random(&info, 2, &error);
  assert_non_null(first);
  assert_non_null(second);
  return 0;
}

static inline int tiny_trainer_drop(void **state) {
  (void)state;
  cored_model_unref(first);
  cored_model_unref(second);
  return 0;
}

static inline CoredTrainParams small_params(CoredMethod method, int threads) {
  CoredTrainParams params;
  cored_train_params_init(&params);
  params.input_width = params.input_height = size;
  params.max_batch = batch_size;
  params.threads = threads;
  params.method = method;
  return params;
}

static inline CoredTrainer *open_trainer(const CoredTrainParams *params) {
  CoredError error = {0};
  CoredTrainer *const trainer = cored_trainer_new(first, second, params, &error);
  if (!trainer)
    fail_msg("%s", error.message);
  return trainer;
}

static inline CoredBatch batch_at(int step) {
  const int i = step % n_batches;
  return (CoredBatch){.n = batch_size,
                      .images = images + (size_t)i * batch_size * pixels,
                      .labels = labels + i * batch_size};
}

#endif /* CORED_TESTS_TINY_TRAINER_H */
