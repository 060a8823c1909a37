/* SPDX-License-Identifier: MIT
 * What the two MesoNets share: Afchar, Nozick, Yamagishi, Echizen 2018, "MesoNet: a compact facial
 * video forgery detection network".
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
#ifndef CORED_NETWORKS_MESO_H
#define CORED_NETWORKS_MESO_H

#include "graph/graph.h"

/* Keras' 0.99 is 0.01 in PyTorch's sense. */
#define CORED_MESO_BN_EPSILON 1e-3f
#define CORED_MESO_BN_MOMENTUM 0.01f

/* "same" convolution with bias, ReLU. */
int cored_meso_conv_relu(CoredGraph *g, int x, int channels, int kernel, int dilation,
                         const char *name);
/* Batch norm bn<number>, max-pool of window and stride `pool`. */
int cored_meso_bn_pool(CoredGraph *g, int x, int number, int pool);
/* From the features on: flatten 8x8x16, dropout, dense 16, LeakyReLU, dropout, dense 1. */
int cored_meso_head(CoredGraph *g, int x);

#endif /* CORED_NETWORKS_MESO_H */
