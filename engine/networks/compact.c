/* SPDX-License-Identifier: MIT
 * The compact network of this project: separable convolutions as in Xception (nothing between
 * depthwise and pointwise) in residual stages, 0.3 M parameters, about 32 M multiply-adds at
 * 128x128. It keeps a fair share of its arithmetic at high resolution, where the traces of
 * a generator are, and uses only what the engine runs fastest. */
#include "networks/registry.h"

static const float epsilon = 1e-5f, momentum = 0.1f;

typedef struct Stage {
  int channels, stride, residual; /* residual: number of blocks with a skip after the first */
} Stage;

static const Stage stages[] = {{32, 1, 0}, {64, 2, 1}, {128, 2, 2}, {256, 2, 2}};

static int sep_conv_bn(CoredGraph *g, int x, int channels, int stride, int stage, int place) {
  x = cored_graph_depthwise(g, x, (CoredConvArgs){.kernel = 3, .stride = stride, .pad = 1},
                            "stage%d.%d.depthwise", stage, place);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = channels, .kernel = 1},
                       "stage%d.%d.pointwise", stage, place);
  return cored_graph_batch_norm(g, x, epsilon, momentum, "stage%d.%d.bn", stage, place);
}

static int relu(CoredGraph *g, int x) {
  return cored_graph_relu(g, x);
}

static int build(CoredGraph *g, int n_classes) {
  int x = cored_graph_input(g, 3);
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = 16, .kernel = 3, .stride = 2, .pad = 1},
                       "stem");
  x = relu(g, cored_graph_batch_norm(g, x, epsilon, momentum, "stem_bn"));
  for (int i = 0; i < (int)(sizeof stages / sizeof *stages); i++) {
    const Stage *const s = &stages[i];
    x = relu(g, sep_conv_bn(g, x, s->channels, s->stride, i + 1, 0));
    for (int j = 1; j <= s->residual; j++)
      x = relu(g, cored_graph_add(g, sep_conv_bn(g, x, s->channels, 1, i + 1, j), x));
  }
  x = cored_graph_conv(g, x, (CoredConvArgs){.channels = 320, .kernel = 1}, "head");
  x = cored_graph_batch_norm(g, x, epsilon, momentum, "head_bn");
  cored_graph_set_features(g, x);
  x = cored_graph_global_avg_pool(g, relu(g, x));
  cored_graph_begin_classifier(g);
  x = cored_graph_dropout(g, x, 0.1f);
  return cored_graph_dense(g, x, n_classes, "classifier");
}

const CoredNetwork cored_network_compact = {
    .id = "cored-compact",
    .title = "CoReD compact (this project)",
    .input_size = 128,
    .published_size = 128,
    .min_size = 1,
    .max_size = CORED_MAX_INPUT_SIZE,
    .max_classes = CORED_MAX_CLASSES,
    .mean = {0.5f, 0.5f, 0.5f},
    .std = {0.5f, 0.5f, 0.5f},
    .build = build,
};
