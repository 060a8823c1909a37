/* SPDX-License-Identifier: MIT
 * The layout of a net in training: what the losses read is there when they read it, and branches
 * that lead to none of it take no part in backward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/block.h"
#include "base/random.h"
#include "graph/reference.h"
#include "train/core/train-net.h"

enum { side = 9, n_images = 2, n_pixels = side * side, most_params = 32 };

static int conv(CoredGraph *g, int x, int channels, const char *name) {
  return cored_graph_conv(g, x, (CoredConvArgs){.channels = channels, .kernel = 3, .pad = 1}, "%s",
                          name);
}

static int norm_relu(CoredGraph *g, int x, const char *name) {
  return cored_graph_relu(g, cored_graph_batch_norm(g, x, 1e-3f, 0.1f, "%s", name));
}

/* With a branch behind the features, to a named output and to one that nobody reads. */
static int branch(CoredGraph *g, int x) {
  x = norm_relu(g, conv(g, x, 8, "side.conv"), "side.bn");
  cored_graph_set_output(g, x, "side");
  return conv(g, x, 8, "side.last");
}

/* The features are the activation of a batch norm; what follows is larger than they are. */
static CoredGraph *graph_new(bool with_branch) {
  CoredError error;
  CoredGraph *const g = cored_graph_new();
  assert_non_null(g);
  int x = cored_graph_input(g, 3);
  x = norm_relu(g, conv(g, x, 8, "first"), "bn");
  cored_graph_set_features(g, x);
  if (with_branch)
    branch(g, x);
  x = cored_graph_max_pool(g, x, 3, 1, CORED_PAD_EXPLICIT, 1);
  x = conv(g, norm_relu(g, conv(g, x, 16, "second"), "bn2"), 16, "third");
  x = cored_graph_dense(g, cored_graph_global_avg_pool(g, x), 2, "last");
  if (!cored_graph_finish(g, x, 2, &error))
    fail_msg("%s", error.message);
  assert_in_range(g->n_params, 1, most_params);
  return g;
}

/* A net with memory and parameters of its own. */
typedef struct Fixture {
  CoredGraph *graph;
  CoredTrainNet *net;
  CoredReal *arena, *block, *gradients;
  float images[n_images * n_pixels * 3];
} Fixture;

static CoredReal *new_reals(size_t count) {
  CoredReal *const data = cored_block_new(count, sizeof *data);
  assert_non_null(data);
  return data;
}

static Fixture *fixture_open(bool with_branch, bool training) {
  CoredError error;
  Fixture *const f = calloc(1, sizeof *f);
  assert_non_null(f);
  f->graph = graph_new(with_branch);
  const CoredTrainNetParams params = {.graph = f->graph,
                                      .h = side,
                                      .w = side,
                                      .max_batch = n_images,
                                      .training = training,
                                      .cpu = cored_cpu_flags(),
                                      .dropout = -1,
                                      .drop_connect = -1};
  f->net = cored_train_net_new(&params, &error);
  assert_non_null(f->net);
  f->arena = new_reals(cored_train_net_arena_count(f->net));
  f->block = new_reals(cored_train_net_block_count(f->net));
  f->gradients = new_reals(cored_train_net_block_count(f->net));
  cored_train_net_set_arena(f->net, f->arena);
  for (int i = 0; i < f->graph->n_params; i++)
    cored_param_init(f->graph, &f->graph->params[i], 7,
                     f->block + cored_train_net_offset(f->net, i));
  for (size_t i = 0; i < sizeof f->images / sizeof *f->images; i++)
    f->images[i] = cored_philox_normal(3, i);
  return f;
}

static void fixture_close(Fixture *f) {
  const size_t block = cored_train_net_block_count(f->net);
  cored_block_free(f->arena, cored_train_net_arena_count(f->net), sizeof *f->arena);
  cored_block_free(f->block, block, sizeof *f->block);
  cored_block_free(f->gradients, block, sizeof *f->gradients);
  cored_train_net_free(f->net);
  cored_graph_free(f->graph);
  free(f);
}

static void check_output(const Fixture *f, const char *what, int node, const float *want) {
  CoredShape shape;
  const CoredReal *const got = cored_train_net_output(f->net, node, &shape);
  for (int i = 0; i < n_images * shape.h * shape.w * shape.c; i++)
    if (!(fabs((double)got[i] - (double)want[i]) <= 1e-5 * (1 + fabs((double)want[i]))))
      fail_msg("%s, value %d: got %g, want %g", what, i, (double)got[i], (double)want[i]);
}

/* After a whole forward pass, as the plain executor has them. */
static void the_losses_find_features_and_logits(void **state) {
  (void)state;
  for (int training = 0; training < 2; training++) {
    Fixture *const f = fixture_open(true, training);
    const int wanted[2] = {f->graph->features, f->graph->logits};
    const float *params[most_params];
    float *want[2];
    CoredError error;
    for (int i = 0; i < f->graph->n_params; i++)
      params[i] = f->block + cored_train_net_offset(f->net, i);
    assert_true(cored_reference_run(f->graph, params, f->images, n_images, side, side, wanted, 2,
                                    want, &error));
    const CoredTrainNetRun run = {.block = f->block, .images = f->images, .n = n_images};
    cored_train_net_forward(f->net, &run);
    check_output(f, training ? "features in training" : "features", wanted[0], want[0]);
    check_output(f, training ? "logits in training" : "logits", wanted[1], want[1]);
    free(want[0]);
    free(want[1]);
    fixture_close(f);
  }
}

static void fill_gradient(const Fixture *f, int node, uint64_t key) {
  CoredShape shape;
  cored_train_net_output(f->net, node, &shape);
  CoredReal *const gradient = cored_train_net_output_gradient(f->net, node);
  for (int i = 0; i < n_images * shape.h * shape.w * shape.c; i++)
    gradient[i] = (CoredReal)cored_philox_normal(key, (uint64_t)i);
}

static void run_backward(Fixture *f) {
  const CoredTrainNetRun run = {
      .block = f->block, .images = f->images, .n = n_images, .batch_stats = true};
  cored_train_net_forward(f->net, &run);
  fill_gradient(f, f->graph->features, 11);
  fill_gradient(f, f->graph->logits, 12);
  cored_train_net_backward(f->net, &run, f->gradients);
}

static int param_named(const CoredGraph *graph, const char *name) {
  for (int i = 0; i < graph->n_params; i++)
    if (strcmp(graph->params[i].name, name) == 0)
      return i;
  return -1;
}

/* The branch gets no gradient, and the others get the same as without it. */
static void a_branch_that_no_loss_reads_has_no_gradient(void **state) {
  (void)state;
  Fixture *const with = fixture_open(true, true), *const without = fixture_open(false, true);
  run_backward(with);
  run_backward(without);
  double largest = 0;
  for (int i = 0; i < with->graph->n_params; i++) {
    const CoredParam *const param = &with->graph->params[i];
    const int other = param_named(without->graph, param->name);
    const CoredReal *const got = with->gradients + cored_train_net_offset(with->net, i);
    assert_true((other < 0) == (strncmp(param->name, "side.", 5) == 0));
    for (size_t j = 0; j < param->count; j++) {
      const CoredReal want =
          other < 0 ? 0 : without->gradients[cored_train_net_offset(without->net, other) + j];
      if (got[j] != want)
        fail_msg("%s [%zu]: got %g, want %g", param->name, j, (double)got[j], (double)want);
      largest = fmax(largest, fabs((double)want));
    }
  }
  assert_true(largest > 0);
  fixture_close(with);
  fixture_close(without);
}

/* ---- What only runs -------------------------------------------------------------------------- */

static void refuse_graph(CoredGraph *g, int output, int n_classes) {
  CoredError error = {0};
  assert_true(cored_graph_finish(g, output, n_classes, &error));
  const CoredTrainNetParams params = {.graph = g,
                                      .h = side,
                                      .w = side,
                                      .max_batch = n_images,
                                      .training = true,
                                      .cpu = cored_cpu_flags(),
                                      .dropout = -1,
                                      .drop_connect = -1};
  assert_null(cored_train_net_new(&params, &error));
  assert_int_equal(error.code, CORED_ERROR_UNSUPPORTED);
  cored_graph_free(g);
}

static void networks_that_only_run_are_refused(void **state) {
  (void)state;
  for (int with_bias = 0; with_bias < 2; with_bias++) {
    CoredGraph *const g = cored_graph_new();
    assert_non_null(g);
    int x = cored_graph_input(g, 3);
    x = with_bias ? cored_graph_depthwise(
                        g, x, (CoredConvArgs){.kernel = 3, .pad = 1, .bias = true}, "depthwise")
                  : cored_graph_upsample(g, x, 2);
    cored_graph_set_features(g, x);
    x = cored_graph_dense(g, cored_graph_global_avg_pool(g, x), 2, "last");
    refuse_graph(g, x, 2);
  }
  CoredGraph *const locator = cored_graph_new();
  assert_non_null(locator);
  const int x = conv(locator, cored_graph_input(locator, 3), 4, "only");
  cored_graph_set_output(locator, x, "only");
  refuse_graph(locator, CORED_NO_NODE, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_losses_find_features_and_logits),
      cmocka_unit_test(a_branch_that_no_loss_reads_has_no_gradient),
      cmocka_unit_test(networks_that_only_run_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
