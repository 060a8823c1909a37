/* SPDX-License-Identifier: MIT
 * Sessions against the plain executor: every network of the registry, odd sizes, every kernel
 * table, thread counts, batches. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cored.h"
#include "graph/ops.h"
#include "graph/reference.h"
#include "model/model.h"
#include "networks/registry.h"
#include "plan/plan.h"

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

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Sanitizers take seven times as long: there, of each network the last case, an odd one. */
static bool is_wanted(size_t i) {
  return !SANITIZED || i + 1 == sizeof cases / sizeof *cases ||
         strcmp(cases[i].network, cases[i + 1].network) != 0;
}

static float *random_input(size_t count, unsigned seed) {
  float *const x = malloc(count * sizeof *x);
  assert_non_null(x);
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return x;
}

static bool ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* Fresh batch norms and biases are neutral: disturb them, or folding them would go untested. */
static void disturb(const CoredTensorView *view, float *data) {
  const size_t count = view->size / sizeof *data;
  float *const noise = random_input(count, SEED ^ (unsigned)count);
  for (size_t i = 0; i < count; i++) {
    if (ends_with(view->name, "running_var"))
      data[i] = 1.0f + 0.3f * noise[i];
    else if (ends_with(view->name, "running_mean") || ends_with(view->name, ".bias"))
      data[i] += 0.2f * noise[i];
    else if (view->rank == 1)
      data[i] = 1.0f + 0.3f * noise[i];
  }
  free(noise);
}

static CoredModel *make_model(const char *network, int n_classes) {
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  assert_true(cored_model_info_init(info, network, n_classes, &error));
  CoredModel *const fresh = cored_model_new_random(info, SEED, &error);
  assert_non_null(fresh);
  const size_t n = cored_model_n_tensors(fresh);
  CoredTensorView *const views = calloc(n, sizeof *views);
  assert_non_null(views);
  for (size_t i = 0; i < n; i++) {
    assert_true(cored_model_tensor(fresh, i, &views[i]));
    float *const data = malloc(views[i].size);
    assert_non_null(data);
    memcpy(data, views[i].data, views[i].size);
    disturb(&views[i], data);
    views[i].data = data;
  }
  CoredModel *const model = cored_model_new(info, views, n, &error);
  assert_non_null(model);
  for (size_t i = 0; i < n; i++)
    free((void *)(uintptr_t)views[i].data);
  free(views);
  cored_model_unref(fresh);
  free(info);
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
  const CoredPlanParams params = {.input_width = c->width, .input_height = c->height, .cpu = cpu};
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
  if (graph->logit_channels > 1) {
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

static void check_plan(const CoredModel *model, const Case *c, unsigned cpu, const float *input,
                       int n, const Result *want) {
  CoredPlan *const plan = make_plan(model, c, cpu);
  Result got = run_session(plan, 1, 4, input, n);
  assert_close("logits", c, got.logits, want->logits, want->n_logits);
  assert_close("features", c, got.features, want->features, want->n_features);
  for (int threads = 2; threads <= (cpu ? 5 : 2); threads += threads == 3 ? 2 : 1) {
    Result other = run_session(plan, threads, n, input, n);
    assert_same("the number of threads", c, &got, &other);
    result_clear(&other);
  }
  if (cpu)
    check_singles(plan, c, input, n, &got);
  result_clear(&got);
  cored_plan_unref(plan);
}

static void check_network(const char *network) {
  const int n = 2;
  CoredModel *const model = make_model(network, 2);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Case *const c = &cases[i];
    if (strcmp(c->network, network) != 0 || !is_wanted(i))
      continue;
    float *const input = random_input((size_t)(n * c->width * c->height * 3), SEED + 1);
    Result want = run_reference(model, c, input, n);
    check_plan(model, c, CORED_CPU_C, input, n, &want);
    if (cored_cpu_flags() & CORED_CPU_AVX2)
      check_plan(model, c, CORED_CPU_AVX2, input, n, &want);
    if (cored_cpu_flags() & CORED_CPU_AVX512)
      check_plan(model, c, CORED_CPU_ALL, input, n, &want);
    result_clear(&want);
    free(input);
  }
  cored_model_unref(model);
}

/* A network that gets no case here fails. */
static void test_networks(void **state) {
  (void)state;
  for (size_t i = 0; cored_network_id(i); i++) {
    bool has_case = false;
    for (size_t j = 0; j < sizeof cases / sizeof *cases; j++)
      has_case = has_case || strcmp(cases[j].network, cored_network_id(i)) == 0;
    assert_true(has_case);
    check_network(cored_network_id(i));
  }
}

/* ---- Locators ------------------------------------------------------------------------------- */

/* The named outputs of a plan that has nothing else, on every instruction set and number of
 * threads. */
static void check_locator(const CoredModel *model, const Case *c) {
  static const unsigned cpus[] = {CORED_CPU_C, CORED_CPU_AVX2, CORED_CPU_AVX2 | CORED_CPU_AVX512};
  const CoredGraph *const g = cored_model_graph(model);
  const int n = 2;
  int wanted[CORED_MAX_NAMED_OUTPUTS];
  float *want[CORED_MAX_NAMED_OUTPUTS];
  CoredError error;
  for (int i = 0; i < g->n_named; i++)
    wanted[i] = g->named[i].node;
  float *const input = random_input((size_t)(n * c->width * c->height * 3), SEED);
  assert_true(cored_reference_run(g, cored_model_params(model), input, n, c->height, c->width,
                                  wanted, g->n_named, want, &error));
  for (int k = 0; k < 6; k++) {
    CoredPlan *const plan = make_plan(model, c, cpus[k / 2]);
    const CoredSessionParams params = {.max_batch = n, .threads = 1 + k % 2 * 2};
    CoredSession *const session = cored_session_new(plan, &params, &error);
    assert_non_null(session);
    CoredOutput out;
    cored_session_run(session, input, n, &out);
    assert_true(out.n == n && out.n_classes == 0 && !out.logits && !out.features);
    for (int i = 0; i < g->n_named; i++) {
      CoredShape s;
      const float *const got = cored_session_named(session, g->named[i].name, &s);
      assert_non_null(got);
      assert_int_equal(s.h, c->height / (8 << i));
      assert_int_equal(s.w, c->width / (8 << i));
      assert_close(g->named[i].name, c, got, want[i], (size_t)(n * s.h * s.w * s.c));
    }
    cored_session_free(session);
    cored_plan_unref(plan);
  }
  for (int i = 0; i < g->n_named; i++)
    free(want[i]);
  free(input);
}

static void test_locators(void **state) {
  (void)state;
  const CoredNetwork *network;
  for (size_t i = 0; (network = cored_locator_network_at(i)); i++) {
    CoredModel *const model = make_model(network->id, 0);
    const Case cases_of_it[] = {{network->id, 96, 64}, {network->id, 32, 32}};
    for (int k = 0; k < 2; k++)
      check_locator(model, &cases_of_it[k]);
    const CoredPlanParams params = {.input_width = 96, .input_height = 80};
    CoredError error;
    assert_null(cored_plan_new(model, &params, &error));
    assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
    assert_non_null(strstr(error.message, "multiples of 32"));
    cored_model_unref(model);
  }
}

/* ---- Chains --------------------------------------------------------------------------------- */

/* A plan whose chains are made of all values larger than `bytes`, over some kernels. */
static CoredPlan *make_chained(const CoredModel *model, const Case *c, const CoredKernels *kernels,
                               size_t bytes, int *n_chained) {
  const CoredGraph *const g = cored_model_graph(model);
  CoredFusedGraph fused = {0};
  CoredError error;
  CoredPlan *const plan = calloc(1, sizeof *plan);
  assert_non_null(plan);
  plan->references = 1;
  plan->kernels = *kernels;
  plan->n_classes = g->n_classes;
  plan->one_output = g->logit_channels == 1;
  assert_true(cored_fuse(&fused, g, c->height, c->width, &error));
  cored_fused_chain(&fused, bytes);
  assert_true(cored_plan_emit(plan, &fused, cored_model_params(model), NULL, &error));
  *n_chained = 0;
  for (int i = 0; i < plan->n_steps; i++)
    *n_chained += plan->steps[i].in_bands;
  cored_fused_clear(&fused);
  return plan;
}

/* What the network makes: the features of a classifier, the named outputs of a locator. */
static float *values_of(CoredPlan *plan, int threads, const float *input, int n, size_t *count) {
  const CoredSessionParams params = {.max_batch = n, .threads = threads, .features = true};
  CoredError error;
  CoredSession *const session = cored_session_new(plan, &params, &error);
  assert_non_null(session);
  CoredOutput out;
  cored_session_run(session, input, n, &out);
  cored_session_run(session, input, n, &out);
  float *values = NULL;
  *count = 0;
  for (int i = 0; i < plan->n_named; i++) {
    CoredShape s;
    const float *const x = cored_session_named(session, plan->named[i].name, &s);
    const size_t size = (size_t)(n * s.h * s.w * s.c);
    values = realloc(values, (*count + size) * sizeof *values);
    assert_non_null(values);
    memcpy(values + *count, x, size * sizeof *values);
    *count += size;
  }
  if (out.features) {
    *count = (size_t)(n * out.feature_h * out.feature_w * out.feature_c);
    values = copy(out.features, *count);
  }
  cored_session_free(session);
  return values;
}

/* Every map in bands gives what whole maps give, bit for bit, whoever computes which lines. */
static void check_chains(const CoredModel *model, const Case *c, const CoredKernels *kernels) {
  const int n = 2;
  int n_chained, none;
  size_t n_want, n_got;
  float *const input = random_input((size_t)(n * c->width * c->height * 3), SEED);
  CoredPlan *const whole = make_chained(model, c, kernels, SIZE_MAX, &none);
  CoredPlan *const chained = make_chained(model, c, kernels, 0, &n_chained);
  assert_int_equal(none, 0);
  assert_true(n_chained > 0);
  float *const want = values_of(whole, 1, input, n, &n_want);
  for (int threads = SANITIZED ? 3 : 1; threads <= (SANITIZED ? 3 : 5);
       threads += 1 + threads / 2) {
    float *const got = values_of(chained, threads, input, n, &n_got);
    assert_int_equal(n_got, n_want);
    if (memcmp(got, want, n_want * sizeof *want) != 0)
      fail_msg("%s %dx%d %s, %d threads: bands change the result", c->network, c->width, c->height,
               kernels->isa, threads);
    free(got);
  }
  free(want);
  free(input);
  cored_plan_unref(whole);
  cored_plan_unref(chained);
}

static void test_chains(void **state) {
  (void)state;
  static const Case chained[] = {{"xception", 50, 97},        {"mesoinception4", 231, 256},
                                 {"efficientnet-b0", 75, 46}, {"cored-compact", 61, 33},
                                 {"yunet-n", 96, 160},        {"yunet-s", 32, 64}};
  /* Sanitized the quick ones, which have all kinds of steps. */
  for (size_t i = SANITIZED ? 2 : 0; i < sizeof chained / sizeof *chained; i++) {
    const bool finds_faces = cored_network_find(chained[i].network)->kind == CORED_MODEL_LOCATOR;
    CoredModel *const model = make_model(chained[i].network, finds_faces ? 0 : 2);
    for (int k = 0; k < cored_kernels_variants(); k++) {
      CoredKernels kernels;
      if (cored_kernels_variant(k, cored_cpu_flags(), &kernels))
        check_chains(model, &chained[i], &kernels);
    }
    cored_model_unref(model);
  }
}

/* What is larger than a second cache goes in bands by itself, and then needs little memory. */
static void test_chained_by_size(void **state) {
  (void)state;
  CoredModel *const model = make_model("yunet-n", 0);
  for (int size = 64; size <= 512; size += 448) {
    const Case c = {"yunet-n", size, size};
    CoredPlan *const plan = make_plan(model, &c, cored_cpu_flags());
    int n = 0, longest = 0;
    for (int i = 0; i < plan->n_steps; i += plan->steps[i].chain) {
      n += plan->steps[i].chain > 1;
      longest = plan->steps[i].chain > longest ? plan->steps[i].chain : longest;
    }
    assert_int_equal(n > 0, size == 512);
    assert_true(longest <= CORED_CHAIN_OPS);
    if (size ==
        512) { /* 64 channels of 128x128 would be 16 bytes a pixel, and three of them live */
      const CoredSessionParams params = {.max_batch = 1, .threads = 1};
      CoredError error;
      CoredSession *const session = cored_session_new(plan, &params, &error);
      assert_non_null(session);
      assert_in_range(cored_session_memory(session), 512 * 512 * 12, 512 * 512 * 40);
      cored_session_free(session);
    }
    cored_plan_unref(plan);
  }
  cored_model_unref(model);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void test_memory_bound(void **state) {
  (void)state;
  CoredError error;
  CoredModel *const model = make_model("xception", 2);
  for (int size = 128; size <= 299; size += 171) {
    const Case c = {"xception", size, size};
    CoredPlan *const plan = make_plan(model, &c, cored_cpu_flags());
    const CoredSessionParams params = {.max_batch = 1, .threads = 2};
    CoredSession *const session = cored_session_new(plan, &params, &error);
    assert_non_null(session);
    assert_true(cored_session_memory(session) <= (size_t)64 << 20);
    /* 20.8 M weights of 4 bytes and their padding */
    assert_in_range(cored_plan_memory(plan), 83000000, 90000000);
    cored_session_free(session);
    cored_plan_unref(plan);
  }
  cored_model_unref(model);
}

static long resident_pages(void) {
  long pages = 0;
  FILE *const f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%*s %ld", &pages), 1);
  fclose(f);
  return pages;
}

static void test_no_growth(void **state) {
  (void)state;
  CoredError error;
  const Case c = {"cored-compact", 16, 16};
  CoredModel *const model = make_model(c.network, 2);
  CoredPlan *const plan = make_plan(model, &c, cored_cpu_flags());
  const CoredSessionParams params = {.max_batch = 1, .threads = 1};
  CoredSession *const session = cored_session_new(plan, &params, &error);
  assert_non_null(session);
  CoredOutput out;
  cored_session_run(session, cored_session_input(session), 1, &out);
  const long pages = resident_pages();
  const size_t heap = mallinfo2().uordblks;
  for (int i = 0; i < (SANITIZED ? 100 : 10000); i++)
    cored_session_run(session, cored_session_input(session), 1, &out);
  assert_true(mallinfo2().uordblks == heap);
  if (!SANITIZED) /* which has pages of its own */
    assert_true(resident_pages() - pages < 64);
  cored_session_free(session);
  cored_plan_unref(plan);
  cored_model_unref(model);
}

/* ---- Sharing -------------------------------------------------------------------------------- */

typedef struct Stream {
  CoredPlan *plan;
  const float *input;
  Result result;
} Stream;

static void *run_stream(void *arg) {
  Stream *const stream = arg;
  for (int i = 0; i < 5; i++) {
    result_clear(&stream->result);
    stream->result = run_session(stream->plan, 1 + i % 2, 1, stream->input, 1);
  }
  return NULL;
}

/* Two threads with a session each on one plan do not disturb each other. */
static void test_shared_plan(void **state) {
  (void)state;
  const Case c = {"cored-compact", 64, 64};
  CoredModel *const model = make_model(c.network, 2);
  CoredPlan *const plan = make_plan(model, &c, cored_cpu_flags());
  cored_model_unref(model); /* the plan needs it no more */
  float *const inputs[2] = {random_input(64 * 64 * 3, 1), random_input(64 * 64 * 3, 2)};
  Stream streams[2] = {{.plan = plan, .input = inputs[0]}, {.plan = plan, .input = inputs[1]}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, run_stream, &streams[i]), 0);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++) {
    Result alone = run_session(plan, 1, 1, inputs[i], 1);
    assert_same("another stream", &c, &alone, &streams[i].result);
    result_clear(&alone);
    result_clear(&streams[i].result);
    free(inputs[i]);
  }
  cored_plan_unref(plan);
}

/* ---- Activations ---------------------------------------------------------------------------- */

enum { act_size = 11, act_params = 16 };

/* The activation behind and in front of everything that can take it along. */
static CoredGraph *activation_graph(CoredActivation act) {
  CoredError error;
  CoredGraph *const g = cored_graph_new();
  assert_non_null(g);
  int x = cored_graph_input(g, 3);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = 21, .kernel = 3, .pad = 1, .bias = true},
                       "first");
  x = cored_graph_activation(g, x, act);
  x = cored_graph_depthwise(g, x, (CoredConvArgs){.kernel = 3, .pad = 1}, "depthwise");
  x = cored_graph_activation(g, x, act);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = 19, .kernel = 1}, "pointwise");
  x = cored_graph_activation(g, cored_graph_max_pool(g, x, 3, 2, CORED_PAD_EXPLICIT, 1), act);
  cored_graph_set_features(g, x);
  x = cored_graph_global_avg_pool(g, cored_graph_activation(g, x, act));
  x = cored_graph_dense(g, cored_graph_activation(g, x, act), 2, "last");
  assert_true(cored_graph_finish(g, x, 2, &error));
  assert_true(g->n_params <= act_params);
  return g;
}

/* Large enough that values cross 6. */
static void make_params(const CoredGraph *g, float *params[act_params]) {
  for (int i = 0; i < g->n_params; i++) {
    params[i] = malloc(g->params[i].count * sizeof(float));
    assert_non_null(params[i]);
    cored_param_init(g, &g->params[i], SEED, params[i]);
    for (size_t j = 0; j < g->params[i].count; j++)
      params[i][j] = 4.0f * params[i][j] + 0.1f;
  }
}

static void check_activation(const char *name, CoredActivation act) {
  static const unsigned cpus[] = {CORED_CPU_C, CORED_CPU_AVX2, CORED_CPU_AVX2 | CORED_CPU_AVX512};
  const Case c = {"cored-compact", act_size, act_size};
  CoredGraph *const g = activation_graph(act);
  float *params[act_params], *want[2];
  make_params(g, params);
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  assert_true(cored_model_info_init(info, c.network, 2, &error));
  float *const input = random_input(2 * act_size * act_size * 3, 3);
  const int wanted[2] = {g->logits, g->features};
  assert_true(cored_reference_run(g, (const float *const *)params, input, 2, act_size, act_size,
                                  wanted, 2, want, &error));
  for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++) {
    const CoredPlanParams p = {.input_width = act_size, .input_height = act_size, .cpu = cpus[i]};
    CoredPlan *const plan =
        cored_plan_new_from_graph(g, (const float *const *)params, info, &p, &error);
    assert_non_null(plan);
    Result got = run_session(plan, 2, 2, input, 2);
    assert_close(name, &c, got.logits, want[0], got.n_logits);
    assert_close(name, &c, got.features, want[1], got.n_features);
    result_clear(&got);
    cored_plan_unref(plan);
  }
  for (int i = 0; i < g->n_params; i++)
    free(params[i]);
  free(want[0]);
  free(want[1]);
  free(input);
  free(info);
  cored_graph_free(g);
}

static void test_activations(void **state) {
  (void)state;
  check_activation("none", (CoredActivation){0});
  check_activation("ReLU", (CoredActivation)CORED_RELU);
  check_activation("ReLU6", (CoredActivation)CORED_RELU6);
  check_activation("clamp",
                   (CoredActivation){.kind = CORED_ACT_CLAMP, .low = -0.5f, .high = 0.75f});
  check_activation("leaky ReLU", (CoredActivation)CORED_LEAKY_RELU(0.1f));
  check_activation("swish", (CoredActivation)CORED_SWISH);
  check_activation("sigmoid", (CoredActivation)CORED_SIGMOID);
}

/* ---- Named outputs -------------------------------------------------------------------------- */

/* A named output of everything a plan may leave out or compute elsewhere: values that a later step
 * takes along (a convolution before its activation, a depthwise convolution before a pointwise
 * one), those that are put off (an activation, a scaling), and those that are another node's value
 * (the input, a dropout, a flattened map). */
static CoredGraph *named_graph(void) {
  CoredError error;
  CoredGraph *const g = cored_graph_new();
  assert_non_null(g);
  const int input = cored_graph_input(g, 3);
  const int first = cored_graph_conv(
      g, input, (CoredConvArgs){.channels = 21, .kernel = 3, .pad = 1, .bias = true}, "first");
  const int act = cored_graph_activation(g, first, (CoredActivation)CORED_RELU6);
  const int depthwise =
      cored_graph_depthwise(g, act, (CoredConvArgs){.kernel = 3, .pad = 1}, "depthwise");
  const int dropout = cored_graph_dropout(g, depthwise, 0.5f);
  int x = cored_graph_conv(g, dropout, (CoredConvArgs){.channels = 19, .kernel = 1}, "pointwise");
  cored_graph_set_features(g, x);
  const int factors =
      cored_graph_activation(g, cored_graph_global_avg_pool(g, x), (CoredActivation)CORED_SIGMOID);
  const int scaled = cored_graph_scale(g, x, factors);
  x = cored_graph_max_pool(g, scaled, 3, 2, CORED_PAD_EXPLICIT, 1);
  const int flat = cored_graph_flatten(g, x, 6 * 6 * 19);
  x = cored_graph_dense(g, flat, 2, "last");
  cored_graph_set_output(g, input, "input");
  cored_graph_set_output(g, first, "first");
  cored_graph_set_output(g, act, "activation");
  cored_graph_set_output(g, depthwise, "depthwise");
  cored_graph_set_output(g, dropout, "dropout");
  cored_graph_set_output(g, factors, "factors");
  cored_graph_set_output(g, scaled, "scaled");
  cored_graph_set_output(g, flat, "flat");
  assert_true(cored_graph_finish(g, x, 2, &error));
  assert_int_equal(g->n_named, CORED_MAX_NAMED_OUTPUTS);
  return g;
}

/* Whole, after everything else has run, and as the plain executor has it. */
static void check_named(const CoredSession *session, const CoredGraph *g, int n,
                        float *const *want) {
  const Case c = {"named outputs", act_size, act_size};
  CoredShape shapes[32];
  CoredError error;
  assert_true(g->n_nodes <= 32 && cored_graph_shapes(g, act_size, act_size, shapes, &error));
  for (int i = 0; i < g->n_named; i++) {
    CoredShape shape;
    const float *const got = cored_session_named(session, g->named[i].name, &shape);
    assert_non_null(got);
    assert_memory_equal(&shape, &shapes[g->named[i].node], sizeof shape);
    assert_close(g->named[i].name, &c, got, want[i], (size_t)(n * shape.h * shape.w * shape.c));
  }
  assert_null(cored_session_named(session, "second", &(CoredShape){0}));
}

static void test_named_outputs(void **state) {
  (void)state;
  const int n = 2;
  CoredGraph *const g = named_graph();
  float *params[act_params], *want[CORED_MAX_NAMED_OUTPUTS];
  int wanted[CORED_MAX_NAMED_OUTPUTS];
  make_params(g, params);
  for (int i = 0; i < g->n_named; i++)
    wanted[i] = g->named[i].node;
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  assert_true(cored_model_info_init(info, "cored-compact", 2, &error));
  float *const input = random_input((size_t)(n * act_size * act_size * 3), 3);
  assert_true(cored_reference_run(g, (const float *const *)params, input, n, act_size, act_size,
                                  wanted, g->n_named, want, &error));
  const CoredPlanParams p = {
      .input_width = act_size, .input_height = act_size, .cpu = cored_cpu_flags()};
  CoredPlan *const plan =
      cored_plan_new_from_graph(g, (const float *const *)params, info, &p, &error);
  assert_non_null(plan);
  CoredSession *const session =
      cored_session_new(plan, &(CoredSessionParams){.max_batch = n, .threads = 2}, &error);
  assert_non_null(session);
  CoredOutput out;
  cored_session_run(session, input, n, &out);
  check_named(session, g, n, want);
  cored_session_free(session);
  cored_plan_unref(plan);
  for (int i = 0; i < g->n_named; i++)
    free(want[i]);
  for (int i = 0; i < g->n_params; i++)
    free(params[i]);
  free(input);
  free(info);
  cored_graph_free(g);
}

/* ---- Errors --------------------------------------------------------------------------------- */

static void test_errors(void **state) {
  (void)state;
  CoredError error;
  CoredModel *const model = make_model("cored-compact", 2), *const meso = make_model("meso4", 2);
  const CoredPlanParams large = {.input_width = 5000, .input_height = 64},
                        unfit = {.input_width = 64, .input_height = 256},
                        good = {.input_width = 32, .input_height = 32};
  assert_null(cored_plan_new(model, &large, &error));
  assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
  assert_null(cored_plan_new(meso, &unfit, &error));
  assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
  CoredPlan *const plan = cored_plan_new(model, &good, &error);
  assert_non_null(plan);
  const CoredSessionParams batch = {.max_batch = 1025}, threads = {.threads = 65};
  assert_null(cored_session_new(plan, &batch, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  assert_null(cored_session_new(plan, &threads, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  cored_plan_unref(plan);
  cored_plan_unref(NULL);
  cored_session_free(NULL);
  cored_model_unref(meso);
  cored_model_unref(model);
}

static void test_p_fake(void **state) {
  (void)state;
  CoredModelInfo *const info = calloc(1, sizeof *info);
  assert_non_null(info);
  info->n_classes = 3;
  info->real_class = 1;
  info->temperature = 2.0;
  const float logits[3] = {1.0f, 3.0f, -1.0f};
  const double e[3] = {exp(0.5), exp(1.5), exp(-0.5)};
  const double got = cored_p_fake(info, logits), want = (e[0] + e[2]) / (e[0] + e[1] + e[2]);
  assert_true(fabs(got - want) < 1e-12);
  const float large[3] = {-1e4f, 1e4f, 0.0f};
  assert_true(cored_p_fake(info, large) == 0.0);
  const float opposite[3] = {1e30f, -1e30f, 0.0f};
  assert_true(cored_p_fake(info, opposite) == 1.0);
  free(info);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_networks),     cmocka_unit_test(test_locators),
      cmocka_unit_test(test_chains),       cmocka_unit_test(test_chained_by_size),
      cmocka_unit_test(test_activations),  cmocka_unit_test(test_named_outputs),
      cmocka_unit_test(test_memory_bound), cmocka_unit_test(test_no_growth),
      cmocka_unit_test(test_shared_plan),  cmocka_unit_test(test_errors),
      cmocka_unit_test(test_p_fake),
  };
  return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
