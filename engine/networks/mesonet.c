/* SPDX-License-Identifier: MIT
 * MesoNet: Meso-4 and MesoInception-4. Afchar, Nozick, Yamagishi, Echizen 2018, "MesoNet: a compact
 * facial video forgery detection network".
 *
 * The published weights are Keras HDF5 files whose layers are numbered (conv2d_5,
 * batch_normalization_8, ...). Sorted by that number within each kind, the i-th layer (from 1) is
 *   Meso-4           conv2d i -> conv<i>, batch_normalization i -> bn<i>, dense i -> fc<i>
 *   MesoInception-4  conv2d 1..7 -> inception1.branch1.conv1, .branch2.conv1, .branch2.conv2,
 *                      .branch3.conv1, .branch3.conv2, .branch4.conv1, .branch4.conv2;
 *                    8..14 -> inception2.* likewise; 15, 16 -> conv3, conv4;
 *                    batch_normalization i -> bn<i>, dense i -> fc<i>
 * kernel [kh,kw,in,out] -> weight [out,in,kh,kw], dense kernel [in,out] -> weight [out,in],
 * gamma, beta, moving_mean, moving_variance -> weight, bias, running_mean, running_var.
 *
 * The one output z is the logit of "real": p(real) = sigmoid(z), which is softmax over (0, z) with
 * the classes {fake, real}. */
#include "networks/registry.h"

#include <stdio.h>

/* ---- What both share ------------------------------------------------------------------------- */

/* Keras' momentum of 0.99 is 0.01 in PyTorch's sense. */
static const float epsilon = 1e-3f, momentum = 0.01f;

/* "same" convolution with bias, ReLU. */
static int conv_relu(CoredGraph *g, int x, int channels, int kernel, int dilation,
                     const char *name) {
  x = cored_graph_conv(g, x,
                       (CoredConvArgs){.channels = channels,
                                       .kernel = kernel,
                                       .dilation = dilation,
                                       .pad_mode = CORED_PAD_SAME,
                                       .bias = true},
                       "%s", name);
  return cored_graph_relu(g, x);
}

/* Batch norm bn<number>, max-pool of window and stride `pool`. */
static int bn_pool(CoredGraph *g, int x, int number, int pool) {
  x = cored_graph_batch_norm(g, x, epsilon, momentum, "bn%d", number);
  return cored_graph_max_pool(g, x, pool, pool, CORED_PAD_SAME, 0);
}

/* From the features on: flatten 8x8x16, dropout, dense 16, LeakyReLU, dropout, dense 1. */
static int head(CoredGraph *g, int x) {
  cored_graph_set_features(g, x);
  cored_graph_begin_classifier(g);
  x = cored_graph_dropout(g, cored_graph_flatten(g, x, 8 * 8 * 16), 0.5f);
  x = cored_graph_activation(g, cored_graph_dense(g, x, 16, "fc1"),
                             (CoredActivation)CORED_LEAKY_RELU(0.1f));
  return cored_graph_dense(g, cored_graph_dropout(g, x, 0.5f), 1, "fc2");
}

/* ---- Meso-4 ---------------------------------------------------------------------------------- */

static int build_meso4(CoredGraph *g, int n_classes) {
  (void)n_classes; /* always 2 */
  int x = cored_graph_input(g, 3);
  x = bn_pool(g, conv_relu(g, x, 8, 3, 1, "conv1"), 1, 2);
  x = bn_pool(g, conv_relu(g, x, 8, 5, 1, "conv2"), 2, 2);
  x = bn_pool(g, conv_relu(g, x, 16, 5, 1, "conv3"), 3, 2);
  x = bn_pool(g, conv_relu(g, x, 16, 5, 1, "conv4"), 4, 4);
  return head(g, x);
}

const CoredNetwork cored_network_meso4 = {
    .id = "meso4",
    .title = "Meso-4 (Afchar et al. 2018)",
    .input_size = 256,
    .published_size = 256,
    .min_size = 225,
    .max_size = 256,
    .max_classes = 2,
    .mean = {0.0f, 0.0f, 0.0f},
    .std = {1.0f, 1.0f, 1.0f},
    .build = build_meso4,
};

/* ---- MesoInception-4 ------------------------------------------------------------------------- */

typedef struct Inception {
  int a, b, c, d; /* channels of the four branches */
} Inception;

static int branch_conv(CoredGraph *g, int x, int channels, int kernel, int dilation, int module,
                       int branch, int place) {
  char name[CORED_NAME_SIZE];
  snprintf(name, sizeof name, "inception%d.branch%d.conv%d", module, branch, place);
  return conv_relu(g, x, channels, kernel, dilation, name);
}

/* Four branches: 1x1; 1x1 then 3x3 with dilation 1, 2, 3. */
static int inception(CoredGraph *g, int x, int module, Inception n) {
  const int widths[3] = {n.b, n.c, n.d};
  int branches[4] = {branch_conv(g, x, n.a, 1, 1, module, 1, 1)};
  for (int i = 0; i < 3; i++) {
    const int reduced = branch_conv(g, x, widths[i], 1, 1, module, i + 2, 1);
    branches[i + 1] = branch_conv(g, reduced, widths[i], 3, i + 1, module, i + 2, 2);
  }
  return cored_graph_concat(g, 4, branches);
}

static int build_mesoinception4(CoredGraph *g, int n_classes) {
  (void)n_classes; /* always 2 */
  int x = cored_graph_input(g, 3);
  x = bn_pool(g, inception(g, x, 1, (Inception){1, 4, 4, 2}), 1, 2);
  x = bn_pool(g, inception(g, x, 2, (Inception){2, 4, 4, 2}), 2, 2);
  x = bn_pool(g, conv_relu(g, x, 16, 5, 1, "conv3"), 3, 2);
  x = bn_pool(g, conv_relu(g, x, 16, 5, 1, "conv4"), 4, 4);
  return head(g, x);
}

const CoredNetwork cored_network_mesoinception4 = {
    .id = "mesoinception4",
    .title = "MesoInception-4 (Afchar et al. 2018)",
    .input_size = 256,
    .published_size = 256,
    .min_size = 225,
    .max_size = 256,
    .max_classes = 2,
    .mean = {0.0f, 0.0f, 0.0f},
    .std = {1.0f, 1.0f, 1.0f},
    .build = build_mesoinception4,
};
