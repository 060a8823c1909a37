/* SPDX-License-Identifier: MIT */
#include "tools/convert/yunet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "networks/registry.h"
#include "networks/yunet.h"

/* The parts of a head, in the order of their channels (networks/yunet.h). */
static const struct {
  const char *name; /* of the units, and of the outputs */
  int channels;
} parts[] = {{"cls", 1}, {"obj", 1}, {"bbox", 4}, {"kps", 10}};

enum { N_PARTS = sizeof parts / sizeof *parts };

typedef struct Importer {
  const CoredOnnx *onnx;
  CoredGraph *graph;
  CoredTensorView *views; /* one per parameter, data owned */
  CoredRefusal *refusal;
} Importer;

/* ---- Finding layers -------------------------------------------------------------------------- */

static bool has_output(const CoredOnnx *onnx, const char *name) {
  for (size_t i = 0; i < onnx->n_outputs; i++)
    if (cored_onnx_is(onnx->outputs[i].name, name))
      return true;
  return false;
}

static bool has_outputs(const CoredOnnx *onnx) {
  char name[16];
  for (int i = 0; i < N_PARTS * CORED_YUNET_STRIDES; i++) {
    snprintf(name, sizeof name, "%s_%d", parts[i % N_PARTS].name, 8 << i / N_PARTS);
    if (!has_output(onnx, name))
      return false;
  }
  return true;
}

static bool is_conv(const CoredOnnxNode *node) {
  return cored_onnx_is(node->op, "Conv") && node->n_inputs == 3 && node->n_outputs == 1;
}

/* The convolution whose weight has this name. */
static const CoredOnnxNode *conv_of_weight(const CoredOnnx *onnx, const char *weight) {
  for (size_t i = 0; i < onnx->n_nodes; i++)
    if (is_conv(&onnx->nodes[i]) && cored_onnx_is(onnx->nodes[i].inputs[1], weight))
      return &onnx->nodes[i];
  return NULL;
}

/* The convolution that reads a value. */
static const CoredOnnxNode *conv_of_value(const CoredOnnx *onnx, CoredOnnxText value) {
  for (size_t i = 0; i < onnx->n_nodes; i++)
    if (is_conv(&onnx->nodes[i]) && cored_onnx_same(onnx->nodes[i].inputs[0], value))
      return &onnx->nodes[i];
  return NULL;
}

/* The first or second convolution of a unit; of the first one the exporter kept the name. */
static const CoredOnnxNode *conv_of_unit(const CoredOnnx *onnx, const char *unit, int n,
                                         bool second) {
  char weight[2 * CORED_NAME_SIZE];
  snprintf(weight, sizeof weight, "%.*s.conv1.weight", n, unit);
  const CoredOnnxNode *const first = conv_of_weight(onnx, weight);
  return first && second ? conv_of_value(onnx, first->outputs[0]) : first;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static bool refuse_layer(const Importer *im, const char *layer, const char *what) {
  return cored_refuse(im->refusal, CORED_REFUSAL_PARAMETERS, "YuNet's layer %s: %s", layer, what);
}

/* As the node of the graph has them. */
static bool same_window(const CoredOnnxNode *conv, const CoredNode *node) {
  int64_t kernel[2], strides[2] = {1, 1}, pads[4] = {0}, dilations[2] = {1, 1};
  cored_onnx_ints(conv, "strides", strides, 2);
  cored_onnx_ints(conv, "pads", pads, 4);
  cored_onnx_ints(conv, "dilations", dilations, 2);
  bool same = cored_onnx_ints(conv, "kernel_shape", kernel, 2);
  for (int i = 0; same && i < 2; i++)
    same = kernel[i] == node->kernel && strides[i] == node->stride && dilations[i] == 1 &&
           pads[i] == node->pad && pads[i + 2] == node->pad;
  return same && !cored_onnx_attribute(conv, "auto_pad");
}

/* The values of a tensor of these dims, to out. */
static bool copy_values(const Importer *im, const char *layer, CoredOnnxText name, int rank,
                        const int64_t *dims, float *out) {
  const CoredLoose *const tensor = cored_onnx_tensor(im->onnx, name);
  CoredDtype dtype;
  bool fits = tensor && tensor->rank == rank && cored_scalar_to_dtype(tensor->scalar, &dtype);
  for (int i = 0; fits && i < rank; i++)
    fits = tensor->dims[i] == dims[i];
  if (!fits)
    return refuse_layer(im, layer, "a weight is missing or has another shape than the network's");
  void *const values = cored_loose_copy(tensor);
  if (!values)
    return cored_refuse(im->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the weights");
  cored_convert_f32(dtype, values, tensor->count, out);
  free(values);
  return true;
}

/* Weight and bias of `channels` channels of a layer. */
static bool copy_conv(const Importer *im, const CoredOnnxNode *conv, const CoredNode *node,
                      const int64_t dims[4], int64_t channels, float *weight, float *bias) {
  const int64_t own[4] = {channels, dims[1], dims[2], dims[3]};
  const int64_t group = node->op == CORED_OP_DEPTHWISE ? channels : 1;
  if (!conv)
    return refuse_layer(im, node->name, "not in the file");
  if (!same_window(conv, node) || cored_onnx_int(conv, "group", 1) != group)
    return refuse_layer(im, node->name,
                        "another kernel, stride, padding or grouping than the network's");
  return copy_values(im, node->name, conv->inputs[1], 4, own, weight) &&
         copy_values(im, node->name, conv->inputs[2], 1, own, bias);
}

/* The published network takes B, G, R. */
static void turn_channels(const int64_t dims[4], float *weight) {
  const int64_t taps = dims[2] * dims[3];
  for (int64_t o = 0; o < dims[0]; o++)
    for (int64_t i = 0; i < taps; i++) {
      float *const blue = weight + o * 3 * taps + i, *const red = blue + 2 * taps;
      const float value = *blue;
      *blue = *red;
      *red = value;
    }
}

/* "….conv1" or "….conv2": the length of the unit's name. */
static int unit_length(const CoredNode *node) {
  return (int)strlen(node->name) - (int)strlen(".conv1");
}

static bool is_second(const CoredNode *node) {
  return node->name[strlen(node->name) - 1] == '2';
}

/* A head, which is four units in the file. */
static bool copy_head(const Importer *im, const CoredNode *node, int level, const int64_t dims[4],
                      float *weight, float *bias) {
  const size_t filter = (size_t)(dims[1] * dims[2] * dims[3]);
  for (int i = 0; i < N_PARTS; i++) {
    char unit[CORED_NAME_SIZE];
    const int n = snprintf(unit, sizeof unit, "bbox_head.multi_level_%s.%d", parts[i].name, level);
    const CoredOnnxNode *const conv = conv_of_unit(im->onnx, unit, n, is_second(node));
    if (!copy_conv(im, conv, node, dims, parts[i].channels, weight, bias))
      return false;
    weight += filter * (size_t)parts[i].channels;
    bias += parts[i].channels;
  }
  return true;
}

static bool copy_layer(const Importer *im, const CoredNode *node, const int64_t dims[4],
                       float *weight, float *bias) {
  int level;
  if (sscanf(node->name, "bbox_head.outputs.%d.", &level) == 1)
    return copy_head(im, node, level, dims, weight, bias);
  if (node->input[0] == 0) { /* the first one reads the picture and has lost its name */
    const CoredOnnxNode *const conv =
        im->onnx->n_inputs > 0 ? conv_of_value(im->onnx, im->onnx->inputs[0].name) : NULL;
    if (!copy_conv(im, conv, node, dims, dims[0], weight, bias))
      return false;
    turn_channels(dims, weight);
    return true;
  }
  const CoredOnnxNode *const conv =
      conv_of_unit(im->onnx, node->name, unit_length(node), is_second(node));
  return copy_conv(im, conv, node, dims, dims[0], weight, bias);
}

/* ---- The model ------------------------------------------------------------------------------- */

/* Every layer has a weight, and a bias behind it. */
static bool copy_layers(const Importer *im) {
  for (int i = 0; i < im->graph->n_params; i++) {
    const CoredParam *const param = &im->graph->params[i];
    float *const data = calloc(param->count, sizeof *data);
    if (!data)
      return cored_refuse(im->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the weights");
    im->views[i] = (CoredTensorView){.name = param->name,
                                     .dtype = CORED_DTYPE_F32,
                                     .rank = param->rank,
                                     .data = data,
                                     .size = param->count * sizeof *data};
    memcpy(im->views[i].dims, param->dims, sizeof param->dims);
    if (param->role != CORED_PARAM_BIAS)
      continue;
    float *const weight = (float *)(uintptr_t)im->views[i - 1].data;
    if (!copy_layer(im, &im->graph->nodes[param->node], im->graph->params[i - 1].dims, weight,
                    data))
      return false;
  }
  return true;
}

const char *cored_yunet_network(const CoredOnnx *onnx) {
  if (!has_outputs(onnx))
    return NULL;
  return conv_of_weight(onnx, "bbox_head.multi_level_share_convs.0.0.conv1.weight") ? "yunet-n"
                                                                                    : "yunet-s";
}

CoredModel *cored_yunet_model(const CoredOnnx *onnx, const CoredModelInfo *info,
                              CoredRefusal *refusal) {
  Importer im = {.onnx = onnx, .refusal = refusal};
  CoredError error = {0};
  CoredModel *model = NULL;
  im.graph = cored_network_graph(cored_network_find(info->network), 0, &error);
  if (!im.graph) {
    cored_refuse_error(refusal, &error);
    return NULL;
  }
  const size_t n = (size_t)im.graph->n_params;
  im.views = calloc(n, sizeof *im.views);
  if (!im.views)
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the weights");
  else if (copy_layers(&im) && !(model = cored_model_new(info, im.views, n, &error)))
    cored_refuse_error(refusal, &error);
  for (size_t i = 0; im.views && i < n; i++)
    free((void *)(uintptr_t)im.views[i].data);
  free(im.views);
  cored_graph_free(im.graph);
  return model;
}
