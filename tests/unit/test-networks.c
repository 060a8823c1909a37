/* SPDX-License-Identifier: MIT
 * Graphs, layers and networks: parameter counts, shapes, names, initial values. Numbers of the
 * published networks come from their papers and files, not from this code. */
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
#include "graph/ops.h"
#include "networks/registry.h"

#define assert_close(a, b, tolerance) assert_true(fabs((double)(a) - (double)(b)) <= (tolerance))

static CoredGraph *graph_of(const char *id, int n_classes) {
  CoredError error = {0};
  CoredGraph *const graph = cored_network_graph(cored_network_find(id), n_classes, &error);
  if (!graph)
    fail_msg("%s", error.message);
  return graph;
}

static size_t multiply_adds(const CoredGraph *graph, const CoredShape *shapes) {
  size_t sum = 0;
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *const p = &graph->params[i];
    if (p->role == CORED_PARAM_WEIGHT)
      sum += p->count * (size_t)shapes[p->node].h * (size_t)shapes[p->node].w;
  }
  return sum;
}

static void published_networks_have_their_parameter_counts(void **state) {
  (void)state;
  static const struct {
    const char *id;
    size_t trained;
  } cases[] = {{"xception", 20811050},
               {"efficientnet-b0", 4010110},
               {"meso4", 27977},
               {"mesoinception4", 28615}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CoredGraph *const graph = graph_of(cases[i].id, 2);
    assert_int_equal(cored_graph_param_total(graph, false), cases[i].trained);
    cored_graph_free(graph);
  }
}

static void work_is_what_the_papers_count(void **state) {
  (void)state;
  static const struct {
    const char *id;
    int size;
    double mmac;
  } cases[] = {{"xception", 299, 8355.4},
               {"xception", 128, 1475.9},
               {"efficientnet-b0", 224, 384.5},
               {"efficientnet-b0", 128, 126.0},
               {"meso4", 256, 60.0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CoredGraph *const graph = graph_of(cases[i].id, 2);
    CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
    assert_true(cored_graph_shapes(graph, cases[i].size, cases[i].size, shapes, NULL));
    assert_close((double)multiply_adds(graph, shapes) * 1e-6, cases[i].mmac, 0.06);
    free(shapes);
    cored_graph_free(graph);
  }
}

static void features_have_the_shapes_of_the_method(void **state) {
  (void)state;
  static const struct {
    const char *id;
    int size;
    CoredShape features;
  } cases[] = {{"xception", 128, {4, 4, 2048}},
               {"xception", 299, {10, 10, 2048}},
               {"efficientnet-b0", 128, {4, 4, 1280}},
               {"efficientnet-b0", 224, {7, 7, 1280}},
               {"meso4", 256, {8, 8, 16}},
               {"mesoinception4", 225, {8, 8, 16}},
               {"cored-compact", 128, {8, 8, 320}}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CoredGraph *const graph = graph_of(cases[i].id, 2);
    CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
    assert_true(cored_graph_shapes(graph, cases[i].size, cases[i].size, shapes, NULL));
    assert_memory_equal(&shapes[graph->features], &cases[i].features, sizeof(CoredShape));
    free(shapes);
    cored_graph_free(graph);
  }
}

static void size_limits_are_exact(void **state) {
  (void)state;
  for (size_t i = 0; cored_network_at(i); i++) {
    const CoredNetwork *const network = cored_network_at(i);
    CoredGraph *const graph = graph_of(network->id, 2);
    CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
    CoredError error;
    const int lo = network->min_size, hi = network->max_size;
    assert_true(cored_graph_shapes(graph, lo, hi, shapes, &error));
    assert_true(cored_graph_shapes(graph, network->input_size, lo, shapes, &error));
    assert_false(cored_graph_shapes(graph, lo - 1, hi, shapes, &error));
    assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
    assert_false(cored_graph_shapes(graph, lo, hi + 1, shapes, &error));
    assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
    free(shapes);
    cored_graph_free(graph);
  }
}

static void parameter_names_are_unique_and_published(void **state) {
  (void)state;
  for (size_t i = 0; cored_network_at(i); i++) {
    CoredGraph *const graph = graph_of(cored_network_at(i)->id, 2);
    for (int j = 0; j < graph->n_params; j++)
      for (int k = 0; k < j; k++)
        assert_string_not_equal(graph->params[j].name, graph->params[k].name);
    cored_graph_free(graph);
  }
  static const char *const names[][2] = {
      {"xception", "block1.rep.0.conv1.weight"},
      {"xception", "block2.rep.1.pointwise.weight"},
      {"xception", "block11.rep.8.running_var"},
      {"xception", "block12.skipbn.bias"},
      {"xception", "last_linear.bias"},
      {"efficientnet-b0", "_blocks.15._se_reduce.bias"},
      {"efficientnet-b0", "_blocks.1._expand_conv.weight"},
      {"efficientnet-b0", "_fc.weight"},
      {"mesoinception4", "inception2.branch4.conv2.weight"},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    CoredGraph *const graph = graph_of(names[i][0], 2);
    int found = 0;
    for (int j = 0; j < graph->n_params; j++)
      found += strcmp(graph->params[j].name, names[i][1]) == 0;
    assert_int_equal(found, 1);
    cored_graph_free(graph);
  }
}

static void the_classifier_is_marked(void **state) {
  (void)state;
  static const struct {
    const char *id;
    size_t count;
  } cases[] = {{"xception", 2 * 2048 + 2},
               {"efficientnet-b0", 2 * 1280 + 2},
               {"meso4", 1024 * 16 + 16 + 17}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CoredGraph *const graph = graph_of(cases[i].id, 2);
    size_t count = 0;
    for (int j = 0; j < graph->n_params; j++)
      if (graph->nodes[graph->params[j].node].classifier)
        count += graph->params[j].count;
    assert_int_equal(count, cases[i].count);
    cored_graph_free(graph);
  }
}

static void class_counts_out_of_range_are_refused(void **state) {
  (void)state;
  CoredError error;
  assert_null(cored_network_graph(cored_network_find("xception"), 1, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_PARAMS);
  assert_null(cored_network_graph(cored_network_find("xception"), CORED_MAX_CLASSES + 1, &error));
  assert_null(cored_network_graph(cored_network_find("meso4"), 3, &error));
  assert_int_equal(error.code, CORED_ERROR_NETWORK_PARAMS);
  assert_null(cored_network_find("vgg"));
  assert_null(cored_network_find(NULL));
}

static void names_are_taken_as_people_write_them(void **state) {
  (void)state;
  static const char *const same[][2] = {{"Xception", "xception"},
                                        {"XCEPTION", "xception"},
                                        {"Efficient", "efficientnet-b0"},
                                        {"EfficientNet-B0", "efficientnet-b0"},
                                        {"MesoInception4", "mesoinception4"},
                                        {"Compact", "cored-compact"}};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    assert_string_equal(cored_network_from_name(same[i][0], NULL), same[i][1]);
  for (size_t i = 0; cored_network_id(i); i++)
    assert_string_equal(cored_network_from_name(cored_network_id(i), NULL), cored_network_id(i));
  CoredError error = {0};
  assert_null(cored_network_from_name("xceptoin", &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  for (size_t i = 0; cored_network_id(i); i++)
    assert_non_null(strstr(error.message, cored_network_id(i)));
  assert_non_null(strstr(error.message, "xceptionnet"));
  assert_null(cored_network_from_name("", NULL));
  assert_null(cored_network_from_name(NULL, NULL));
  assert_null(cored_network_find("Xception")); /* a model file says it as it is */
}

/* An input, and a named output of it. */
static CoredGraph *named_graph(int node, const char *name) {
  CoredGraph *const graph = cored_graph_new();
  assert_non_null(graph);
  cored_graph_set_features(graph, cored_graph_input(graph, 3));
  cored_graph_set_output(graph, node, name);
  return graph;
}

/* As a mistake that is named, not as a lack of memory. */
static void assert_mistake(CoredGraph *graph, const char *text) {
  CoredError error = {0};
  assert_false(cored_graph_finish(graph, 0, 2, &error));
  assert_int_equal(error.code, CORED_ERROR_ARGUMENT);
  if (!strstr(error.message, text))
    fail_msg("'%s' is not in '%s'", text, error.message);
  cored_graph_free(graph);
}

static void mistakes_of_a_graph_are_told(void **state) {
  (void)state;
  char name[CORED_NAME_SIZE + 1] = "";
  CoredError error;
  CoredGraph *graph = named_graph(0, "0");
  for (int i = 1; i < CORED_MAX_NAMED_OUTPUTS; i++) {
    snprintf(name, sizeof name, "%d", i);
    cored_graph_set_output(graph, 0, name);
  }
  assert_int_equal(graph->n_named, CORED_MAX_NAMED_OUTPUTS);
  assert_false(graph->failed);
  cored_graph_set_output(graph, 0, "one more");
  assert_mistake(graph, "output 'one more': expected at most 8 named outputs");
  memset(name, 'n', sizeof name - 1);
  name[CORED_OUTPUT_NAME_SIZE] = 0;
  assert_mistake(named_graph(0, name), "output 'nnnn");
  name[CORED_OUTPUT_NAME_SIZE - 1] = 0;
  graph = named_graph(0, name);
  assert_true(cored_graph_finish(graph, 0, 2, &error));
  cored_graph_free(graph);
  assert_mistake(named_graph(0, ""), "output '': expected a name of 1 to 31 characters, found 0");
  assert_mistake(named_graph(1, "deep"), "output 'deep': expected a node of 0 to 0, found 1");
  assert_mistake(named_graph(-1, "deep"), "output 'deep': expected a node of 0 to 0, found -1");
  graph = named_graph(0, "twice");
  cored_graph_set_output(graph, 0, "twice");
  assert_mistake(graph, "output 'twice': another one has this name");
  graph = named_graph(0, "input");
  cored_graph_relu(graph, 7);
  cored_graph_set_output(graph, 3, "later"); /* the first mistake is the one that is told */
  assert_mistake(graph, "input 0 of node 1: expected a node before it, found 7");
  graph = named_graph(0, "input");
  memset(name, 'n', sizeof name - 1);
  cored_graph_dense(graph, 0, 2, "%s", name);
  assert_mistake(graph, "of node 1: expected 1 to 95 characters, found 96");
  graph = named_graph(0, "input");
  cored_graph_concat(graph, 1, (int[]){0});
  assert_mistake(graph, "node 1: expected 2 to 4 inputs, found 1");
}

static void every_op_is_in_the_tables(void **state) {
  (void)state;
  for (int op = 0; op < CORED_N_OPS; op++) {
    const CoredOpInfo *const info = cored_op_info((CoredOp)op);
    const CoredReferenceOp *const reference = cored_reference_op((CoredOp)op);
    assert_non_null(info->name);
    assert_non_null(info->params);
    assert_non_null(info->shape);
    assert_true((reference->forward_f32 != NULL) == (op != CORED_OP_INPUT));
    assert_true((reference->forward_f64 != NULL) == (op != CORED_OP_INPUT));
  }
}

/* Known answers of Philox4x32-10 from its authors' Random123 distribution (kat_vectors). */
static void random_bits_are_philox(void **state) {
  (void)state;
  uint32_t out[4];
  cored_philox_bits(0, 0, out);
  static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  assert_memory_equal(out, zero, sizeof out);
}

static void initial_values_have_their_moments(void **state) {
  (void)state;
  CoredGraph *const graph = graph_of("xception", 2);
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *const p = &graph->params[i];
    if (p->role != CORED_PARAM_WEIGHT || p->count < 100000)
      continue;
    float *const data = malloc(p->count * sizeof *data);
    cored_param_init(graph, p, 7, data);
    double sum = 0, square = 0;
    for (size_t j = 0; j < p->count; j++) {
      sum += (double)data[j];
      square += (double)data[j] * (double)data[j];
    }
    const double n = (double)p->count, deviation = sqrt(2.0 / (n / (double)p->dims[0]));
    assert_close(sqrt(square / n) / deviation, 1.0, 0.02);
    assert_close(sum / n / deviation, 0.0, 5.0 / sqrt(n));
    free(data);
  }
  cored_graph_free(graph);
}

/* 2x2 input by hand: conv without padding of ones, same-padded max-pool of odd size. */
static void windows_are_placed_as_defined(void **state) {
  (void)state;
  int pad;
  const CoredNode same = {.kernel = 3, .stride = 2, .dilation = 1, .pad_mode = CORED_PAD_SAME};
  assert_int_equal(cored_window_output(&same, 8, &pad), 4);
  assert_int_equal(pad, 0); /* the one extra pixel goes to the bottom and right */
  assert_int_equal(cored_window_output(&same, 7, &pad), 4);
  assert_int_equal(pad, 1);
  const CoredNode plain = {.kernel = 3, .stride = 2, .dilation = 2, .pad = 1};
  assert_int_equal(cored_window_output(&plain, 7, &pad), 3);
  assert_int_equal(cored_window_output(&plain, 2, &pad), 0);
}

static float *random_values(size_t count, uint64_t key) {
  float *const data = malloc(count * sizeof *data);
  for (size_t i = 0; i < count; i++)
    data[i] = cored_philox_normal(key, i);
  return data;
}

/* The executor gives any node; a graph run in two halves gives the same. */
static void reference_runs_any_node(void **state) {
  (void)state;
  CoredGraph *const graph = graph_of("cored-compact", 3);
  float *params[256];
  for (int i = 0; i < graph->n_params; i++) {
    params[i] = malloc(graph->params[i].count * sizeof(float));
    cored_param_init(graph, &graph->params[i], 1, params[i]);
  }
  float *const input = random_values(2 * 20 * 24 * 3, 5);
  const int wanted[2] = {graph->features, graph->logits};
  float *out[2], *again[1];
  CoredError error;
  assert_true(cored_reference_run(graph, (const float *const *)params, input, 2, 20, 24, wanted, 2,
                                  out, &error));
  assert_true(cored_reference_run(graph, (const float *const *)params, input + 20 * 24 * 3, 1, 20,
                                  24, &wanted[1], 1, again, &error));
  for (int i = 0; i < 3; i++) {
    assert_true(isfinite(out[1][i]));
    assert_close(out[1][3 + i], again[0][i], 0.0);
  }
  assert_false(cored_reference_run(graph, (const float *const *)params, input, 1, 0, 24, wanted, 2,
                                   out, &error));
  assert_int_equal(error.code, CORED_ERROR_INPUT_SIZE);
  for (int i = 0; i < graph->n_params; i++)
    free(params[i]);
  free(out[0]);
  free(out[1]);
  free(again[0]);
  free(input);
  cored_graph_free(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(published_networks_have_their_parameter_counts),
      cmocka_unit_test(work_is_what_the_papers_count),
      cmocka_unit_test(features_have_the_shapes_of_the_method),
      cmocka_unit_test(size_limits_are_exact),
      cmocka_unit_test(parameter_names_are_unique_and_published),
      cmocka_unit_test(the_classifier_is_marked),
      cmocka_unit_test(class_counts_out_of_range_are_refused),
      cmocka_unit_test(names_are_taken_as_people_write_them),
      cmocka_unit_test(mistakes_of_a_graph_are_told),
      cmocka_unit_test(every_op_is_in_the_tables),
      cmocka_unit_test(random_bits_are_philox),
      cmocka_unit_test(initial_values_have_their_moments),
      cmocka_unit_test(windows_are_placed_as_defined),
      cmocka_unit_test(reference_runs_any_node),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
