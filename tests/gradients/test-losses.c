/* SPDX-License-Identifier: MIT
 * Every loss against central differences in double precision, and against values worked out by
 * hand where the definition can be misread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/random.h"
#include "train/core/losses.h"
#include "train/core/schedule.h"

#define assert_close(a, b, tolerance)                                                              \
  do {                                                                                             \
    const double got_ = (a), expected_ = (b);                                                      \
    if (!(fabs(got_ - expected_) <= (tolerance)))                                                  \
      fail_msg("%s is %.12g, expected %.12g", #a, got_, expected_);                                \
  } while (0)

enum { classes = 3, channels = 7, samples = 12, bins = 5 };
static const double h = 1e-5;

static void fill(double *values, size_t n, uint64_t key, double scale) {
  for (size_t i = 0; i < n; i++)
    values[i] = scale * (double)cored_philox_normal(key, i);
}

static void cross_entropy_gradient(void **state) {
  (void)state;
  double z[classes], dz[classes] = {0};
  fill(z, classes, 1, 2);
  cored_loss_cross_entropy_gradient(z, classes, 1, 0.7, dz);
  for (int i = 0; i < classes; i++) {
    const double value = z[i];
    z[i] = value + h;
    const double above = cored_loss_cross_entropy(z, classes, 1);
    z[i] = value - h;
    const double below = cored_loss_cross_entropy(z, classes, 1);
    z[i] = value;
    assert_close(dz[i], 0.7 * (above - below) / (2 * h), 1e-9);
  }
}

static void cross_entropy_of_extreme_logits_is_finite(void **state) {
  (void)state;
  const double z[2] = {1000, -1000};
  double dz[2] = {0};
  assert_close(cored_loss_cross_entropy(z, 2, 0), 0, 1e-300);
  assert_close(cored_loss_cross_entropy(z, 2, 1), 2000, 1e-9);
  cored_loss_cross_entropy_gradient(z, 2, 1, 1, dz);
  assert_close(dz[0], 1, 1e-12);
  assert_close(dz[1], -1, 1e-12);
}

static void distillation_gradient(void **state) {
  (void)state;
  double zs[classes], zt[classes], dz[classes] = {0};
  fill(zs, classes, 2, 3);
  fill(zt, classes, 3, 3);
  cored_loss_distillation_gradient(zs, zt, classes, 2, 0.3, 20, 0.7, dz);
  for (int i = 0; i < classes; i++) {
    const double value = zs[i];
    zs[i] = value + h;
    const double above = cored_loss_distillation(zs, zt, classes, 2, 0.3, 20);
    zs[i] = value - h;
    const double below = cored_loss_distillation(zs, zt, classes, 2, 0.3, 20);
    zs[i] = value;
    assert_close(dz[i], 0.7 * (above - below) / (2 * h), 1e-7);
  }
}

/* A student equal to its teacher pays nothing for the teacher's share: no constant is left. */
static void distillation_has_no_constant(void **state) {
  (void)state;
  const double z[2] = {0.4, -1.1};
  assert_close(cored_loss_distillation(z, z, 2, 0, 1, 20), 0, 1e-12);
  assert_close(cored_loss_distillation(z, z, 2, 0, 0, 20), cored_loss_cross_entropy(z, 2, 0),
               1e-12);
}

/* Logits of two classes with this softmax probability of class 0. */
static void logits_of(double p, double z[2]) {
  z[0] = log(p / (1 - p));
  z[1] = 0;
}

static void stores_are_half_open(void **state) {
  (void)state;
  static const struct {
    double p;
    int store;
  } cases[] = {{0.35, -1},  {0.5, -1},   {0.5001, 0}, {0.5999, 0}, {0.6001, 1},
               {0.7999, 2}, {0.8001, 3}, {0.8999, 3}, {0.9001, 4}, {0.9999, 4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double z[2];
    logits_of(cases[i].p, z);
    assert_int_equal(cored_store_index(z, 2, 0, 5), cases[i].store);
    assert_int_equal(cored_store_index(z, 2, 1, 5), cases[i].p < 0.5 ? 1 : -1);
  }
  const double certain[2] = {800, 0};
  assert_int_equal(cored_store_index(certain, 2, 0, 5), 4);
  const double nothing[2] = {(double)NAN, 0};
  assert_int_equal(cored_store_index(nothing, 2, 0, 5), -1);
}

/* Samples in random stores; the same once as teacher with other features. */
typedef struct World {
  double pooled[samples][channels];
  int store[samples], label[samples];
  CoredStores student, teacher;
} World;

static void fill_stores(World *w, CoredStores *stores, uint64_t key) {
  cored_stores_reset(stores);
  for (int i = 0; i < samples; i++) {
    double other[channels];
    fill(other, channels, key + (uint64_t)i, 1);
    const bool student = stores == &w->student;
    if (student || i % 4) /* a pair may be empty on one side */
      cored_stores_add(stores, w->store[i], w->label[i], student ? w->pooled[i] : other, channels);
  }
}

static void world_open(World *w, int width) {
  for (int i = 0; i < samples; i++) {
    fill(w->pooled[i], channels, 100 + (uint64_t)i, 1);
    w->store[i] = i % 4 == 0 ? 4 : i % 3;
    w->label[i] = i % 2;
  }
  assert_true(cored_stores_init(&w->student, bins, classes, width));
  assert_true(cored_stores_init(&w->teacher, bins, classes, width));
  fill_stores(w, &w->teacher, 200);
}

static double representation(World *w, int *pairs) {
  fill_stores(w, &w->student, 0);
  return cored_loss_representation(&w->student, &w->teacher, pairs);
}

static void check_representation(int width) {
  World w;
  int pairs;
  world_open(&w, width);
  representation(&w, &pairs);
  assert_int_equal(pairs,
                   6); /* (0..2) x (0,1) are filled on both sides, store 4 only by students */
  for (int i = 0; i < samples; i++) {
    double gradient[channels] = {0};
    representation(&w, &pairs);
    cored_loss_representation_gradient(&w.student, &w.teacher, w.store[i], w.label[i], channels,
                                       0.7, gradient);
    for (int j = 0; j < channels; j++) {
      const double value = w.pooled[i][j];
      w.pooled[i][j] = value + h;
      const double above = representation(&w, &pairs);
      w.pooled[i][j] = value - h;
      const double below = representation(&w, &pairs);
      w.pooled[i][j] = value;
      assert_close(gradient[j], 0.7 * (above - below) / (2 * h), 1e-9);
    }
  }
  cored_stores_clear(&w.student);
  cored_stores_clear(&w.teacher);
}

static void representation_gradient_scalar(void **state) {
  (void)state;
  check_representation(1);
}

static void representation_gradient_vector(void **state) {
  (void)state;
  check_representation(channels);
}

/* One pair, two channels: scalar compares the means of channels, vector the channels. */
static void representation_by_hand(void **state) {
  (void)state;
  static const double expected[2] = {0.25, 2.5}; /* (2 - 1.5)^2 and ((1 - 2)^2 + (3 - 1)^2) / 2 */
  for (int width = 1; width <= 2; width++) {
    CoredStores s, t;
    int pairs;
    assert_true(cored_stores_init(&s, 2, 2, width) && cored_stores_init(&t, 2, 2, width));
    cored_stores_add(&s, 1, 0, (const double[]){0, 4}, 2);
    cored_stores_add(&s, 1, 0, (const double[]){2, 2}, 2); /* mean (1, 3) */
    cored_stores_add(&t, 1, 0, (const double[]){2, 1}, 2); /* mean of channels 1.5 */
    const double loss = cored_loss_representation(&s, &t, &pairs);
    assert_int_equal(pairs, 1);
    assert_close(loss, expected[width - 1], 1e-12);
    cored_stores_clear(&s);
    cored_stores_clear(&t);
  }
}

static void square_distance_gradient(void **state) {
  (void)state;
  const float w[3] = {1, -2, 0.5f}, origin[3] = {0.5f, -2, 1};
  float dw[3] = {10, 10, 10};
  assert_close(cored_loss_square_distance(w, origin, 3), 0.5 * (0.25 + 0.25), 1e-12);
  assert_close(cored_loss_square_distance(w, NULL, 3), 0.5 * 5.25, 1e-12);
  cored_loss_square_distance_gradient(w, origin, 3, 2, dw);
  assert_close((double)dw[0], 11, 1e-6);
  assert_close((double)dw[1], 10, 1e-6);
  assert_close((double)dw[2], 9, 1e-6);
  cored_loss_square_distance_gradient(w, NULL, 3, 1, dw);
  assert_close((double)dw[1], 8, 1e-6);
}

static void schedules(void **state) {
  (void)state;
  CoredSchedule s = {.kind = CORED_SCHEDULE_CONSTANT, .base = 0.1, .warmup = 4};
  assert_close(cored_schedule_rate(&s, 0), 0.025, 1e-12);
  assert_close(cored_schedule_rate(&s, 3), 0.1, 1e-12);
  assert_close(cored_schedule_rate(&s, 99), 0.1, 1e-12);
  s = (CoredSchedule){.kind = CORED_SCHEDULE_STEP, .base = 1, .period = 10, .gamma = 0.5};
  assert_close(cored_schedule_rate(&s, 9), 1, 1e-12);
  assert_close(cored_schedule_rate(&s, 10), 0.5, 1e-12);
  assert_close(cored_schedule_rate(&s, 35), 0.125, 1e-12);
  s = (CoredSchedule){
      .kind = CORED_SCHEDULE_COSINE, .base = 1, .warmup = 2, .length = 12, .floor = 0.1};
  assert_close(cored_schedule_rate(&s, 2), 1, 1e-12);
  assert_close(cored_schedule_rate(&s, 7), 0.55, 1e-12);
  assert_close(cored_schedule_rate(&s, 12), 0.1, 1e-12);
  assert_close(cored_schedule_rate(&s, 1000), 0.1, 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cross_entropy_gradient),
      cmocka_unit_test(cross_entropy_of_extreme_logits_is_finite),
      cmocka_unit_test(distillation_gradient),
      cmocka_unit_test(distillation_has_no_constant),
      cmocka_unit_test(stores_are_half_open),
      cmocka_unit_test(representation_gradient_scalar),
      cmocka_unit_test(representation_gradient_vector),
      cmocka_unit_test(representation_by_hand),
      cmocka_unit_test(square_distance_gradient),
      cmocka_unit_test(schedules),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
