/* SPDX-License-Identifier: MIT
 * The C side of networks.test.py: lists a network's parameters, or runs it on given numbers.
 *
 *   network-probe list NETWORK CLASSES
 *   network-probe run NETWORK CLASSES N SIZE PARAMS INPUT OUT
 *
 * Files are raw little-endian float32: PARAMS in the order of `list`, INPUT [N,SIZE,SIZE,3], OUT
 * receives the logits [N,CLASSES] (0, z for one sigmoid output), then the features. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/reference.h"
#include "networks/registry.h"

static _Noreturn void die(const char *what, const char *detail) {
  fprintf(stderr, "network-probe: %s: %s\n", what, detail);
  exit(1);
}

static int list(const CoredGraph *graph) {
  for (int i = 0; i < graph->n_params; i++) {
    printf("%s", graph->params[i].name);
    for (int j = 0; j < graph->params[i].rank; j++)
      printf(" %lld", (long long)graph->params[i].dims[j]);
    printf("\n");
  }
  return 0;
}

static int number(const char *text) {
  char *end;
  const long value = strtol(text, &end, 10);
  if (end == text || *end || value < 1 || value > 4096)
    die(text, "expected a number in 1..4096");
  return (int)value;
}

static float *read_floats(const char *path, size_t count) {
  float *const data = malloc(count * sizeof *data);
  FILE *const file = fopen(path, "rb");
  if (!data || !file || fread(data, sizeof *data, count, file) != count || fgetc(file) != EOF)
    die(path, "cannot be read or has the wrong size");
  fclose(file);
  return data;
}

static void write_floats(FILE *file, const float *data, size_t count) {
  if (fwrite(data, sizeof *data, count, file) != count)
    die("write", strerror(errno));
}

static void write_logits(FILE *file, const CoredGraph *graph, const float *logits, int n) {
  static const float zero = 0.0f;
  if (graph->logit_channels != 1) {
    write_floats(file, logits, (size_t)n * (size_t)graph->logit_channels);
    return;
  }
  for (int i = 0; i < n; i++) {
    write_floats(file, &zero, 1);
    write_floats(file, &logits[i], 1);
  }
}

static size_t feature_count(const CoredGraph *graph, int size) {
  CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
  CoredError error = {0};
  if (!shapes || !cored_graph_shapes(graph, size, size, shapes, &error))
    die("shapes", error.message);
  const CoredShape s = shapes[graph->features];
  free(shapes);
  return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

static int run(const CoredGraph *graph, char **args) {
  const int n = number(args[0]), size = number(args[1]);
  float *const block = read_floats(args[2], cored_graph_param_total(graph, true));
  float *const input = read_floats(args[3], (size_t)n * (size_t)size * (size_t)size * 3);
  const float **const params = calloc((size_t)graph->n_params, sizeof *params);
  if (!params)
    die("run", "no memory");
  const float *next = block;
  for (int i = 0; i < graph->n_params; i++) {
    params[i] = next;
    next += graph->params[i].count;
  }
  const int wanted[2] = {graph->logits, graph->features};
  float *outputs[2];
  CoredError error = {0};
  if (!cored_reference_run(graph, params, input, n, size, size, wanted, 2, outputs, &error))
    die("run", error.message);
  FILE *const file = fopen(args[4], "wb");
  if (!file)
    die(args[4], strerror(errno));
  write_logits(file, graph, outputs[0], n);
  write_floats(file, outputs[1], (size_t)n * feature_count(graph, size));
  if (fclose(file) != 0)
    die(args[4], strerror(errno));
  free(outputs[0]);
  free(outputs[1]);
  free(params);
  free(block);
  free(input);
  return 0;
}

int main(int argc, char **argv) {
  if (!(argc == 4 && strcmp(argv[1], "list") == 0) && !(argc == 9 && strcmp(argv[1], "run") == 0))
    die("usage", "list NETWORK CLASSES | run NETWORK CLASSES N SIZE PARAMS INPUT OUT");
  const CoredNetwork *const network = cored_network_find(argv[2]);
  if (!network)
    die(argv[2], "no such network");
  CoredError error = {0};
  CoredGraph *const graph = cored_network_graph(network, number(argv[3]), &error);
  if (!graph)
    die("graph", error.message);
  const int status = argc == 4 ? list(graph) : run(graph, argv + 4);
  cored_graph_free(graph);
  return status;
}
