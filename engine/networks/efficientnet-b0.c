/* SPDX-License-Identifier: MIT
 * EfficientNet-B0: Tan and Le 2019, "EfficientNet: Rethinking model scaling for convolutional
 * neural networks", table 1, with the parameter names of the PyTorch package
 * `efficientnet_pytorch`. Padding is TensorFlow's "same". */
#include "networks/registry.h"

/* The package's 0.01 is PyTorch's sense of momentum (TensorFlow's 0.99). */
static const float epsilon = 1e-3f, momentum = 0.01f;

typedef struct Group {
  int repeats, kernel, stride, expand, channels;
} Group;

static const Group groups[] = {
    {1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40},  {3, 3, 2, 6, 80},
    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320},
};

enum { n_blocks = 16 };
static const float drop_connect = 0.2f, dropout = 0.2f;

static int channels_of(const CoredGraph *g, int x) {
  return g->failed ? 0 : g->nodes[x].channels;
}

static int swish(CoredGraph *g, int x) {
  return cored_graph_swish(g, x);
}

/* Squeeze-excite (Hu et al. 2018) with a bottleneck of a quarter of the block's input channels. */
static int squeeze_excite(CoredGraph *g, int x, int block, int squeezed) {
  int s = cored_graph_global_avg_pool(g, x);
  s = cored_graph_conv(g, s, (CoredConvArgs){.channels = squeezed, .kernel = 1, .bias = true},
                       "_blocks.%d._se_reduce", block);
  s = swish(g, s);
  s = cored_graph_conv(g, s,
                       (CoredConvArgs){.channels = channels_of(g, x), .kernel = 1, .bias = true},
                       "_blocks.%d._se_expand", block);
  s = cored_graph_activation(g, s, (CoredActivation)CORED_SIGMOID);
  return cored_graph_scale(g, x, s);
}

static int add_block(CoredGraph *g, int x, int block, const Group *group, int stride) {
  const int skip = x, in_channels = channels_of(g, x);
  if (group->expand != 1) {
    x = cored_graph_conv(g, x,
                         (CoredConvArgs){.channels = in_channels * group->expand, .kernel = 1},
                         "_blocks.%d._expand_conv", block);
    x = swish(g, cored_graph_batch_norm(g, x, epsilon, momentum, "_blocks.%d._bn0", block));
  }
  x = cored_graph_depthwise(
      g, x, (CoredConvArgs){.kernel = group->kernel, .stride = stride, .pad_mode = CORED_PAD_SAME},
      "_blocks.%d._depthwise_conv", block);
  x = swish(g, cored_graph_batch_norm(g, x, epsilon, momentum, "_blocks.%d._bn1", block));
  x = squeeze_excite(g, x, block, in_channels / 4);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = group->channels, .kernel = 1},
                       "_blocks.%d._project_conv", block);
  x = cored_graph_batch_norm(g, x, epsilon, momentum, "_blocks.%d._bn2", block);
  if (stride != 1 || in_channels != group->channels)
    return x;
  x = cored_graph_drop_connect(g, x, drop_connect * (float)block / (float)n_blocks);
  return cored_graph_add(g, x, skip);
}

static int build(CoredGraph *g, int n_classes) {
  int block = 0, x = cored_graph_input(g, 3);
  x = cored_graph_conv(
      g, x, (CoredConvArgs){.channels = 32, .kernel = 3, .stride = 2, .pad_mode = CORED_PAD_SAME},
      "_conv_stem");
  x = swish(g, cored_graph_batch_norm(g, x, epsilon, momentum, "_bn0"));
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    for (int j = 0; j < groups[i].repeats; j++)
      x = add_block(g, x, block++, &groups[i], j == 0 ? groups[i].stride : 1);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = 1280, .kernel = 1}, "_conv_head");
  x = cored_graph_batch_norm(g, x, epsilon, momentum, "_bn1");
  cored_graph_set_features(g, x);
  x = cored_graph_global_avg_pool(g, swish(g, x));
  cored_graph_begin_classifier(g);
  x = cored_graph_dropout(g, x, dropout);
  return cored_graph_dense(g, x, n_classes, "_fc");
}

const CoredNetwork cored_network_efficientnet_b0 = {
    .id = "efficientnet-b0",
    .title = "EfficientNet-B0 (Tan and Le 2019)",
    .input_size = 128,
    .published_size = 224,
    .min_size = 1,
    .max_size = CORED_MAX_INPUT_SIZE,
    .max_classes = CORED_MAX_CLASSES,
    .mean = {0.5f, 0.5f, 0.5f},
    .std = {0.5f, 0.5f, 0.5f},
    .build = build,
};
