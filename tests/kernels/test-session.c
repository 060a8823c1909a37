/* SPDX-License-Identifier: MIT
 * Sessions against the plain executor: every network of the registry, odd sizes, every kernel
 * table, thread counts, batches. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cored.h"
#include "layers/reference.h"
#include "model/model.h"
#include "networks/registry.h"

#define SEED 20240817u
#define MAX_ERROR 1e-4 /* of the largest magnitude: the bar against PyTorch too */

typedef struct Case {
  const char *network;
  int width, height;
} Case;

/* Sizes at which maps are odd, even, one pixel. */
static const Case cases[] = {
    {"xception", 71, 64},         {"xception", 7, 7},          {"xception", 50, 97},
    {"efficientnet-b0", 64, 64},  {"efficientnet-b0", 1, 1},   {"efficientnet-b0", 75, 46},
    {"meso4", 256, 256},          {"meso4", 225, 250},         {"mesoinception4", 256, 256},
    {"mesoinception4", 231, 256}, {"cored-compact", 128, 128}, {"cored-compact", 61, 33},
};

static float *random_input(size_t count, unsigned seed) {
  float *const x = malloc(count * sizeof *x);
  assert_non_null(x);
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return x;
}

static CoredModel *make_model(const char *network) {
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  assert_true(cored_model_info_init(info, network, 2, &error));
  CoredModel *const model = cored_model_new_random(info, SEED, &error);
  free(info);
  assert_non_null(model);
  return model;
}

static void assert_close(const char *what, const Case *c, const float *got, const float *want,
                         size_t count) {
  double scale = 0.0, worst = 0.0;
  for (size_t i = 0; i < count; i++) {
    scale = fmax(scale, fabs((double)want[i]));
    const double d = fabs((double)got[i] - (double)want[i]);
    worst = d <= worst ? worst : d; /* NaN becomes the worst */
  }
  if (!(worst <= MAX_ERROR * scale))
    fail_msg("%s %dx%d %s: off by %g of %g", c->network, c->width, c->height, what, worst, scale);
}

/* What a session computes, copied. */
typedef struct Result {
  float *logits, *features;
  size_t n_logits, n_features;
} Result;

static void result_clear(Result *r) {
  free(r->logits);
  free(r->features);
}

static float *copy(const float *x, size_t count) {
  float *const y = malloc(count * sizeof *y);
  assert_non_null(y);
  memcpy(y, x, count * sizeof *y);
  return y;
}

static Result run_session(CoredPlan *plan, int threads, int max_batch, const float *input, int n) {
  CoredError error;
  const CoredSessionParams params = {.max_batch = max_batch, .threads = threads, .features = true};
  CoredSession *const session = cored_session_new(plan, &params, &error);
  assert_non_null(session);
  CoredOutput out;
  cored_session_run(session, input, n, &out);
  cored_session_run(session, input, n, &out); /* the second run sees the first one's leftovers */
  assert_int_equal(out.n, n);
  Result r = {.n_logits = (size_t)n * (size_t)out.n_classes,
              .n_features = (size_t)n * (size_t)(out.feature_h * out.feature_w * out.feature_c)};
  r.logits = copy(out.logits, r.n_logits);
  r.features = copy(out.features, r.n_features);
  cored_session_free(session);
  return r;
}

static CoredPlan *make_plan(const CoredModel *model, const Case *c, unsigned cpu) {
  CoredError error;
  const CoredPlanParams params = {c->width, c->height, cpu};
  CoredPlan *const plan = cored_plan_new(model, &params, &error);
  if (!plan)
    fail_msg("%s %dx%d: %s", c->network, c->width, c->height, error.message);
  return plan;
}

/* Reference logits as a session gives them: (0, z) for a network with one output. */
static Result run_reference(const CoredModel *model, const Case *c, const float *input, int n) {
  const CoredGraph *const graph = cored_model_graph(model);
  const int wanted[2] = {graph->logits, graph->features};
  float *outputs[2];
  CoredError error;
  assert_true(cored_reference_run(graph, cored_model_params(model), input, n, c->height, c->width,
                                  wanted, 2, outputs, &error));
  CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
  assert_non_null(shapes);
  assert_true(cored_graph_shapes(graph, c->height, c->width, shapes, &error));
  const CoredShape f = shapes[graph->features];
  free(shapes);
  Result r = {.features = outputs[1], .n_features = (size_t)n * (size_t)(f.h * f.w * f.c)};
  r.n_logits = (size_t)n * (size_t)graph->n_classes;
  if (graph->outputs > 1) {
    r.logits = outputs[0];
    return r;
  }
  r.logits = calloc(r.n_logits, sizeof *r.logits);
  assert_non_null(r.logits);
  for (int i = 0; i < n; i++)
    r.logits[2 * i + 1] = outputs[0][i];
  free(outputs[0]);
  return r;
}

static void assert_same(const char *what, const Case *c, const Result *a, const Result *b) {
  if (memcmp(a->logits, b->logits, a->n_logits * sizeof *a->logits) != 0 ||
      memcmp(a->features, b->features, a->n_features * sizeof *a->features) != 0)
    fail_msg("%s %dx%d: %s changes the result", c->network, c->width, c->height, what);
}

/* One image after the other gives what the batch gave, bit for bit. */
static void check_singles(CoredPlan *plan, const Case *c, const float *input, int n,
                          const Result *batch) {
  const size_t image = (size_t)c->width * (size_t)c->height * 3;
  for (int i = 0; i < n; i++) {
    Result one = run_session(plan, 1, 1, input + (size_t)i * image, 1);
    assert_memory_equal(one.logits, batch->logits + (size_t)i * one.n_logits,
                        one.n_logits * sizeof *one.logits);
    assert_memory_equal(one.features, batch->features + (size_t)i * one.n_features,
                        one.n_features * sizeof *one.features);
    result_clear(&one);
  }
}

static void check_case(const Case *c, unsigned cpu) {
  const int n = 3;
  CoredModel *const model = make_model(c->network);
  float *const input = random_input((size_t)(n * c->width * c->height * 3), SEED + 1);
  CoredPlan *const plan = make_plan(model, c, cpu);
  Result want = run_reference(model, c, input, n), got = run_session(plan, 1, 4, input, n);
  assert_close("logits", c, got.logits, want.logits, want.n_logits);
  assert_close("features", c, got.features, want.features, want.n_features);
  for (int threads = 2; threads <= 5; threads += threads == 3 ? 2 : 1) {
    Result other = run_session(plan, threads, n, input, n);
    assert_same("the number of threads", c, &got, &other);
    result_clear(&other);
  }
  check_singles(plan, c, input, n, &got);
  result_clear(&want);
  result_clear(&got);
  free(input);
  cored_plan_unref(plan);
  cored_model_unref(model);
}

static void test_plain_c(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_case(&cases[i], CORED_CPU_C);
}

static void test_best_cpu(void **state) {
  (void)state;
  if (cored_cpu_flags() == CORED_CPU_C)
    skip();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_case(&cases[i], cored_cpu_flags());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plain_c),
      cmocka_unit_test(test_best_cpu),
  };
  return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
