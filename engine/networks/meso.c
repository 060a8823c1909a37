/* SPDX-License-Identifier: MIT */
#include "networks/meso.h"

int cored_meso_conv_relu(CoredGraph *g, int x, int channels, int kernel, int dilation,
                         const char *name) {
  x = cored_graph_conv(g, x,
                       (CoredConvArgs){.channels = channels,
                                       .kernel = kernel,
                                       .dilation = dilation,
                                       .pad_mode = CORED_PAD_SAME,
                                       .bias = true},
                       "%s", name);
  return cored_graph_activation(g, x, CORED_ACT_RELU);
}

int cored_meso_bn_pool(CoredGraph *g, int x, int number, int pool) {
  x = cored_graph_batch_norm(g, x, CORED_MESO_BN_EPSILON, CORED_MESO_BN_MOMENTUM, "bn%d", number);
  return cored_graph_max_pool(g, x, pool, pool, CORED_PAD_SAME, 0);
}

int cored_meso_head(CoredGraph *g, int x) {
  cored_graph_set_features(g, x);
  cored_graph_begin_classifier(g);
  x = cored_graph_dropout(g, cored_graph_flatten(g, x, 8 * 8 * 16), 0.5f);
  x = cored_graph_leaky_relu(g, cored_graph_dense(g, x, 16, "fc1"), 0.1f);
  return cored_graph_dense(g, cored_graph_dropout(g, x, 0.5f), 1, "fc2");
}
