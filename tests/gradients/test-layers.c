/* SPDX-License-Identifier: MIT
 * Every layer's backward pass against central differences in double precision: each input, each
 * weight, each bias. The differences are taken of the plain arithmetic of graph/reference.h where
 * that defines the layer; batch statistics and dropout exist in training only, so there of the
 * training forward. An op of the registry without a case fails. Float passes of every instruction
 * set are compared with the double ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/random.h"
#include "graph/reference.h"
#include "train/passes/pass.h"

typedef struct Case {
  const char *name;
  CoredNode node;
  int n;
  CoredShape in[4];
  bool batch_stats;
  CoredActivation act; /* after batch norm */
} Case;

#define CONV(c, o, k, s, d, mode, p, b)                                                            \
  {                                                                                                \
    .op = CORED_OP_CONV, .n_inputs = 1, .in_channels = c, .channels = o, .kernel = k, .stride = s, \
    .dilation = d, .pad_mode = mode, .pad = p, .bias = b                                           \
  }
#define DEPTHWISE(c, k, s, d, mode, p)                                                             \
  {                                                                                                \
    .op = CORED_OP_DEPTHWISE, .n_inputs = 1, .in_channels = c, .channels = c, .kernel = k,         \
    .stride = s, .dilation = d, .pad_mode = mode, .pad = p                                         \
  }
#define NORM(c)                                                                                    \
  {                                                                                                \
    .op = CORED_OP_BATCH_NORM, .n_inputs = 1, .in_channels = c, .channels = c, .epsilon = 1e-3f,   \
    .momentum = 0.1f                                                                               \
  }
#define ACT(c, a)                                                                                  \
  { .op = CORED_OP_ACTIVATION, .n_inputs = 1, .in_channels = c, .channels = c, .act = a }
#define POOL(c, k, s, mode, p)                                                                     \
  {                                                                                                \
    .op = CORED_OP_MAX_POOL, .n_inputs = 1, .in_channels = c, .channels = c, .kernel = k,          \
    .stride = s, .dilation = 1, .pad_mode = mode, .pad = p                                         \
  }
#define SIMPLE(o, inputs, c, out)                                                                  \
  {                                                                                                \
    .op = o, .n_inputs = inputs, .in_channels = c, .channels = out, .kernel = 1, .stride = 1,      \
    .dilation = 1, .bias = (o) == CORED_OP_DENSE, .rate = 0.4f                                     \
  }

/* Bounds that random values cross. */
#define CLAMP                                                                                      \
  { .kind = CORED_ACT_CLAMP, .low = -0.5f, .high = 0.75f }
#define PLAIN                                                                                      \
  false, {                                                                                         \
    0                                                                                              \
  }

/* Odd sizes, channels that are no multiple of a vector, every kind of padding. */
static const Case cases[] = {
    {"conv 1x1", CONV(7, 5, 1, 1, 1, CORED_PAD_EXPLICIT, 0, false), 3, {{4, 3, 7}}, PLAIN},
    {"conv 1x1 bias", CONV(3, 9, 1, 1, 1, CORED_PAD_SAME, 0, true), 2, {{1, 1, 3}}, PLAIN},
    {"conv 1x1 stride 2", CONV(5, 6, 1, 2, 1, CORED_PAD_EXPLICIT, 0, false), 2, {{5, 6, 5}}, PLAIN},
    {"conv 3x3 stride 2", CONV(3, 4, 3, 2, 1, CORED_PAD_EXPLICIT, 0, false), 2, {{7, 8, 3}}, PLAIN},
    {"conv 3x3 same stride 2", CONV(3, 4, 3, 2, 1, CORED_PAD_SAME, 0, true), 9, {{6, 5, 3}}, PLAIN},
    {"conv 3x3 dilation 3", CONV(2, 3, 3, 1, 3, CORED_PAD_SAME, 0, true), 2, {{8, 7, 2}}, PLAIN},
    {"conv 5x5", CONV(2, 3, 5, 1, 1, CORED_PAD_EXPLICIT, 2, true), 2, {{6, 5, 2}}, PLAIN},
    {"conv 1x1 large weight",
     CONV(260, 260, 1, 1, 1, CORED_PAD_EXPLICIT, 0, false),
     1,
     {{2, 2, 260}},
     PLAIN},
    {"depthwise 3x3", DEPTHWISE(11, 3, 1, 1, CORED_PAD_EXPLICIT, 1), 2, {{5, 4, 11}}, PLAIN},
    {"depthwise 3x3 stride 2",
     DEPTHWISE(19, 3, 2, 1, CORED_PAD_EXPLICIT, 1),
     2,
     {{5, 6, 19}},
     PLAIN},
    {"depthwise 5x5 same", DEPTHWISE(9, 5, 1, 1, CORED_PAD_SAME, 0), 2, {{4, 7, 9}}, PLAIN},
    {"depthwise 5x5 same stride 2",
     DEPTHWISE(9, 5, 2, 1, CORED_PAD_SAME, 0),
     17,
     {{4, 4, 9}},
     PLAIN},
    {"depthwise 3x3 dilation 2", DEPTHWISE(5, 3, 1, 2, CORED_PAD_SAME, 0), 2, {{6, 5, 5}}, PLAIN},
    {"depthwise 4x4", DEPTHWISE(5, 4, 1, 1, CORED_PAD_SAME, 0), 1, {{6, 5, 5}}, PLAIN},
    {"batch norm frozen", NORM(7), 3, {{3, 4, 7}}, false, {0}},
    {"batch norm", NORM(7), 3, {{5, 4, 7}}, true, {0}},
    {"batch norm ReLU", NORM(17), 2, {{5, 4, 17}}, true, CORED_RELU},
    {"batch norm leaky", NORM(5), 2, {{5, 4, 5}}, true, CORED_LEAKY_RELU(0.1f)},
    {"batch norm swish", NORM(9), 2, {{5, 4, 9}}, true, CORED_SWISH},
    {"batch norm sigmoid", NORM(9), 2, {{5, 4, 9}}, true, CORED_SIGMOID},
    {"batch norm frozen swish", NORM(9), 2, {{5, 4, 9}}, false, CORED_SWISH},
    {"batch norm frozen ReLU", NORM(9), 2, {{5, 4, 9}}, false, CORED_RELU},
    {"batch norm ReLU6", NORM(9), 2, {{5, 4, 9}}, true, CORED_RELU6},
    {"batch norm clamp", NORM(9), 2, {{5, 4, 9}}, true, CLAMP},
    {"batch norm frozen clamp", NORM(9), 2, {{5, 4, 9}}, false, CLAMP},
    {"batch norm frozen leaky", NORM(9), 2, {{5, 4, 9}}, false, CORED_LEAKY_RELU(0.1f)},
    {"batch norm frozen sigmoid", NORM(9), 2, {{5, 4, 9}}, false, CORED_SIGMOID},
    {"ReLU6", ACT(5, CORED_RELU6), 2, {{3, 4, 5}}, PLAIN},
    {"clamp", ACT(5, CLAMP), 2, {{3, 4, 5}}, PLAIN},
    {"ReLU", ACT(5, CORED_RELU), 2, {{3, 4, 5}}, PLAIN},
    {"leaky ReLU", ACT(5, CORED_LEAKY_RELU(0.1f)), 2, {{3, 4, 5}}, PLAIN},
    {"swish", ACT(5, CORED_SWISH), 2, {{3, 4, 5}}, PLAIN},
    {"sigmoid", ACT(5, CORED_SIGMOID), 2, {{3, 4, 5}}, PLAIN},
    {"identity", ACT(5, {0}), 2, {{3, 4, 5}}, PLAIN},
    {"max pool 3 stride 2", POOL(70, 3, 2, CORED_PAD_EXPLICIT, 1), 2, {{5, 6, 70}}, PLAIN},
    {"max pool 2 same", POOL(3, 2, 2, CORED_PAD_SAME, 0), 2, {{5, 6, 3}}, PLAIN},
    {"max pool 4 same", POOL(3, 4, 4, CORED_PAD_SAME, 0), 2, {{9, 6, 3}}, PLAIN},
    {"global average", SIMPLE(CORED_OP_GLOBAL_AVG_POOL, 1, 7, 7), 2, {{3, 4, 7}}, PLAIN},
    {"flatten", SIMPLE(CORED_OP_FLATTEN, 1, 5, 60), 2, {{3, 4, 5}}, PLAIN},
    {"dense", SIMPLE(CORED_OP_DENSE, 1, 13, 5), 3, {{1, 1, 13}}, PLAIN},
    {"add", SIMPLE(CORED_OP_ADD, 2, 5, 5), 2, {{3, 4, 5}, {3, 4, 5}}, PLAIN},
    {"scale", SIMPLE(CORED_OP_SCALE, 2, 5, 5), 2, {{3, 4, 5}, {1, 1, 5}}, PLAIN},
    {"concat", SIMPLE(CORED_OP_CONCAT, 3, 2, 10), 2, {{3, 4, 2}, {3, 4, 5}, {3, 4, 3}}, PLAIN},
    {"dropout", SIMPLE(CORED_OP_DROPOUT, 1, 9, 9), 4, {{1, 1, 9}}, PLAIN},
    {"drop connect", SIMPLE(CORED_OP_DROP_CONNECT, 1, 3, 3), 8, {{2, 2, 3}}, PLAIN},
};

enum { n_cases = sizeof cases / sizeof *cases };

/* Everything one case needs, in double. */
typedef struct Setup {
  const Case *test;
  CoredShape out;
  int n_params;
  size_t x_count[4], p_count[CORED_MAX_LAYER_PARAMS], y_count;
  double *x[4], *params[CORED_MAX_LAYER_PARAMS], *y, *dy;
  double *saved, *scratch;
  const CoredPasses *passes;
} Setup;

static double *new_values(size_t count, uint64_t key) {
  double *const data = malloc((count + 1) * sizeof *data);
  assert_non_null(data);
  for (size_t i = 0; i < count; i++) {
    const double v = (double)cored_philox_normal(key, i);
    data[i] = fabs(v) < 0.01 ? 0.01 : v; /* away from the kinks of ReLU */
  }
  return data;
}

static size_t count_of(int n, CoredShape s) {
  return (size_t)n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

static CoredPassShape pass_shape(const Setup *s) {
  CoredPassShape shape = {.node = &s->test->node, .n = s->test->n, .threads = 1, .out = s->out};
  memcpy(shape.in, s->test->in, sizeof shape.in);
  return shape;
}

static Setup setup_open(const Case *test, unsigned cpu) {
  Setup s = {.test = test};
  const CoredOpInfo *const info = cored_op_info(test->node.op);
  assert_true(info->shape(&test->node, test->in, &s.out));
  CoredParamSpec specs[CORED_MAX_LAYER_PARAMS];
  s.n_params = info->params(&test->node, specs);
  for (int i = 0; i < test->node.n_inputs; i++) {
    s.x_count[i] = count_of(test->n, test->in[i]);
    s.x[i] = new_values(s.x_count[i], 10 + (uint64_t)i);
  }
  for (int i = 0; i < s.n_params; i++) {
    s.p_count[i] = 1;
    for (int j = 0; j < specs[i].rank; j++)
      s.p_count[i] *= (size_t)specs[i].dims[j];
    s.params[i] = new_values(s.p_count[i], 20 + (uint64_t)i);
    if (specs[i].role == CORED_PARAM_BN_VAR)
      for (size_t j = 0; j < s.p_count[i]; j++)
        s.params[i][j] = 0.3 + fabs(s.params[i][j]);
  }
  s.y_count = count_of(test->n, s.out);
  s.y = new_values(s.y_count, 30);
  s.dy = new_values(s.y_count, 31);
  s.passes = cored_passes_get(&test->node, cpu);
  assert_non_null(s.passes);
  const CoredPassShape shape = pass_shape(&s);
  s.saved = new_values(s.passes->saved_count ? s.passes->saved_count(&shape) : 0, 40);
  s.scratch = new_values(s.passes->scratch_count ? s.passes->scratch_count(&shape) : 0, 41);
  return s;
}

static void setup_close(Setup *s) {
  for (int i = 0; i < 4; i++)
    free(s->x[i]);
  for (int i = 0; i < s->n_params; i++)
    free(s->params[i]);
  free(s->y);
  free(s->dy);
  free(s->saved);
  free(s->scratch);
}

static CoredPassF64 make_pass(const Setup *s) {
  CoredPassF64 pass = {.node = &s->test->node,
                       .n = s->test->n,
                       .out = s->out,
                       .y = s->y,
                       .saved = s->saved,
                       .act = s->test->act,
                       .batch_stats = s->test->batch_stats,
                       .rate = s->test->node.rate,
                       .key = 77,
                       .dy = s->dy,
                       .scratch = s->scratch};
  memcpy(pass.in, s->test->in, sizeof pass.in);
  for (int i = 0; i < 4; i++)
    pass.x[i] = s->x[i];
  for (int i = 0; i < s->n_params; i++)
    pass.params[i] = s->params[i];
  return pass;
}

static bool training_only(const Case *test) {
  return test->batch_stats || test->act.kind != CORED_ACT_NONE ||
         test->node.op == CORED_OP_DROPOUT || test->node.op == CORED_OP_DROP_CONNECT;
}

/* sum dy y, by the plain layer or by the training forward. */
static double objective(const Setup *s) {
  if (training_only(s->test)) {
    CoredPassF64 pass = make_pass(s);
    s->passes->forward_f64(&pass);
  } else {
    CoredForwardF64 call = {.node = &s->test->node, .n = s->test->n, .out = s->out, .y = s->y};
    memcpy(call.in, s->test->in, sizeof call.in);
    for (int i = 0; i < 4; i++)
      call.x[i] = s->x[i];
    for (int i = 0; i < s->n_params; i++)
      call.params[i] = s->params[i];
    cored_reference_op(s->test->node.op)->forward_f64(&call);
  }
  double sum = 0;
  for (size_t i = 0; i < s->y_count; i++)
    sum += s->dy[i] * s->y[i];
  return sum;
}

/* Compare gradient[count] with differences along values[count]; large arrays are sampled. */
static void check_gradient(const Setup *s, const char *what, double *values, const double *gradient,
                           size_t count) {
  const double h = 1e-5;
  const size_t step = count > 400 ? count / 400 : 1;
  for (size_t i = 0; i < count; i += step) {
    const double value = values[i];
    values[i] = value + h;
    const double above = objective(s);
    values[i] = value - h;
    const double below = objective(s);
    values[i] = value;
    const double expected = (above - below) / (2 * h);
    if (!(fabs(gradient[i] - expected) <= 1e-6 * (1 + fabs(expected))))
      fail_msg("%s: gradient of %s [%zu]: got %.10g, differences give %.10g", s->test->name, what,
               i, gradient[i], expected);
  }
}

static void gradients_are_those_of_differences(void **state) {
  (void)state;
  static const char *const input_names[] = {"x0", "x1", "x2", "x3"};
  static const char *const param_names[] = {"param 0", "param 1", "param 2", "param 3"};
  for (int i = 0; i < n_cases; i++) {
    Setup s = setup_open(&cases[i], CORED_CPU_C);
    double *dx[4] = {0}, *dparams[CORED_MAX_LAYER_PARAMS] = {0};
    CoredPassF64 pass = make_pass(&s);
    for (int j = 0; j < s.test->node.n_inputs; j++)
      pass.dx[j] = dx[j] = new_values(s.x_count[j], 50);
    for (int j = 0; j < s.n_params; j++)
      pass.dparams[j] = dparams[j] = calloc(s.p_count[j], sizeof(double));
    s.passes->forward_f64(&pass);
    s.passes->backward_f64(&pass);
    for (int j = 0; j < s.test->node.n_inputs; j++)
      check_gradient(&s, input_names[j], s.x[j], dx[j], s.x_count[j]);
    const int trained = s.test->node.op == CORED_OP_BATCH_NORM ? 2 : s.n_params;
    for (int j = 0; j < trained; j++)
      check_gradient(&s, param_names[j], s.params[j], dparams[j], s.p_count[j]);
    for (int j = 0; j < 4; j++) {
      free(dx[j]);
      free(dparams[j]);
    }
    setup_close(&s);
  }
}

/* With `add`, a second backward doubles every gradient. */
static void gradients_accumulate(void **state) {
  (void)state;
  for (int i = 0; i < n_cases; i++) {
    Setup s = setup_open(&cases[i], CORED_CPU_C);
    CoredPassF64 pass = make_pass(&s);
    double *dparams[CORED_MAX_LAYER_PARAMS] = {0}, *once[4] = {0};
    for (int j = 0; j < s.test->node.n_inputs; j++)
      pass.dx[j] = malloc(s.x_count[j] * sizeof(double));
    for (int j = 0; j < s.n_params; j++)
      pass.dparams[j] = dparams[j] = calloc(s.p_count[j], sizeof(double));
    s.passes->forward_f64(&pass);
    s.passes->backward_f64(&pass);
    for (int j = 0; j < s.test->node.n_inputs; j++) {
      once[j] = malloc(s.x_count[j] * sizeof(double));
      memcpy(once[j], pass.dx[j], s.x_count[j] * sizeof(double));
      pass.add[j] = true;
    }
    const double first = s.n_params ? dparams[0][0] : 0;
    s.passes->backward_f64(&pass);
    if (s.n_params && fabs(dparams[0][0] - 2 * first) > 1e-12 * fabs(first))
      fail_msg("%s: parameter gradient %g after two passes, %g after one", s.test->name,
               dparams[0][0], first);
    for (int j = 0; j < s.test->node.n_inputs; j++)
      for (size_t k = 0; k < s.x_count[j]; k++)
        if (fabs(pass.dx[j][k] - 2 * once[j][k]) > 1e-12 * (1 + fabs(once[j][k])))
          fail_msg("%s: gradient of x%d does not accumulate", s.test->name, j);
    for (int j = 0; j < 4; j++) {
      free(pass.dx[j]);
      free(once[j]);
      free(dparams[j]);
    }
    setup_close(&s);
  }
}

static float *narrow(const double *values, size_t count) {
  float *const data = calloc(count + 1, sizeof *data);
  for (size_t i = 0; values && i < count; i++)
    data[i] = (float)values[i];
  return data;
}

static void compare(const Case *test, const char *what, unsigned cpu, const float *got,
                    const double *expected, size_t count) {
  double worst = 0, largest = 1e-3;
  for (size_t i = 0; i < count; i++) {
    worst = fmax(worst, fabs((double)got[i] - expected[i]));
    largest = fmax(largest, fabs(expected[i]));
  }
  if (!(worst <= 1e-5 * largest))
    fail_msg("%s, CPU flags %u: %s is off by %g of %g", test->name, cpu, what, worst, largest);
}

/* Forward and backward in float, on `threads` threads, against the same in double. */
static void check_float(const Case *test, unsigned cpu, CoredThreadPool *pool) {
  Setup s = setup_open(test, cpu);
  CoredPassF64 wide = make_pass(&s);
  CoredPassF32 pass = {.node = wide.node,
                       .n = wide.n,
                       .out = wide.out,
                       .act = wide.act,
                       .batch_stats = wide.batch_stats,
                       .rate = wide.rate,
                       .key = wide.key,
                       .pool = pool};
  memcpy(pass.in, wide.in, sizeof pass.in);
  CoredPassShape shape = pass_shape(&s);
  shape.threads = cored_thread_pool_threads(pool);
  for (int j = 0; j < test->node.n_inputs; j++) {
    wide.dx[j] = new_values(s.x_count[j], 50);
    pass.x[j] = narrow(s.x[j], s.x_count[j]);
    pass.dx[j] = narrow(NULL, s.x_count[j]);
  }
  for (int j = 0; j < s.n_params; j++) {
    wide.dparams[j] = calloc(s.p_count[j], sizeof(double));
    pass.params[j] = narrow(s.params[j], s.p_count[j]);
    pass.dparams[j] = narrow(NULL, s.p_count[j]);
  }
  pass.y = narrow(NULL, s.y_count);
  pass.dy = narrow(s.dy, s.y_count);
  pass.saved = narrow(NULL, s.passes->saved_count ? s.passes->saved_count(&shape) : 0);
  pass.scratch = narrow(NULL, s.passes->scratch_count ? s.passes->scratch_count(&shape) : 0);
  s.passes->forward_f64(&wide);
  s.passes->backward_f64(&wide);
  s.passes->forward_f32(&pass);
  s.passes->backward_f32(&pass);
  compare(test, "y", cpu, pass.y, s.y, s.y_count);
  for (int j = 0; j < test->node.n_inputs; j++) {
    compare(test, "dx", cpu, pass.dx[j], wide.dx[j], s.x_count[j]);
    free(wide.dx[j]);
    free((void *)pass.x[j]);
    free(pass.dx[j]);
  }
  for (int j = 0; j < s.n_params; j++) {
    compare(test, "a parameter's gradient", cpu, pass.dparams[j], wide.dparams[j], s.p_count[j]);
    free(wide.dparams[j]);
    free((void *)pass.params[j]);
    free(pass.dparams[j]);
  }
  free(pass.y);
  free((void *)pass.dy);
  free(pass.saved);
  free(pass.scratch);
  setup_close(&s);
}

static void float_passes_agree_on_every_cpu(void **state) {
  (void)state;
  static const unsigned masks[] = {CORED_CPU_C, CORED_CPU_AVX2, CORED_CPU_AVX2 | CORED_CPU_AVX512};
  CoredThreadPool *const pool = cored_thread_pool_new(3, NULL);
  for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
    if ((cored_cpu_flags() & masks[m]) != masks[m])
      continue;
    for (int i = 0; i < n_cases; i++) {
      check_float(&cases[i], masks[m], NULL);
      check_float(&cases[i], masks[m], pool);
    }
  }
  cored_thread_pool_free(pool);
}

/* But those without passes, which training refuses (tests/train/test-train-net.c). */
static void every_op_has_a_case(void **state) {
  (void)state;
  for (int op = 0; op < CORED_N_OPS; op++) {
    const CoredNode node = {.op = (CoredOp)op};
    bool found = op == CORED_OP_INPUT || op == CORED_OP_UPSAMPLE;
    assert_true((cored_passes_get(&node, CORED_CPU_C) == NULL) == found);
    for (int i = 0; i < n_cases; i++)
      found |= cases[i].node.op == (CoredOp)op;
    if (!found)
      fail_msg("op %s has no gradient check", cored_op_info((CoredOp)op)->name);
  }
}

/* PyTorch's rule: new = 0.9 old + 0.1 batch, with the unbiased variance. */
static void running_statistics_follow_the_batch(void **state) {
  (void)state;
  const Case test = {"running", NORM(1), 2, {{1, 2, 1}}, true, {0}};
  Setup s = setup_open(&test, CORED_CPU_C);
  CoredPassF64 pass = make_pass(&s);
  double mean = 10, var = 5;
  pass.running[0] = &mean;
  pass.running[1] = &var;
  memcpy(s.x[0], (double[]){1, 2, 3, 6}, 4 * sizeof(double));
  s.passes->forward_f64(&pass);
  assert_true(fabs(mean - (0.9 * 10 + 0.1 * 3)) < 1e-6);
  assert_true(fabs(var - (0.9 * 5 + 0.1 * 14.0 / 3)) < 1e-6);
  setup_close(&s);
}

/* About `rate` of the values are zero, the rest scaled; samples are told apart by their index. */
static void dropout_keeps_the_mean(void **state) {
  (void)state;
  const Case test = {"dropout", SIMPLE(CORED_OP_DROPOUT, 1, 2000, 2000), 2, {{1, 1, 2000}}, PLAIN};
  Setup s = setup_open(&test, CORED_CPU_C);
  CoredPassF64 pass = make_pass(&s);
  for (size_t i = 0; i < s.x_count[0]; i++)
    s.x[0][i] = 1;
  s.passes->forward_f64(&pass);
  size_t zeros = 0;
  for (size_t i = 0; i < s.y_count; i++) {
    zeros += s.y[i] == 0;
    assert_true(s.y[i] == 0 || fabs(s.y[i] - 1 / 0.6) < 1e-6);
  }
  assert_true(fabs((double)zeros / (double)s.y_count - 0.4) < 0.03);
  double second[2000];
  memcpy(second, s.y + 2000, sizeof second);
  pass.first = 1;
  s.passes->forward_f64(&pass);
  assert_memory_equal(s.y, second, sizeof second);
  setup_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_op_has_a_case),
      cmocka_unit_test(gradients_are_those_of_differences),
      cmocka_unit_test(gradients_accumulate),
      cmocka_unit_test(float_passes_agree_on_every_cpu),
      cmocka_unit_test(running_statistics_follow_the_batch),
      cmocka_unit_test(dropout_keeps_the_mean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
