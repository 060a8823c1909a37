/* SPDX-License-Identifier: MIT
 * Meso-4; see meso.h. */
#include "networks/meso.h"
#include "networks/registry.h"

static int build(CoredGraph *g, int n_classes) {
  (void)n_classes; /* always 2 */
  int x = cored_graph_input(g, 3);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 8, 3, 1, "conv1"), 1, 2);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 8, 5, 1, "conv2"), 2, 2);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 16, 5, 1, "conv3"), 3, 2);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 16, 5, 1, "conv4"), 4, 4);
  return cored_meso_head(g, x);
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
    .build = build,
};
