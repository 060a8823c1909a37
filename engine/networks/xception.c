/* SPDX-License-Identifier: MIT
 * Xception: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions", figure
 * 5, with the parameter names of the PyTorch port whose weights FaceForensics++ and CoReD publish.
 */
#include "networks/registry.h"

#include <stdbool.h>
#include <stdio.h>

static const float epsilon = 1e-5f, momentum = 0.1f;

static int conv_bn(CoredGraph *g, int x, CoredConvArgs args, const char *conv, const char *bn) {
  x = cored_graph_conv(g, x, args, "%s", conv);
  return cored_graph_batch_norm(g, x, epsilon, momentum, "%s", bn);
}

/* Depthwise 3x3, then pointwise, nothing between them, then batch norm. */
static int sep_conv_bn(CoredGraph *g, int x, int channels, const char *conv, const char *bn) {
  x = cored_graph_depthwise(g, x, (CoredConvArgs){.kernel = 3, .pad = 1}, "%s.conv1", conv);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = channels, .kernel = 1}, "%s.pointwise",
                       conv);
  return cored_graph_batch_norm(g, x, epsilon, momentum, "%s", bn);
}

typedef struct Block {
  int sep_convs, channels, stride;
  bool starts_with_relu, grows_last;
} Block;

static const Block blocks[] = {
    {2, 128, 2, false, false}, {2, 256, 2, true, false}, {2, 728, 2, true, false},
    {3, 728, 1, true, false},  {3, 728, 1, true, false}, {3, 728, 1, true, false},
    {3, 728, 1, true, false},  {3, 728, 1, true, false}, {3, 728, 1, true, false},
    {3, 728, 1, true, false},  {3, 728, 1, true, false}, {2, 1024, 2, true, true},
};

/* `rep` is a Sequential of [ReLU, sepconv, BN] x n and, with stride 2, a max-pool; the index of an
 * element in it is part of the parameter's name. The skip takes the unrectified input. */
static int add_block(CoredGraph *g, int x, int number, const Block *block) {
  const int in_channels = g->nodes ? g->nodes[x].channels : 0;
  int skip = x, place = 0;
  for (int i = 0; i < block->sep_convs; i++) {
    const bool last = i == block->sep_convs - 1;
    const int channels = block->grows_last && !last ? in_channels : block->channels;
    char conv[CORED_NAME_SIZE], bn[CORED_NAME_SIZE];
    if (i > 0 || block->starts_with_relu) {
      x = cored_graph_relu(g, x);
      place++;
    }
    snprintf(conv, sizeof conv, "block%d.rep.%d", number, place++);
    snprintf(bn, sizeof bn, "block%d.rep.%d", number, place++);
    x = sep_conv_bn(g, x, channels, conv, bn);
  }
  if (block->stride != 1)
    x = cored_graph_max_pool(g, x, 3, block->stride, CORED_PAD_EXPLICIT, 1);
  if (block->stride != 1 || block->channels != in_channels) {
    skip = cored_graph_conv(
        g, skip, (CoredConvArgs){.channels = block->channels, .kernel = 1, .stride = block->stride},
        "block%d.skip", number);
    skip = cored_graph_batch_norm(g, skip, epsilon, momentum, "block%d.skipbn", number);
  }
  return cored_graph_add(g, x, skip);
}

static int build(CoredGraph *g, int n_classes) {
  int x = cored_graph_input(g, 3);
  x = conv_bn(g, x, (CoredConvArgs){.channels = 32, .kernel = 3, .stride = 2}, "conv1", "bn1");
  x = cored_graph_relu(g, x);
  x = conv_bn(g, x, (CoredConvArgs){.channels = 64, .kernel = 3}, "conv2", "bn2");
  x = cored_graph_relu(g, x);
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    x = add_block(g, x, (int)i + 1, &blocks[i]);
  x = sep_conv_bn(g, x, 1536, "conv3", "bn3");
  x = cored_graph_relu(g, x);
  x = sep_conv_bn(g, x, 2048, "conv4", "bn4");
  cored_graph_set_features(g, x);
  x = cored_graph_relu(g, x);
  x = cored_graph_global_avg_pool(g, x);
  cored_graph_begin_classifier(g);
  x = cored_graph_dropout(g, x, 0.0f); /* off unless the trainer is told otherwise */
  return cored_graph_dense(g, x, n_classes, "last_linear");
}

const CoredNetwork cored_network_xception = {
    .id = "xception",
    .title = "Xception (Chollet 2017)",
    .input_size = 128,
    .published_size = 299,
    .min_size = 7,
    .max_size = CORED_MAX_INPUT_SIZE,
    .max_classes = CORED_MAX_CLASSES,
    .mean = {0.5f, 0.5f, 0.5f},
    .std = {0.5f, 0.5f, 0.5f},
    .build = build,
};
