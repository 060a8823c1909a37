/* SPDX-License-Identifier: MIT
 * MesoInception-4; see meso.h. */
#include "networks/meso.h"
#include "networks/registry.h"

#include <stdio.h>

typedef struct Inception {
  int a, b, c, d; /* channels of the four branches */
} Inception;

static int conv(CoredGraph *g, int x, int channels, int kernel, int dilation, int module,
                int branch, int place) {
  char name[CORED_NAME_SIZE];
  snprintf(name, sizeof name, "inception%d.branch%d.conv%d", module, branch, place);
  return cored_meso_conv_relu(g, x, channels, kernel, dilation, name);
}

/* Four branches: 1x1; 1x1 then 3x3 with dilation 1, 2, 3. */
static int inception(CoredGraph *g, int x, int module, Inception n) {
  const int widths[3] = {n.b, n.c, n.d};
  int branches[4] = {conv(g, x, n.a, 1, 1, module, 1, 1)};
  for (int i = 0; i < 3; i++) {
    const int reduced = conv(g, x, widths[i], 1, 1, module, i + 2, 1);
    branches[i + 1] = conv(g, reduced, widths[i], 3, i + 1, module, i + 2, 2);
  }
  return cored_graph_concat(g, 4, branches);
}

static int build(CoredGraph *g, int n_classes) {
  (void)n_classes; /* always 2 */
  int x = cored_graph_input(g, 3);
  x = cored_meso_bn_pool(g, inception(g, x, 1, (Inception){1, 4, 4, 2}), 1, 2);
  x = cored_meso_bn_pool(g, inception(g, x, 2, (Inception){2, 4, 4, 2}), 2, 2);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 16, 5, 1, "conv3"), 3, 2);
  x = cored_meso_bn_pool(g, cored_meso_conv_relu(g, x, 16, 5, 1, "conv4"), 4, 4);
  return cored_meso_head(g, x);
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
    .build = build,
};
